"""How much less the mean of neighbouring values says than that of independent ones."""

from detectors.base import State

#: Values before anything is said about them.
_LEAST_SEEN = 20.0
#: Least variance, a deviation of a hundredth: what is all but constant has no correlation.
_LEAST_VARIANCE = 1e-4


class SerialCorrelation:
    """The variance of a mean of many values over that of as many independent ones, for a stream that forgets.

    `s = (1 + r) / (1 - r)`, r the correlation of neighbours, for values of which each leans on the one before (AR(1)).
    It is estimated from the squares of steps: `1 - r = mean (x_t - x_{t-1})**2 / (2 variance)` (von Neumann's ratio).
    Values further than `reach` deviations from the mean count as that far: a change of level must not pass for
    correlation at once. It fails on alternating values, which are taken for independent ones.

    Parameters
    ----------
    half_life
        Values after which one weighs half, > 0.
    most
        Largest s / 2 that is answered, >= 1: a stream that wanders without end has none.
    reach
        Deviations, > 0.

    Examples
    --------
    >>> import random
    >>> chance, leaning, value = random.Random(2), SerialCorrelation(), 0.0
    >>> for _ in range(3_000):
    ...     value = 0.8 * value + chance.gauss(0.0, 1.0)
    ...     leaning.learn(value, mean=0.0)
    >>> 6.0 < leaning.inflation < 10.0
    True

    References
    ----------
    von Neumann, J. (1941). Distribution of the ratio of the mean square successive difference to the variance. Annals
    of Mathematical Statistics 12(4).
    """

    __slots__ = ("_half_life", "_last", "_most", "_reach", "_steps", "_variance", "_weight")

    def __init__(self, half_life: float = 1_440.0, most: float = 30.0, reach: float = 2.0) -> None:
        self._half_life = half_life
        self._most = most
        self._reach = reach
        self._last = self._variance = self._steps = self._weight = 0.0

    @property
    def inflation(self) -> float:
        """s, at least 1; 1 as long as little is known."""
        if self._weight < _LEAST_SEEN or self._variance <= _LEAST_VARIANCE:
            return 1.0
        apart = min(max(self._steps / (2.0 * self._variance), 1.0 / self._most), 1.0)
        return (2.0 - apart) / apart

    def learn(self, value: float, mean: float) -> None:
        """Take a value in; `mean` is what it is measured from."""
        error, step = value - mean, value - self._last if self._weight else 0.0
        self._last = value
        self._weight = self._weight * 0.5 ** (1.0 / self._half_life) + 1.0
        square, change = error * error, step * step
        if self._weight >= _LEAST_SEEN:
            most = self._reach * self._reach * max(self._variance, _LEAST_VARIANCE)
            # Two values that far from the mean on either side are twice as far from each other.
            square, change = min(square, most), min(change, 4.0 * most)
        self._variance += (square - self._variance) / self._weight
        self._steps += (change - self._steps) / self._weight

    def state(self) -> State:
        """Everything learned."""
        return {"now": [self._last, self._variance, self._steps, self._weight]}

    def restore(self, state: State) -> None:
        """Take up where `state()` was made."""
        self._last, self._variance, self._steps, self._weight = state["now"]
