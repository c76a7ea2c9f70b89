"""Levels of degradation: in order, after a while, and back with hysteresis."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.errors import ConfigError
from streams.degradation import ONE_IN, Degradation
from streams.worker_settings import WorkerSettings


class Clocked:
    """A degradation whose lag is told each second of a clock of its own."""

    def __init__(self, lag_limit_s: float = 30.0) -> None:
        self.degradation = Degradation(lag_limit_s)
        self.now_s = 1_000.0

    def stay(self, lag_s: float, seconds: int) -> int:
        for _ in range(seconds):
            self.now_s += 1.0
            self.degradation.update(lag_s, self.now_s)
        return self.degradation.level


def test_a_lag_that_lasts_raises_the_level_and_a_short_one_does_not() -> None:
    clocked = Clocked()
    assert clocked.stay(31.0, seconds=10) == 0
    assert clocked.stay(29.0, seconds=1) == 0
    assert clocked.stay(31.0, seconds=10) == 0
    assert clocked.stay(31.0, seconds=1) == 1
    assert clocked.degradation.one_in == 8


def test_the_second_level_begins_at_twice_the_lag() -> None:
    clocked = Clocked()
    assert clocked.stay(59.0, seconds=600) == 1
    assert clocked.stay(61.0, seconds=11) == 2
    assert clocked.degradation.one_in == 64


def test_a_large_lag_passes_through_every_level() -> None:
    clocked = Clocked()
    assert [clocked.stay(900.0, seconds=11) for _ in range(3)] == [1, 2, 2]


def test_levels_are_left_one_at_a_time_below_half_of_where_they_begin() -> None:
    clocked = Clocked()
    clocked.stay(900.0, seconds=30)
    assert clocked.stay(31.0, seconds=300) == 2
    assert clocked.stay(29.0, seconds=31) == 1
    assert clocked.stay(16.0, seconds=300) == 1
    assert clocked.stay(14.0, seconds=30) == 1
    assert clocked.stay(14.0, seconds=1) == 0


def test_a_limit_of_zero_never_degrades() -> None:
    assert Clocked(lag_limit_s=0.0).stay(100_000.0, seconds=100) == 0


@pytest.mark.parametrize(
    ("name", "value"), [("degrade_lag_s", -1.0), ("degrade_lag_s", float("nan")), ("max_open_ticks", 1)]
)
def test_limits_that_cannot_be_are_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"worker.{name} must be >= "):
        WorkerSettings(**{name: value})  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.floats(0.0, 200.0), st.floats(0.0, 20.0)), max_size=100))
def test_levels_move_one_at_a_time_and_never_within_ten_seconds(steps: list[tuple[float, float]]) -> None:
    degradation, now_s, moved_s, level = Degradation(30.0), 0.0, -10.0, 0
    for lag_s, passed_s in steps:
        now_s += passed_s
        found = degradation.update(lag_s, now_s)
        assert 0 <= found < len(ONE_IN)
        if found != level:
            assert abs(found - level) == 1
            assert now_s - moved_s >= 10.0
            level, moved_s = found, now_s
