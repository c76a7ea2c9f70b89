"""A mapping applied to what its inverse makes of an event gives the event; and no bytes escape it."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import fields

from detectors.events import EVENT_TYPES, Event
from streams.codecs import RecordDecoder
from streams.mapping.field_specs import SIDES, TEXTS, TIMES
from streams.mapping.mapping_file import mapping_of

numbers = st.decimals(min_value="0.01", max_value="999999", places=4)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
levels = st.lists(st.tuples(numbers, numbers), max_size=4)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "side": st.sampled_from(["buy", "sell"]),
    "margin_mode": st.sampled_from(["cross", "isolated"]),
    "trade_id": st.one_of(names, st.integers(0, 10**15)),
    "order_id": st.one_of(names, st.integers(0, 10**15)),
    "liquidation": st.one_of(st.booleans(), st.sampled_from(["maker", "taker"])),
    "bids": levels,
    "asks": st.just([]),
}
Inverse = Callable[[Any], Any]


#: What an exchange calls the values that we name otherwise.
CODES = {"buy": True, "sell": False, "cross": 1, "isolated": "ISO"}
TRANSLATION = {"true": "buy", "false": "sell", "1": "cross", "ISO": "isolated"}


def value_of(field: str) -> st.SearchStrategy[Any]:
    if field in TIMES:
        # Whole seconds: every unit can say them.
        return st.integers(0, 4_000_000_000).map(lambda seconds: seconds * 1_000_000)
    return VALUES.get(field, names if field in TEXTS else numbers)


@st.composite
def ways(draw: st.DrawFn, field: str) -> tuple[dict[str, Any], Inverse]:
    """How a field may be told: a part of its table, and what an exchange then sends for a value."""
    if field in TIMES:
        unit, factor = draw(st.sampled_from([("s", 1e6), ("ms", 1e3), ("us", 1), ("ns", 1e-3)]))
        text = draw(st.booleans())
        return {"unit": unit}, lambda us: str(round(us / factor)) if text else round(us / factor)
    if field in SIDES:
        if draw(st.booleans()):
            return {}, lambda side: [[str(price), str(amount), "more"] for price, amount in side]
        table = {"price": {"from": "p.x", "scale": "0.1"}, "amount": "q"}
        return table, lambda side: [{"p": {"x": str(price * 10)}, "q": float(amount)} for price, amount in side]
    if field in {"side", "margin_mode"}:
        return ({"values": TRANSLATION}, CODES.__getitem__) if draw(st.booleans()) else ({}, lambda value: value)
    if field in TEXTS:
        return {}, lambda value: value
    scale = Decimal(1).scaleb(draw(st.integers(-4, 4)))
    return ({}, float) if scale == 1 else ({"scale": scale}, lambda value: str(value / scale))


def put(record: dict[str, Any], path: list[str], value: object) -> None:
    for step in path[:-1]:
        record = record.setdefault(step, {})
    record[path[-1]] = value


@st.composite
def mapped(draw: st.DrawFn) -> tuple[str, dict[str, Any], list[tuple[Event, bytes]]]:
    topic = draw(st.sampled_from(sorted(EVENT_TYPES)))
    kind = EVENT_TYPES[topic]
    told = [field for field in fields(kind) if field.required or draw(st.booleans())]
    table, inverses = {}, []
    for number, field in enumerate(told):
        spec, inverse = draw(ways(field.name))
        # Some nested together, some with dots in their names.
        path = draw(st.sampled_from([[f"k{number}"], ["data", f"k{number}"], ["data", f"a.{number}", "x"]]))
        table[field.name] = {"from": path, **spec}
        inverses.append((field.name, path, inverse))
    pairs = []
    for _ in range(draw(st.integers(1, 3))):
        values, record = {}, dict[str, Any]()
        for name, path, inverse in inverses:
            values[name] = draw(value_of(name))
            put(record, path, inverse(values[name]))
        pairs.append((msgspec.convert(values, kind, strict=False), json.dumps(record).encode()))
    return topic, table, pairs


@settings(deadline=None, max_examples=150)
@given(mapped())
def test_a_mapping_undoes_its_inverse(made: tuple[str, dict[str, Any], list[tuple[Event, bytes]]]) -> None:
    topic, table, pairs = made
    stream = mapping_of({topic: {"fields": table}}, "m.toml").streams[topic]
    decoder, own = RecordDecoder(topic, reader=stream), RecordDecoder(topic)
    for event, raw in pairs:
        assert decoder.decode([raw], [0]).events == [event]
        assert own.decode([stream.own_record(raw)], [0]).events == [event]
    frame = b"[" + b",".join(raw for _, raw in pairs) + b"]"
    assert decoder.decode([frame], [0]).events == [event for event, _ in pairs]


json_like = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("tcsxb"), inner, max_size=4)),
    max_leaves=8,
)
HOSTILE = mapping_of(
    {
        "latency": {
            "fields": {
                "timestamp": {"from": "t", "unit": "ms"},
                "component": {"from": "c.0"},
                "latency_us": {"from": "x", "scale": 3},
            }
        },
        "books": {"match": {"c": "1"}, "fields": {"timestamp": "t", "symbol": "s", "bids": "b", "asks": "b"}},
    },
    "m.toml",
)


@settings(deadline=None, max_examples=300)
@given(st.one_of(st.binary(max_size=60), json_like.map(lambda value: json.dumps(value).encode())))
def test_no_bytes_escape_a_mapping(raw: bytes) -> None:
    for topic, stream in HOSTILE.streams.items():
        decoded = RecordDecoder(topic, reader=stream).decode([raw], [0])
        assert decoded.events or decoded.refused or raw.strip() in (b"[]", b"[ ]")


def test_numbers_too_long_to_be_read_are_refused() -> None:
    decoder = RecordDecoder("latency", reader=HOSTILE.streams["latency"])
    for number in (b"1" * 10_000, b"1e" + b"9" * 30, b"9." + b"1" * 10_000 + b"e300", b"-1e400"):
        for field in (b"t", b"x"):
            other = b"x" if field == b"t" else b"t"
            raw = b'{"c":["g"],"%s":1,"%s":%s}' % (other, field, number)
            decoded = decoder.decode([raw], [0])
            assert (decoded.events, len(decoded.refused)) == ([], 1), (field, number[:10])
