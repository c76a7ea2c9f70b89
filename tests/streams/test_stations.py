"""A station: each record taken once, and a safe offset that passes nothing which is still needed."""

import json
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from detectors.config import CoreSettings
from detectors.errors import StateError
from detectors.events import BookSnapshot, Trade
from detectors.market_stage import MarketStage
from detectors.results import Activity, ActivityFrame, Signal
from detectors.timing import BEGINNING_US
from streams.agents import account_station, frame_values, market_station
from streams.batches import RecordBatch
from streams.codecs import MOST_REFUSALS, WHOLE_RECORD, decode_activity_frame, decode_signal_frame, encode_frame
from streams.files import Line, line_of
from streams.metrics import Metrics
from streams.replay import Replay
from streams.settings import Settings
from streams.stations import Station
from tests.helpers import quick_settings
from tests.streams.counting import CountingAccount, CountingMarket

RECORDS = 60


def trade(offset: int, timestamp: int = 5) -> bytes:
    return json.dumps(
        {"type": "trade", "timestamp": timestamp, "symbol": "BTC", "price": 1, "amount": offset + 1, "side": "buy"}
    ).encode()


def batch(values: Sequence[bytes | None], first: int = 0, topic: str = "trades") -> RecordBatch:
    return RecordBatch(topic, 0, first, list(range(first, first + len(values))), list(values))


def make() -> tuple[CountingMarket, Station]:
    stage = CountingMarket(0, partitions=2)
    return stage, market_station(0, stage, Metrics.create(CollectorRegistry()), max_record_bytes=1_000)


def make_real() -> tuple[MarketStage, Station]:
    stage = MarketStage(0, 2, CoreSettings(), lambda _: 0)
    return stage, market_station(0, stage, Metrics.create(CollectorRegistry()), max_record_bytes=1_000_000)


@given(st.sets(st.integers(0, RECORDS - 1)), st.lists(st.tuples(st.integers(0, RECORDS), st.integers(1, 20))))
def test_records_read_again_are_taken_once_and_safe_offsets_pass_no_open_event(
    bad: set[int], reads: list[tuple[int, int]]
) -> None:
    log = [b"not json" if offset in bad else trade(offset) for offset in range(RECORDS)]
    stage, station = make()
    taken = refused = reached = 0
    for begin, length in [*reads, (0, RECORDS)]:
        first = min(begin, reached)  # the broker goes back at most to what was committed
        values = log[first : first + length]
        if values:
            result = station.take(batch(values, first), now_us=0)
            taken, refused = taken + result.events, refused + len(result.refused)
            reached = max(reached, first + len(values))
        station.poll({}, now_us=0)
        still_open = [offset for held in stage.open.values() for offset, _ in held]
        safe = station.safe_offsets().get("trades", 0)
        assert safe <= min([*still_open, reached])
    assert (taken, refused) == (RECORDS - len(bad), len(bad))
    assert stage.counters["events"] == RECORDS - len(bad)


def test_a_tail_of_refused_records_holds_nothing_back() -> None:
    _, station = make()
    station.take(batch([b"{", None]), now_us=0)
    assert station.safe_offsets() == {"trades": 2}
    station.take(batch([trade(2)], first=2), now_us=0)
    assert station.safe_offsets() == {}
    station.take(batch([b"{"], first=3), now_us=0)
    station.poll({"trades": (None, 4, 0)}, now_us=0)
    station.poll({"trades": (None, 4, 0)}, now_us=0)
    assert station.safe_offsets() == {"trades": 4}


def test_records_that_never_came_are_an_error() -> None:
    _, station = make()
    station.take(batch([trade(0)]), now_us=0)
    with pytest.raises(StateError, match=r"trades\[0\] from offset 1, found 3"):
        station.take(batch([trade(3)], first=3), now_us=0)


def test_a_compacted_gap_between_fetches_is_no_loss() -> None:
    _, station = make()
    station.take(batch([trade(0)]), now_us=0)
    station.take(RecordBatch("trades", 0, 1, [7], [trade(7)]), now_us=0)
    assert station.position("trades") == 8


@pytest.mark.parametrize(
    ("end", "rests"),
    [((0, 0), True), ((5, 5), True), ((None, 5), False), ((3, 5), False), ((None, None), False)],
)
def test_an_input_of_which_nothing_was_read_rests_only_at_a_known_end(
    end: tuple[int | None, int | None], rests: bool
) -> None:
    stage, station = make()
    station.poll({"cancels": (*end, 0)}, now_us=0)
    assert ("cancels" in stage.resting) is rests


def test_an_input_read_to_its_end_rests_until_more_is_there() -> None:
    stage, station = make()
    station.take(batch([trade(0)]), now_us=0)
    station.poll({"trades": (None, 2, 0)}, now_us=0)
    assert not stage.resting
    station.poll({"trades": (None, 1, 0)}, now_us=0)
    assert stage.resting == {"trades"}


def test_what_the_stage_refuses_comes_back_with_its_bytes() -> None:
    _, station = make()
    future = trade(1, timestamp=4_000_000_000_000_001)
    result = station.take(batch([trade(0), future]), now_us=0)
    assert [(element.offset, element.reason, element.raw) for element in result.refused] == [(1, "future", future)]
    assert result.events == 1


def test_a_record_that_is_refused_as_a_whole_is_one_letter() -> None:
    _, station = make_real()
    now = json.loads(trade(0, timestamp=10**15))
    wild = now | {"timestamp": 10**15 + 7_200_000_000}
    frame = json.dumps([{}, *([now, wild, wild] * (MOST_REFUSALS // 2 + 1))]).encode()
    result = station.take(batch([trade(0, timestamp=10**15), frame]), now_us=0)
    assert [(element.offset, element.element) for element in result.refused] == [(1, WHOLE_RECORD)]


def test_a_frame_that_cannot_be_read_is_refused_and_its_neighbours_are_taken() -> None:
    stage = CountingAccount(0)
    station = account_station(0, stage, Metrics.create(CollectorRegistry()), max_record_bytes=1_000)
    frame = encode_frame(ActivityFrame("market/0", 1, at_rest=False, ticks=()))
    result = station.take(batch([frame, b"[]", None, frame], topic="account-activity"), now_us=0)
    assert (result.events, [element.offset for element in result.refused]) == (2, [1, 2])
    assert stage.counters["frames"] == 2
    assert station.safe_offsets() == {"account-activity": 4}


def test_outputs_go_to_the_partitions_of_the_contract() -> None:
    _, station = make()
    station.take(batch([trade(0), trade(1)]), now_us=0)
    sent = station.poll({}, now_us=0)
    assert [(record.topic, record.partition) for record in sent] == [
        ("account-activity", 0),
        ("account-activity", 1),
        ("signals", 0),
    ]


@given(st.lists(st.integers(0, 30), max_size=20), st.integers(60, 2_000))
def test_a_frame_cut_for_size_says_the_same_and_its_time_last(rows: list[int], max_bytes: int) -> None:
    ticks = tuple((tick, (), (Activity(f"a{tick}", "BTC", 1, 2, 3, 4),) * many) for tick, many in enumerate(rows))
    frame = ActivityFrame("market/0", 900, at_rest=True, ticks=ticks)
    parts = [decode_activity_frame(value) for value in frame_values(frame, max_bytes)]
    assert tuple(tick for part in parts for tick in part.ticks) == ticks
    assert [(part.closed_us, part.at_rest) for part in parts] == [(BEGINNING_US, False)] * (len(parts) - 1) + [
        (900, True)
    ]
    assert all(len(encode_frame(part)) <= max_bytes or len(part.ticks) == 1 for part in parts if part.ticks)


def crossed_flow() -> list[Line]:
    """Books and trades of a minute and a half; of every third book of the last seconds the sides are exchanged."""
    lines: list[Line] = []
    for number in range(900):
        at_us = 10**15 + number * 100_000
        sides = ([(100.0 - number % 7, 1.0)], [(101.0, 1.0 + number % 5)])
        book = BookSnapshot(at_us, "BTC", *(sides[::-1] if number > 800 and number % 3 == 0 else sides))
        lines.append(line_of("books", book))
        if number > 800 and number % 5 == 0:
            lines.append(Line(at_us, "trades", "BTC", b'{"type":"trade","timestamp":%d,"symbol":"BTC"}' % at_us))
        lines.append(line_of("trades", Trade(at_us + 50_000, "BTC", 100.0, 1.0, "buy", number)))
    return lines


@pytest.mark.parametrize("most", [1, 40, 2_000])
def test_what_is_refused_says_the_same_in_a_worker_as_in_a_replay(most: int, tmp_path: Path) -> None:
    Replay(Settings(partitions=1).model_copy(update={"core": quick_settings()})).run(
        iter(crossed_flow()), tmp_path, lambda _: None
    )
    replayed = [json.loads(line) for line in (tmp_path / "signals.ndjson").read_bytes().splitlines()]
    assert any("refused: crossed book" in part["signal"] for one in replayed for part in one["contributions"])
    assert any("refused: schema" in part["signal"] for one in replayed for part in one["contributions"])

    stage = MarketStage(0, 1, quick_settings(), lambda _: 0)
    station = market_station(0, stage, Metrics.create(CollectorRegistry()), max_record_bytes=1_000_000)
    found: list[Signal] = []
    unread = {topic: [line.raw for line in crossed_flow() if line.topic == topic] for topic in ("books", "trades")}
    read = dict.fromkeys(unread, 0)
    now_us = 0
    while any(read[topic] < len(values) for topic, values in unread.items()):
        for topic, values in unread.items():
            begin = read[topic]
            if values[begin : begin + most]:
                station.take(batch(values[begin : begin + most], begin, topic), now_us)
                read[topic] = begin + len(values[begin : begin + most])
        now_us += 1_000
        silent = {topic: (0, 0, now_us) for topic in stage.inputs if topic not in unread}
        for record in station.poll(silent, now_us):
            if record.topic == "signals" and record.value is not None:
                found += [signal for tick in decode_signal_frame(record.value).ticks for signal in tick.signals]
    found += [signal for tick in stage.flush().signals.ticks for signal in tick.signals]
    assert [json.loads(msgspec.json.encode(signal)) for signal in found] == replayed
