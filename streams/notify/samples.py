"""An alert and messages to try sinks, and to show what they are sent."""

from detectors.results import Alert, Contribution, Evidence, Severity
from streams.notify.messages import Item, Message, Word, as_told

_BEGIN_US = 1_767_225_600_000_000


def sample_alert(
    *,
    alert_id: str = "0123456789abcdef0123456789abcdef",
    revision: int = 1,
    severity: Severity = "warning",
    symbol: str = "SAMPLE-PERP",
    timestamp: int = _BEGIN_US,
) -> Alert:
    """Make an alert that looks like one of a real incident."""
    return Alert(
        alert_id=alert_id,
        revision=revision,
        status="open",
        timestamp=timestamp,
        pattern="cancel_burst",
        severity=severity,
        score=27.5,
        rank=1,
        p_value=1.5e-9,
        symbol=symbol,
        accounts=("sample-account",),
        window_start=timestamp - 1_000_000,
        window_end=timestamp,
        title=f"Cancel burst by sample-account on {symbol}: cancels in 1 s 57, usually 3.1",
        explanation=(Contribution("cancels in 1 s", 57.0, 3.14, "cancels", 1.5e-9, 1.0),),
        evidence=(Evidence("cancels", 0, 4_711, 4_767),),
        notional_at_risk=250_000.0,
        runbook="deploy/runbook.md#cancel_burst",
        model_version="sample",
    )


def sample_message(sink: str, word: Word, now_us: int) -> Message:
    """Make a message about the sample alert; a test of a sink has the word `test`.

    Parameters
    ----------
    sink
        To whom.
    word
        What is said.
    now_us
        When, in microseconds; a part of the id of a test, so that each is a message of its own.
    """
    alert = as_told(sample_alert(alert_id="squall-test", severity="info", timestamp=now_us), word)
    group = {"pattern": alert.pattern, "symbol": alert.symbol}
    return Message(f"test.{now_us}.{word}", sink, word, group, (Item(alert),), now_us)
