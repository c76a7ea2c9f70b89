"""Layering: orders on several levels of one side that are taken back while the other side is filled."""

import math

from detectors.base import AgedDetector, Features, State, count_of
from detectors.errors import StateError
from detectors.gamma_poisson import MAX_SURPRISE
from detectors.guarded_gaussian import GuardedGaussian
from detectors.reasons import Part, contributions, normal_tail
from detectors.results import Contribution

#: Fewer levels than this are no layers.
LEAST_LEVELS = 3
#: What of one side was cancelled weighs at least so many times what was filled on the other, or it is no bait.
_LEAST_RATIO = 2.0
_RATIO_FLOOR = 0.5
_LEVELS_FLOOR = 0.3
_MOST_CANCELS = 200.0
#: Chance that a cancel of an ordinary maker is on the side on which most are.
_SAME_SIDE = 0.75


class Layering(AgedDetector):
    """What one account cancelled on one side within seconds, on how many prices, against its fills on the other.

    It looks at one candidate at a time: an account that cancelled on at least three price levels of a side and was
    filled on the other. Three things must come together, and add up to the score:

    - one-sidedness: with n cancels, of which m on the other side, `-log10 P(M <= m)` of a binomial with chance 0.25:
      makers re-quote both sides, and pull one when the price runs;
    - levels: the normal tail of `ln levels` above what is usual among this symbol's candidates, in decades;
    - bait: the same of `ln (cancelled / filled)`; what is below twice the fill is none.

    Without bait the score is 0, as it is without layers: an account that is filled on both sides, or cancels what it
    would have traded, is none of this.

    It fails on layers that several accounts place for one, and where accounts of fills are not told.

    Parameters
    ----------
    half_life_s
        Memory of what is usual among candidates in seconds, > 0.
    grace_s
        Seconds between the first observation and a score that is believed, >= 0.

    Notes
    -----
    Features: `time_s`; of the candidate: `levels` prices on which it cancelled on a side, `cancels` and `cancelled` the
    number and notional of those, `others` its cancels on the other side, `filled` the notional of its fills on the
    other side.

    Examples
    --------
    >>> layering = Layering(grace_s=0.0)
    >>> for second in range(100):
    ...     layering.learn_one({"time_s": float(second), "levels": 3, "cancelled": 300.0, "filled": 100.0})
    >>> maker = {"time_s": 100.0, "levels": 4, "cancels": 6, "others": 5, "cancelled": 400.0, "filled": 150.0}
    >>> spoof = {"time_s": 100.0, "levels": 8, "cancels": 16, "others": 0, "cancelled": 9000.0, "filled": 100.0}
    >>> layering.score_one(maker) < 2 < 8 < layering.score_one(spoof)
    True

    References
    ----------
    Poutré, C., Chételat, D. and Morales, M. (2024). Deep unsupervised anomaly detection in high-frequency markets.
    Journal of Finance and Data Science (quote stuffing, layering). Fabre, T. and Challet, D. (2025). arXiv 2504.15908.
    """

    name = "layering"

    def __init__(self, half_life_s: float = 1_800.0, grace_s: float = 60.0) -> None:
        self.half_life_s = half_life_s
        self.grace_s = grace_s
        self._levels = GuardedGaussian(half_life_s, _LEVELS_FLOOR)
        self._ratio = GuardedGaussian(half_life_s, _RATIO_FLOOR)

    def score_one(self, x: Features) -> float:
        """The sum of the three, 0 where one of them lacks."""
        return sum(part.weight for part in self._parts(x))

    def learn_one(self, x: Features) -> None:
        """Move what is usual towards this candidate; without levels, time alone passes."""
        time_s = x.get("time_s", 0.0)
        if not 0.0 <= time_s < math.inf:
            time_s = max(self._time_s, 0.0)
        levels, ratio = count_of(x, "levels"), _ratio(x)
        if levels > 0.0 and ratio > 0.0:
            self._levels.learn(math.log(levels), time_s)
            self._ratio.learn(math.log(ratio), time_s)
        self._age(time_s)

    def explain_one(self, x: Features) -> tuple[Contribution, ...]:
        """Layers, one-sidedness and bait, with what is usual among candidates."""
        return contributions(self._parts(x))

    def _parts(self, x: Features) -> list[Part]:
        levels, ratio = count_of(x, "levels"), _ratio(x)
        if levels < LEAST_LEVELS or ratio < _LEAST_RATIO:
            return []
        cancels, others = min(count_of(x, "cancels"), _MOST_CANCELS), min(count_of(x, "others"), _MOST_CANCELS)
        one_sided = _few_on_the_other_side(others, cancels + others)
        of_levels = _decades_above(self._levels, math.log(levels))
        of_ratio = _decades_above(self._ratio, math.log(ratio))
        filled = count_of(x, "filled")
        share = cancels / max(cancels + others, 1.0)
        return [
            Part(one_sided, "share of cancels on one side", share, _SAME_SIDE, "share", 10.0**-one_sided),
            Part(of_levels, "price levels cancelled", levels, math.exp(self._levels.mean), "levels",
                 10.0**-of_levels),
            Part(of_ratio, "cancelled on one side while filled on the other", count_of(x, "cancelled"),
                 filled * math.exp(min(self._ratio.mean, 50.0)), "notional", 10.0**-of_ratio),
        ]  # fmt: skip

    def state(self) -> State:
        """What is usual, and when it began."""
        return {
            "half_life_s": self.half_life_s,
            "levels": self._levels.state(),
            "ratio": self._ratio.state(),
            "time": [self._born_s, self._time_s],
        }

    def restore(self, state: State) -> None:
        """Take up where `state()` was made; raises StateError for another half-life."""
        if state.get("half_life_s") != self.half_life_s:
            msg = f"layering state: expected half_life_s {self.half_life_s}, found {state.get('half_life_s')!r}"
            raise StateError(msg)
        self._levels.restore(state["levels"])
        self._ratio.restore(state["ratio"])
        self._born_s, self._time_s = state["time"]


def _ratio(x: Features) -> float:
    """What was cancelled over what was filled on the other side; 0 where nothing was filled."""
    filled = count_of(x, "filled")
    return count_of(x, "cancelled") / filled if filled > 0.0 else 0.0


def _decades_above(level: GuardedGaussian, value: float) -> float:
    """Decades of the chance of a value so far above its level; 0 below it, or when nothing is known."""
    z = level.z(value)
    return -math.log10(max(2.0 * normal_tail(z), 1e-300)) if z > 0.0 else 0.0


def _few_on_the_other_side(others: float, cancels: float) -> float:
    """Decades of the chance that so few of the cancels are on the other side."""
    n, most = int(cancels), int(others)
    chance = sum(math.comb(n, k) * (1.0 - _SAME_SIDE) ** k * _SAME_SIDE ** (n - k) for k in range(most + 1))
    return min(-math.log10(min(max(chance, 1e-300), 1.0)), MAX_SURPRISE)
