"""ADWIN: a window that is as long as its values agree on one mean, with state that is plain numbers."""

import math
from typing import NamedTuple

from detectors.base import State


class Cut(NamedTuple):
    """Where the window's two parts are told apart best.

    `size` is how far the means are apart over how far they may be, > 1: the largest of all cuts.
    """

    old_count: int
    old_mean: float
    new_count: int
    new_mean: float
    size: float


class AdaptiveWindow:
    """Whether the mean of a stream has changed, by every cut of the values since the last change into old and new.

    The window is an exponential histogram: rows of at most `max_buckets` buckets, each the sum of `2 ** row` values, so
    that W values take about `max_buckets * log2(W / max_buckets)` numbers. A cut at a bucket's edge into n0 old and n1
    new values is a change when

    `|mean0 - mean1| > sqrt(2 m v s d) + 2/3 m d`, `d = ln(2 ln(W) / delta)`,
    `m = 1 / (n0 - l + 1) + 1 / (n1 - l + 1)`, l the `min_window_length`, v the variance of the window, and s the
    `inflation` that was handed in: 1 for values that are independent, else the variance of a mean of many of them over
    that of as many independent ones. Of all cuts, `cut` is then the likeliest place of the change, and the window
    begins afresh.

    With s = 1 it answers as `river.drift.ADWIN` does, whose state cannot be taken out as numbers.

    Parameters
    ----------
    delta
        Chance of a false change, roughly, in (0, 1).
    clock
        Changes are looked for at each so many values, >= 1.
    max_buckets
        Buckets of a row before two become one of the next, >= 2.
    min_window_length
        Least values on each side of a cut, >= 1.
    grace_period
        Values before changes are looked for, >= 1.

    Notes
    -----
    The second term takes a range of 1 for granted: it is the caller who chooses a unit in which a change of less than
    a few hundredths is no change at all.

    Examples
    --------
    >>> window = AdaptiveWindow()
    >>> [number for number in range(2_000) if window.update(float(number % 2 + 3 * (number >= 1_000)))]
    [1023]
    >>> cut = window.cut
    >>> cut.old_mean, cut.new_mean, cut.new_count
    (0.5, 3.5, 24)

    References
    ----------
    Bifet, A. and Gavalda, R. (2007). Learning from time-changing data with adaptive windowing. SIAM SDM.
    """

    __slots__ = (
        "_rows", "_seen", "clock", "cut", "delta", "grace_period", "max_buckets", "min_window_length", "squares",
        "total", "width",
    )  # fmt: skip

    def __init__(
        self,
        delta: float = 0.002,
        clock: int = 32,
        max_buckets: int = 5,
        min_window_length: int = 5,
        grace_period: int = 10,
    ) -> None:
        self.delta = delta
        self.clock = clock
        self.max_buckets = max_buckets
        self.min_window_length = min_window_length
        self.grace_period = grace_period
        #: The clearest cut of the last change; None before there was one.
        self.cut: Cut | None = None
        self._clear()

    def _clear(self) -> None:
        #: Buckets of 1, 2, 4, ... values, in each row the oldest first.
        self._rows: list[list[float]] = [[]]
        self._seen = 0
        self.width = 0
        self.total = 0.0
        #: Sum of squared deviations from the mean.
        self.squares = 0.0

    @property
    def mean(self) -> float:
        """Mean of the window; 0 while it is empty."""
        return self.total / self.width if self.width else 0.0

    @property
    def variance(self) -> float:
        """Variance of the window; 0 while it is empty."""
        return max(self.squares, 0.0) / self.width if self.width else 0.0

    def update(self, value: float, inflation: float = 1.0) -> bool:
        """Take a value in, and answer whether the mean has changed; then `cut` says how, and the window is empty."""
        self._insert(value)
        self._seen += 1
        if self._seen % self.clock or self.width <= self.grace_period:
            return False
        cut = self._clearest_cut(inflation)
        if cut is None:
            return False
        self.cut = cut
        self._clear()
        return True

    def _insert(self, value: float) -> None:
        if self.width:
            self.squares += self.width * (value - self.mean) ** 2 / (self.width + 1)
        self.width += 1
        self.total += value
        self._rows[0].append(value)
        for number, row in enumerate(self._rows):
            if len(row) <= self.max_buckets:
                return
            if number + 1 == len(self._rows):
                self._rows.append([])
            self._rows[number + 1].append(row[0] + row[1])
            del row[:2]

    def _clearest_cut(self, inflation: float) -> Cut | None:
        """Of all cuts the likeliest place of a change; None when no cut shows one."""
        least, width, whole = self.min_window_length, self.width, self.total
        doubt = math.log(2.0 * math.log(width) / self.delta)
        spread, range_term = 2.0 * self.variance * inflation * doubt, 2.0 / 3.0 * doubt
        old_count, old_total = 0, 0.0
        clearest, clearness, largest = (0, 0.0), -1.0, 0.0
        for number in range(len(self._rows) - 1, -1, -1):
            for total in self._rows[number]:
                old_count += 1 << number
                old_total += total
                new_count = width - old_count
                if old_count < least or new_count < least:
                    continue
                apart = abs(old_total / old_count - (whole - old_total) / new_count)
                shortness = 1.0 / (old_count - least + 1) + 1.0 / (new_count - least + 1)
                size = apart / (math.sqrt(spread * shortness) + range_term * shortness)
                largest = max(largest, size)
                # The variance between both parts: where it is largest, the change most likely was.
                between = old_count * new_count * apart * apart
                if between > clearness:
                    clearest, clearness = (old_count, old_total), between
        if largest <= 1.0:
            return None
        old_count, old_total = clearest
        new_count = width - old_count
        return Cut(old_count, old_total / old_count, new_count, (whole - old_total) / new_count, largest)

    def copy(self) -> "AdaptiveWindow":
        """Another that knows the same."""
        other = AdaptiveWindow(self.delta, self.clock, self.max_buckets, self.min_window_length, self.grace_period)
        other._rows = [row[:] for row in self._rows]
        other._seen, other.width, other.total, other.squares = self._seen, self.width, self.total, self.squares
        return other

    def state(self) -> State:
        """Rows and sums; not the last cut."""
        rows = [list(row) for row in self._rows]
        return {"rows": rows, "sums": [self._seen, self.width, self.total, self.squares]}

    def restore(self, state: State) -> None:
        """Take up where `state()` was made."""
        self._rows = [list(row) for row in state["rows"]]
        self._seen, self.width, self.total, self.squares = state["sums"]
