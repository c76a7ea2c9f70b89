"""Simple scorers on the same features, by the second: what Squall has to be better than.

All score a second, then learn it. Higher is stranger. None is tuned; river's models are as river ships them, behind its
own scalers (half-space trees need [0, 1]).
"""

import math
from collections.abc import Callable
from random import Random
from typing import Protocol

from river.anomaly import LODA, GaussianScorer, HalfSpaceTrees
from river.preprocessing import MinMaxScaler, StandardScaler

from tests.benchmarks.detection.families import Watched
from tests.benchmarks.detection.seconds import Row

#: Seconds after which a static limit's unit is set once and for all.
_STATIC_AFTER = 600
#: Weight of the newest second, and least deviation of a logarithm, of the exponentially weighted z-score.
_EW_WEIGHT, _EW_FLOOR = 1.0 / 600, 0.1


class Baseline(Protocol):
    """A scorer of one entity's seconds."""

    def step(self, x: Row) -> float:
        """Score a second, then learn it."""


class Chance:
    """A random number: what post-processing alone is worth."""

    def __init__(self, watched: Watched, seed: int) -> None:
        self._rng = Random(seed)

    def step(self, x: Row) -> float:
        """A number that knows nothing."""
        return self._rng.random()


class StaticLimit:
    """The first feature over its mean of the first ten minutes, fixed then: a limit that somebody set once."""

    def __init__(self, watched: Watched, seed: int) -> None:
        self._name, self._sign = next(iter(watched.items()))
        self._seen, self._sum = 0, 0.0

    def step(self, x: Row) -> float:
        """How many times the unit it is; for what is worse when it is less, how many times less."""
        value = x.get(self._name, 0.0)
        if self._seen < _STATIC_AFTER:
            self._seen += 1
            self._sum += value
        times = (value + 1e-9) / (max(self._sum / self._seen, 1e-3) + 1e-9)
        return times if self._sign > 0.0 else min(1.0 / times, 1e9)


class WeightedZ:
    """The largest one-sided z-score of a feature's logarithm, its level and spread exponentially weighted."""

    def __init__(self, watched: Watched, seed: int) -> None:
        self._watched = watched
        self._levels: dict[str, tuple[float, float]] = {}

    def step(self, x: Row) -> float:
        """The largest deviation in the direction that is worse."""
        most = 0.0
        for name, sign in self._watched.items():
            value = math.log1p(max(x.get(name, 0.0), 0.0))
            mean, variance = self._levels.get(name, (value, 0.0))
            gap = value - mean
            most = max(most, sign * gap / math.sqrt(variance + _EW_FLOOR**2))
            variance = (1.0 - _EW_WEIGHT) * (variance + _EW_WEIGHT * gap * gap)
            self._levels[name] = mean + _EW_WEIGHT * gap, variance
        return most


class Gaussian:
    """river's GaussianScorer on the first feature."""

    def __init__(self, watched: Watched, seed: int) -> None:
        self._name = next(iter(watched))
        self._model = GaussianScorer()

    def step(self, x: Row) -> float:
        """Its score: how far out in a normal distribution, from 0 to 1."""
        value = x.get(self._name, 0.0)
        score = float(self._model.score_one(None, value))
        self._model.learn_one(None, value)
        return score


class Trees:
    """river's HalfSpaceTrees (10 trees, height 8, window 250) behind a MinMaxScaler."""

    def __init__(self, watched: Watched, seed: int) -> None:
        self._names = sorted(watched)
        self._scaler = MinMaxScaler()
        self._model = HalfSpaceTrees(seed=seed)

    def step(self, x: Row) -> float:
        """Its score."""
        values = {name: x.get(name, 0.0) for name in self._names}
        self._scaler.learn_one(values)
        scaled = self._scaler.transform_one(values)
        score = float(self._model.score_one(scaled))
        self._model.learn_one(scaled)
        return score


class Projections:
    """river's LODA (25 random cuts) behind a StandardScaler."""

    def __init__(self, watched: Watched, seed: int) -> None:
        self._names = sorted(watched)
        self._scaler = StandardScaler()
        self._model = LODA(n_random_cuts=25, seed=seed)

    def step(self, x: Row) -> float:
        """Its score."""
        values = {name: x.get(name, 0.0) for name in self._names}
        self._scaler.learn_one(values)
        scaled = self._scaler.transform_one(values)
        score = float(self._model.score_one(scaled))
        self._model.learn_one(scaled)
        return score


SQUALL = "Squall"
BASELINES: dict[str, Callable[[Watched, int], Baseline]] = {
    "static limit": StaticLimit,
    "EW z-score": WeightedZ,
    "HalfSpaceTrees": Trees,
    "LODA": Projections,
    "GaussianScorer": Gaussian,
    "random": Chance,
}
SCORERS = (SQUALL, *BASELINES)
