"""Mark divergence: the price that liquidates has left the prices it is made of."""

import math

from detectors.base import AgedDetector, Features, State
from detectors.errors import StateError
from detectors.guarded_gaussian import GuardedGaussian
from detectors.reasons import Part, contributions, normal_tail
from detectors.results import Contribution

#: Logarithm of a ratio of prices: nothing is learned or scored as further apart.
_FURTHEST = 3.0
#: Least deviation of a ratio (a basis point) and of the logarithm of an interval.
_RATIO_FLOOR = 1e-4
_AGE_FLOOR = 0.25
#: A last trade older than this says nothing about now.
_LAST_IS_FRESH_S = 5.0
#: An age below this is ordinary whatever the usual interval.
_LEAST_AGE_S = 1.0
_OLDEST_S = 1e6
#: Deviations that the outer band itself is worth.
_BAND_SCORE = 10.0
_MOST = 1e3
_PAIRS = (("mark from index in bp", "mark", "index"), ("last trade from mark in bp", "last", "mark"))
_AGES = (("age of the mark price", "mark_age_s"), ("age of the index price", "index_age_s"))


class MarkDivergence(AgedDetector):
    """Mark against index, last trade against mark, and how long mark and index have stood still.

    `r = ln(a / b)` of each pair has a guarded, exponentially weighted level `m` and deviation `s`; what counts is
    `min(|r - m|, |r| - inner_band) / s`: divergences within the inner band are ordinary however steady they usually
    are. What is beyond `outer_band` adds
    `10 |r| / outer_band`, however unsteady the pair usually is, or however slowly it got there. The age of mark and of
    index is judged by the logarithm of its ratio to the usual interval, above a second. The largest part is the score.

    It fails where mark and index are wrong together, and cannot say which of two prices is wrong. A last trade older
    than 5 s is not compared: a quiet symbol is no divergence.

    Parameters
    ----------
    half_life_s
        Memory of levels and intervals in seconds, > 0.
    inner_band, outer_band
        Absolute bands, as shares of price, `0 < inner_band < outer_band`.
    grace_s
        Seconds between the first observation and a score that is believed, >= 0.

    Notes
    -----
    Features: `time_s`; `mark`, `index`, `last` the newest prices, any may be missing; `mark_age_s`, `index_age_s`,
    `last_age_s` seconds since they came; `mark_gap_s`, `index_gap_s` the interval that just ended, when one did.

    Examples
    --------
    >>> import random
    >>> rng, detector = random.Random(1), MarkDivergence()
    >>> for second in range(300):
    ...     detector.learn_one({"time_s": second, "mark": 100 + rng.gauss(0, 0.01), "index": 100.0})
    >>> calm = detector.score_one({"time_s": 300, "mark": 100.01, "index": 100.0})
    >>> wild = detector.score_one({"time_s": 300, "mark": 102.0, "index": 100.0})
    >>> calm, wild > 50
    (0.0, True)

    References
    ----------
    Bybit, Mark price calculation (the median of index with funding, index with basis, and last).
    """

    name = "mark_divergence"

    def __init__(
        self,
        half_life_s: float = 600.0,
        inner_band: float = 0.0005,
        outer_band: float = 0.01,
        grace_s: float = 60.0,
    ) -> None:
        self.half_life_s = half_life_s
        self.inner_band = inner_band
        self.outer_band = outer_band
        self.grace_s = grace_s
        self._ratios = [GuardedGaussian(half_life_s, _RATIO_FLOOR) for _ in _PAIRS]
        self._gaps = [GuardedGaussian(half_life_s, _AGE_FLOOR) for _ in _AGES]

    def score_one(self, x: Features) -> float:
        """The largest of the parts, in deviations."""
        return max((part.weight for part in self._parts(x)), default=0.0)

    def learn_one(self, x: Features) -> None:
        """Move the levels towards these prices and intervals."""
        time_s = _finite(x.get("time_s", 0.0)) or 0.0
        for level, (_, one, other) in zip(self._ratios, _PAIRS, strict=True):
            ratio = _ratio(x, one, other)
            if ratio is not None:
                level.learn(ratio, time_s)
        for level, (_, name) in zip(self._gaps, _AGES, strict=True):
            gap = _log_age(x, name.replace("age", "gap"))
            if gap is not None:
                level.learn(gap, time_s)
        self._age(time_s)

    def explain_one(self, x: Features) -> tuple[Contribution, ...]:
        """Divergences in basis points, ages in seconds, with what is usual."""
        return contributions(self._parts(x))

    def _parts(self, x: Features) -> list[Part]:
        parts = []
        for level, (label, one, other) in zip(self._ratios, _PAIRS, strict=True):
            ratio = _ratio(x, one, other)
            if ratio is None or abs(ratio) < self.inner_band:
                continue
            # At the inner band it is 0: a score that leaps there would make every crossing a rarity.
            z = min(abs(level.z(ratio)), (abs(ratio) - self.inner_band) / level.deviation)
            beyond = abs(ratio) / self.outer_band
            weight = min(z + (_BAND_SCORE * beyond if beyond >= 1.0 else 0.0), _MOST)
            usual = min(max(level.mean, -_FURTHEST), _FURTHEST)
            parts.append(Part(weight, label, 1e4 * ratio, 1e4 * usual, "basis points", 2.0 * normal_tail(z)))
        for level, (label, name) in zip(self._gaps, _AGES, strict=True):
            age = _log_age(x, name)
            if age is None or age <= math.log(_LEAST_AGE_S) or not level.known:
                continue
            z = min(max(level.z(age), 0.0), _MOST)
            usual_s = math.exp(min(level.mean, math.log(_OLDEST_S)))
            parts.append(Part(z, label, math.exp(age), usual_s, "s", normal_tail(z)))
        return parts

    def state(self) -> State:
        """Levels, intervals, and when it began."""
        return {
            "parameters": [self.half_life_s, self.inner_band, self.outer_band],
            "ratios": [level.state() for level in self._ratios],
            "gaps": [level.state() for level in self._gaps],
            "time": [self._born_s, self._time_s],
        }

    def restore(self, state: State) -> None:
        """Take up where `state()` was made; raises StateError for other parameters."""
        expected = [self.half_life_s, self.inner_band, self.outer_band]
        if state.get("parameters") != expected:
            msg = f"mark_divergence state: expected parameters {expected}, found {state.get('parameters')}"
            raise StateError(msg)
        for level, saved in zip((*self._ratios, *self._gaps), (*state["ratios"], *state["gaps"]), strict=True):
            level.restore(saved)
        self._born_s, self._time_s = state["time"]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _ratio(x: Features, one: str, other: str) -> float | None:
    """Logarithm of the ratio of two prices; None when one is missing, no price, or a trade of long ago."""
    a, b = x.get(one, 0.0), x.get(other, 0.0)
    if not (0.0 < a < math.inf and 0.0 < b < math.inf):
        return None
    if one == "last" and not x.get("last_age_s", 0.0) <= _LAST_IS_FRESH_S:
        return None
    return min(max(math.log(a) - math.log(b), -_FURTHEST), _FURTHEST)


def _log_age(x: Features, name: str) -> float | None:
    age_s = x.get(name, 0.0)
    return math.log(min(age_s, _OLDEST_S)) if age_s > 0.0 else None
