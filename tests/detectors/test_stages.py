"""Stages: what is late, what is refused, what was seen before, and what each hands on."""

import msgspec
import pytest

from detectors.account_stage import AccountStage
from detectors.config import CoreSettings, Memory, Timing
from detectors.correlation_stage import CorrelationStage
from detectors.decisions import StressFrame
from detectors.events import BookSnapshot, Cancel, Event, LeverageChange, Trade
from detectors.market_stage import MarketOutput, MarketStage
from detectors.results import Activity, ActivityFrame, Signal, SignalFrame, SignalTick

SECOND_US = 1_000_000


def a_cancel(timestamp: int, account: str = "a", symbol: str = "X") -> Cancel:
    return Cancel(timestamp, symbol, account, "o", "buy", 100.0, 1.0, max(timestamp - SECOND_US, 0))


def a_trade(timestamp: int, symbol: str = "X") -> Trade:
    return Trade(timestamp, symbol, 100.0, 1.0, "buy", "", "a", "b")


def a_raise(timestamp: int, account: str = "a") -> LeverageChange:
    return LeverageChange(timestamp, account, "X", 10.0, 5.0)


def a_market(settings: CoreSettings | None = None, partitions: int = 1) -> MarketStage:
    """A market stage of which cancels alone hold the time: the other topics are at rest."""
    stage = MarketStage(0, partitions, settings or CoreSettings(), lambda key: ord(key[-1]) % partitions)
    for topic in stage.inputs:
        if topic != "cancels":
            stage.rest(topic, 0)
            stage.rest(topic, IDLE_US)
    return stage


IDLE_US = CoreSettings().timing.idle_us


def activity_of(output: MarketOutput | None) -> list[tuple[int, Activity]]:
    assert output is not None
    return [(tick, row) for frame in output.activity for tick, _, rows in frame.ticks for row in rows]


def test_a_late_event_is_counted_and_not_scored() -> None:
    stage = a_market()
    stage.push("cancels", [0, 1], [a_cancel(10 * SECOND_US), a_cancel(20 * SECOND_US)], IDLE_US)
    first = activity_of(stage.poll(IDLE_US))
    stage.push("cancels", [2, 3], [a_cancel(5 * SECOND_US), a_cancel(21 * SECOND_US)], IDLE_US)
    then = activity_of(stage.flush())
    assert [tick for tick, _ in first + then] == [100, 200, 210]
    assert stage.counters["late"] == 1
    assert stage.counters["events"] == 3


def test_an_event_within_the_lateness_is_counted_in_its_tick() -> None:
    stage = a_market()
    stage.push("cancels", [0], [a_cancel(10 * SECOND_US)], IDLE_US)
    stage.poll(IDLE_US)
    stage.push("cancels", [1], [a_cancel(10 * SECOND_US - 199_999)], IDLE_US)
    assert [tick for tick, _ in activity_of(stage.flush())] == [98, 100]
    assert stage.counters["late"] == 0


def test_offsets_seen_before_are_skipped_and_counted() -> None:
    stage = a_market()
    events: list[Event] = [a_cancel(second * SECOND_US) for second in range(1, 6)]
    stage.push("cancels", [0, 1, 2], events[:3], IDLE_US)
    stage.push("cancels", [1, 2, 3, 4], events[1:], IDLE_US)
    stage.push("cancels", [0, 1], events[:2], IDLE_US)
    assert [(tick, row.cancels) for tick, row in activity_of(stage.flush())] == [(10 * n, 1) for n in range(1, 6)]
    assert stage.counters["duplicate"] == 4


def test_an_event_far_in_the_future_is_refused_and_the_rest_of_its_batch_taken() -> None:
    stage = a_market()
    events: list[Event] = [a_cancel(SECOND_US), a_cancel(10_000 * SECOND_US), a_cancel(2 * SECOND_US)]
    refused = stage.push("cancels", [7, 8, 9], events, IDLE_US)
    assert [(one.element, one.reason) for one in refused] == [(1, "future")]
    assert "$.timestamp" in refused[0].message
    assert [tick for tick, _ in activity_of(stage.flush())] == [10, 20]


@pytest.mark.parametrize("kind", ["trades", "books"])
def test_an_input_that_says_nothing_holds_the_others_until_it_rests(kind: str) -> None:
    stage = MarketStage(0, 1, CoreSettings(), lambda _: 0)
    for topic in stage.inputs:
        if topic not in ("cancels", kind):
            stage.rest(topic, 0)
            stage.rest(topic, IDLE_US)
    stage.push("cancels", [0, 1], [a_cancel(SECOND_US), a_cancel(100 * SECOND_US)], IDLE_US)
    assert stage.safe_offset("cancels") == 0
    stage.poll(IDLE_US)
    assert stage.safe_offset("cancels") == 0
    stage.rest(kind, IDLE_US)
    stage.rest(kind, 2 * IDLE_US)
    stage.poll(2 * IDLE_US)
    assert stage.safe_offset("cancels") == 1


def test_safe_offsets_are_unknown_before_anything_was_read() -> None:
    stage = a_market()
    assert {stage.safe_offset(topic) for topic in stage.inputs} == {None}


def test_activity_goes_to_the_partition_of_its_account() -> None:
    stage = a_market(partitions=2)
    stage.push(
        "cancels", [0, 1, 2], [a_cancel(SECOND_US, "p0"), a_cancel(SECOND_US, "p1"), a_cancel(SECOND_US, "p2")], 0
    )
    output = stage.flush()
    by_partition = [[row.account for _, _, rows in frame.ticks for row in rows] for frame in output.activity]
    assert [sorted(accounts) for accounts in by_partition] == [["p0", "p2"], ["p1"]]


def test_symbols_beyond_the_cap_push_out_those_silent_longest() -> None:
    stage = a_market(CoreSettings(memory=Memory(max_symbols=3)))
    events: list[Event] = [a_cancel(number * SECOND_US, symbol=f"S{number}") for number in range(1, 11)]
    stage.push("cancels", range(10), events, 0)
    stage.flush()
    assert stage.counters["evicted_symbols"] == 7


def test_accounts_beyond_the_cap_push_out_those_silent_longest() -> None:
    stage = AccountStage(0, 1, CoreSettings(memory=Memory(max_accounts=5)))
    rows = tuple(Activity(f"a{number:02d}", "X", 1, 8, 0, 100) for number in range(20))
    stage.push_frame(ActivityFrame("market/0", 2 * SECOND_US, True, ((10, (), rows),)), 0, 0)
    stage.push("leverage", range(20), [a_raise(SECOND_US + number, f"a{number:02d}") for number in range(20)], 0)
    stage.flush()
    # Cancel rates, leverage jumps.
    assert stage.counters["evicted_accounts"] == 15 + 15
    assert stage.counters["evicted_positions"] == 15


def test_a_frame_delivered_twice_is_folded_once() -> None:
    once, twice = (AccountStage(0, 1, CoreSettings()) for _ in range(2))
    frame = ActivityFrame("market/0", 2 * SECOND_US, False, ((10, (), (Activity("a", "X", 3, 24, 0, 100),)),))
    for stage, times in ((once, 1), (twice, 3)):
        for _ in range(times):
            stage.push_frame(frame, 0, 0)
        stage.flush()
    assert twice.counters["duplicate_frame_ticks"] == 2
    assert {**twice.counters, "duplicate_frame_ticks": 0} == {**once.counters, "duplicate_frame_ticks": 0}


def a_signal(timestamp: int, per_day: float = 1e-6) -> Signal:
    return Signal(timestamp, "thin_book", "thin_book", "symbol", "X", "X", 1e-9, per_day, 9.0, ())


def a_signal_frame(source: str, tick: int, *, at_rest: bool = False) -> SignalFrame:
    said = SignalTick(tick, (a_signal((tick + 1) * 100_000),))
    return SignalFrame(source, (tick + 1) * 100_000, at_rest, (said,))


def test_a_signal_waits_for_every_source_to_come_as_far() -> None:
    stage = CorrelationStage(["market/0", "account/0"], CoreSettings())
    stage.push_frame(a_signal_frame("market/0", 50), 0, 0)
    assert stage.poll(0).alerts == ()
    stage.push_frame(SignalFrame("account/0", 5_000_000, False, ()), 1, 0)
    assert stage.poll(0).alerts == ()
    stage.push_frame(SignalFrame("account/0", 5_100_000, False, ()), 2, 0)
    (alert,) = stage.poll(0).alerts
    assert (alert.pattern, alert.timestamp, alert.status) == ("thin_book", 5_100_000, "open")


def test_a_source_that_died_holds_the_others_until_its_time_out() -> None:
    settings = CoreSettings(timing=Timing(source_timeout_ms=30_000))
    stage = CorrelationStage(["market/0", "account/0"], settings)
    for second in range(30):
        assert stage.poll(second * 1_000_000).alerts == ()
    stage.push_frame(a_signal_frame("market/0", 50), 0, 29_000_000)
    assert stage.poll(29_999_999).alerts == ()
    assert len(stage.poll(30_000_000).alerts) == 1


def test_a_process_that_stood_still_does_not_take_its_own_sleep_for_a_silence_of_others() -> None:
    settings = CoreSettings(timing=Timing(source_timeout_ms=30_000))
    stage = CorrelationStage(["market/0", "account/0"], settings)
    stage.poll(0)
    stage.push_frame(a_signal_frame("market/0", 50), 0, 60_000_000)
    assert stage.poll(60_000_001).alerts == ()


def test_an_open_alert_is_resolved_by_event_time_and_not_by_the_clock() -> None:
    stage = CorrelationStage(["market/0"], CoreSettings())
    stage.push_frame(a_signal_frame("market/0", 50, at_rest=True), 0, 0)
    assert [alert.status for now_us in range(0, 20_000_000, 400_000) for alert in stage.poll(now_us).alerts] == ["open"]
    assert stage.poll(10**12).alerts == ()
    stage.push_frame(SignalFrame("market/0", 200 * SECOND_US, False, ()), 1, 10**12)
    (resolved,) = stage.poll(10**12).alerts
    assert (resolved.status, resolved.timestamp) == ("resolved", 5_100_000 + 60 * SECOND_US)


def test_books_of_one_tick_count_once_and_the_newest_counts() -> None:
    stage = a_market()
    books: list[Event] = [BookSnapshot(SECOND_US + n, "X", [(99.0 + n, 1.0)], [(200.0, 1.0)]) for n in range(5)]
    stage.push("books", range(5), books, 0)
    stage.push("trades", [0], [a_trade(SECOND_US)], 0)
    stage.flush()
    watch = stage._watches.get("X")
    assert watch is not None
    thin_book, _ = watch.state()["watches"]["thin_book"]["models"]
    *_, books_seen = thin_book["time"]
    assert books_seen == 1


def test_what_was_refused_is_refused_when_it_is_read_again_though_time_has_moved_since() -> None:
    timing = Timing(future_patience=3, future_patience_s=1)
    begin_us, later_us = 1_700_000_000_000_000, 1_700_000_000_000_000 + 7_200_000_000
    times = [begin_us, *(later_us + number * 500_000 for number in range(4))]
    events = [Cancel(time, "X", "a", "1", "buy", 1.0, 1.0) for time in times]
    first = MarketStage(0, 1, CoreSettings(timing=timing), lambda _: 0)
    refused = first.push("cancels", range(5), events, 0)
    assert [one.element for one in refused] == [1, 2]
    # The first event's tick is open still: all of it is read again.
    assert first.safe_offset("cancels") == 0
    heir = MarketStage(0, 1, CoreSettings(timing=timing), lambda _: 0)
    heir.resume(msgspec.msgpack.decode(msgspec.msgpack.encode(first.head())), {}, [])
    assert [one.element for one in heir.push("cancels", range(3), events[:3], 0)] == [1, 2]
    assert heir.push("cancels", range(3, 5), events[3:], 0) == []
    assert heir.open_ticks == first.open_ticks


def test_ticks_whose_limits_are_not_decided_yet_count_as_open() -> None:
    """A backlog that the account stage reads faster than the correlation stage must not pile up in it."""
    stage = AccountStage(0, 1, CoreSettings())
    stage.push_stress(StressFrame("correlation/0", 10 * SECOND_US, False, ()), 0, 0)
    stage.complete(100 * SECOND_US)
    stage.push_frame(ActivityFrame("market/0", 100 * SECOND_US, False, ()), 0, 0)
    stage.poll(0)
    assert (stage.closed_us, stage.settled_us) == (100 * SECOND_US, 11 * SECOND_US)
    assert stage.open_ticks == 890
    stage.push_stress(StressFrame("correlation/0", 99 * SECOND_US, False, ()), 1, 0)
    stage.poll(0)
    assert (stage.settled_us, stage.open_ticks) == (100 * SECOND_US, 0)


def test_without_a_word_of_the_correlation_stage_limits_are_decided_after_its_time_out() -> None:
    stage = AccountStage(0, 1, CoreSettings())
    stage.complete(100 * SECOND_US)
    rows = (Activity("rogue", "X", 50, 400, 0, 0),)
    stage.push_frame(ActivityFrame("market/0", 100 * SECOND_US, False, ((700, (), rows),)), 0, 0)
    waited = [stage.poll(second * SECOND_US) for second in range(30)]
    assert not any(said.decisions for said in waited if said is not None)
    said = stage.poll(30 * SECOND_US)
    assert said is not None
    assert {limit.account for limit in said.decisions.limits} == {"rogue"}
