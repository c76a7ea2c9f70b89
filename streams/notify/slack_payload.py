"""Slack's incoming webhooks: blocks within its limits, and a text for notifications.

Limits: https://api.slack.com/reference/block-kit/blocks (header 150 characters, text 3,000, 50 blocks) and about 13,000
characters in all.
"""

from typing import Any

import msgspec

from detectors.results import Severity
from streams.notify.endpoint import Endpoint, Request
from streams.notify.messages import Message
from streams.notify.wording import accounts_text, cut, headline, reasons, runbook_url
from streams.times import clock_text

_LONGEST_HEADER, _LONGEST_TEXT = 150, 3_000
#: With header and context some thousand characters are left of what Slack takes in all.
_LONGEST_SECTION = 1_000
_MOST_SHOWN = 10
_MARK: dict[Severity, str] = {"info": ":information_source:", "warning": ":warning:", "critical": ":rotating_light:"}


def slack_request(message: Message, endpoint: Endpoint) -> Request:
    """Make the post of a message; its address is the secret."""
    return endpoint.post(msgspec.json.encode(slack_body(message, endpoint)), url=endpoint.secrets[0])


def slack_body(message: Message, endpoint: Endpoint) -> dict[str, Any]:
    """Make what Slack shows: the first ten alerts, and how many more there are."""
    first = message.items[0].alert
    mark = ":white_check_mark:" if message.word == "resolved" else _MARK[first.severity]
    title = cut(headline(message), _LONGEST_HEADER - len(mark) - 1)
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": f"{mark} {title}", "emoji": True}}
    ]
    for item in message.items[:_MOST_SHOWN]:
        alert = item.alert
        lines = [f"*{_plain(alert.title)}*", *(_plain(line) for line in reasons(alert))]
        if alert.accounts:
            lines.append(f"accounts: {_plain(accounts_text(alert))}")
        blocks.append(_section(cut("\n".join(lines), _LONGEST_SECTION)))
    more = len(message.items) - _MOST_SHOWN
    if more > 0:
        blocks.append(_section(f"and {more} more"))
    blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": _context(message, endpoint)}]})
    return {"text": cut(_plain(f"{mark} {headline(message)}"), _LONGEST_TEXT), "blocks": blocks}


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _context(message: Message, endpoint: Endpoint) -> str:
    alert = message.items[0].alert
    parts = [_plain(endpoint.service), clock_text(alert.timestamp), alert.alert_id, f"score {alert.score:.1f}"]
    parts += [f"<{url}|{name}>" for name, url in _links(message, endpoint) if not {"|", "<", ">"} & set(url)]
    return cut(" · ".join(parts), _LONGEST_TEXT)


def _links(message: Message, endpoint: Endpoint) -> list[tuple[str, str]]:
    found = [("runbook", runbook_url(message.items[0].alert)), ("console", endpoint.console_url)]
    return [(name, url) for name, url in found if url]


def _plain(text: str) -> str:
    """Text as Slack shows it unchanged: names of accounts must not become mentions or links."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
