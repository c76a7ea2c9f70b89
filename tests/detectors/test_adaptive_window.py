"""Our ADWIN answers as river's does, and can be taken out and put back as numbers."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from river.drift import ADWIN

from detectors.adaptive_window import AdaptiveWindow
from detectors.serial_correlation import SerialCorrelation

#: Stretches of values: how many, around what, how widely.
STRETCHES = st.lists(
    st.tuples(st.integers(1, 300), st.floats(-5.0, 5.0), st.sampled_from([0.0, 0.1, 1.0])), min_size=1, max_size=5
)
PARAMETERS = st.tuples(
    st.sampled_from([0.002, 0.05, 0.3]), st.sampled_from([1, 2, 32]), st.integers(2, 6), st.integers(1, 8),
    st.integers(1, 30),
)  # fmt: skip


def values_of(stretches: list[tuple[int, float, float]], seed: int = 1) -> list[float]:
    chance = random.Random(seed)
    return [chance.gauss(mean, spread) for count, mean, spread in stretches for _ in range(count)]


@given(STRETCHES, PARAMETERS)
def test_it_finds_changes_where_river_does_and_knows_the_same(
    stretches: list[tuple[int, float, float]], parameters: tuple[float, int, int, int, int]
) -> None:
    ours, rivers = AdaptiveWindow(*parameters), ADWIN(*parameters)
    for value in values_of(stretches):
        changed = ours.update(value)
        rivers.update(value)
        assert changed == rivers.drift_detected
        if not changed:
            assert ours.width == rivers.width
            assert ours.mean == pytest.approx(rivers.estimation, abs=1e-9)
            assert ours.squares == pytest.approx(rivers.variance, abs=1e-6)


@given(STRETCHES, st.integers(0, 600))
def test_it_goes_on_from_its_numbers_as_if_nothing_had_been(
    stretches: list[tuple[int, float, float]], cut: int
) -> None:
    values = values_of(stretches)
    through, taken_up = AdaptiveWindow(clock=1), AdaptiveWindow(clock=1)
    for number, value in enumerate(values):
        if number == cut:
            taken_up.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(through.state())))
        found = through.update(value)
        if number >= cut:
            assert taken_up.update(value) == found
            assert taken_up.state() == through.state()


@given(st.floats(1.0, 60.0), STRETCHES)
def test_more_leaning_never_finds_a_first_change_sooner(
    inflation: float, stretches: list[tuple[int, float, float]]
) -> None:
    values = values_of(stretches)

    def first(factor: float) -> int:
        window = AdaptiveWindow(clock=1)
        return next((number for number, value in enumerate(values) if window.update(value, factor)), len(values))

    assert first(inflation) >= first(1.0)


def test_its_memory_grows_with_the_logarithm_of_the_window() -> None:
    window, chance = AdaptiveWindow(clock=32), random.Random(2)
    for _ in range(20_000):
        window.update(chance.gauss(0.0, 0.1))
    assert window.width == 20_000
    assert sum(len(row) for row in window.state()["rows"]) < 6 * 14


@pytest.mark.parametrize(("leaning", "expected"), [(0.0, 1.0), (0.5, 3.0), (0.9, 19.0)])
def test_serial_correlation_is_that_of_an_autoregression(leaning: float, expected: float) -> None:
    chance, value, found = random.Random(3), 0.0, SerialCorrelation(half_life=20_000.0, reach=10.0)
    for _ in range(20_000):
        value = leaning * value + chance.gauss(0.0, 1.0)
        found.learn(value, mean=0.0)
    assert found.inflation == pytest.approx(expected, rel=0.15)


@given(st.lists(st.floats(-50.0, 50.0), max_size=100))
def test_serial_correlation_is_within_its_bounds_whatever_it_learns(values: list[float]) -> None:
    found = SerialCorrelation(most=30.0)
    for value in values:
        found.learn(value, mean=0.0)
        assert 1.0 <= found.inflation <= 59.0
