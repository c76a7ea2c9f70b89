"""The bodies that stand in `streams/notify/payload_samples`, as they are made now."""

import json
from typing import Any

import msgspec
from pydantic import SecretStr

from streams.notify.endpoint import Endpoint
from streams.notify.messages import Item, Message, Word, as_told, message_id
from streams.notify.rendering import render
from streams.notify.samples import sample_alert, sample_message
from streams.notify.sink_settings import Kind, SinkSettings

NOW_US = 1_767_225_605_000_000
_WEBHOOKS: dict[str, Word] = {
    "alert.opened": "opened",
    "alert.updated": "updated",
    "alert.resolved": "resolved",
    "alerts.storm": "storm",
    "test": "test",
}
_OTHERS: dict[Kind, tuple[Word, ...]] = {
    "pagerduty": ("opened", "acknowledged", "resolved"),
    "slack": ("opened", "resolved", "storm"),
    "alertmanager": ("opened", "updated", "resolved", "storm"),
}


def endpoint_to(kind: Kind) -> Endpoint:
    """A sink of a kind, with a secret that is none."""
    url = "" if kind == "slack" else "https://receiver.example"
    secret = {"webhook": "whsec_MDEyMzQ1Njc4OWFiY2RlZg==", "slack": "https://hooks.example/T0/B0/not-a-secret"}.get(
        kind, "not-a-secret"
    )
    sink = SinkSettings(kind, url=url, secret=SecretStr(secret))
    return Endpoint("sample", sink, (secret,), console_url="https://console.example")


def message(word: Word, alerts: int = 1) -> Message:
    """A message on sample alerts."""
    if word == "test":
        return sample_message("sample", word, NOW_US)
    revision = {"opened": 1, "updated": 2}.get(word, 3)
    alert = msgspec.structs.replace(
        sample_alert(revision=revision, severity="critical" if word == "updated" else "warning"),
        runbook="https://runbooks.example/squall#cancel_burst",
    )
    items = tuple(
        Item(
            msgspec.structs.replace(as_told(alert, word), alert_id=alert.alert_id[: -len(str(n))] + str(n)),
            told_severity=None if word == "opened" else "warning",
            by="ann" if word == "acknowledged" else "",
        )
        for n in range(alerts)
    )
    group = {} if word == "storm" else {"pattern": alert.pattern, "symbol": alert.symbol}
    more = 211 if word == "storm" else 0
    return Message(message_id(word, items), "sample", word, group, items, NOW_US, more)


def body_of(kind: Kind, one: Message) -> Any:  # noqa: ANN401 - any JSON
    """The body of the request that delivers a message."""
    return json.loads(render(one, endpoint_to(kind), NOW_US).body)


def samples() -> dict[str, Any]:
    """Every sample by the name of its file."""
    found = {f"webhook.{kind}": body_of("webhook", message(word)) for kind, word in _WEBHOOKS.items()}
    for sink, words in _OTHERS.items():
        found |= {f"{sink}.{word}": body_of(sink, message(word)) for word in words}
    return found
