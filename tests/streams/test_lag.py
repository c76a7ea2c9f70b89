"""Lag in seconds: of what was sent, and never longer than the silence before."""

from hypothesis import given
from hypothesis import strategies as st

from streams.lag import ReadLag


def test_replayed_history_lags_by_when_it_was_sent() -> None:
    lag = ReadLag()
    lag.take(sent_ms=1_000_000)
    assert lag.measure(position=10, end=500, now_s=1_042.5) == 42.5


def test_read_to_the_end_is_no_lag_however_old_the_last_record() -> None:
    lag = ReadLag()
    lag.take(sent_ms=1_000)
    assert lag.measure(position=3, end=3, now_s=90_000.0) == 0.0


def test_the_first_record_after_a_silence_is_not_as_late_as_the_silence_was_long() -> None:
    lag = ReadLag()
    lag.take(sent_ms=1_000_000)
    lag.measure(position=3, end=3, now_s=4_600.0)
    assert lag.measure(position=3, end=4, now_s=4_601.0) == 1.0


def test_a_broker_that_does_not_answer_leaves_what_was_known() -> None:
    lag = ReadLag()
    lag.take(sent_ms=1_000_000)
    assert lag.measure(position=3, end=9, now_s=1_010.0) == 10.0
    assert lag.measure(position=4, end=None, now_s=1_020.0) == 20.0
    assert lag.measure(position=9, end=None, now_s=1_021.0) is None


def test_without_a_timestamp_nothing_is_claimed() -> None:
    lag = ReadLag()
    lag.take(sent_ms=-1)
    assert lag.measure(position=3, end=9, now_s=1_010.0) is None
    assert lag.measure(position=None, end=9, now_s=1_010.0) is None


def test_a_clock_ahead_of_ours_is_no_negative_lag() -> None:
    lag = ReadLag()
    lag.take(sent_ms=2_000_000)
    assert lag.measure(position=3, end=9, now_s=1_000.0) == 0.0


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.floats(0.0, 3.0)), max_size=40))
def test_the_lag_is_never_less_than_the_age_of_what_is_unread(steps: list[tuple[bool, int, float]]) -> None:
    lag, position, end, now_s, sent_s = ReadLag(), 0, 0, 1_000.0, list[float]()
    for takes, many, passed_s in steps:
        now_s += passed_s
        if takes and position < end:
            position = min(end, position + many + 1)
            lag.take(int(sent_s[position - 1] * 1_000))
        else:
            sent_s += [now_s] * many
            end += many
        found = lag.measure(position, end, now_s)
        if position == end:
            assert found == 0.0
        elif found is not None:
            oldest_unread_s = now_s - sent_s[position]
            # Timestamps are whole milliseconds.
            assert found >= oldest_unread_s - 0.002
