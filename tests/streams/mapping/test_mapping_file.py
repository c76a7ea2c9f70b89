"""A mapping file: what it may say, what is refused and how, and the one that we ship."""

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import fields

from detectors.errors import ConfigError
from detectors.events import EVENT_TYPES, BookSnapshot, DerivativeTicker, Liquidation, Trade
from streams.codecs import RecordDecoder
from streams.mapping.field_mapping import NO_MAPPING
from streams.mapping.field_specs import SIDES, TEXTS, TIMES
from streams.mapping.mapping_file import mapping_of, read_mapping

EXAMPLE = Path(__file__).parents[3] / "deploy" / "mapping.example.toml"
#: What `latency` needs, to be changed by tests.
FIELDS: dict[str, Any] = {"timestamp": "t", "component": "c", "latency_us": "us"}


def latency(**more: object) -> dict[str, Any]:
    return {"latency": {"fields": FIELDS | more}}


def test_the_example_reads_records_of_binance() -> None:
    mapping = read_mapping(str(EXAMPLE))
    assert set(mapping.sources) == set(mapping.streams) == {"trades", "books", "tickers", "liquidations"}
    when = 1_706_659_200_004
    records: dict[str, dict[str, Any]] = {
        "trades": {"e": "aggTrade", "E": 1, "s": "BTC", "a": 7, "p": "42942.10", "q": "0.01", "T": when, "m": True},
        "books": {"e": "depthUpdate", "T": when, "s": "BTC", "b": [["5.0", "1"]], "a": [["5.5", "2"], ["6", "3"]]},
        "tickers": {"e": "markPriceUpdate", "E": when, "s": "BTC", "p": "5.1", "i": "5.2", "r": "-0.0001"},
        "liquidations": {
            "e": "forceOrder",
            "o": {"s": "BTC", "S": "SELL", "p": "5", "ap": "5.3", "q": "9", "z": "8", "T": when},
        },
    }
    events = [mapping.streams[topic].one(json.dumps(record).encode()) for topic, record in records.items()]
    assert events == [
        Trade(when * 1_000, "BTC", 42942.1, 0.01, "sell", 7),
        BookSnapshot(when * 1_000, "BTC", [(5.0, 1.0)], [(5.5, 2.0), (6.0, 3.0)]),
        DerivativeTicker(when * 1_000, "BTC", None, 5.1, 5.2, None, -0.0001),
        Liquidation(when * 1_000, "BTC", "sell", 5.3, 8.0),
    ]
    for topic, record in records.items():
        assert mapping.stream_of(record) is mapping.streams[topic]


def test_without_a_file_nothing_is_mapped() -> None:
    assert read_mapping("") is NO_MAPPING
    assert NO_MAPPING.source_of("trades") == "trades"


def test_every_field_of_our_events_is_text_time_number_or_levels() -> None:
    names = {field.name for kind in EVENT_TYPES.values() for field in fields(kind)}
    assert {"price", "leverage", "latency_us", "open_interest"} < names - TEXTS - TIMES - SIDES
    assert names >= TEXTS | TIMES | SIDES


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"trade": {}}, "expected a topic of trades, cancels, .*, found `trade`; did you mean `trades`?"),
        ({"latency": 5}, r"\[latency\]: expected a table, found 5"),
        ({"latency": {"feilds": {}}}, "found `feilds`; did you mean `fields`?"),
        ({"latency": {}}, r"\[latency\]: expected `fields`, found none"),
        ({"latency": {"fields": 5}}, r"\[latency.fields\]: expected a table, found 5"),
        ({"latency": {"fields": {"component": "c"}}}, "expected latency_us, timestamp too, found none"),
        (latency(symbol="s"), "expected a field of timestamp, component, latency_us, found `symbol`"),
        (latency(latency_us={"frm": "x"}), r"\[latency.fields\] latency_us: expected from, .*; did you mean `from`?"),
        (latency(latency_us={}), "expected either `from` or `value`, found neither"),
        (latency(latency_us={"from": "x", "value": 5}), "expected either `from` or `value`, found both"),
        (latency(latency_us={"value": 5, "scale": 2}), "expected `value` alone, found scale, value"),
        (latency(latency_us={"value": []}), "expected a text, a number or a truth in `value`"),
        (latency(latency_us={"from": "x", "scale": 0}), "expected a factor above zero in `scale`, found 0"),
        (latency(latency_us={"from": "x", "scale": "nan"}), "expected a factor above zero in `scale`, found 'nan'"),
        (latency(latency_us={"from": "x", "scale": True}), "expected a factor above zero in `scale`, found True"),
        (latency(latency_us=""), "expected a path like data.p, or a list of its steps, found ''"),
        (latency(latency_us="a..b"), "expected a path like data.p"),
        (latency(latency_us={"from": []}), "expected a path like data.p"),
        (latency(timestamp={"from": "t", "unit": "min"}), "expected a unit of s, ms, us, ns, iso, found 'min'"),
        (latency(timestamp={"from": "t", "scale": 2}), "expected from, value, unit, found `scale`"),
        (latency(component={"from": "c", "values": {}}), "expected a table in `values`"),
        ({"latency": {"fields": FIELDS, "match": 5}}, "match: expected a table of paths and values, found 5"),
        ({"latency": {"fields": FIELDS, "match": {"e": []}}}, "match e: expected a text, number or truth"),
        ({"latency": {"source": ""}}, "expected the name of a Kafka topic, found ''"),
        ({"latency": {"source": "a b"}}, "expected the name of a Kafka topic, found 'a b'"),
        ({"latency": {"source": "alerts"}}, "expected a topic of the exchange, found 'alerts', which is one of ours"),
        ({"latency": {"source": "x"}, "trades": {"source": "x"}}, "expected a topic of its own, found 'x' twice"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(tree: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^m.toml: .*{message}"):
        mapping_of(tree, "m.toml")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml: expected a mapping file"):
        read_mapping(str(tmp_path / "absent.toml"))
    path = tmp_path / "m.toml"
    path.write_text("[trades", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"m\.toml: expected TOML, found: "):
        read_mapping(str(path))


def test_a_factor_is_meant_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    path.write_text(
        '[latency.fields]\ntimestamp = "t"\ncomponent = "c"\nlatency_us = { from = "x", scale = 0.1 }\n',
        encoding="utf-8",
    )
    stream = read_mapping(str(path)).streams["latency"]
    assert b'"latency_us":0.3}' in stream.own_record(b'{"t":1,"c":"g","x":3}')


@pytest.mark.parametrize(
    ("spec", "record", "event"),
    [
        ({"us": {"from": ["a.b", "c"]}}, '{"a.b":{"c":5}}', 5.0),
        ({"us": "a.1.x"}, '{"a":[{},{"x":"5"}]}', 5.0),
        ({"us": "a.2"}, '{"a":[1,2]}', "Object missing required field `latency_us` - at `a.2` of the record"),
        ({"us": "a.b.c"}, '{"a":{"b":7}}', "Object missing required field `latency_us` - at `a.b.c` of the record"),
        ({"us": "a"}, '{"a":null}', "Object missing required field `latency_us` - at `a` of the record"),
        ({"us": "a"}, '{"a":-1}', "Expected `float` >= 0.0 - at `$.latency_us`, which is `a` of the record"),
        ({"us": {"from": "a", "scale": 10}}, '{"a":"x"}', "Expected a number, got 'x' - at `a` of the record"),
        ({"us": {"from": "a", "scale": 10}}, '{"a":true}', "Expected a number, got True - at `a` of the record"),
        ({"us": {"from": "a", "scale": 10}}, '{"a":1e400}', "Number out of range - at `$.latency_us`, which is `a`"),
        ({"us": {"from": "a", "scale": 10}}, '{"a":1e99999999999999999999}', "Expected a number"),
        ({"us": {"from": "a", "scale": 10}}, '{"a":' + "1" * 200 + "}", "Expected a number of fewer digits"),
        ({"us": {"value": 7}}, "{}", 7.0),
        ({"us": {"value": -7}}, "{}", "Expected `float` >= 0.0 - at `$.latency_us`"),
        ({"t": {"from": "t", "unit": "s"}, "us": "t"}, '{"t":1e99999}', "Expected a time in s, got '1e99999'"),
        ({"t": {"from": "t", "unit": "iso"}, "us": "t"}, '{"t":"2024-01-01"}', "Expected a time in ISO 8601 with its"),
        (
            {"t": {"from": "t", "unit": "iso"}, "us": "t"},
            '{"t":5}',
            "Expected a time in ISO 8601 with its offset, got 5",
        ),
        ({"c": {"from": "c", "values": {"1": "gw"}}, "us": "c"}, '{"c":2}', "Expected one of 1, got 2 - at `c`"),
        ({"us": "a"}, "[]", None),
        ({"us": "a"}, "[5]", "Expected `object`, got 5"),
        ({"us": "a"}, "5", "Expected `object`, got 5"),
    ],
)
def test_what_a_record_becomes_or_why_it_is_refused(
    spec: dict[str, Any], record: str, event: float | str | None
) -> None:
    table = {
        "timestamp": spec.get("t", {"value": 9}),
        "component": spec.get("c", {"value": "gateway"}),
        "latency_us": spec["us"],
    }
    stream = mapping_of({"latency": {"fields": table}}, "m.toml").streams["latency"]
    decoded = RecordDecoder("latency", reader=stream).decode([record.encode()], [3])
    if isinstance(event, str):
        (refused,) = decoded.refused
        assert event in refused.message
        assert refused.reason == "schema"
        assert refused.raw.strip(b"[]") == record.encode().strip(b"[]")
    else:
        assert decoded.refused == []
        assert [found.latency_us for found in decoded.events] == ([] if event is None else [event])  # type: ignore[union-attr]


def test_a_bad_element_of_a_frame_is_refused_and_its_neighbours_are_taken() -> None:
    stream = mapping_of(latency(), "m.toml").streams["latency"]
    good = '{"t":1,"c":"g","us":5}'
    decoded = RecordDecoder("latency", reader=stream).decode([f'[{good},{{"t":2}},{good}]'.encode(), b"{"], [7, 8])
    assert (len(decoded.events), decoded.offsets) == (2, [7, 7])
    assert [(one.offset, one.element, one.reason, one.raw) for one in decoded.refused] == [
        (7, 1, "schema", b'{"t":2}'),
        (8, -1, "malformed", b"{"),
    ]


def test_records_that_miss_a_condition_are_refused_wherever_they_come_from() -> None:
    tree = latency()
    tree["latency"]["match"] = {"e": ["lat", 5], "live": True}
    stream = mapping_of(tree, "m.toml").streams["latency"]
    assert stream.one(b'{"e":5,"live":true,"t":1,"c":"g","us":5}').timestamp == 1
    decoded = RecordDecoder("latency", reader=stream).decode([b'{"e":"x","live":true,"t":1,"c":"g","us":5}'], [0])
    assert decoded.refused[0].message == "Expected 5 or lat, got 'x' - at `e` of the record"


def test_books_come_as_arrays_objects_or_prices_with_amounts() -> None:
    level = {"price": {"from": "px", "scale": "0.01"}, "amount": "qty"}
    table: dict[str, Any] = {"timestamp": "t", "symbol": "s", "bids": {"from": "b", **level}, "asks": "a"}
    stream = mapping_of({"books": {"fields": table}}, "m.toml").streams["books"]
    raw = b'{"t":1,"s":7,"b":[{"px":995,"qty":"2"}],"a":{"10.0":1,"10.5":2.50}}'
    assert stream.one(raw) == BookSnapshot(1, "7", [(9.95, 2.0)], [(10.0, 1.0), (10.5, 2.5)])
    assert b'"bids":[[9.95,2]],"asks":[[10.0,1],[10.5,2.50]]' in stream.own_record(raw)
    decoder = RecordDecoder("books", reader=stream)
    for bad, message in (
        (b'{"t":1,"s":"S","b":[{"px":995}],"a":[]}', "Expected a price and an amount in each level - at `b`"),
        (b'{"t":1,"s":"S","b":5,"a":[]}', "Expected `array`, got 5 - at `b` of the record"),
        (b'{"t":1,"s":"S","b":[{"px":1100,"qty":"2"}],"a":[["10","1"]]}', "Expected best bid < best ask, got 11.0"),
    ):
        (refused,) = decoder.decode([bad], [0]).refused
        assert message in refused.message
        assert refused.raw == bad


def test_what_cryptofeed_writes_can_be_told() -> None:
    common = {"timestamp": {"from": "timestamp", "unit": "s"}, "symbol": "symbol"}
    trades = {**common, "price": "price", "amount": "amount", "side": "side", "trade_id": "id"}
    books = {**common, "bids": "book.bid", "asks": "book.ask"}
    mapping = mapping_of({"trades": {"fields": trades}, "books": {"fields": books}}, "m.toml")
    trade = (
        b'{"exchange":"BINANCE","symbol":"BTC-USDT","side":"sell","amount":0.01,"price":42942.1,"id":"7","type":null,'
        b'"timestamp":1706659200.004001,"receipt_timestamp":1706659200.1}'
    )
    book = (
        b'{"exchange":"BINANCE","symbol":"BTC-USDT","timestamp":1706659200.5,"receipt_timestamp":1706659200.6,'
        b'"delta":null,"book":{"bid":{"42942.0":1.5,"42941.9":2},"ask":{"42942.1":0.3}}}'
    )
    when = 1_706_659_200_000_000
    assert mapping.streams["trades"].one(trade) == Trade(when + 4_001, "BTC-USDT", 42942.1, 0.01, "sell", "7")
    assert mapping.streams["books"].one(book) == BookSnapshot(
        when + 500_000, "BTC-USDT", [(42942.0, 1.5), (42941.9, 2.0)], [(42942.1, 0.3)]
    )
