"""Records as earlier versions wrote them: today's types must read every one, and lose nothing that it says.

A folder of `golden/` is a version of the contract. Its samples are never changed: a new field or topic brings new ones.
"""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from detectors.events import EVENT_TYPES
from streams.asyncapi import record_schemas
from streams.codecs import RecordDecoder
from streams.topics import TOPICS

GOLDEN = Path(__file__).parent / "golden"
#: Their records are arrays, or hold some, to which a newer version appends.
AS_ARRAYS = {"account-activity", "signals", "stress"}
VERSIONS = sorted(path.name for path in GOLDEN.iterdir())
SAMPLES = [
    pytest.param(path.stem, name, bytes(value), id=f"{version}-{path.stem}-{name}")
    for version in VERSIONS
    for path in sorted((GOLDEN / version).glob("*.json"))
    for name, value in msgspec.json.decode(path.read_bytes(), type=dict[str, msgspec.Raw]).items()
]
#: Read, but not what the schema asks producers for.
TOLERATED = "numbers_as_strings"
encode = msgspec.json.Encoder(decimal_format="number").encode


def decoded(topic: str, value: bytes) -> Any:  # noqa: ANN401 - one of all record types
    if topic in EVENT_TYPES:
        found = RecordDecoder(topic).decode([value], [0])
        assert not found.refused
        return found.events if value.startswith(b"[") else found.events[0]
    kind = TOPICS[topic].payload
    assert kind is not None
    return msgspec.json.decode(value, type=kind)


def parsed(value: bytes) -> Any:  # noqa: ANN401 - JSON
    return json.loads(value, parse_float=Decimal)


def lost(old: Any, new: Any, appended: bool, at: str = "$") -> list[str]:  # noqa: ANN401 - JSON
    """Where `new` does not say what `old` does; what it says beyond that is no loss."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [place for key in old for place in lost(old[key], new.get(key, "absent"), appended, f"{at}.{key}")]
    if isinstance(old, list) and isinstance(new, list):
        fits = len(new) >= len(old) if appended else len(new) == len(old)
        pairs = zip(old, new, strict=False)
        return [at] * (not fits) + [
            place for index, (one, other) in enumerate(pairs) for place in lost(one, other, appended, f"{at}[{index}]")
        ]
    if isinstance(old, str) and isinstance(new, int | Decimal) and not isinstance(new, bool):
        return [] if Decimal(old) == new else [at]
    return [] if old == new and isinstance(old, bool) == isinstance(new, bool) else [at]


@pytest.mark.parametrize(("topic", "name", "value"), SAMPLES)
def test_an_old_record_is_read_today_and_written_again_without_loss(topic: str, name: str, value: bytes) -> None:
    record = decoded(topic, value)
    written = encode(record)
    unread = ("unknown_field",) if topic in EVENT_TYPES or topic == "limit-acks" else ()
    known = parsed(value)
    if name in unread:
        known = {key: known[key] for key in known if key in parsed(written)}
        assert known != parsed(value)
    assert lost(known, parsed(written), topic in AS_ARRAYS) == []
    assert decoded(topic, written) == record


@pytest.mark.parametrize(("topic", "name", "value"), [sample for sample in SAMPLES if sample.values[1] != TOLERATED])
def test_an_old_record_fits_the_schema_that_we_publish_today(topic: str, name: str, value: bytes) -> None:
    jsonschema.Draft202012Validator(record_schemas()[topic]).validate(json.loads(value))


@pytest.mark.parametrize("topic", [topic.name for topic in TOPICS.values() if topic.payload is not None])
def test_every_topic_with_a_type_has_a_least_and_a_full_record(topic: str) -> None:
    names = {parameter.values[1] for parameter in SAMPLES if parameter.values[0] == topic}
    assert len(names) >= 2


def test_a_loss_is_seen() -> None:
    old = {"a": [1, {"b": "2.50"}], "c": True}
    assert lost(old, {"a": [1, {"b": Decimal("2.5")}], "c": True, "d": 1}, appended=False) == []
    assert lost(old, {"a": [1, {"b": Decimal("2.6")}], "c": 1}, appended=False) == ["$.a[1].b", "$.c"]
    assert lost([1], [1, 2], appended=False) == ["$"]
    assert lost([1], [1, 2], appended=True) == []
    assert lost({"a": 1}, {}, appended=False) == ["$.a"]
