"""Latency shock: a component takes longer than it does."""

import math

from detectors.base import AgedDetector, Features, State
from detectors.errors import StateError
from detectors.guarded_gaussian import GuardedGaussian
from detectors.reasons import Part, contributions, normal_tail
from detectors.results import Contribution

#: A steadier logarithm (of an average over seconds) than this is still not alarmed by less.
_FLOOR = 0.05
_MOST = 1e3
#: A day, in microseconds.
_LONGEST_US = 8.64e10
_QUANTILES = (("median latency", "level_us"), ("95 % latency", "tail_us"))


class LatencyShock(AgedDetector):
    """Median and 95 % quantile of a component's latency, averaged over seconds, against their own recent levels.

    For each quantile `q` of a tick, `s` is the exponentially weighted mean of `ln q` over `smooth_s` seconds, and `z`
    its deviation from a guarded level and spread with the memory `half_life_s`. The larger z is the score: a shift of
    everything moves both, a queue that fills now and then moves the tail first. Only slower is worse. One slow answer
    among many is no shock: it moves the averages little.

    It fails on a component that gets slower over hours (the level follows; the guardrail `latency` has absolute
    limits), and where the latencies told are averages already.

    Parameters
    ----------
    half_life_s
        Memory of the levels in seconds, > 0.
    smooth_s
        Time constant of the averages in seconds, > 0.
    grace_s
        Seconds between the first observation and a score that is believed, >= 0.

    Notes
    -----
    Features: `time_s`; `level_us`, `tail_us` the median and 95 % quantile of the latencies of a tick in microseconds.

    Examples
    --------
    >>> import random
    >>> rng, detector = random.Random(1), LatencyShock()
    >>> def tick(number, factor):
    ...     level_us = factor * rng.lognormvariate(9.0, 0.2)
    ...     return {"time_s": number / 10, "level_us": level_us, "tail_us": 3.0 * level_us}
    >>> for number in range(3000):
    ...     detector.learn_one(tick(number, 1.0))
    >>> calm = detector.score_one(tick(3000, 1.0))
    >>> for number in range(3000, 3010):
    ...     detector.learn_one(tick(number, 10.0))
    >>> calm < 5 < 10 < detector.score_one(tick(3010, 10.0))
    True
    """

    name = "latency_shock"

    def __init__(self, half_life_s: float = 600.0, smooth_s: float = 2.0, grace_s: float = 60.0) -> None:
        self.half_life_s = half_life_s
        self.smooth_s = smooth_s
        self.grace_s = grace_s
        self._levels = [GuardedGaussian(half_life_s, _FLOOR) for _ in _QUANTILES]
        self._smooth: list[float | None] = [None] * len(_QUANTILES)

    def score_one(self, x: Features) -> float:
        """Deviations of the quantile that is further above its level, 0 when neither is above."""
        return max((part.weight for part in self._parts(x)), default=0.0)

    def learn_one(self, x: Features) -> None:
        """Move averages and levels towards this tick."""
        time_s = x.get("time_s", 0.0)
        self._smooth = self._smoothed(x)
        for level, average in zip(self._levels, self._smooth, strict=True):
            if average is not None:
                level.learn(average, time_s)
        self._age(time_s)

    def explain_one(self, x: Features) -> tuple[Contribution, ...]:
        """Both quantiles that are above their levels, averaged over some seconds."""
        return contributions(self._parts(x))

    def _parts(self, x: Features) -> list[Part]:
        parts = []
        for level, average, (label, _) in zip(self._levels, self._smoothed(x), _QUANTILES, strict=True):
            if average is not None and level.known:
                z = min(max(level.z(average), 0.0), _MOST)
                parts.append(Part(z, label, _microseconds(average), _microseconds(level.mean), "us", normal_tail(z)))
        return parts

    def _smoothed(self, x: Features) -> list[float | None]:
        gap_s = max(x.get("time_s", 0.0) - self._time_s, 0.0) if self._time_s >= 0.0 else 0.0
        keep = math.exp(-gap_s / self.smooth_s)
        found: list[float | None] = []
        for before, (_, name) in zip(self._smooth, _QUANTILES, strict=True):
            value = x.get(name, -1.0)
            if not value >= 0.0:
                found.append(before)
                continue
            log = math.log1p(min(value, _LONGEST_US))
            found.append(log if before is None else keep * before + (1.0 - keep) * log)
        return found

    def state(self) -> State:
        """Levels, averages, and when it began."""
        return {
            "parameters": [self.half_life_s, self.smooth_s],
            "levels": [level.state() for level in self._levels],
            "smooth": list(self._smooth),
            "time": [self._born_s, self._time_s],
        }

    def restore(self, state: State) -> None:
        """Take up where `state()` was made; raises StateError for other parameters."""
        expected = [self.half_life_s, self.smooth_s]
        if state.get("parameters") != expected:
            msg = f"latency_shock state: expected parameters {expected}, found {state.get('parameters')}"
            raise StateError(msg)
        for level, saved in zip(self._levels, state["levels"], strict=True):
            level.restore(saved)
        self._smooth = list(state["smooth"])
        self._born_s, self._time_s = state["time"]


def _microseconds(log: float) -> float:
    return math.expm1(min(log, math.log(_LONGEST_US)))
