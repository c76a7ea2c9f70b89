"""Many p-values to one, and counts to p-values, against what they are by definition or by scipy."""

import math
import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]

from detectors.combination import cauchy_combination, several_at_once, truncated_product
from detectors.gamma_poisson import MAX_SURPRISE, DecayedRate, surprise

p_values = st.floats(1e-300, 1.0)
many = st.lists(p_values, min_size=1, max_size=8)


@given(many)
def test_combinations_are_p_values_and_do_not_depend_on_order(some: list[float]) -> None:
    taking_part = [p for p in some if p <= 0.05]
    for combined, turned in (
        (cauchy_combination(some), cauchy_combination(some[::-1])),
        (truncated_product(taking_part, 8, 0.05), truncated_product(taking_part[::-1], 8, 0.05)),
        (several_at_once(some, 8), several_at_once(some[::-1], 8)),
    ):
        assert 0.0 < combined <= 1.0
        assert combined == pytest.approx(turned, rel=1e-9)


@given(p_values)
def test_one_p_value_alone_stays_what_it_is(p_value: float) -> None:
    assert cauchy_combination([p_value]) == pytest.approx(p_value, rel=1e-6, abs=1e-14)
    assert truncated_product([p_value], 1, 1.0) == pytest.approx(p_value, rel=1e-6)
    assert several_at_once([p_value], 1) == 1.0


@given(many, st.integers(0, 7), st.floats(0.0, 1.0))
def test_a_smaller_part_never_makes_the_whole_larger(some: list[float], place: int, factor: float) -> None:
    smaller = list(some)
    smaller[place % len(some)] *= factor
    assert cauchy_combination(smaller) <= cauchy_combination(some) * (1 + 1e-9)
    assert several_at_once(smaller, 8) <= several_at_once(some, 8) * (1 + 1e-9)
    if max(some) <= 0.05:
        assert truncated_product(smaller, 8, 0.05) <= truncated_product(some, 8, 0.05) * (1 + 1e-9)


@pytest.mark.parametrize("level", [0.1, 0.01])
def test_uniform_p_values_combine_to_uniform_ones(level: float) -> None:
    chance, draws = random.Random(2), 20_000
    cauchy = product = several = 0
    for _ in range(draws):
        some = [chance.random() for _ in range(4)]
        cauchy += cauchy_combination(some) <= level
        product += truncated_product([p for p in some if p <= 0.2], 4, 0.2) <= level
        several += several_at_once(some, 4) <= level
    assert cauchy / draws == pytest.approx(level, rel=0.2)
    assert product / draws == pytest.approx(level, rel=0.2)
    # Bonferroni over the numbers of parts: never more often than it says.
    assert several / draws <= level * 1.2


def test_one_signal_alone_cannot_make_several_at_once() -> None:
    assert several_at_once([1e-300, 0.02], streams=3) > 1e-4


@given(st.integers(2, 400), st.floats(0.5, 500.0), st.floats(5.0, 5_000.0), st.sampled_from([0.1, 1.0, 10.0]))
def test_surprise_is_the_tail_of_a_negative_binomial_given_that_anything_happened(
    count: int, shape: float, exposure_s: float, window_s: float
) -> None:
    distribution = stats.nbinom(shape, exposure_s / (exposure_s + window_s))
    mean = shape * window_s / exposure_s
    assume(count > mean + 2 * math.sqrt(mean * (1 + window_s / exposure_s)))
    exact = distribution.logsf(count - 1) - math.log(distribution.sf(0))
    found = surprise(float(count), shape, exposure_s, window_s)
    assert found == pytest.approx(min(-exact / math.log(10), MAX_SURPRISE), rel=0.05, abs=0.15)


@given(st.floats(0.0, 1e9), st.floats(1e-3, 1e9), st.floats(1e-3, 1e9), st.floats(1e-3, 1e3))
def test_surprise_is_bounded(count: float, shape: float, exposure_s: float, window_s: float) -> None:
    found = surprise(count, shape, exposure_s, window_s)
    assert 0.0 <= found <= MAX_SURPRISE


@given(st.floats(1.0, 1e4), st.floats(1.0, 1e4), st.floats(0.5, 1e3), st.floats(5.0, 1e4))
def test_more_is_never_less_surprising(one: float, other: float, shape: float, exposure_s: float) -> None:
    less, more = sorted((one, other))
    assert surprise(less, shape, exposure_s, 1.0) <= surprise(more, shape, exposure_s, 1.0) + 0.01


@given(st.floats(0.5, 50.0), st.floats(300.0, 3_000.0))
def test_a_rate_forgets_by_half_in_its_half_life(per_second: float, half_life_s: float) -> None:
    rate = DecayedRate(half_life_s)
    step_s = half_life_s / 20
    for step in range(1, 201):
        rate.learn(per_second * step_s, step * step_s)
    assert rate.per_second(10 * half_life_s) == pytest.approx(per_second, rel=0.05)
    assert rate.per_second(11 * half_life_s) == pytest.approx(per_second / 2, rel=0.05)
