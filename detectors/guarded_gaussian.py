"""Exponentially weighted mean and deviation in event time, that outliers cannot drag away."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Mean life over half-life: 1 / ln 2.
_MEAN_LIFE = 1.4426950408889634
#: What lies further out is learned as if it lay here (in standard deviations): slow to poison, never frozen.
_LEARN_AT_MOST = 3.0


class GuardedGaussian:
    """Level and spread of a quantity, forgetting by time, and how far a value is from them.

    Values beyond three deviations are learned as three deviations: one outlier moves little, a lasting shift is
    followed within a few half-lives. The deviation has a floor, so that a constant stretch does not turn the next
    change into a miracle.

    Parameters
    ----------
    half_life_s
        Seconds after which a value weighs half, > 0.
    floor
        Least standard deviation, in the unit of the quantity, > 0.

    Examples
    --------
    >>> level = GuardedGaussian(half_life_s=60.0, floor=0.1)
    >>> for second in range(300):
    ...     level.learn(5.0, float(second))
    >>> round(level.z(5.0), 2), round(level.z(6.0), 2)
    (0.0, 10.0)
    """

    __slots__ = ("_floor", "_half_life_s", "_mean", "_time_s", "_variance", "_weight")

    def __init__(self, half_life_s: float, floor: float) -> None:
        self._half_life_s = half_life_s
        self._floor = floor
        self._mean = 0.0
        self._variance = 0.0
        self._weight = 0.0
        self._time_s = -1.0

    @property
    def mean(self) -> float:
        """The expected value; 0 before anything was seen."""
        return self._mean

    @property
    def known(self) -> bool:
        """Whether anything was seen."""
        return self._weight > 0.0

    @property
    def deviation(self) -> float:
        """The standard deviation, at least the floor."""
        return max(math.sqrt(self._variance), self._floor)

    def z(self, value: float) -> float:
        """Deviations above (or below) the level; 0 before anything was seen."""
        return (value - self._mean) / self.deviation if self._weight > 0.0 else 0.0

    def learn(self, value: float, time_s: float) -> None:
        """Take `value` in at `time_s`; what comes seldom weighs as long as it stood, up to a tenth of the half-life."""
        gap_s = min(max(time_s - self._time_s, 1e-3), 0.1 * self._half_life_s) if self._time_s >= 0.0 else 1.0
        self._time_s = max(self._time_s, time_s)
        if self._weight == 0.0:
            self._mean, self._weight = value, gap_s
            return
        if self._weight > 20 * gap_s:
            reach = _LEARN_AT_MOST * self.deviation
            value = min(max(value, self._mean - reach), self._mean + reach)
        self._weight = min(self._weight + gap_s, self._half_life_s * _MEAN_LIFE)
        step = gap_s / self._weight
        error = value - self._mean
        self._mean += step * error
        self._variance = (1.0 - step) * (self._variance + step * error * error)

    def state(self) -> list[float]:
        """Everything learned."""
        return [self._mean, self._variance, self._weight, self._time_s]

    def restore(self, state: list[float]) -> None:
        """Take up where `state()` was made."""
        self._mean, self._variance, self._weight, self._time_s = state


class GuardedVector:
    """`GuardedGaussian` for several quantities that come together; NaN is a quantity that did not come.

    Parameters
    ----------
    size
        Number of quantities.
    half_life_s, floor
        As for `GuardedGaussian`.

    Examples
    --------
    >>> level = GuardedVector(2, half_life_s=60.0, floor=0.1)
    >>> for second in range(300):
    ...     level.learn(np.array([5.0, np.nan]), float(second))
    >>> level.z(np.array([6.0, 3.0])).round(2).tolist()
    [10.0, 0.0]
    """

    __slots__ = ("_floor", "_half_life_s", "_time_s", "_variance", "_weight", "mean")

    def __init__(self, size: int, half_life_s: float, floor: float) -> None:
        self._floor = floor
        self._half_life_s = half_life_s
        self.mean = np.full(size, np.nan)
        self._variance = np.zeros(size)
        self._weight = np.zeros(size)
        self._time_s = -1.0

    def deviation(self) -> NDArray[np.float64]:
        """The standard deviations, at least the floor."""
        return np.maximum(np.sqrt(self._variance), self._floor)

    def z(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Deviations from the level; 0 for what did not come or was never seen."""
        deviations = (values - self.mean) / self.deviation()
        return np.where(np.isnan(deviations), 0.0, deviations)

    def learn(self, values: NDArray[np.float64], time_s: float) -> None:
        """Take the values in at `time_s`."""
        gap_s = min(max(time_s - self._time_s, 1e-3), 0.1 * self._half_life_s) if self._time_s >= 0.0 else 1.0
        self._time_s = max(self._time_s, time_s)
        came = ~np.isnan(values)
        first = came & np.isnan(self.mean)
        if first.any():
            self.mean = np.where(first, values, self.mean)
        reach = np.where(self._weight > 20 * gap_s, _LEARN_AT_MOST * self.deviation(), np.inf)
        error = np.where(came, np.minimum(np.maximum(values - self.mean, -reach), reach), 0.0)
        self._weight = np.minimum(self._weight + came * gap_s, self._half_life_s * _MEAN_LIFE)
        step = np.where(came, gap_s / np.maximum(self._weight, gap_s), 0.0)
        self.mean = self.mean + step * error
        self._variance = (1.0 - step) * (self._variance + step * error * error)

    def state(self) -> list[list[Any]]:
        """Everything learned."""
        mean = [None if math.isnan(value) else value for value in self.mean.tolist()]
        return [mean, self._variance.tolist(), self._weight.tolist(), [self._time_s]]

    def restore(self, state: list[list[Any]]) -> None:
        """Take up where `state()` was made."""
        self.mean = np.array([np.nan if value is None else value for value in state[0]])
        self._variance, self._weight = np.array(state[1], dtype=float), np.array(state[2], dtype=float)
        self._time_s = float(state[3][0])
