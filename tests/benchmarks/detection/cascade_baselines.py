"""Two simple forecasts of cascades, calibrated as Squall's are: cascade gain alone, and how many raise leverage."""

import math
from collections import deque

from detectors.events import LeverageChange
from tests.benchmarks.detection.flows import SECOND_US

GAIN, RAISES = "cascade gain", "leverage count z-score"
_WINDOW_S = 600.0
#: Memory of what count is usual, in looks (one a minute).
_WEIGHT = 1.0 / 240
_LEAST_DEVIATION = 0.1


def gain_features(gain: float) -> tuple[float, float]:
    """The largest cascade gain in reach, as the product publishes it, on a logarithmic scale.

    Examples
    --------
    >>> gain_features(1.0)
    (1.0, 0.049)
    """
    return 1.0, round(math.log(min(gain, 1e4) + 0.05), 3)


class Raises:
    """Raises of leverage in ten minutes on one symbol, against their own exponentially weighted level.

    Examples
    --------
    >>> raises = Raises()
    >>> for minute in range(600):
    ...     raises.take(LeverageChange(minute * 60 * SECOND_US, "a", "X", 5.0, 2.0))
    ...     calm = raises.features(60.0 * minute + 1.0)
    >>> for second in range(30):
    ...     raises.take(LeverageChange((36_000 + second) * SECOND_US, "a", "X", 5.0, 2.0))
    >>> abs(calm[1]) < 1.0 < 2.5 < raises.features(36_040.0)[1]
    True
    """

    def __init__(self) -> None:
        self._times_s: deque[float] = deque()
        self._mean: float | None = None
        self._variance = 0.0

    def take(self, change: LeverageChange) -> None:
        """Count it if it is a raise."""
        if change.prev_leverage is not None and change.leverage > change.prev_leverage:
            self._times_s.append(change.timestamp / SECOND_US)

    def features(self, now_s: float) -> tuple[float, float]:
        """The z-score of the logarithm of the count, at most 10 either way; it is learned afterwards."""
        while self._times_s and self._times_s[0] <= now_s - _WINDOW_S:
            self._times_s.popleft()
        value = math.log1p(len(self._times_s))
        mean = value if self._mean is None else self._mean
        gap = value - mean
        z = gap / math.sqrt(self._variance + _LEAST_DEVIATION**2)
        self._variance = (1.0 - _WEIGHT) * (self._variance + _WEIGHT * gap * gap)
        self._mean = mean + _WEIGHT * gap
        return 1.0, min(max(z, -10.0), 10.0)
