"""The topics as an AsyncAPI 3.0 document, with JSON Schemas made from the types that decode and encode them."""

from typing import Any

import msgspec

from detectors.events import EVENT_TYPES
from streams.mapping.field_mapping import NO_MAPPING, FieldMapping
from streams.topics import DEAD_LETTERS, SNAPSHOTS, TOPICS, Topic

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE = "#/components/schemas/{name}"
#: The newest that AsyncAPI's own schema knows.
_KAFKA_BINDING = "0.5.0"
_AS_STRINGS = "Numbers may be sent as strings that hold one; unknown fields are ignored."
#: msgspec says how it writes a decimal by default; ours are written as numbers.
_DECIMAL = {"type": "string", "format": "decimal"}
#: Values of no type of ours, and what they are.
_UNTYPED = {
    DEAD_LETTERS: ("application/octet-stream", "The bytes that were refused, unchanged; cut above 2 MiB."),
    SNAPSHOTS: ("application/msgpack", "Squall's own; its form may change with every version."),
}
_TEXT = {"type": "string"}
_DEAD_LETTER_HEADERS = {
    "type": "object",
    "description": "Kafka Connect's names, and our own; all values are text.",
    "properties": {
        **{
            f"__connect.errors.{name}": _TEXT
            for name in (
                *("topic", "partition", "offset", "connector.name", "stage", "class.name"),
                *("exception.class.name", "exception.message"),
            )
        },
        "squall.reason": {**_TEXT, "description": "The label under which it was counted."},
        "squall.element": {**_TEXT, "description": "Its place in a frame; -1: the record as a whole."},
        "squall.truncated": {**_TEXT, "description": "How many bytes there were; only where the value was cut."},
    },
    "required": ["__connect.errors.topic", "__connect.errors.partition", "__connect.errors.offset", "squall.reason"],
}


def asyncapi_document(
    broker: str, partitions: int, replication: int = 1, app_id: str = "squall", mapping: FieldMapping = NO_MAPPING
) -> dict[str, Any]:
    """Describe every topic.

    Parameters
    ----------
    broker
        Host and port of the broker, without a scheme.
    partitions
        Partitions of every co-partitioned topic.
    replication
        Copies of each topic.
    app_id
        The consumer group that reads events.
    mapping
        Which topics have another name on the broker, and which records are the exchange's own.

    Examples
    --------
    >>> document = asyncapi_document("localhost:9092", partitions=4)
    >>> document["asyncapi"], document["operations"]["read-trades"]["action"]
    ('3.0.0', 'receive')
    """
    typed = [topic for topic in TOPICS.values() if topic.payload is not None]
    references, schemas = msgspec.json.schema_components([topic.payload for topic in typed], ref_template=_REFERENCE)
    messages = {topic.name: _message(topic, reference) for topic, reference in zip(typed, references, strict=True)}
    messages |= {name: _mapped_message(TOPICS[name], mapping.file) for name in mapping.streams}
    untyped = {topic.name: _untyped_message(topic) for topic in TOPICS.values() if topic.payload is None}
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
        "channels": {
            name: _channel(topic, partitions, replication, mapping.source_of(name)) for name, topic in TOPICS.items()
        },
        "operations": dict(operation for topic in TOPICS.values() for operation in _operations(topic, app_id)),
        "components": {"messages": messages | untyped, "schemas": _as_written(schemas)},
    }


def record_schemas() -> dict[str, dict[str, Any]]:
    """Make the JSON Schema (2020-12) of the records of each topic that has a type, by topic.

    Examples
    --------
    >>> sorted(record_schemas()["latency"]["$defs"]["Latency"]["required"])
    ['component', 'latency_us', 'timestamp', 'type']
    """
    return {topic.name: _record_schema(topic) for topic in TOPICS.values() if topic.payload is not None}


def _record_schema(topic: Topic) -> dict[str, Any]:
    made = _as_written(msgspec.json.schema(topic.payload))
    definitions = made.pop("$defs")
    about = {"$schema": _DIALECT, "title": topic.name, "description": topic.what}
    if topic.name in EVENT_TYPES:
        return {**about, "$comment": _AS_STRINGS, **_one_or_frame(made), "$defs": definitions}
    return {**about, **made, "$defs": definitions}


def _one_or_frame(reference: dict[str, Any]) -> dict[str, Any]:
    return {"oneOf": [reference, {"type": "array", "items": reference}]}


def _as_written(schema: Any) -> Any:  # noqa: ANN401 - JSON
    """Give a schema with decimals as the codecs write them, and one line of text where a docstring broke it."""
    if isinstance(schema, list):
        return [_as_written(value) for value in schema]
    if not isinstance(schema, dict):
        return schema
    if schema == _DECIMAL:
        return {"type": "number"}
    return {
        key: " ".join(value.split()) if key == "description" and isinstance(value, str) else _as_written(value)
        for key, value in schema.items()
    }


def _message(topic: Topic, reference: dict[str, Any]) -> dict[str, Any]:
    event = topic.name in EVENT_TYPES
    return {
        "name": topic.name,
        "summary": topic.what,
        **({"description": _AS_STRINGS} if event else {}),
        "payload": _one_or_frame(reference) if event else reference,
        "bindings": _key_binding(topic),
    }


def _mapped_message(topic: Topic, file: str) -> dict[str, Any]:
    what = f"A record of the exchange's own, or an array of them; {file} says which of its fields is which."
    return {
        "name": topic.name,
        "summary": topic.what,
        "payload": {"description": what},
        "bindings": _key_binding(topic),
    }


def _untyped_message(topic: Topic) -> dict[str, Any]:
    content_type, what = _UNTYPED[topic.name]
    return {
        "name": topic.name,
        "summary": topic.what,
        "contentType": content_type,
        **({"headers": _DEAD_LETTER_HEADERS} if topic.name == DEAD_LETTERS else {}),
        "payload": {"description": what},
        "bindings": _key_binding(topic),
    }


def _key_binding(topic: Topic) -> dict[str, Any]:
    return {"kafka": {"key": {"type": "string", "description": topic.key}, "bindingVersion": _KAFKA_BINDING}}


def _channel(topic: Topic, partitions: int, replication: int, address: str) -> dict[str, Any]:
    configuration: dict[str, Any] = {"cleanup.policy": topic.cleanup.split(",")}
    for name, value in topic.configuration.items():
        if name != "cleanup.policy":
            configuration[name] = int(value) if value.isdecimal() else value
    return {
        "address": address,
        "description": topic.what,
        "messages": {topic.name: {"$ref": f"#/components/messages/{topic.name}"}},
        "bindings": {
            "kafka": {
                "topic": address,
                "partitions": topic.partitions(partitions),
                "replicas": replication,
                "topicConfiguration": configuration,
                "bindingVersion": _KAFKA_BINDING,
            },
        },
    }


def _operations(topic: Topic, app_id: str) -> list[tuple[str, dict[str, Any]]]:
    about = {"channel": {"$ref": f"#/channels/{topic.name}"}, "summary": topic.what}
    group = {"kafka": {"groupId": {"type": "string", "enum": [app_id]}, "bindingVersion": _KAFKA_BINDING}}
    read = (
        f"read-{topic.name}",
        {"action": "receive", **about, **({"bindings": group} if topic.name in EVENT_TYPES else {})},
    )
    write = (f"write-{topic.name}", {"action": "send", **about})
    return {"input": [read], "output": [write], "internal": [write, read]}[topic.role]
