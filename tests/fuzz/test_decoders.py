"""Every decoder, whatever the bytes: nothing escapes, nothing is lost, good neighbours are taken."""

import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.errors import DecodeError
from detectors.events import EVENT_TYPES
from streams.codecs import RecordDecoder, decode_activity_frame, decode_signal_frame, split_frame
from tests.fuzz.checks import check_neighbours, check_own, check_records
from tests.fuzz.corpus import corpus, rendered
from tests.fuzz.kinds import frames, mutated_records, own_records
from tests.fuzz.mutations import HOSTILE_VALUES, WRONG
from tests.fuzz.strategies import elements
from tests.fuzz.works import MAX_RECORD_BYTES

TOPICS = tuple(EVENT_TYPES)
OWN = ("account-activity", "signals", "alerts")


@pytest.mark.parametrize("topic", TOPICS)
def test_a_record_cut_at_any_byte_is_refused_once_and_its_neighbours_are_taken(topic: str) -> None:
    good = rendered(corpus().elements[topic][0])
    cuts = [good[:at] for at in range(len(good))]
    assert check_records(topic, [good, *cuts, good])["accepted"] == 2
    framed = b"[" + good + b"," + good + b"]"
    for at in range(len(framed)):
        assert RecordDecoder(topic).decode([framed[:at]], [0]).events == []


@pytest.mark.parametrize("topic", TOPICS)
def test_any_hostile_value_in_any_field_leaves_the_neighbours_alone(topic: str) -> None:
    fields = corpus().elements[topic][0]
    good = rendered(fields)
    for place, (name, _) in enumerate(fields):
        bad = [rendered((*fields[:place], (name, value), *fields[place + 1 :])) for value in HOSTILE_VALUES]
        bad += [rendered((*fields, (name, value))) for value in HOSTILE_VALUES]
        found = check_neighbours(topic, [(good, True), *((raw, None) for raw in bad), (good, True)])
        assert found.total() == len(bad) + 2


@pytest.mark.parametrize("topic", TOPICS)
def test_values_that_no_required_field_may_have_are_refused(topic: str) -> None:
    fields = corpus().elements[topic][0]
    for place, (name, _) in enumerate(fields):
        if (topic, name) == ("liquidations", b'"account"'):
            continue
        for value in WRONG.get(name, ()):
            raw = rendered((*fields[:place], (name, value), *fields[place + 1 :]))
            assert check_neighbours(topic, [(rendered(fields), True), (raw, False)])["accepted"] == 1


@given(st.sampled_from(TOPICS).flatmap(lambda topic: st.tuples(st.just(topic), st.lists(elements(topic), max_size=4))))
@settings(deadline=None, max_examples=60)
def test_elements_that_hypothesis_makes_are_taken_or_refused_one_by_one(case: tuple[str, list[bytes]]) -> None:
    topic, odd = case
    good = rendered(corpus().elements[topic][0])
    check_neighbours(topic, [(good, True), *((raw, None) for raw in odd), (good, True)])


@pytest.mark.parametrize("seed", range(1, 40))
def test_mutations_of_every_kind_are_accounted_for(seed: int) -> None:
    for kind in (mutated_records, frames, own_records):
        assert kind(seed)["inputs"] > 0


@pytest.mark.parametrize("topic", OWN)
def test_records_of_our_own_cut_at_any_byte_are_decode_errors(topic: str) -> None:
    good = min(corpus().frames[topic], key=len)
    assert check_own(topic, good)["accepted"] == 1
    assert sum(check_own(topic, good[:at])["accepted"] for at in range(len(good))) == 0


@pytest.mark.parametrize(
    "value",
    [
        b"[" * 1_048_576,
        b'{"a":' * 200_000,
        b"[" + b"0," * 500_000 + b"0]",
        b"[" + b"[]," * 340_000 + b"[]]",
        b"[" + b"9" * 1_000_000 + b"]",
        b'["' + b"\\" * 1_000_000,
        b" " * 1_048_575 + b"]",
        b'{"timestamp":' + b"9" * 10_000_000 + b"}",
        b"[" * 10_000_000,
    ],
    ids=lambda value: f"{value[:6]!r} {len(value)}",
)
def test_the_largest_values_take_bounded_time_and_memory(value: bytes) -> None:
    decoder = RecordDecoder("books", MAX_RECORD_BYTES)
    began_s = time.process_time()
    decoded = decoder.decode([value], [0])
    assert time.process_time() - began_s < 5.0
    assert len(decoded.refused) == 1
    if value.count(b",") > 1_000:
        # Watching every small allocation would take half a minute; a list of so many short elements is small.
        return
    tracemalloc.start()
    try:
        decoder.decode([value], [0])
        assert tracemalloc.get_traced_memory()[1] < 64 * 1_048_576
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("blank", [b"\x0b", b"\x0c", b"\xc2\xa0"])
def test_blanks_that_are_not_of_json_belong_to_the_element(blank: bytes) -> None:
    good = rendered(corpus().elements["trades"][0])
    assert split_frame(b"[ " + blank + good + b"\n]") == [blank + good]
    assert check_neighbours("trades", [(good, True), (blank + good, False), (good + blank, False)])["accepted"] == 1


_ROW = b'["market/0",300000,false,[[%b,[],[["a","BTC",%b,0,0,%b]]]]]'
_SIGNAL = (
    b'{"source":"market/0","closed_us":%b,"at_rest":false,"ticks":[{"tick":1,"signals":[{"timestamp":1,"detector":'
    b'"lockstep","pattern":"cancel_burst","scope":"group","entity":"g","symbol":"BTC","p_value":%b,"per_day":%b,'
    b'"score":1.0,"contributions":[],"accounts":%b,"notional":%b}]}]}'
)
_MOVE = (
    b'{"source":"account/0","closed_us":1,"at_rest":false,"ticks":[{"tick":1,"moves":[["BTC",%b,1,%b,%b,0,["a"]]]}]}'
)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((b"-1", b"1", b"1"), "Expected ticks in 0.."),
        ((b"9" * 20, b"1", b"1"), "Expected ticks in 0.."),
        ((b"1", b"-1", b"1"), "Expected counts of activity"),
        ((b"1", b"1", b"9" * 400), "got \\(1, 0, 0, 1329 bits\\)"),
    ],
)
def test_activity_that_a_stage_could_not_reckon_with_is_a_decode_error(parts: tuple[bytes, ...], message: str) -> None:
    assert decode_activity_frame(_ROW % (b"1", b"1", b"1")).ticks
    with pytest.raises(DecodeError, match=message):
        decode_activity_frame(_ROW % parts)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((b"1" * 30, b"0.1", b"1", b'["a"]', b"1"), "Expected a time"),
        ((b"1", b"-0.1", b"1", b'["a"]', b"1"), "Expected a p_value in 0..1"),
        ((b"1", b"1.5", b"1", b'["a"]', b"1"), "Expected a p_value in 0..1"),
        ((b"1", b"0.1", b"-1e308", b'["a"]', b"1"), "per_day >= 0"),
        ((b"1", b"0.1", b"1", b"[]", b"1"), "Expected the accounts of a group"),
        ((b"1", b"0.1", b"1", b'["a"]', b"-1e308"), "Expected a notional"),
    ],
)
def test_signals_that_a_stage_could_not_reckon_with_are_a_decode_error(parts: tuple[bytes, ...], message: str) -> None:
    assert decode_signal_frame(_SIGNAL % (b"1", b"0.1", b"1", b'["a"]', b"1")).ticks
    with pytest.raises(DecodeError, match=message):
        decode_signal_frame(_SIGNAL % parts)


@pytest.mark.parametrize("parts", [(b"-1", b"1", b"1"), (b"1", b"-" + b"9" * 400, b"1"), (b"1", b"1", b"9" * 400)])
def test_leverage_moves_that_a_stage_could_not_add_up_are_a_decode_error(parts: tuple[bytes, ...]) -> None:
    assert decode_signal_frame(_MOVE % (b"1", b"-1", b"-1")).ticks
    with pytest.raises(DecodeError, match="Expected counts of leverage moves"):
        decode_signal_frame(_MOVE % parts)
