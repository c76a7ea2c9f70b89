"""Execution quality: what it costs to trade, beyond what volatility explains."""

import math

from detectors.base import Detector, Features, State
from detectors.errors import StateError
from detectors.guarded_gaussian import GuardedGaussian
from detectors.reasons import Part, contributions, normal_tail
from detectors.results import Contribution

#: Costs, and what they are called; all in basis points of the mid price.
COSTS = {
    "spread_bp": "quoted spread",
    "effective_spread_bp": "effective spread of trades",
    "slippage_bp": "slippage of a standard order",
}
#: Costs and volatilities below this, in basis points, count as this.
_LEAST_BP = 0.05
_MOST_BP = 1e5
#: A steadier logarithm of a cost than this is still not alarmed by less.
_FLOOR = 0.15
#: Variance of the logarithm of volatility that a slope of 0 is believed with, and the steepest slope.
_PRIOR_VARIANCE = 0.02
_STEEPEST = 3.0
_MOST_Z = 50.0
#: Mean life over half-life: 1 / ln 2.
_MEAN_LIFE = 1.4426950408889634


class _Law:
    """How the logarithm of a cost goes with that of volatility: an exponentially weighted regression, guarded."""

    __slots__ = ("_covariance", "_half_life_s", "_mean", "_usual", "_variance", "_weight", "residual")

    def __init__(self, half_life_s: float) -> None:
        self._half_life_s = half_life_s
        self._mean = self._usual = self._variance = self._covariance = self._weight = 0.0
        self.residual = GuardedGaussian(half_life_s, _FLOOR)

    @property
    def slope(self) -> float:
        return min(max(self._covariance / (self._variance + _PRIOR_VARIANCE), 0.0), _STEEPEST)

    def expected(self, volatility: float) -> float:
        """The logarithm of the cost at that of a volatility."""
        return self._mean + self.slope * (volatility - self._usual) + self.residual.mean

    def z(self, cost: float, volatility: float) -> float:
        """Deviations above what is expected."""
        if self._weight == 0.0:
            return 0.0
        return (cost - self.expected(volatility)) / self.residual.deviation

    def learn(self, cost: float, volatility: float, gap_s: float, time_s: float) -> None:
        if self._weight == 0.0:
            self._mean, self._usual, self._weight = cost, volatility, gap_s
            self.residual.learn(0.0, time_s)
            return
        without = self._mean + self.slope * (volatility - self._usual)
        self.residual.learn(cost - without, time_s)
        # What the residual's guard would not have learned must not bend the slope either.
        reach = 3.0 * self.residual.deviation
        cost = without + min(max(cost - without, -reach), reach)
        self._weight = min(self._weight + gap_s, self._half_life_s * _MEAN_LIFE)
        step = gap_s / self._weight
        error, change = cost - self._mean, volatility - self._usual
        self._mean += step * error
        self._usual += step * change
        self._variance = (1.0 - step) * (self._variance + step * change * change)
        self._covariance = (1.0 - step) * (self._covariance + step * change * error)

    def state(self) -> list[list[float]]:
        now = [self._mean, self._usual, self._variance, self._covariance, self._weight]
        return [now, self.residual.state()]

    def restore(self, state: list[list[float]]) -> None:
        now, residual = state
        self._mean, self._usual, self._variance, self._covariance, self._weight = now
        self.residual.restore(residual)


class ExecutionQuality(Detector):
    """Quoted spread, effective spread of trades and slippage of a standard order, against what volatility explains.

    Costs rise with volatility: makers ask to be paid for the risk that prices run away from them. For each cost c the
    law `ln c = a + b ln v` is learned, v the volatility, by exponentially weighted least squares with a prior that b is
    0, guarded against outliers. The score is that of the cost that stands furthest above its law, in deviations of its
    own residuals; cheaper is never strange. A lively market alone is not told, a market whose fills are worse than its
    volatility is.

    `2 ** b` is the *degradation* of a cost: the factor by which it grows when volatility doubles. 1: fills do not
    suffer; 2: cost goes with volatility, as it does where makers compete (Wyart et al.); beyond that liquidity leaves
    when it is needed.

    It fails where trades and books are not of the same clock (an effective spread is measured against a mid that was
    another), on markets whose volatility never varies (b stays 0 then), and while the law itself changes.

    Parameters
    ----------
    half_life_s
        Memory of the laws in seconds, > 0.
    grace_s
        Seconds of books needed before scores are believed, >= 0.

    Notes
    -----
    Features: `time_s`; `volatility_bp`, realised, a minute; `spread_bp`, ask less bid; `effective_spread_bp`,
    `2 q (p - m) / m` weighted by notional, p the price of a trade, m the mid before it, q 1 for a taker who buys and -1
    for one who sells; `slippage_bp`, the mean distance from the mid at which a standard order is filled, mean of both
    sides. All in basis points of the mid; what lacks is not judged.

    Examples
    --------
    >>> import random
    >>> chance, quality = random.Random(5), ExecutionQuality()
    >>> def x(second, volatility, worse=1.0):
    ...     cost = worse * math.sqrt(volatility) * chance.lognormvariate(0.0, 0.1)
    ...     return {"time_s": float(second), "volatility_bp": volatility, "slippage_bp": cost}
    >>> for second in range(2_000):
    ...     quality.learn_one(x(second, 5.0 + 4.0 * math.sin(second / 300)))
    >>> quality.score_one(x(2_000, 9.0)) < 2 < 6 < quality.score_one(x(2_000, 9.0, worse=4.0))
    True
    >>> 1.3 < quality.degradation("slippage_bp") < 1.5
    True

    References
    ----------
    Huang, R. D. and Stoll, H. R. (1996). Dealer versus auction markets. Journal of Financial Economics 41(3): effective
    spread. Wyart, M. et al. (2008). Relation between bid-ask spread, impact and volatility in order-driven markets.
    Quantitative Finance 8(1).
    """

    name = "execution_quality"

    def __init__(self, half_life_s: float = 1_800.0, grace_s: float = 120.0) -> None:
        self.half_life_s = half_life_s
        self.grace_s = grace_s
        self._laws = {name: _Law(half_life_s) for name in COSTS}
        self._time_s = -1.0
        self._seen_s = 0.0

    @property
    def ready(self) -> bool:
        """Whether `grace_s` seconds of books were seen."""
        return self._seen_s >= self.grace_s

    def degradation(self, cost: str) -> float:
        """The factor by which a cost grows when volatility doubles, at least 1."""
        return math.pow(2.0, self._laws[cost].slope)

    def score_one(self, x: Features) -> float:
        """Deviations of the worst cost above what volatility explains; 0 when none is."""
        return max((z for _, z in self._deviations(x)), default=0.0)

    def learn_one(self, x: Features) -> None:
        """Move the laws towards what was seen."""
        time_s = float(x.get("time_s", 0.0))
        gap_s = min(max(time_s - self._time_s, 1e-3), 5.0) if self._time_s >= 0.0 else 1.0
        volatility = _log(x, "volatility_bp")
        if volatility is not None:
            for name, law in self._laws.items():
                cost = _log(x, name)
                if cost is not None:
                    law.learn(cost, volatility, gap_s, time_s)
        self._seen_s += gap_s if self._time_s >= 0.0 else 0.0
        self._time_s = max(self._time_s, time_s)

    def explain_one(self, x: Features) -> tuple[Contribution, ...]:
        """The costs above what is usual at this volatility."""
        volatility = _log(x, "volatility_bp")
        parts = []
        for name, z in self._deviations(x):
            cost = _log(x, name)
            if z > 0.0 and cost is not None and volatility is not None:
                usual = math.exp(self._laws[name].expected(volatility))
                label = f"{COSTS[name]} at this volatility"
                parts.append(Part(z, label, math.exp(cost), usual, "basis points", normal_tail(z)))
        return contributions(parts)

    def _deviations(self, x: Features) -> list[tuple[str, float]]:
        volatility = _log(x, "volatility_bp")
        if volatility is None:
            return []
        found = []
        for name, law in self._laws.items():
            cost = _log(x, name)
            if cost is not None:
                found.append((name, min(max(law.z(cost, volatility), 0.0), _MOST_Z)))
        return found

    def state(self) -> State:
        """The laws, and how long they were seen."""
        laws = {name: law.state() for name, law in self._laws.items()}
        return {"parameters": [self.half_life_s, self.grace_s], "laws": laws, "time": [self._time_s, self._seen_s]}

    def restore(self, state: State) -> None:
        """Take up where `state()` was made; raises StateError for other parameters."""
        expected = [self.half_life_s, self.grace_s]
        if state.get("parameters") != expected:
            msg = f"execution_quality state: expected parameters {expected}, found {state.get('parameters')}"
            raise StateError(msg)
        for name, law in self._laws.items():
            law.restore(state["laws"][name])
        self._time_s, self._seen_s = state["time"]


def _log(x: Features, name: str) -> float | None:
    """The logarithm of a cost or volatility; None where it is missing or not a number."""
    value = float(x.get(name, math.nan))
    if not math.isfinite(value):
        return None
    return math.log(min(max(value, _LEAST_BP), _MOST_BP))
