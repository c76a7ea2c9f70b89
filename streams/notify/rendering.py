"""From messages to requests, by the kind of the sink."""

from streams.notify.alertmanager_payload import alertmanager_request
from streams.notify.endpoint import Endpoint, Request
from streams.notify.messages import Message
from streams.notify.pagerduty_payload import pagerduty_request
from streams.notify.slack_payload import slack_request
from streams.notify.webhook_payload import webhook_request


def render(message: Message, endpoint: Endpoint, now_us: int) -> Request:
    """Make the request that delivers a message at a time, in microseconds."""
    match endpoint.sink.kind:
        case "webhook":
            return webhook_request(message, endpoint, now_us)
        case "pagerduty":
            return pagerduty_request(message, endpoint)
        case "slack":
            return slack_request(message, endpoint)
        case "alertmanager":
            return alertmanager_request(message, endpoint, now_us)
