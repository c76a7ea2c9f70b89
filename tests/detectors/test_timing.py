"""Event time: the watermark, the guard against clocks that run ahead, and the ledger of what was read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.config import Timing
from detectors.ledger import InputLedger
from detectors.timing import BEGINNING_US, RESTS_ENOUGH, ClockGuard, Watermark

NAMES = ("trades", "cancels", "books")
TIMING = Timing(tick_ms=100, lateness_ms=200, idle_ms=1_000, source_timeout_ms=5_000)

steps = st.lists(
    st.tuples(
        st.sampled_from(["observe", "frame", "frame at rest", "rest", "value"]),
        st.sampled_from(NAMES),
        st.integers(0, 10_000_000),
        st.integers(0, 2_000_000),
    ),
    max_size=60,
)


@given(steps)
def test_the_watermark_never_goes_back(steps: list[tuple[str, str, int, int]]) -> None:
    mark, now_us, reached = Watermark(NAMES, TIMING), 0, BEGINNING_US
    for what, name, complete_us, passed_us in steps:
        now_us += passed_us
        if what == "observe":
            mark.observe(name, complete_us, now_us)
        elif what.startswith("frame"):
            mark.frame(name, complete_us, what.endswith("at rest"), now_us)
        elif what == "rest":
            mark.rest(name, now_us)
        value = mark.value(now_us)
        assert value >= reached
        reached = value


@given(
    st.permutations([(name, time_us) for name in NAMES for time_us in (1_000_000, 2_000_000, 3_000_000 + len(name))])
)
def test_the_order_of_observations_does_not_matter(observations: list[tuple[str, int]]) -> None:
    mark = Watermark(NAMES, TIMING)
    for name, complete_us in observations:
        mark.observe(name, complete_us, now_us=0)
    assert mark.value(now_us=0) == 3_000_000 + min(len(name) for name in NAMES)


@given(st.dictionaries(st.sampled_from(NAMES), st.integers(0, 10_000_000), min_size=3))
def test_active_inputs_hold_the_watermark_at_the_least_advanced(complete_us: dict[str, int]) -> None:
    mark = Watermark(NAMES, TIMING)
    for name, time_us in complete_us.items():
        mark.observe(name, time_us, now_us=0)
    assert mark.value(now_us=0) == min(complete_us.values())


def a_mark(**complete_us: int) -> Watermark:
    mark = Watermark(NAMES, TIMING)
    for name, time_us in complete_us.items():
        mark.observe(name, time_us, now_us=0)
    return mark


def rest_all(mark: Watermark, *seen_us: int, but: str = "") -> None:
    """Inputs are said to have been at their end at each of these times."""
    for time_us in seen_us:
        for name in NAMES:
            if name != but:
                mark.rest(name, time_us)


def test_an_input_at_its_end_holds_the_others_until_a_lateness_after_they_showed_their_time() -> None:
    mark = a_mark(trades=9_000_000, cancels=8_000_000, books=1_000_000)
    mark.rest("books", 0)
    mark.rest("books", 199_999)
    assert mark.value(now_us=199_999) == 1_000_000
    mark.rest("books", 200_000)
    assert mark.value(now_us=200_000) == 8_000_000


def test_an_input_that_never_spoke_holds_the_others_until_it_was_seen_at_its_end_for_the_idle_time_out() -> None:
    mark = a_mark(trades=9_000_000, cancels=8_000_000)
    mark.rest("books", 0)
    mark.rest("books", 999_999)
    assert mark.value(now_us=999_999) == BEGINNING_US
    mark.rest("books", 1_000_000)
    assert mark.value(now_us=1_000_000) == 8_000_000


def test_a_slow_reader_does_not_take_its_own_slowness_for_silence() -> None:
    mark = a_mark(trades=9_000_000, cancels=8_000_000, books=1_000_000)
    mark.rest("books", 0)
    assert mark.value(now_us=4_999_999) == 1_000_000


def test_a_stage_upstream_holds_the_others_until_it_has_said_often_enough_that_it_is_at_rest() -> None:
    mark = a_mark(trades=9_000_000, cancels=8_000_000, books=1_000_000)
    for _ in range(RESTS_ENOUGH - 1):
        mark.frame("books", 1_000_000, True, now_us=0)
    assert mark.value(now_us=0) == 1_000_000
    mark.frame("books", 1_000_000, True, now_us=0)
    assert mark.value(now_us=0) == 8_000_000
    mark.frame("books", 8_500_000, False, now_us=0)
    mark.observe("cancels", 9_000_000, now_us=0)
    assert mark.value(now_us=0) == 8_500_000


def test_a_topic_that_was_never_said_to_be_at_rest_holds_the_others_for_ever() -> None:
    mark = a_mark(trades=9_000_000, cancels=8_000_000)
    for second in range(100):
        assert mark.value(now_us=second * 1_000_000) == BEGINNING_US


def test_a_source_that_says_nothing_holds_the_others_until_it_times_out() -> None:
    mark = Watermark(["leverage"], TIMING, sources=["market/0"])
    for second in range(5):
        mark.observe("leverage", 9_000_000, now_us=second * 1_000_000)
        assert mark.value(now_us=second * 1_000_000) == BEGINNING_US
    assert mark.value(now_us=5_000_000) == 9_000_000


def test_when_every_input_is_at_rest_all_that_was_seen_is_complete() -> None:
    mark = Watermark(NAMES, TIMING)
    mark.observe("trades", 6_800_000, now_us=0, newest_us=7_000_000)
    rest_all(mark, 0, 999_999)
    assert not mark.at_rest(now_us=999_999)
    rest_all(mark, 1_000_000)
    assert mark.at_rest(now_us=1_000_000)
    assert mark.value(now_us=1_000_000) >= 7_000_001


def test_when_every_stage_upstream_is_at_rest_time_stays_within_the_tick_they_have_come_to() -> None:
    mark = a_mark(trades=7_000_000, cancels=7_000_000, books=6_000_000)
    for name in NAMES * RESTS_ENOUGH:
        mark.frame(name, 6_000_000, True, now_us=0)
    assert mark.at_rest(now_us=0)
    assert mark.value(now_us=0) // TIMING.tick_us * TIMING.tick_us == 7_000_000


def test_the_first_event_after_a_silence_makes_every_input_wait_again() -> None:
    mark = a_mark(trades=5_000_000, cancels=5_000_000, books=5_000_000)
    rest_all(mark, 0, 1_000_000)
    reached = mark.value(now_us=1_000_000)
    mark.observe("books", 60_000_000, now_us=2_000_000)
    rest_all(mark, 2_000_000, 2_199_999, but="books")
    assert mark.value(now_us=2_199_999) == reached
    rest_all(mark, 2_200_000, but="books")
    assert mark.value(now_us=2_200_000) == 59_999_999 - TIMING.lateness_us
    rest_all(mark, 3_000_000, but="books")
    assert mark.value(now_us=3_000_000) == 60_000_000


def test_while_nothing_newer_is_shown_an_input_at_rest_may_still_have_something_within_the_lateness() -> None:
    """A producer that stands still between two events of one tick, on different topics."""
    mark = a_mark(trades=5_000_000, cancels=5_000_000, books=5_000_000)
    mark.observe("trades", 8_000_000 - TIMING.lateness_us, now_us=0, newest_us=8_000_000)
    rest_all(mark, 0, 900_000, but="trades")
    assert mark.value(now_us=900_000) == 8_000_000 - TIMING.lateness_us
    mark.observe("trades", 8_100_000 - TIMING.lateness_us, now_us=900_000, newest_us=8_100_000)
    rest_all(mark, 900_000, but="trades")
    assert mark.value(now_us=900_000) == 8_100_000 - TIMING.lateness_us


def test_what_a_stopped_process_finds_waiting_is_no_silence() -> None:
    mark = a_mark(trades=5_000_000, cancels=5_000_000, books=5_000_000)
    rest_all(mark, 0, 25_000)
    rest_all(mark, 30_000_000)
    assert not mark.at_rest(now_us=30_000_000)
    rest_all(mark, 30_500_000, 31_000_000)
    assert mark.at_rest(now_us=31_000_000)


def test_without_any_input_there_is_no_time() -> None:
    mark = Watermark(NAMES, TIMING)
    rest_all(mark, 0, 10_000_000)
    assert mark.value(now_us=10_000_000) == BEGINNING_US


times = st.integers(0, 100_000_000_000)


@given(st.lists(times, min_size=1, max_size=50))
def test_the_guard_takes_whatever_is_not_far_ahead(timestamps: list[int]) -> None:
    guard, newest = ClockGuard(Timing(future_limit_s=3_600, future_patience=1_000)), None
    for timestamp in timestamps:
        expected = newest is None or timestamp - newest <= 3_600_000_000
        assert guard.accepts(timestamp) is expected
        if expected:
            newest = timestamp if newest is None else max(newest, timestamp)
        assert guard.newest_us == newest


@pytest.mark.parametrize("patience", [1, 2, 50])
def test_after_its_patience_the_guard_follows_time_that_has_moved(patience: int) -> None:
    guard = ClockGuard(Timing(future_limit_s=1, future_patience=patience, future_patience_s=0))
    assert guard.accepts(1_000_000)
    taken = [guard.accepts(100_000_000 + number) for number in range(patience + 3)]
    assert taken == [False] * (patience - 1) + [True] * 4


def test_a_burst_of_a_clock_that_runs_ahead_does_not_move_time() -> None:
    guard = ClockGuard(Timing(future_limit_s=1, future_patience=3, future_patience_s=5))
    assert guard.accepts(1_000_000)
    assert not any(guard.accepts(4_000_000_000 + number * 1_000) for number in range(1_000))
    assert guard.accepts(2_000_000)
    assert guard.newest_us == 2_000_000


def test_time_has_moved_when_events_ahead_span_the_patience() -> None:
    guard = ClockGuard(Timing(future_limit_s=1, future_patience=3, future_patience_s=5))
    taken = [guard.accepts(second * 1_000_000) for second in (0, 100, 103, 104, 105, 101)]
    assert taken == [True, False, False, False, True, True]


def test_one_event_in_time_makes_the_guard_patient_again() -> None:
    guard = ClockGuard(Timing(future_limit_s=1, future_patience=3, future_patience_s=0))
    far = [guard.accepts(timestamp) for timestamp in (0, 10**9, 10**9, 1, 10**9, 10**9, 10**9)]
    assert far == [True, False, False, True, False, False, True]


reads = st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=60)


@given(reads, st.lists(st.integers(0, 5), max_size=6, unique=True))
def test_every_record_of_an_open_tick_is_at_or_above_the_safe_offset(
    reads: list[tuple[int, bool]], closed: list[int]
) -> None:
    ledger = InputLedger("trades", 0, TIMING)
    open_records: dict[int, list[int]] = {}
    for offset, (tick, belongs) in enumerate(reads):
        if belongs:
            ledger.note(tick, offset, offset)
            open_records.setdefault(tick, []).append(offset)
        else:
            ledger.read(offset)
    for tick in closed:
        evidence, records = ledger.close(tick), open_records.pop(tick, None)
        assert (evidence is None) == (records is None)
        if evidence is not None and records is not None:
            assert (evidence.first_offset, evidence.last_offset) == (records[0], records[-1])
    still_open = [offset for records in open_records.values() for offset in records]
    assert ledger.safe_offset == min(still_open, default=len(reads))


@given(st.integers(0, 50), st.integers(0, 50), st.integers(1, 50))
def test_the_ledger_knows_which_offsets_it_has_seen(newest: int, begin: int, length: int) -> None:
    ledger = InputLedger("trades", 0, TIMING)
    assert ledger.seen_of(range(begin, begin + length)) == 0
    ledger.read(newest)
    offsets = range(begin, begin + length)
    assert ledger.seen_of(offsets) == sum(offset <= newest for offset in offsets)
