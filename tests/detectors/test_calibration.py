"""Peaks over threshold: p-values that mean what they say, on streams it knows and after they change."""

import math
import random
from collections import Counter
from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]

from detectors.calibration import PeaksOverThreshold
from detectors.config import Calibration
from detectors.errors import StateError
from detectors.generalized_pareto import fit_generalized_pareto
from detectors.scorer import Scorer

Draw = Callable[[random.Random], float]
#: Draws of a score, and its true upper tail.
STREAMS: dict[str, tuple[Draw, Callable[[float], float]]] = {
    "exponential": (lambda chance: chance.expovariate(1.0), lambda score: float(stats.expon.sf(score))),
    "normal": (lambda chance: abs(chance.gauss(0.0, 1.0)), lambda score: float(stats.halfnorm.sf(score))),
    "lognormal": (lambda chance: chance.lognormvariate(0.0, 1.0), lambda score: float(stats.lognorm.sf(score, 1.0))),
}


def taught(draw: Draw, scores: int, seed: int = 3, warm_up: int = 500) -> PeaksOverThreshold:
    chance, pot = random.Random(seed), PeaksOverThreshold(warm_up=warm_up)
    for _ in range(scores):
        pot.learn(draw(chance))
    return pot


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", STREAMS)
def test_p_values_are_true_within_a_factor_of_two(name: str, seed: int) -> None:
    draw, tail = STREAMS[name]
    pot, chance = taught(draw, 10_000, seed), random.Random(seed + 100)
    fresh = [pot.p_value(draw(chance)) for _ in range(60_000)]
    for level in (1e-2, 1e-3):
        share = sum(p_value <= level for p_value in fresh) / len(fresh)
        assert level / 2 < share < 2 * level
    score = next(score for score in np.linspace(0.1, 60.0, 6_000) if tail(float(score)) < 1e-3)
    assert 0.5 < pot.p_value(float(score)) / 1e-3 < 2.0


@settings(max_examples=15)
@given(
    st.sampled_from(sorted(STREAMS)),
    st.integers(0, 2_000),
    st.lists(st.floats(-10.0, 1e6), min_size=2, max_size=30),
)
def test_a_higher_score_is_never_more_likely(name: str, learned: int, scores: list[float]) -> None:
    pot = taught(STREAMS[name][0], learned)
    p_values = [pot.p_value(score) for score in sorted(scores)]
    assert p_values == sorted(p_values, reverse=True)
    assert all(0.0 < p_value <= 1.0 for p_value in p_values)


@settings(max_examples=15)
@given(st.integers(0, 3_000), st.integers(0, 3_000), st.integers(1, 3_000))
def test_silence_learned_at_once_is_silence_learned_score_by_score(before: int, silence: int, after: int) -> None:
    draw = STREAMS["exponential"][0]
    once, each = taught(draw, before), taught(draw, before)
    once.learn_silence(silence)
    for _ in range(silence):
        each.learn(0.0)
    chance = random.Random(9)
    for _ in range(after):
        score = draw(chance)
        once.learn(score)
        each.learn(score)
    assert once.seen == each.seen
    assert once.ready == each.ready
    for score in (0.0, 3.0, 6.0, 12.0):
        assert once.p_value(score) == pytest.approx(each.p_value(score), rel=0.6)


def test_silence_dilutes_peaks() -> None:
    pot = taught(STREAMS["exponential"][0], 5_000)
    before = pot.p_value(6.0)
    pot.learn_silence(5_000)
    assert pot.p_value(6.0) == pytest.approx(before / 2, rel=0.1)


@settings(max_examples=15)
@given(st.sampled_from(sorted(STREAMS)), st.integers(0, 4_000))
def test_state_survives_a_round_trip(name: str, learned: int) -> None:
    draw = STREAMS[name][0]
    pot, restored, chance = taught(draw, learned), PeaksOverThreshold(warm_up=500), random.Random(17)
    restored.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(pot.state())))
    for _ in range(600):
        score = draw(chance)
        assert restored.p_value(score) == pot.p_value(score)
        pot.learn(score)
        restored.learn(score)
    assert restored.state() == pot.state()


def test_state_of_other_parameters_is_refused() -> None:
    with pytest.raises(StateError, match="parameters"):
        PeaksOverThreshold(level=0.05).restore(PeaksOverThreshold(level=0.02).state())


def test_until_it_is_warm_nothing_stands_out() -> None:
    pot = PeaksOverThreshold(warm_up=100)
    for _ in range(99):
        assert pot.p_value(1e9) == 1.0
        pot.learn(1.0)
    assert not pot.ready
    pot.learn(1.0)
    assert pot.ready
    assert pot.p_value(1e9) < 1e-3


def test_an_attack_cannot_make_itself_ordinary_quickly() -> None:
    """A hundred huge scores among a thousand still stand out, and so does what is a third of them."""
    draw, chance = STREAMS["exponential"][0], random.Random(5)
    pot = taught(draw, 10_000)
    for number in range(1_000):
        pot.learn(50.0 if number % 10 == 0 else draw(chance))
    assert pot.p_value(50.0) < 1e-5
    assert pot.p_value(15.0) < 1e-3


def test_after_a_change_of_regime_its_p_values_become_true_again() -> None:
    """Scores five times as large all stand out at first, and are ordinary once they have lasted."""
    draw, chance = STREAMS["exponential"][0], random.Random(6)
    pot = taught(draw, 10_000)

    def share_below_a_hundredth() -> float:
        return sum(pot.p_value(5.0 * draw(chance)) <= 1e-2 for _ in range(4_000)) / 4_000

    assert share_below_a_hundredth() > 0.3
    for _ in range(40_000):
        pot.learn(5.0 * draw(chance))
    assert 1e-2 / 3 < share_below_a_hundredth() < 3e-2


def test_after_a_calm_has_come_its_p_values_become_true_again() -> None:
    draw, chance = STREAMS["exponential"][0], random.Random(8)
    pot = taught(lambda chance: 5.0 * draw(chance), 10_000)
    for _ in range(40_000):
        pot.learn(draw(chance))
    share = sum(pot.p_value(draw(chance)) <= 1e-2 for _ in range(20_000)) / 20_000
    assert 1e-2 / 4 < share < 4e-2


@pytest.mark.parametrize("value", [0.0, 1.0, 7.5])
def test_after_a_constant_stream_anything_higher_stands_out_and_nothing_else(value: float) -> None:
    pot = taught(lambda _: value, 2_000)
    assert pot.p_value(value) == 1.0
    assert pot.p_value(value + 20.0) < 1e-3


@pytest.mark.parametrize("shape", [-0.2, 0.0, 0.3])
def test_the_fit_finds_shape_and_scale_of_a_generalized_pareto(shape: float) -> None:
    excesses = stats.genpareto.rvs(shape, scale=2.0, size=5_000, random_state=np.random.default_rng(4))
    found_shape, found_scale = fit_generalized_pareto(excesses)
    assert found_shape == pytest.approx(shape, abs=0.06)
    assert found_scale == pytest.approx(2.0, rel=0.1)


@given(st.lists(st.floats(1e-9, 1e12), min_size=2, max_size=60))
def test_the_fit_exists_for_any_excesses(excesses: list[float]) -> None:
    shape, scale = fit_generalized_pareto(np.array(excesses))
    assert math.isfinite(shape)
    assert 0.0 < scale < math.inf


@pytest.mark.parametrize("per_s", [0.5, 5.0, 44.0])
def test_chance_is_calibrated_at_any_rate_of_scores(per_s: float) -> None:
    chance, scorer = random.Random(9), Scorer(Calibration(), Counter())
    rare = seen = 0
    for index in range(60_000):
        time_s, score = index / per_s, chance.expovariate(1.0)
        scorer.begin(time_s)
        if index >= 20_000:
            seen += 1
            rare += scorer.pot.p_value(score) <= 1e-2
        scorer._learn(score, time_s)
    assert 0.7 <= rare / seen / 1e-2 <= 1.5


@pytest.mark.parametrize("seed", range(4))
def test_scores_that_leap_from_silence_hide_no_incident(seed: int) -> None:
    """The height of the leap is no part of the tail's scale: 12 is as rare after leaps to 5 as 7 after leaps to 0."""
    chance = random.Random(seed)
    pot, flat = PeaksOverThreshold(warm_up=500), PeaksOverThreshold(warm_up=500)
    for number in range(5_000):
        above = chance.expovariate(1.0) if number % 250 == 249 else None
        pot.learn(0.0 if above is None else 5.5 + above)
        flat.learn(0.0 if above is None else 0.5 + above)
    assert pot.p_value(17.5) == pytest.approx(flat.p_value(12.5), rel=0.1)
    assert pot.p_value(17.5) < 1e-5
    assert pot.p_value(5.6) > 2e-3


@pytest.mark.parametrize("seed", range(3))
def test_how_often_a_day_counts_episodes_and_not_the_scores_they_are_made_of(seed: int) -> None:
    """Each minute something lasts two seconds, at ten scores a second: it happens 1,440 times a day, not 28,800."""
    chance, scorer = random.Random(seed), Scorer(Calibration(publish_per_day=1e9), Counter())
    for number in range(60_000):
        if number % 600 == 0:
            height = 1.0 + chance.expovariate(1.0)
        scorer.begin(number / 10.0)
        scorer.pot.learn(height if number % 600 >= 580 else abs(chance.gauss(0.0, 0.2)))
    verdict = scorer.judge(4.0, 6_000.0)
    assert verdict is not None
    often = 1_440.0 * math.exp(-3.0)
    assert often / 2.5 < verdict.per_day < often * 2.5
