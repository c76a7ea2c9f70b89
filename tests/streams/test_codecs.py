"""Record values to events and refusals: nothing a producer sends may escape, and good neighbours survive."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.errors import DecodeError
from detectors.events import (
    EVENT_TYPES,
    BookSnapshot,
    Cancel,
    DerivativeTicker,
    Event,
    Latency,
    LeverageChange,
    Liquidation,
    Trade,
)
from detectors.results import Activity, ActivityFrame, Evidence, Refusal, RefusedRecord, SignalFrame
from streams import codecs
from streams.codecs import (
    MOST_REFUSALS,
    WHOLE_RECORD,
    RecordDecoder,
    decode_activity_frame,
    decode_signal_frame,
    encode_event,
    encode_frame,
    locate_refusals,
    split_frame,
)

EVENTS: dict[str, Event] = {
    "trades": Trade(5, "BTC", 60_000.5, 0.25, "buy", 12, "a1", "m7"),
    "cancels": Cancel(5, "BTC", "a1", "o-1", "sell", 60_000.5, 0.25, 3),
    "leverage": LeverageChange(5, "a1", "BTC", 20.0, 10.0, -3.5, 59_000.0, "isolated", 1_000.0),
    "books": BookSnapshot(5, "BTC", [(99.0, 1.0), (98.0, 2.0)], [(101.0, 1.0)]),
    "tickers": DerivativeTicker(5, "BTC", 100.0, 100.1, 99.9, 5_000.0, -0.0001),
    "liquidations": Liquidation(5, "BTC", "sell", 100.0, 3.0, "a1"),
    "latency": Latency(5, "gateway", 80.5),
}
GOOD = encode_event(EVENTS["trades"])
GOOD_BOOK = encode_event(EVENTS["books"])


def trade(**changes: object) -> bytes:
    return json.dumps({**json.loads(GOOD), **changes}).encode()


@pytest.mark.parametrize("topic", EVENT_TYPES)
def test_every_event_type_survives_a_round_trip_alone_and_in_a_frame(topic: str) -> None:
    value = encode_event(EVENTS[topic])
    decoded = RecordDecoder(topic).decode([value, b"[" + value + b"," + value + b"]"], [7, 8])
    assert decoded.events == [EVENTS[topic]] * 3
    assert decoded.offsets == [7, 8, 8]
    assert decoded.refused == []


def test_numbers_are_taken_from_strings_and_identifiers_keep_their_form() -> None:
    decoded = RecordDecoder("trades").decode([trade(price="1.5", timestamp="9", trade_id="007")], [0])
    assert decoded.events == [Trade(9, "BTC", 1.5, 0.25, "buy", "007", "a1", "m7")]


@pytest.mark.parametrize(
    ("value", "reason", "message"),
    [
        (None, "empty", "no bytes"),
        (b"", "empty", "no bytes"),
        (b" " * 1_048_577, "too_large", "1048576"),
        (GOOD[:40], "malformed", "truncated"),
        (b"not json", "malformed", "malformed"),
        (b"[" + GOOD, "malformed", "truncated"),
        (trade(price=float("nan")), "malformed", "invalid character"),
        (GOOD.replace(b"BTC", b"\xff\xfe"), "malformed", "0xff"),
        (GOOD.replace(b"60000.5", b"[" * 100_000), "schema", "$.price"),
        (b'{"x":' * 100_000, "malformed", "recursion"),
        (b"[" * 100_000, "schema", "$[0]"),
        (b"null", "schema", "null"),
        (trade(type="cancel"), "schema", "$.type"),
        (trade(price=0), "schema", "$.price"),
        (trade(price=-1), "schema", "$.price"),
        (trade(price="inf"), "schema", "$.price"),
        (trade(price="nan"), "schema", "$.price"),
        (trade(amount="nan"), "schema", "$.amount"),
        (trade(price=None), "schema", "$.price"),
        (GOOD.replace(b"60000.5", b"9" * 100_000), "schema", "$.price"),
        (GOOD.replace(b"60000.5", b"1e999999999"), "schema", "$.price"),
        (trade(timestamp=2**70), "schema", "$.timestamp"),
        (trade(timestamp=1.5), "schema", "$.timestamp"),
        (trade(side="B" * 10_000), "schema", "side"),
        (trade(symbol=""), "schema", "$.symbol"),
        (b'{"type":"trade"}', "schema", "timestamp"),
    ],
)
def test_a_bad_record_is_refused_with_its_reason_and_unchanged(value: bytes | None, reason: str, message: str) -> None:
    decoded = RecordDecoder("trades").decode([GOOD, value, GOOD], [3, 4, 5])
    assert decoded.offsets == [3, 5]
    (refused,) = decoded.refused
    assert (refused.offset, refused.element, refused.reason) == (4, WHOLE_RECORD, reason)
    assert message in refused.message or len(refused.message) == 500
    assert refused.raw == (value or b"")


@pytest.mark.parametrize(
    "bad",
    [
        trade(price=0),
        trade(price=float("nan")),
        b"[[[" + b"[" * 50_000 + b"]" * 50_003,
        b'{"a" 1}',
        b'"]"',
        b"",
        b'{"x":"\xff"',
    ],
)
def test_a_bad_element_of_a_frame_leaves_its_neighbours_alone(bad: bytes) -> None:
    balanced = bad if bad.count(b"{") == bad.count(b"}") else bad + b"}"
    decoded = RecordDecoder("trades").decode([b"[" + b" , ".join([GOOD, balanced, GOOD]) + b"]\n"], [9])
    assert decoded.events == [EVENTS["trades"]] * 2
    assert [(refused.offset, refused.element, refused.raw) for refused in decoded.refused] == [(9, 1, balanced)]


def test_an_empty_frame_holds_nothing_and_is_taken() -> None:
    assert RecordDecoder("trades").decode([b"[]", b" [ ] "], [0, 1]) == ([], [], [])


def test_a_frame_of_rubbish_becomes_one_dead_letter() -> None:
    value = b"[" + b",".join([b"[]"] * (MOST_REFUSALS + 1)) + b"]"
    decoded = RecordDecoder("trades").decode([value], [0])
    assert [(refused.element, refused.raw) for refused in decoded.refused] == [(WHOLE_RECORD, value)]


def test_a_book_whose_best_bid_reaches_its_best_ask_is_refused_and_its_neighbours_taken() -> None:
    good, crossed = EVENTS["books"], BookSnapshot(5, "BTC", [(101.0, 1.0)], [(101.0, 1.0)])
    one_sided = BookSnapshot(5, "BTC", [(101.0, 1.0)], [])
    broken, bad = b'{"timestamp":1}', encode_event(crossed)
    frame = b"[" + b",".join([encode_event(good), broken, bad, encode_event(one_sided)]) + b"]"
    decoded = RecordDecoder("books").decode([bad, frame], [1, 2])
    assert decoded.events == [good, one_sided]
    assert decoded.offsets == [2, 2]
    assert [(*refused[:3], refused.raw) for refused in decoded.refused] == [
        (1, WHOLE_RECORD, "crossed_book", bad),
        (2, 1, "schema", broken),
        (2, 2, "crossed_book", bad),
    ]


CROSSED = encode_event(BookSnapshot(5, "BTC", [(101.0, 1.0)], [(101.0, 1.0)]))


@pytest.fixture
def splits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The lengths of the values that were cut into elements."""
    lengths: list[int] = []

    def counted(value: bytes) -> list[bytes] | None:
        lengths.append(len(value))
        return split_frame(value)

    monkeypatch.setattr(codecs, "split_frame", counted)
    return lengths


def test_a_frame_full_of_crossed_books_becomes_one_dead_letter_and_is_not_cut(splits: list[int]) -> None:
    many = 1_048_576 // (len(CROSSED) + 1) - 2
    full = b"[" + b",".join([*[CROSSED] * many, GOOD_BOOK]) + b"]"
    decoded = RecordDecoder("books").decode([CROSSED, full, GOOD_BOOK], [1, 2, 3])
    assert many > 10_000
    assert [(*refused[:3], refused.raw) for refused in decoded.refused] == [
        (1, WHOLE_RECORD, "crossed_book", CROSSED),
        (2, WHOLE_RECORD, "crossed_book", full),
    ]
    assert decoded.refused[1].message.startswith(f"{many} elements refused, one of them: Expected best bid < best ask")
    assert decoded.events == [EVENTS["books"]]
    assert decoded.offsets == [3]
    assert splits == [len(CROSSED)]


def test_a_frame_with_as_many_crossed_books_as_may_be_gives_a_letter_for_each_and_is_cut_once(
    splits: list[int],
) -> None:
    frame = b"[" + b",".join([CROSSED] * MOST_REFUSALS + [GOOD_BOOK]) + b"]"
    decoded = RecordDecoder("books").decode([frame], [7])
    assert [refused[:3] for refused in decoded.refused] == [(7, i, "crossed_book") for i in range(MOST_REFUSALS)]
    assert {refused.raw for refused in decoded.refused} == {CROSSED}
    assert decoded.events == [EVENTS["books"]]
    assert splits == [len(frame)]


def test_broken_and_crossed_books_of_a_frame_count_together() -> None:
    frame = b"[" + b",".join([CROSSED] * MOST_REFUSALS + [b"{}", GOOD_BOOK]) + b"]"
    decoded = RecordDecoder("books").decode([frame], [7])
    assert [(*refused[:2], refused.raw) for refused in decoded.refused] == [(7, WHOLE_RECORD, frame)]
    assert decoded.events == []


@pytest.mark.parametrize(("many", "letters"), [(MOST_REFUSALS, MOST_REFUSALS), (MOST_REFUSALS + 1, 1)])
def test_events_ahead_of_their_topic_become_one_dead_letter_when_they_are_too_many(
    many: int, letters: int, splits: list[int]
) -> None:
    values = [GOOD, b"[" + b",".join([GOOD] * (many + 1)) + b"]"]
    decoded = RecordDecoder("trades").decode(values, [1, 2])
    refusals = [Refusal(element, "future", "ahead") for element in range(2, many + 2)]
    located = locate_refusals(refusals, values, [1, 2], decoded)
    assert len(located) == letters
    assert {refused.reason for refused in located} == {"future"}
    assert (located[0].element, located[0].raw) == ((1, GOOD) if letters > 1 else (WHOLE_RECORD, values[1]))
    assert splits == ([len(values[1])] if letters > 1 else [])


def test_what_the_core_refuses_is_found_again_in_its_record() -> None:
    values = [GOOD, b"[" + b",".join([b"{}", trade(price=1), trade(price=2)]) + b"]"]
    decoded = RecordDecoder("trades").decode(values, [1, 2])
    found = locate_refusals([Refusal(0, "future", "ahead"), Refusal(2, "future", "ahead")], values, [1, 2], decoded)
    assert found == [(1, WHOLE_RECORD, "future", "ahead", GOOD), (2, 2, "future", "ahead", trade(price=2))]


@given(
    st.lists(
        st.one_of(st.none(), st.binary(max_size=60), st.text(alphabet='[]{}",:\\ 1ae', max_size=40).map(str.encode))
    )
)
def test_random_bytes_never_escape_and_every_record_is_accounted_for(values: list[bytes | None]) -> None:
    decoded = RecordDecoder("books").decode(values, range(len(values)))
    empty_frames = {i for i, value in enumerate(values) if split_frame(value or b"") == []}
    assert {*decoded.offsets, *(refused.offset for refused in decoded.refused)} == set(
        range(len(values))
    ) - empty_frames


@given(st.sampled_from(sorted(EVENTS)), st.integers(0, 400), st.binary(max_size=4), st.integers(0, 6))
def test_mutated_records_never_escape_nor_harm_their_neighbours(topic: str, at: int, put: bytes, cut: int) -> None:
    good = encode_event(EVENTS[topic])
    mutated = good[: at % len(good)] + put + good[at % len(good) + cut :]
    decoded = RecordDecoder(topic).decode([good, mutated, b"[" + mutated + b"]", good], [0, 1, 2, 3])
    assert decoded.events[0] == decoded.events[-1] == EVENTS[topic]
    assert decoded.offsets[0] == 0
    assert decoded.offsets[-1] == 3


@given(st.lists(st.recursive(st.one_of(st.none(), st.floats(allow_nan=False), st.text()), st.lists, max_leaves=8)))
def test_cutting_a_frame_gives_the_bytes_of_its_elements(elements: list[Any]) -> None:
    for separators in ((",", ":"), (" ,\n ", ": ")):
        cut = split_frame(json.dumps(elements, separators=separators).encode())
        assert cut is not None
        assert [json.loads(raw) for raw in cut] == elements


@pytest.mark.parametrize(
    "value", [b"[" * 1_000_000, b'["' * 300_000, b'["' + b'\\"' * 400_000, b'["' + b"\\" * 400_001]
)
@pytest.mark.timeout(5)
def test_cutting_hostile_bytes_takes_one_pass(value: bytes) -> None:
    assert split_frame(value) is None


def test_frames_between_stages_survive_a_round_trip() -> None:
    evidence = (Evidence("trades", 1, 5, 9),)
    activity = ActivityFrame("market/0", 200, False, ((1, evidence, (Activity("a", "BTC", 1, 8, 2, 50),)),))
    signals = SignalFrame("market/0", 200, True, ())
    assert decode_activity_frame(encode_frame(activity)) == activity
    assert decode_signal_frame(encode_frame(signals)) == signals


def test_a_frame_of_another_kind_is_a_decode_error_naming_the_topic() -> None:
    with pytest.raises(DecodeError, match=r"record of signals: .*source"):
        decode_signal_frame(b"{}")
    with pytest.raises(DecodeError, match="account-activity"):
        decode_activity_frame(msgspec.json.encode("x"))


@pytest.mark.parametrize(
    ("topic", "raw", "place"),
    [
        ("trades", b'{"timestamp":"5","symbol":"X","price":-1}', ("schema", 5, "X")),
        ("trades", b'{"timestamp":5,"symbol":"X","price":1', ("malformed", -1, "")),
        ("trades", b'{"symbol":"X","price":1}', ("schema", -1, "X")),
        ("trades", b'{"timestamp":1e99,"symbol":"X"}', ("schema", -1, "")),
        ("trades", b'["a"]', ("schema", -1, "")),
        ("trades", b"", ("empty", -1, "")),
        ("books", encode_event(BookSnapshot(5, "X", [(2.0, 1.0)], [(1.0, 1.0)])), ("crossed_book", 5, "X")),
    ],
)
def test_what_was_refused_says_when_and_where_it_was_if_it_can(
    topic: str, raw: bytes, place: tuple[str, int, str]
) -> None:
    decoder = RecordDecoder(topic)
    (refused,) = decoder.decode([raw], [7]).refused
    assert decoder.place(refused) == RefusedRecord(7, *place)
