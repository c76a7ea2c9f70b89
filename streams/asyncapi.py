"""The topics as an AsyncAPI 3.0 document, with JSON Schemas made from the types that decode and encode them."""

from typing import Any

import msgspec

from detectors.events import EVENT_TYPES
from streams.topics import TOPICS, Topic

_REFERENCE = "#/components/schemas/{name}"


def asyncapi_document(broker: str, partitions: int) -> dict[str, Any]:
    """Describe every topic.

    Parameters
    ----------
    broker
        Host and port of the broker, without a scheme.
    partitions
        Partitions of every co-partitioned topic.

    Examples
    --------
    >>> document = asyncapi_document("localhost:9092", partitions=4)
    >>> document["asyncapi"], document["operations"]["read-trades"]["action"]
    ('3.0.0', 'receive')
    """
    typed = [topic for topic in TOPICS.values() if topic.payload is not None]
    references, schemas = msgspec.json.schema_components([topic.payload for topic in typed], ref_template=_REFERENCE)
    messages = {topic.name: _message(topic, reference) for topic, reference in zip(typed, references, strict=True)}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Squall",
            "version": "1.0.0",
            "description": "Events of a derivatives exchange in, ranked alerts and limits out. Times are microseconds.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"kafka": {"host": broker, "protocol": "kafka"}},
        "channels": {name: _channel(topic, partitions) for name, topic in TOPICS.items()},
        "operations": dict(operation for topic in TOPICS.values() for operation in _operations(topic)),
        "components": {"messages": messages, "schemas": schemas},
    }


def _message(topic: Topic, reference: dict[str, Any]) -> dict[str, Any]:
    frame = {"type": "array", "items": reference}
    return {
        "name": topic.name,
        "summary": topic.what,
        "payload": {"oneOf": [reference, frame]} if topic.name in EVENT_TYPES else reference,
        "bindings": {"kafka": {"key": {"type": "string", "description": topic.key}}},
    }


def _channel(topic: Topic, partitions: int) -> dict[str, Any]:
    configuration: dict[str, Any] = {"cleanup.policy": topic.cleanup.split(",")}
    if topic.retention_ms is not None:
        configuration["retention.ms"] = topic.retention_ms
    channel: dict[str, Any] = {
        "address": topic.name,
        "description": topic.what,
        "bindings": {
            "kafka": {"partitions": topic.partitions(partitions), "topicConfiguration": configuration},
        },
    }
    if topic.payload is not None:
        channel["messages"] = {topic.name: {"$ref": f"#/components/messages/{topic.name}"}}
    return channel


def _operations(topic: Topic) -> list[tuple[str, dict[str, Any]]]:
    channel = {"$ref": f"#/channels/{topic.name}"}
    read = (f"read-{topic.name}", {"action": "receive", "channel": channel, "summary": topic.what})
    write = (f"write-{topic.name}", {"action": "send", "channel": channel, "summary": topic.what})
    return {"input": [read], "output": [write], "internal": [write, read]}[topic.role]
