"""The recent values of a series, evenly spaced, and what is read from them: lags, windows, the period."""

import math

import numpy as np
from numpy.typing import NDArray

from detectors.base import State
from detectors.series_period import find_period

Floats = NDArray[np.float64]
Places = NDArray[np.int64]

#: Values that are kept at least, and how many more before the oldest are dropped.
KEPT = 2048
_SLACK = 256
#: Values after which the period is looked for: early on, then each so many.
_LOOK_AT = (128, 256, 512, 1024)
_LOOK_EVERY = 2048
#: Window while there is no period; the shortest and longest window.
_WINDOW, _SHORTEST, _LONGEST = 64, 16, 1024
#: Numbers that a window is summed up in.
SHAPE_SIZE = 16
#: The last values as they are; means of the next 8, 16 and 32; three values a period ago; the long level.
LAGS = 8
INPUTS = LAGS - 1 + 3 + 3 + 1
SEASONAL = slice(LAGS + 2, LAGS + 5)
#: A gap of more than so many usual intervals is filled with the straight line, up to so many values.
_GAP, _FILLED = 4.0, 64
_INTERVAL_STEP = 1.05


class SeriesHistory:
    """A ring of values, with the period and the usual interval found on the way.

    Values are taken as evenly spaced unless timestamps show a gap of more than four usual intervals; that is filled
    with a straight line, so that what is a period ago stays so. Timestamps that are missing, not finite or go back
    count as one step.

    Examples
    --------
    >>> history = SeriesHistory()
    >>> for index in range(300):
    ...     _ = history.push(math.sin(2 * math.pi * index / 40), None)
    >>> history.period, history.window
    (40, 40)
    """

    __slots__ = ("_buffer", "_edges", "_end", "_interval_s", "_time_s", "period", "seen", "window")

    def __init__(self) -> None:
        # One place more: where the value that is only looked at stands.
        self._buffer = np.zeros(KEPT + _SLACK + 1)
        self._end = 0
        self._time_s = math.nan
        self._interval_s = 0.0
        #: Values pushed, without those that filled gaps.
        self.seen = 0
        #: Steps, 0: none was found.
        self.period = 0
        #: Values in a window.
        self.window = _WINDOW
        self._edges = _edges(_WINDOW)

    @property
    def last(self) -> float:
        """The newest value."""
        return float(self._buffer[self._end - 1])

    @property
    def has_lags(self) -> bool:
        """Whether there are values for `inputs`."""
        return self._end > LAGS

    @property
    def has_window(self) -> bool:
        """Whether there are values for `shape`."""
        return self._end >= self.window

    def steps(self, time_s: float | None) -> float:
        """Usual intervals since the newest value, at least 1."""
        if time_s is None or self._interval_s <= 0.0 or not time_s - self._time_s > _GAP * self._interval_s:
            return 1.0
        return (time_s - self._time_s) / self._interval_s

    def inputs(self, level: float) -> Floats:
        """What the next value is foretold from, the long level last, each less the newest value."""
        values, end = self._buffer, self._end
        last = self.last
        found = np.zeros(INPUTS)
        found[-1] = level - last
        found[: LAGS - 1] = values[end - LAGS : end - 1] - last
        for index, (near, far) in enumerate(((8, 16), (16, 32), (32, 64))):
            if end > near:
                part = values[max(end - far, 0) : end - near]
                found[LAGS - 1 + index] = _mean(part) - last
        if self.period and end > self.period + 1:
            found[SEASONAL] = values[end - self.period - 1 : end - self.period + 2] - last
        return found

    def shape(self, newest: float) -> tuple[float, Floats]:
        """Mean of the window that ends with `newest`, and the window less its mean, in `SHAPE_SIZE` averages."""
        self._buffer[self._end] = newest
        window = self._buffer[self._end + 1 - self.window : self._end + 1]
        starts, sizes = self._edges
        means = np.add.reduceat(window, starts) / sizes
        mean = _mean(means)
        return mean, means - mean

    def push(self, value: float, time_s: float | None) -> bool:
        """Add a value; True when the period has changed, and with it the window."""
        steps = self.steps(time_s)
        if steps > 1.0 and self._end:
            missing = min(round(min(steps, 2.0 * _FILLED)) - 1, _FILLED)
            start = self.last
            for index in range(1, missing + 1):
                self._append(start + (value - start) * (index / (missing + 1)))
        if time_s is not None:
            self._follow(time_s)
        self._append(value)
        self.seen += 1
        if self.seen in _LOOK_AT or self.seen % _LOOK_EVERY == 0:
            return self._look()
        return False

    def _append(self, value: float) -> None:
        if self._end == KEPT + _SLACK:
            self._buffer[:KEPT] = self._buffer[_SLACK : KEPT + _SLACK]
            self._end = KEPT
        self._buffer[self._end] = value
        self._end += 1

    def _follow(self, time_s: float) -> None:
        gap_s = time_s - self._time_s
        self._time_s = time_s
        if not 0.0 < gap_s < math.inf:
            return
        if self._interval_s <= 0.0:
            self._interval_s = gap_s
        else:
            # A running median: it moves by a factor, whatever the gap.
            self._interval_s *= _INTERVAL_STEP if gap_s > self._interval_s else 1.0 / _INTERVAL_STEP

    def _look(self) -> bool:
        found = find_period(self._buffer[max(self._end - KEPT, 0) : self._end])
        if found == 0 or abs(found - self.period) <= 1 + 0.05 * self.period:
            return False
        self.period = found
        self.window = min(max(found, _SHORTEST), _LONGEST)
        self._edges = _edges(self.window)
        return True

    def state(self) -> State:
        """Everything kept, as plain values; always as many of them."""
        values = self._buffer[: self._end].tolist()
        return {
            "values": values + [0.0] * (KEPT + _SLACK - len(values)),
            "counts": [self._end, self.seen, self.period, self.window],
            "time": [None if math.isnan(self._time_s) else self._time_s, self._interval_s],
        }

    def restore(self, state: State) -> None:
        """Take up where `state()` was made."""
        self._buffer[:-1] = state["values"]
        self._end, self.seen, self.period, self.window = state["counts"]
        self._edges = _edges(self.window)
        time_s, self._interval_s = state["time"]
        self._time_s = math.nan if time_s is None else time_s


def _edges(window: int) -> tuple[Places, Places]:
    """Where the parts of a window start, and how many values each has."""
    edges = (np.arange(SHAPE_SIZE + 1) * window) // SHAPE_SIZE
    return edges[:-1], np.diff(edges)


def _mean(values: Floats) -> float:
    # Added up in order: the last digit of numpy's sum depends on the processor.
    return float(sum(values.tolist())) / len(values)
