"""The generic series detector: calibrated, scale-free, patient with regimes, and the same after a restart."""

import math
import random
from collections.abc import Callable, Iterable

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.series_detector import SeriesDetector
from detectors.series_forecast import LagForecast
from detectors.series_history import SeriesHistory
from detectors.series_period import find_period
from detectors.series_shapes import ShapeMemory
from detectors.series_tail import TailHistogram

Law = Callable[[random.Random], float]
LAWS: dict[str, Law] = {
    "normal": lambda chance: chance.gauss(0.0, 1.0),
    "laplace": lambda chance: chance.expovariate(1.0) - chance.expovariate(1.0),
    "lognormal": lambda chance: chance.lognormvariate(0.0, 0.5),
    "uniform": lambda chance: chance.uniform(5.0, 6.0),
}


def scores(detector: SeriesDetector, values: Iterable[float]) -> list[float]:
    found = []
    for value in values:
        found.append(detector.score_one({"value": value}))
        detector.learn_one({"value": value})
    return found


def noise(law: str, count: int, seed: int = 1) -> list[float]:
    chance = random.Random(seed)
    return [LAWS[law](chance) for _ in range(count)]


def wave(count: int, period: float = 40.0, spread: float = 0.1, seed: int = 1) -> list[float]:
    chance = random.Random(seed)
    return [math.sin(2 * math.pi * index / period) + chance.gauss(0.0, spread) for index in range(count)]


@pytest.mark.parametrize("law", LAWS)
def test_high_scores_come_about_as_often_as_they_say(law: str) -> None:
    found = scores(SeriesDetector(), noise(law, 4_000))[1_000:]
    p_values = [(1.0 - score) ** 4 for score in found]
    assert 0.025 < sum(p <= 0.1 for p in p_values) / len(found) < 0.2
    assert sum(p <= 0.01 for p in p_values) / len(found) < 0.03
    assert sum(p <= 1e-4 for p in p_values) <= 5


def test_it_answers_0_from_the_first_value_on_until_it_is_warm() -> None:
    detector = SeriesDetector(warm_up=100)
    found = scores(detector, noise("normal", 130))
    assert found[:100] == [0.0] * 100
    assert detector.ready
    assert max(found[100:]) > 0.0


@pytest.mark.parametrize("law", LAWS)
def test_a_value_far_off_is_stranger_than_all_that_came_before(law: str) -> None:
    detector = SeriesDetector()
    before = scores(detector, noise(law, 1_000))
    far = detector.score_one({"value": 100.0})
    assert far > max(before)
    assert far > 0.99
    assert detector.score_one({"value": 1_000.0}) > far, "what is further off ranks higher"


def test_a_usual_value_at_an_unusual_phase_is_strange() -> None:
    detector = SeriesDetector()
    values = wave(2_010)
    before = scores(detector, values[:-1])
    assert detector.score_one({"value": -values[-1]}) > 0.99 > sorted(before)[-20]


def test_a_stretch_without_its_wave_is_strange_though_each_value_is_usual() -> None:
    detector = SeriesDetector()
    before = scores(detector, wave(2_000))
    during = scores(detector, noise_about_zero(40))
    assert sorted(during)[20] > sorted(before)[-40]


def noise_about_zero(count: int) -> list[float]:
    chance = random.Random(9)
    return [chance.gauss(0.0, 0.1) for _ in range(count)]


def test_a_constant_run_is_ordinary_and_the_first_change_after_it_is_not() -> None:
    detector = SeriesDetector()
    assert max(scores(detector, [7.0] * 3_000)) < 0.5
    assert detector.score_one({"value": 7.5}) > 0.99


def test_a_series_that_stands_still_where_it_never_did_is_strange() -> None:
    detector = SeriesDetector()
    values = noise("normal", 2_000)
    before = scores(detector, values)
    assert max(scores(detector, [values[-1]] * 60)) > max(before)


def test_a_new_level_is_an_alarm_and_then_the_new_normal() -> None:
    detector = SeriesDetector()
    scores(detector, noise("normal", 2_000))
    after = scores(detector, [20.0 + value for value in noise("normal", 2_000, seed=2)])
    assert max(after[:5]) > 0.99
    assert np.median(after[400:600]) < 0.5
    assert detector.score_one({"value": 60.0}) > 0.99, "it is as wary at the new level"


def test_what_is_not_a_number_scores_0_and_is_not_learned() -> None:
    detector = SeriesDetector()
    scores(detector, noise("normal", 200))
    before = msgspec.msgpack.encode(detector.state())
    for x in ({}, {"value": math.nan}, {"value": math.inf}, {"value": -math.inf}, {"timestamp": 5.0}):
        assert detector.score_one(x) == 0.0
        detector.learn_one(x)
    assert msgspec.msgpack.encode(detector.state()) == before


def test_one_absurd_value_does_not_blind_it() -> None:
    detector = SeriesDetector()
    scores(detector, noise("normal", 1_000))
    detector.learn_one({"value": 1e300})
    scores(detector, noise("normal", 200, seed=2))
    assert detector.score_one({"value": 30.0}) > 0.99


@settings(max_examples=4, deadline=None)
@given(exponent=st.integers(-30, 40), seed=st.integers(0, 10))
def test_the_unit_of_the_values_does_not_matter(exponent: int, seed: int) -> None:
    values = wave(300, seed=seed)
    unit = 2.0**exponent
    assert scores(SeriesDetector(), [unit * value for value in values]) == scores(SeriesDetector(), values)


def test_whole_numbers_are_values_too() -> None:
    chance = random.Random(1)
    values = [chance.randint(0, 20) for _ in range(400)]
    assert scores(SeriesDetector(), values) == scores(SeriesDetector(), [float(value) for value in values])


steps = st.lists(
    st.tuples(
        st.one_of(st.floats(-1e9, 1e9), st.sampled_from([0.0, 1.0, math.nan, 1e300])),
        st.one_of(st.none(), st.floats(-10.0, 1e4), st.just(math.inf)),
    ),
    max_size=60,
)


@settings(max_examples=15, deadline=None)
@given(start=st.integers(0, 300), rest=steps)
def test_a_restored_detector_goes_on_as_the_original_whatever_comes(
    start: int, rest: list[tuple[float, float | None]]
) -> None:
    original, restored = SeriesDetector(), SeriesDetector()
    scores(original, wave(start))
    restored.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(original.state())))
    time_s = 0.0
    for value, gap_s in rest:
        x = {"value": value}
        if gap_s is not None:
            time_s += gap_s if math.isfinite(gap_s) else 0.0
            x["timestamp"] = time_s if math.isfinite(gap_s) else gap_s
        score = original.score_one(x)
        assert 0.0 <= score <= 1.0
        assert restored.score_one(x) == score
        original.learn_one(x)
        restored.learn_one(x)
    assert msgspec.msgpack.encode(restored.state()) == msgspec.msgpack.encode(original.state())


def test_its_state_is_some_tens_of_kilobytes() -> None:
    detector = SeriesDetector()
    scores(detector, wave(3_000))
    assert len(msgspec.msgpack.encode(detector.state())) < 80_000


def test_timestamps_keep_the_phase_over_a_gap() -> None:
    values = wave(1_100)
    with_times, without = SeriesDetector(), SeriesDetector()
    for index in [*range(1_000), *range(1_020, 1_030)]:
        with_times.learn_one({"value": values[index], "timestamp": 60.0 * index})
        without.learn_one({"value": values[index]})
    x = {"value": values[1_030]}
    assert with_times.score_one(x | {"timestamp": 60.0 * 1_030}) < without.score_one(x)


def test_an_explanation_names_forecast_and_value() -> None:
    detector = SeriesDetector()
    scores(detector, wave(1_000))
    first = detector.explain_one({"value": 5.0})[0]
    assert (first.signal, first.observed) == ("value against forecast", 5.0)
    assert abs(first.expected) < 1.0


@pytest.mark.parametrize("period", [7, 24, 96, 288, 600])
def test_a_period_is_found_under_noise_and_trend(period: int) -> None:
    chance = np.random.default_rng(period)
    time = np.arange(2_048)
    values = np.sin(2 * np.pi * time / period) + 0.01 * time + 0.5 * chance.normal(size=2_048)
    assert abs(find_period(values) - period) <= max(0.04 * period, 1.0)


def test_noise_has_no_period() -> None:
    assert find_period(np.random.default_rng(1).normal(size=2_048)) == 0


def test_a_gap_is_filled_with_a_line_and_a_clock_that_goes_back_is_one_step() -> None:
    history = SeriesHistory()
    for index in range(20):
        history.push(float(index), 60.0 * index)
    history.push(29.0, 60.0 * 29)
    assert history.inputs(29.0)[:7].tolist() == [-7.0, -6.0, -5.0, -4.0, -3.0, -2.0, -1.0]
    assert history.steps(0.0) == 1.0
    assert history.seen == 21


@settings(max_examples=50, deadline=None)
@given(values=st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=300), first=st.floats(0, 1e9), more=st.floats(0, 1e9))
def test_larger_values_never_have_larger_p_values(values: list[float], first: float, more: float) -> None:
    tail = TailHistogram(half_life=100.0, guard=0.01)
    for value in values:
        tail.learn(value)
    assert tail.log_p(first + more) <= tail.log_p(first) <= 0.0


def test_p_values_are_shares_of_what_was_seen() -> None:
    values = noise("lognormal", 4_096)
    tail = TailHistogram(half_life=1e9)
    for value in values:
        tail.learn(value)
    for value in (0.5, 1.0, 1.5, 2.0):
        share = sum(other >= value for other in values) / len(values)
        assert tail.p_value(value) == pytest.approx(share, rel=0.1)


def test_a_forecast_finds_the_weights_of_its_inputs_in_spite_of_outliers() -> None:
    chance = np.random.default_rng(1)
    forecast = LagForecast(3, half_life=500.0)
    weights = np.array([0.5, -2.0, 0.0])
    for index in range(1_000):
        inputs = chance.normal(size=3)
        outlier = 1e6 if index % 100 == 99 else 0.0
        forecast.learn(inputs, float(weights @ inputs) + 0.1 * chance.normal() + outlier, forecast.expect(inputs))
    assert forecast.expect(np.array([1.0, 1.0, 1.0])) == pytest.approx(-1.5, abs=0.1)


@settings(max_examples=50, deadline=None)
@given(shapes=st.lists(st.lists(st.floats(-9, 9), min_size=2, max_size=2), min_size=4, max_size=20))
def test_a_shape_is_as_far_as_its_third_neighbour_among_those_kept(shapes: list[list[float]]) -> None:
    memory = ShapeMemory(size=2, capacity=8, nearest=3)
    *known, last = shapes
    for shape in known:
        memory.keep(np.array(shape))
    distances = sorted(math.dist(shape, last) for shape in known[-8:])
    expected = distances[2] if len(distances) > 3 else 0.0
    assert memory.distance(np.array(last)) == pytest.approx(expected)
