"""PagerDuty Events v2: an incident for each alert, https://developer.pagerduty.com/docs/events-api-v2/trigger-events/."""

from typing import Any

import msgspec

from streams.notify.endpoint import Endpoint, Request
from streams.notify.messages import Message, Word
from streams.notify.wording import accounts_text, cut, headline, reasons, runbook_url
from streams.times import clock_text

_ACTION: dict[Word, str] = {"acknowledged": "acknowledge", "resolved": "resolve"}
_LONGEST_SUMMARY = 1_024
_LONGEST_KEY = 255
_LONGEST_DETAIL = 2_000


def pagerduty_request(message: Message, endpoint: Endpoint) -> Request:
    """Make the event of a message's one alert; PagerDuty knows it by its key, however often it comes."""
    alert = message.items[0].alert
    action = _ACTION.get(message.word, "trigger")
    key = f"squall-storm-{endpoint.service}-{endpoint.name}" if message.word == "storm" else alert.alert_id
    event: dict[str, Any] = {
        "routing_key": endpoint.secrets[0],
        "event_action": action,
        "dedup_key": cut(key, _LONGEST_KEY),
    }
    if action == "trigger":
        event |= {"payload": _payload(message, endpoint), "client": f"Squall ({endpoint.service})"}
        if endpoint.console_url:
            event["client_url"] = endpoint.console_url
        if runbook_url(alert):
            event["links"] = [{"href": alert.runbook, "text": "Runbook"}]
    return endpoint.post(msgspec.json.encode(event))


def _payload(message: Message, endpoint: Endpoint) -> dict[str, Any]:
    alert = message.items[0].alert
    return {
        "summary": cut(headline(message), _LONGEST_SUMMARY),
        "source": cut(endpoint.service, _LONGEST_SUMMARY),
        "severity": alert.severity,
        "timestamp": clock_text(alert.timestamp),
        "component": cut(alert.symbol, _LONGEST_SUMMARY),
        "group": alert.pattern,
        "class": alert.pattern,
        "custom_details": {
            "alert_id": alert.alert_id,
            "revision": alert.revision,
            "score": alert.score,
            "p_value": alert.p_value,
            "notional_at_risk": alert.notional_at_risk,
            "accounts": cut(accounts_text(alert), _LONGEST_DETAIL),
            "why": [cut(line, _LONGEST_DETAIL) for line in reasons(alert)],
            "runbook": cut(alert.runbook, _LONGEST_DETAIL),
        },
    }
