"""What `SeriesDetector` is compared with: each scores a value, then learns it."""

import math
import random
from collections.abc import Callable

import numpy as np
from river import anomaly, preprocessing, stats

from detectors.series_detector import SeriesDetector
from tests.benchmarks.series.backgrounds import Values

Step = Callable[[float], float]
MakeStep = Callable[[], Step]

_LAGS = 8


def series_detector() -> Step:
    """Ours."""
    detector = SeriesDetector()

    def step(value: float) -> float:
        x = {"value": value}
        score = detector.score_one(x)
        detector.learn_one(x)
        return score

    return step


def fading_z() -> Step:
    """Deviations from an exponentially fading mean, of the value or of its change, whichever is more."""
    alpha, means, squares, last = 0.005, [0.0, 0.0], [0.0, 0.0], [0.0]
    seen = [0]

    def step(value: float) -> float:
        worst = 0.0
        for index, part in enumerate((value, value - last[0])):
            error = part - means[index]
            if squares[index] > 0.0 and seen[0] > 20:
                worst = max(worst, abs(error) / math.sqrt(squares[index]))
            means[index] += max(alpha, 1 / (seen[0] + 1)) * error
            squares[index] += max(alpha, 1 / (seen[0] + 1)) * (error * error - squares[index])
        last[0] = value
        seen[0] += 1
        return worst

    return step


def gaussian_scorer() -> Step:
    """River's, in a window."""
    model = anomaly.GaussianScorer(window_size=1_000, grace_period=50)

    def step(value: float) -> float:
        score = model.score_one({}, value)
        model.learn_one({}, value)
        return float(score)

    return step


def half_space_trees() -> Step:
    """River's, on the value and its last lags, scaled to [0, 1]."""
    scale = preprocessing.MinMaxScaler()
    model = anomaly.HalfSpaceTrees(seed=1, n_trees=10, height=6)
    lags = [0.0] * _LAGS

    def step(value: float) -> float:
        lags.append(value)
        del lags[0]
        raw = {str(index): lag for index, lag in enumerate(lags)}
        scale.learn_one(raw)
        x = scale.transform_one(raw)
        score = model.score_one(x)
        model.learn_one(x)
        return float(score)

    return step


def loda() -> Step:
    """Random sparse projections of lags, each with a histogram of what it showed: as Pevný's LODA, vectorised."""
    chance = np.random.default_rng(1)
    weights = chance.normal(size=(50, _LAGS)) * (chance.random((50, _LAGS)) < 0.4)
    scale = stats.EWVar(0.01)
    mean = stats.EWMean(0.01)
    counts = np.ones((50, 40))
    lags = np.zeros(_LAGS)

    def step(value: float) -> float:
        mean.update(value)
        scale.update(value)
        spread = math.sqrt(max(scale.get(), 0.0)) or 1.0
        lags[:-1] = lags[1:]
        lags[-1] = min(max((value - mean.get()) / spread, -20.0), 20.0)
        bins = np.clip(weights @ lags * 4 + 20, 0, 39).astype(int)
        rows = np.arange(50)
        score = -np.log(counts[rows, bins] / counts.sum(axis=1)).mean()
        counts[rows, bins] += 1.0
        return float(score)

    return step


def static_distance() -> Step:
    """Distance from the mean of the first fifth hundred values, in their deviations; learns nothing after."""
    first: list[float] = []

    def step(value: float) -> float:
        if len(first) < 500:
            first.append(value)
            return 0.0
        return abs(value - float(np.mean(first))) / (float(np.std(first)) or 1.0)

    return step


def random_scores() -> Step:
    """Chance."""
    chance = random.Random(1)
    return lambda _: chance.random()


#: By name, as in the table.
SCORERS: dict[str, MakeStep] = {
    "SeriesDetector": series_detector,
    "fading z": fading_z,
    "GaussianScorer": gaussian_scorer,
    "HalfSpaceTrees": half_space_trees,
    "LODA": loda,
    "static": static_distance,
    "random": random_scores,
}


def scores_of(make: MakeStep, values: Values) -> Values:
    """Prequential scores of a whole series."""
    step = make()
    return np.array([step(value) for value in values.tolist()])
