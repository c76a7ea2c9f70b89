"""Signed webhooks, as https://www.standardwebhooks.com has them. `payloads.md` documents the body."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from standardwebhooks.webhooks import Webhook

from streams.notify.endpoint import Endpoint, Request
from streams.notify.messages import Message, Word
from streams.times import clock_text

_TYPE: dict[Word, str] = {
    "opened": "alert.opened",
    "updated": "alert.updated",
    "repeated": "alert.updated",
    "resolved": "alert.resolved",
    "storm": "alerts.storm",
    "test": "test",
}


def webhook_body(message: Message) -> dict[str, Any]:
    """Make the body of a webhook: the same for every attempt."""
    return {
        "type": _TYPE[message.word],
        "timestamp": clock_text(message.made_us),
        "data": {
            "alerts": [msgspec.to_builtins(item.alert) for item in message.items],
            "group": message.group,
            "more": message.more,
        },
    }


def webhook_request(message: Message, endpoint: Endpoint, now_us: int) -> Request:
    """Sign a message with every secret of a sink, so that receivers may still hold an older one.

    `webhook-id` is the message's id over all attempts, `webhook-timestamp` the attempt's.
    """
    body = msgspec.json.encode(webhook_body(message))
    sent = datetime.fromtimestamp(now_us // 1_000_000, tz=UTC)
    signatures = [Webhook(secret).sign(message.message_id, sent, body.decode()) for secret in endpoint.secrets]
    headers = {
        "webhook-id": message.message_id,
        "webhook-timestamp": str(now_us // 1_000_000),
        "webhook-signature": " ".join(signatures),
    }
    return endpoint.post(body, **headers)
