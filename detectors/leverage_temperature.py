"""Leverage temperature: funding, open interest, basis and volatility together are hotter than they were."""

import math

from detectors.base import Detector, Features, State
from detectors.errors import StateError
from detectors.guarded_gaussian import GuardedGaussian
from detectors.reasons import Part, contributions, normal_tail
from detectors.results import Contribution
from detectors.series_detector import SeriesDetector

#: Components: name, least deviation, unit, and what it is called. Funding and basis count either way, the others up.
_COMPONENTS = (
    ("funding", 1e-5, "share", "funding rate"),
    ("interest", 0.01, "contracts", "open interest"),
    ("basis", 1e-4, "share", "mark over index"),
    ("volatility", 0.2, "times", "realised volatility, short over long"),
)
_EITHER_WAY = frozenset({"funding", "basis"})
_LOGS = frozenset({"interest", "volatility"})
#: Weights of the components by regime of volatility. While the market is calm, what is built up tells most; in a storm
#: volatility and basis are already moving, and interest falls by itself as positions are closed.
_WEIGHTS: tuple[tuple[float, ...], ...] = ((0.3, 0.35, 0.2, 0.15), (0.25, 0.25, 0.25, 0.25), (0.2, 0.1, 0.35, 0.35))
#: Volatility, in deviations above its own level, at which the middle and the upper regime begin, and end again.
_BEGINS, _ENDS = (1.0, 3.0), (0.5, 2.0)
#: A temperature is the logistic of the weighted deviations less this: 0.12 when everything is usual.
_USUAL = 2.0
_MOST_Z = 10.0
_LARGEST = 1e6


class LeverageTemperature(Detector):
    """A temperature in (0, 1) of how stretched a contract is, and how strange its course is.

    `T = 1 / (1 + exp(2 - sum w_r z_k))`, z the deviations of funding, log open interest, basis and the log ratio of
    short to long realised volatility from their own guarded levels, which outliers cannot drag. The weights `w_r` are
    those of the regime of volatility: calm, lively, storm. A regime is left no sooner than `dwell_s` after it began,
    and at a lower mark than that at which it began, so that weights do not flutter.

    The course of T is watched by a `SeriesDetector`: its `-log10 p` is the score while T is above its own level;
    cooling off is no alarm. What lacks counts as usual.

    It fails where funding is set seldom and held (steps every eight hours are the rule: their effect fades with the
    half-life), and cannot tell hedged leverage from naked.

    Parameters
    ----------
    half_life_s
        Memory of the levels in seconds, > 0.
    dwell_s
        Least time in a regime of volatility in seconds, >= 0.
    warm_up
        Observations before a score is believed, >= 1.

    Notes
    -----
    Features: `time_s`; `funding` and `basis` (`ln(mark / index)`) as shares, `interest` the logarithm of open interest,
    `volatility` the logarithm of short over long realised volatility; any may be missing.

    Examples
    --------
    >>> import random
    >>> rng, heat = random.Random(1), LeverageTemperature()
    >>> def x(number, shift):
    ...     x = {"time_s": 5.0 * number, "funding": rng.gauss(1e-4, 1e-5) + 2e-4 * shift}
    ...     return x | {"interest": rng.gauss(10.0, 0.01) + 0.2 * shift, "basis": rng.gauss(0, 1e-4) + 1e-3 * shift}
    >>> for number in range(400):
    ...     heat.learn_one(x(number, 0.0))
    >>> calm, hot = x(400, 0.0), x(400, 1.0)
    >>> heat.score_one(calm) < 2 < 3 < heat.score_one(hot), heat.temperature(calm) < 0.4 < 0.9 < heat.temperature(hot)
    (True, True)

    References
    ----------
    dYdX v4, Open interest based margin; CryptoQuant, Estimated leverage ratio; Kaiko and Amberdata on 10 October 2025.
    """

    name = "leverage_temperature"

    def __init__(self, half_life_s: float = 3_600.0, dwell_s: float = 300.0, warm_up: int = 200) -> None:
        self.half_life_s = half_life_s
        self.dwell_s = dwell_s
        self.warm_up = warm_up
        self._levels = [GuardedGaussian(half_life_s, floor) for _, floor, _, _ in _COMPONENTS]
        self._usual = GuardedGaussian(half_life_s, 0.02)
        self._series = SeriesDetector(warm_up=warm_up)
        self._seen = 0
        #: Of volatility: 0 calm, 1 lively, 2 storm; and when it began.
        self.regime = 0
        self._since_s = -1.0

    @property
    def ready(self) -> bool:
        """Whether `warm_up` observations were seen."""
        return self._seen >= self.warm_up

    def temperature(self, x: Features) -> float:
        """From 0 to 1; 0.12 when everything is usual."""
        return 1.0 / (1.0 + math.exp(_USUAL - sum(weight * z for weight, z in self._weighted(x))))

    def score_one(self, x: Features) -> float:
        """Decades of the chance of so strange a course, while it is hotter than usual; else 0."""
        heat = self.temperature(x)
        if not self._usual.known or heat <= self._usual.mean:
            return 0.0
        return -math.log10(max(self._series.p_value_one(_point(x, heat)), 1e-300))

    def learn_one(self, x: Features) -> None:
        """Move the levels towards this observation, and see which regime it is of."""
        time_s = _number(x, "time_s") or 0.0
        heat = self.temperature(x)
        self._series.learn_one(_point(x, heat))
        self._usual.learn(heat, time_s)
        self._change_regime(x, time_s)
        for level, (name, *_) in zip(self._levels, _COMPONENTS, strict=True):
            value = _number(x, name)
            if value is not None:
                level.learn(value, time_s)
        self._seen += 1

    def explain_one(self, x: Features) -> tuple[Contribution, ...]:
        """The components by what they add to the heat, with their usual values."""
        parts = []
        for (weight, z), level, (name, _, unit, label) in zip(
            self._weighted(x), self._levels, _COMPONENTS, strict=True
        ):
            value = _number(x, name)
            if value is None:
                continue
            seen, usual = (_from_log(value), _from_log(level.mean)) if name in _LOGS else (value, level.mean)
            parts.append(Part(max(weight * z, 0.0), label, seen, usual, unit, normal_tail(z)))
        return contributions(parts)

    def _weighted(self, x: Features) -> list[tuple[float, float]]:
        """Weight and deviations of each component; what lacks has none."""
        found = []
        for weight, level, (name, *_) in zip(_WEIGHTS[self.regime], self._levels, _COMPONENTS, strict=True):
            value = _number(x, name)
            z = level.z(value) if value is not None else 0.0
            z = abs(z) if name in _EITHER_WAY else z
            found.append((weight, min(max(z, -_MOST_Z), _MOST_Z)))
        return found

    def _change_regime(self, x: Features, time_s: float) -> None:
        volatility = _number(x, "volatility")
        if volatility is None or (self._since_s >= 0.0 and time_s - self._since_s < self.dwell_s):
            return
        z = self._levels[-1].z(volatility)
        regime = sum(z >= (_ENDS if number < self.regime else _BEGINS)[number] for number in range(2))
        if regime != self.regime:
            self.regime, self._since_s = regime, time_s

    def state(self) -> State:
        """Levels, the course of the temperature, and the regime."""
        return {
            "parameters": [self.half_life_s, self.dwell_s, self.warm_up],
            "levels": [level.state() for level in (*self._levels, self._usual)],
            "series": self._series.state(),
            "now": [self._seen, self.regime, self._since_s],
        }

    def restore(self, state: State) -> None:
        """Take up where `state()` was made; raises StateError for other parameters."""
        expected = [self.half_life_s, self.dwell_s, self.warm_up]
        if state.get("parameters") != expected:
            msg = f"leverage_temperature state: expected parameters {expected}, found {state.get('parameters')}"
            raise StateError(msg)
        for level, saved in zip((*self._levels, self._usual), state["levels"], strict=True):
            level.restore(saved)
        self._series.restore(state["series"])
        self._seen, self.regime, self._since_s = state["now"]


def _number(x: Features, name: str) -> float | None:
    """A feature as a number of reasonable size; None when it is missing or none."""
    value = float(x.get(name, math.nan))
    if not math.isfinite(value):
        return None
    return value if name == "time_s" else min(max(value, -_LARGEST), _LARGEST)


def _point(x: Features, heat: float) -> Features:
    return {"value": heat, "time_s": x.get("time_s", 0.0)}


def _from_log(value: float) -> float:
    return math.exp(min(max(value, -50.0), 50.0))
