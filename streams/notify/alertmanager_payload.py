"""Alertmanager's API v2: alerts by their labels, open until a time that is moved on while they are.

Labels identify an alert, so they hold what stays: neither score nor time. A severity that rises makes another alert of
it; the milder one is ended in the same request. https://prometheus.io/docs/alerting/latest/clients/
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from detectors.results import Alert, Severity
from streams.notify.endpoint import Endpoint, Request
from streams.notify.messages import Item, Message
from streams.notify.wording import accounts_text, headline, reasons, runbook_url
from streams.times import clock_text

#: A firing alert ends by itself when it was not sent again for so many rounds; Prometheus does the same.
_ROUNDS = 4
_MS_US = 1_000


def alertmanager_request(message: Message, endpoint: Endpoint, now_us: int) -> Request:
    """Make the request of a message."""
    if message.word == "resolved":
        # By the severity that was told: it may have risen with its last revision.
        posts = [_post(item.alert, endpoint, _end_us(item.alert, now_us), item.told_severity) for item in message.items]
    elif message.word == "storm":
        posts = [_storm(message, endpoint, now_us)]
    else:
        posts = list(_firing(message.items, endpoint, now_us))
    return _request(posts, endpoint)


def resend_request(items: Iterable[Item], endpoint: Endpoint, now_us: int) -> Request:
    """Make the request that keeps alerts open."""
    return _request(list(_firing(items, endpoint, now_us)), endpoint)


def _request(posts: list[dict[str, Any]], endpoint: Endpoint) -> Request:
    headers = {"Authorization": f"Bearer {endpoint.secrets[0]}"} if endpoint.secrets else {}
    return endpoint.post(msgspec.json.encode(posts), **headers)


def _firing(items: Iterable[Item], endpoint: Endpoint, now_us: int) -> Iterator[dict[str, Any]]:
    until_us = _until_us(endpoint, now_us)
    for item in items:
        if item.told_severity is not None and item.told_severity != item.alert.severity:
            yield _post(item.alert, endpoint, now_us, item.told_severity)
        yield _post(item.alert, endpoint, until_us)


def _post(alert: Alert, endpoint: Endpoint, end_us: int, severity: Severity | None = None) -> dict[str, Any]:
    words = alert.pattern.split("_")
    annotations = {
        "summary": alert.title,
        "description": "\n".join(reasons(alert)),
        "accounts": accounts_text(alert),
        "alert_id": alert.alert_id,
        "runbook_url": runbook_url(alert),
    }
    return {
        "labels": {
            "alertname": "Squall" + "".join(word.capitalize() for word in words),
            "pattern": alert.pattern,
            "symbol": alert.symbol,
            "severity": severity or alert.severity,
            "service": endpoint.service,
        },
        "annotations": {name: text for name, text in annotations.items() if text},
        # Refused, unless it lies before the end.
        "startsAt": clock_text(min(alert.window_start, end_us - _MS_US)),
        "endsAt": clock_text(end_us),
        "generatorURL": endpoint.console_url,
    }


def _storm(message: Message, endpoint: Endpoint, now_us: int) -> dict[str, Any]:
    worst = message.items[0].alert
    return {
        "labels": {"alertname": "SquallStorm", "severity": worst.severity, "service": endpoint.service},
        "annotations": {"summary": headline(message)},
        "startsAt": clock_text(message.made_us - _MS_US),
        "endsAt": clock_text(_until_us(endpoint, now_us)),
        "generatorURL": endpoint.console_url,
    }


def _until_us(endpoint: Endpoint, now_us: int) -> int:
    return now_us + round(_ROUNDS * endpoint.sink.resend_s * 1e6)


def _end_us(alert: Alert, now_us: int) -> int:
    """When it was over; the past by our clock, whatever event time says."""
    return min(alert.timestamp, now_us)
