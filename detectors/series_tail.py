"""How often a positive quantity was as large before: a fading histogram on a logarithmic scale."""

import math
from array import array
from itertools import accumulate

from detectors.base import State

#: Bins an octave, and the octaves: what is outside is taken for the nearest end.
_PER_OCTAVE = 4
_LOWEST_OCTAVE, _HIGHEST_OCTAVE = -6, 26
_BINS = (_HIGHEST_OCTAVE - _LOWEST_OCTAVE) * _PER_OCTAVE
_LEAST, _MOST = 2.0**_LOWEST_OCTAVE, 2.0 ** (_HIGHEST_OCTAVE - 1e-9)
_LAST = _BINS - 1e-9
_LN_BIN = math.log(2.0) / _PER_OCTAVE
#: The table of tails is made anew after so many values, or after an eighth of the values so far.
_REFRESH_EVERY = 64
#: The Pareto tail begins where so many values lie above, or this share of all.
_TAIL_COUNT, _TAIL_SHARE = 10.0, 0.02
#: What is believed of the tail's index before there are values in the tail, and how many values that is worth.
_PRIOR_VALUES = 5.0
#: Values after which the guard stands, and how many beyond it are learned: one in so many.
_MATURE = 500.0
_LEARN_ONE_IN = 10


class TailHistogram:
    """Upper-tail p-values of a stream of positive numbers, whatever their law; older ones fade.

    Inside what was seen often, `p(r)` is the faded share of values above `r`. Beyond, the tail is a Pareto law,
    `p(r) = p(u) * (r / u) ** -index`, its index by Hill's estimate over what lies above `u`, drawn to a prior: for
    light tails that says too much rather than too little, and it never ends, so that what is stranger ranks higher.

    It fails where values do not come back to the same range (a ratio to their own level should be given to it).

    Parameters
    ----------
    half_life
        Values after which a value weighs half, > 0.
    guard
        p-value below which, once the histogram is mature, only one value in ten is learned, in [0, 1): an anomaly must
        not teach that it is ordinary while it lasts, and a new regime must be taken in all the same.
    prior_index
        Index of the tail that is believed before there is one, > 0.

    Examples
    --------
    >>> import random
    >>> rng = random.Random(5)
    >>> tail = TailHistogram(half_life=10_000.0)
    >>> for _ in range(5_000):
    ...     tail.learn(rng.paretovariate(3.0))
    >>> 0.5 < tail.p_value(4.0) / 4.0**-3 < 2.0, 0.2 < tail.p_value(40.0) / 40.0**-3 < 5.0
    (True, True)

    References
    ----------
    Hill, B. M. (1975). A simple general approach to inference about the tail of a distribution. Annals of
    Statistics 3(5).
    """

    __slots__ = (
        "_counts", "_fade", "_guard_place", "_guarded", "_log_guard", "_log_tails", "_prior_index", "_since", "weight",
    )  # fmt: skip

    def __init__(self, half_life: float, guard: float = 0.0, prior_index: float = 3.0) -> None:
        self._fade: float = 0.5 ** (1.0 / half_life)
        self._prior_index = prior_index
        self._counts = array("d", bytes(8 * _BINS))
        self._log_tails = array("d", bytes(8 * (_BINS + 1)))
        self._since = 0
        self._log_guard = math.log(guard) if guard > 0.0 else -math.inf
        self._guarded = 0
        self._guard_place = _BINS
        #: Faded number of values.
        self.weight = 0.0

    def log_p(self, value: float) -> float:
        """Natural logarithm of the p-value."""
        place = _place(value)
        index = int(place)
        below, above = self._log_tails[index], self._log_tails[index + 1]
        return below + (above - below) * (place - index)

    def p_value(self, value: float) -> float:
        """Share of values at least this large, from the table last made."""
        return math.exp(self.log_p(value))

    def learn(self, value: float) -> None:
        """Take a value in, or one in ten of those beyond the guard."""
        place = int(_place(value))
        if place >= self._guard_place:
            self._guarded += 1
            if self._guarded % _LEARN_ONE_IN:
                return
        self._counts[place] += 1.0
        self.weight += 1.0
        self._since += 1
        if self._since >= _REFRESH_EVERY or self._since * 8 >= self.weight:
            self._refresh()

    def _refresh(self) -> None:
        counts = self._counts
        # Half a value for what was not seen yet.
        whole = self.weight + 1.0
        tails = [tail + 0.5 for tail in accumulate(reversed(counts), initial=0.0)]
        tails.reverse()
        enough = max(_TAIL_COUNT, _TAIL_SHARE * self.weight)
        start = _BINS
        while start > 0 and tails[start] < enough:
            start -= 1
        excess = sum(counts[index] * (index - start + 0.5) for index in range(start, _BINS)) * _LN_BIN
        index = (tails[start] + _PRIOR_VALUES) / (excess + _PRIOR_VALUES / self._prior_index)
        anchor = math.log(min(tails[start] / whole, 1.0))
        self._log_tails = array(
            "d",
            (
                math.log(min(tail / whole, 1.0)) if place <= start else anchor - index * (place - start) * _LN_BIN
                for place, tail in enumerate(tails)
            ),
        )
        self._guard_place = _BINS
        if self.weight > _MATURE:
            guarded = (place for place, log_tail in enumerate(self._log_tails) if log_tail < self._log_guard)
            self._guard_place = next(guarded, _BINS)
        fade = self._fade**self._since
        self._counts = array("d", (count * fade for count in counts))
        self.weight *= fade
        self._since = 0

    def state(self) -> State:
        """Everything learned, as plain values."""
        return {
            "counts": list(self._counts),
            "log_tails": list(self._log_tails),
            "since": [self._since, self._guarded, self._guard_place],
            "weight": self.weight,
        }

    def restore(self, state: State) -> None:
        """Take up where `state()` was made."""
        self._counts, self._log_tails = array("d", state["counts"]), array("d", state["log_tails"])
        self._since, self._guarded, self._guard_place = state["since"]
        self.weight = state["weight"]


def _place(value: float) -> float:
    """Where on the scale of bins a value lies, from 0 to just below its end."""
    if value <= _LEAST:
        return 0.0
    return (math.log2(value) - _LOWEST_OCTAVE) * _PER_OCTAVE if value < _MOST else _LAST
