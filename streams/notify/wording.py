"""What people read of an alert, wherever it is sent."""

from detectors.results import Alert
from streams.notify.messages import Message

_MOST_ACCOUNTS = 5


def cut(text: str, most: int) -> str:
    """Shorten a text to at most so many characters, which is marked.

    Examples
    --------
    >>> cut("thin book", 20), cut("thin book", 5)
    ('thin book', 'thin…')
    """
    return text if len(text) <= most else text[: most - 1] + "…"


def headline(message: Message) -> str:
    """Say in a line what a message is about; of a storm how many alerts it stands for."""
    first = message.items[0].alert
    match message.word:
        case "storm":
            return f"storm: {message.more + 1} alerts not sent singly; worst: {first.severity}: {first.title}"
        case "test":
            return "Test of alert delivery by Squall; nothing has happened"
        case "resolved":
            state = "resolved"
        case "repeated":
            state = f"still {first.severity}"
        case _:
            state = first.severity
    more = len(message.items) - 1 + message.more
    return f"{state}: {first.title}" + (f" (and {more} more)" if more else "")


def reasons(alert: Alert) -> list[str]:
    """Say what was seen and what was expected, a line for each signal.

    Examples
    --------
    >>> from streams.notify.samples import sample_alert
    >>> reasons(sample_alert())
    ['cancels in 1 s: 57 cancels, usually 3.14 (100 %)']
    """
    return [
        f"{part.signal}: {part.observed:.4g} {part.unit}, usually {part.expected:.4g} ({part.share:.0%})".replace(
            "%)", " %)"
        )
        for part in alert.explanation
    ]


def accounts_text(alert: Alert) -> str:
    """Name the accounts of an alert, the first of them."""
    more = len(alert.accounts) - _MOST_ACCOUNTS
    return ", ".join(alert.accounts[:_MOST_ACCOUNTS]) + (f" and {more} more" if more > 0 else "")


def runbook_url(alert: Alert) -> str:
    """Give the runbook where it is an address that a browser can open, else nothing."""
    return alert.runbook if alert.runbook.startswith(("http://", "https://")) else ""
