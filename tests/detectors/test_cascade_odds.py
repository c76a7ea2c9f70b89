"""What the odds of a cascade rest on, how they are learned, and what becomes of positions that the price went past."""

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.cascade_outlook import NAMES, PRIOR, VARIANCES, CascadeOutlook
from detectors.cascade_settings import Cascade
from detectors.cascade_watch import CascadeWatch
from detectors.errors import StateError
from detectors.liquidation_density import LONG, SHORT, LiquidationDensity, bucket_of
from detectors.online_logistic import OnlineLogistic
from detectors.results import BookProfile

features = st.tuples(st.just(1.0), st.floats(-4.0, 4.0), st.floats(-4.0, 4.0))
lessons = st.lists(st.tuples(features, st.booleans(), st.floats(0.01, 1.0)), max_size=60)


def model() -> OnlineLogistic:
    return OnlineLogistic((-2.0, 1.0, 0.0), (4.0, 1.0, 1.0))


@settings(deadline=None)
@given(lessons, features)
def test_probabilities_stay_probabilities_and_covariance_a_covariance(
    given_lessons: list[tuple[tuple[float, float, float], bool, float]], x: tuple[float, float, float]
) -> None:
    learner = model()
    for seen, outcome, weight in given_lessons:
        learner.learn(seen, float(outcome), weight)
        covariance = np.array(learner.state()["covariance"])
        assert np.allclose(covariance, covariance.T, atol=1e-9)
        assert np.linalg.eigvalsh(covariance).min() > -1e-9
        assert (np.diag(covariance) <= np.array([4.0, 1.0, 1.0]) * (1.0 + 1e-9)).all()
    assert 0.0 < learner.probability(x) < 1.0


@settings(deadline=None)
@given(lessons, st.integers(0, 59))
def test_learning_goes_on_where_its_state_was_saved(
    given_lessons: list[tuple[tuple[float, float, float], bool, float]], cut: int
) -> None:
    whole, first = model(), model()
    for number, (seen, outcome, weight) in enumerate(given_lessons):
        if number == cut:
            saved, first = first.state(), model()
            first.restore(saved)
        whole.learn(seen, float(outcome), weight)
        first.learn(seen, float(outcome), weight)
    assert first.state() == whole.state()


def test_weights_come_near_those_that_made_the_outcomes() -> None:
    chance, learner = random.Random(4), OnlineLogistic((0.0, 0.0, 0.0), (4.0, 4.0, 4.0))
    for _ in range(4_000):
        x = (1.0, chance.gauss(0.0, 1.0), chance.gauss(0.0, 1.0))
        learner.learn(x, float(chance.random() < 1.0 / (1.0 + math.exp(1.0 - 2.0 * x[1]))))
    assert learner.weights == pytest.approx([-1.0, 2.0, 0.0], abs=0.3)


def test_a_prior_of_other_features_is_refused() -> None:
    with pytest.raises(StateError, match="online logistic: expected prior"):
        OnlineLogistic((0.0,), (1.0,)).restore(model().state())


adds = st.lists(st.tuples(st.sampled_from([LONG, SHORT]), st.integers(-40, 40), st.integers(1, 1_000)), max_size=40)


@given(adds, st.lists(st.integers(-40, 40), max_size=6))
def test_what_was_crossed_and_is_then_taken_out_takes_nothing_from_others(
    positions: list[tuple[int, int, int]], crossings: list[int]
) -> None:
    density = LiquidationDensity()
    for side, bucket, cents in positions:
        density.add(side, bucket, cents)
    for bucket in crossings:
        density.cross(LONG, bucket)
        density.cross(SHORT, bucket)
    highest, lowest = max(crossings, default=-100), min(crossings, default=100)
    for side, bucket in {(side, bucket) for side, bucket, _ in positions}:
        is_gone = bool(crossings) and (bucket > lowest if side == LONG else bucket < highest)
        wanted = 0 if is_gone else sum(cents for s, b, cents in positions if (s, b) == (side, bucket))
        assert density.between(side, bucket, bucket) == wanted
    taken_up = LiquidationDensity()
    taken_up.restore(density.state())
    for side, bucket, cents in positions:
        taken_up.add(side, bucket, -cents)
    assert taken_up.buckets == 0
    assert taken_up.unplaced_cents == [0, 0]
    assert taken_up.state()["gone"] == [[], []]


def watch_of(prices: list[float]) -> CascadeWatch:
    watch = CascadeWatch(Cascade(), 600.0)
    watch.density.add(LONG, bucket_of(98.0), 100_000_00)
    for number, price in enumerate(prices):
        watch.take(BookProfile("S", price, 1_000.0, 1_000.0, 5e4, 5e4), 5.0 * number)
        watch.begins(5.0 * number)
    return watch


def test_positions_that_the_price_went_past_are_no_fuel_when_it_comes_back() -> None:
    assert watch_of([100.0, 98.5, 100.0]).density.buckets == 1
    # A single profile below may be a quote that the mark price never followed.
    assert watch_of([100.0, 97.0, 100.0]).density.buckets == 1
    assert watch_of([100.0, 97.0, 97.0, 100.0]).density.buckets == 0


def test_features_are_those_that_are_named_and_fuel_that_comes_nearer_makes_odds_rise() -> None:
    far, near = watch_of([104.0] * 40), watch_of([99.0] * 40)
    priors = OnlineLogistic(PRIOR, VARIANCES)
    assert len(far.odds_features(200.0)) == len(NAMES) == len(PRIOR) == len(VARIANCES)
    assert priors.probability(near.odds_features(200.0)) > 2.0 * priors.probability(far.odds_features(200.0))


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0.0, 1e9), st.floats(0.0, 1e9), st.floats(0.0, 1e6)), min_size=1, max_size=30))
def test_any_books_give_finite_features_and_go_on_where_they_were_saved(
    books: list[tuple[float, float, float]],
) -> None:
    whole, first = CascadeOutlook(), CascadeOutlook()
    density, time_s = LiquidationDensity(), 0.0
    density.add(SHORT, bucket_of(101.0), 10_000_00)
    for bids, asks, gap_s in books:
        time_s += gap_s
        saved, first = first.state(), CascadeOutlook()
        first.restore(saved)
        for outlook in (whole, first):
            outlook.learn(density, BookProfile("S", 100.0, 1.0, 1.0, bids, asks), time_s)
    found = whole.features(density, 100.0, 1e18, 600.0)
    assert all(math.isfinite(value) for value in found)
    assert first.features(density, 100.0, 1e18, 600.0) == found
