"""The next value of a series from those before it: a ridge regression on lags that is learned online."""

import numpy as np
from numpy.typing import NDArray

from detectors.base import State

Floats = NDArray[np.float64]

_SOLVE_EVERY = 32
#: The ridge, as a share of each input's own variance.
_RIDGE = 1e-4
#: An error of more mean absolute errors than this pulls no harder.
_REACH = 4.0


class LagForecast:
    """Least squares of the next value on given inputs, forgetting, and deaf to single outliers.

    The moments of inputs and target fade; the coefficients are solved from them, `(X'X + ridge) b = X'y`, each some
    tens of values. A value whose error is beyond `_REACH` mean absolute errors weighs in inverse proportion to it.

    Parameters
    ----------
    size
        Number of inputs.
    half_life
        Values after which a value weighs half, > 0.
    """

    __slots__ = ("_coefficients", "_error", "_fade", "_moments", "_row", "_since", "_size", "_weight")

    def __init__(self, size: int, half_life: float) -> None:
        self._size = size
        self._fade: float = 0.5 ** (1.0 / half_life)
        self._moments = np.zeros((size + 1, size + 1))
        self._coefficients = np.zeros(size)
        self._row = np.zeros(size + 1)
        self._error = 0.0
        self._weight = 0.0
        self._since = 0

    def expect(self, inputs: Floats) -> float:
        """The value that should come next."""
        # Added up in order, not by a dot product: that one's last digit depends on the processor.
        return float(sum((self._coefficients * inputs).tolist()))

    def learn(self, inputs: Floats, target: float, expected: float) -> None:
        """Take in what came after `inputs`, when `expect(inputs)` had said `expected`."""
        error = abs(target - expected)
        reach = _REACH * self._error
        weight = 1.0 if error <= reach or self._weight < 2 * self._size else reach / error
        row = self._row
        row[:-1], row[-1] = inputs, target
        self._moments *= self._fade
        self._moments += row[:, None] * (weight * row)
        self._weight = self._weight * self._fade + 1.0
        self._error += (weight * error - self._error) / self._weight
        self._since += 1
        if self._since >= _SOLVE_EVERY or self._since * 4 >= self._weight:
            self._solve()

    def forget(self, inputs: slice) -> None:
        """Forget what was learned of these inputs: they mean something else now."""
        self._moments[inputs] = 0.0
        self._moments[:, inputs] = 0.0
        self._solve()

    def _solve(self) -> None:
        """Gauss and Jordan's elimination, elementwise: its answer is the same on every processor."""
        moments = self._moments.copy()
        diagonal = moments.diagonal().copy()
        largest = float(diagonal[: self._size].max())
        self._since = 0
        if largest <= 0.0:
            self._coefficients = np.zeros(self._size)
            return
        moments /= largest
        np.fill_diagonal(moments, moments.diagonal() + _RIDGE * diagonal / largest + 1e-12)
        for index in range(self._size):
            pivot = moments[index] / moments[index, index]
            moments -= moments[:, index, None] * pivot
            moments[index] = pivot
        self._coefficients = moments[: self._size, self._size].copy()

    def state(self) -> State:
        """Everything learned, as plain values."""
        return {
            "moments": self._moments.ravel().tolist(),
            "coefficients": self._coefficients.tolist(),
            "rest": [self._error, self._weight, self._since],
        }

    def restore(self, state: State) -> None:
        """Take up where `state()` was made."""
        self._moments = np.array(state["moments"]).reshape(self._size + 1, self._size + 1)
        self._coefficients = np.array(state["coefficients"])
        self._error, self._weight, self._since = state["rest"]
