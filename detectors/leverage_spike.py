"""Leverage spike: the accounts of a symbol raise their leverage together."""

import math

from detectors.base import AgedDetector, Features, State, count_of
from detectors.errors import StateError
from detectors.gamma_poisson import DecayedRate
from detectors.guarded_gaussian import GuardedGaussian
from detectors.half_space import HalfSpaceSurprise
from detectors.results import Contribution

_WINDOWS = (("1s", 1.0), ("10s", 10.0), ("60s", 60.0))
#: Counted quantities, what a unit of each is called, and how a person reads it.
_COUNTED = (("raises", "accounts' raises"), ("doublings", "doublings of leverage"))
_DECADES_PER_DEVIATION = 0.5
_TREE_SHARE = 0.25
_LEARN_DEVIATIONS = 4.0


class LeverageSpike(AgedDetector):
    """How many raises of leverage a symbol sees, how large they are, and what stands near liquidation.

    In 1, 10 and 60 s, numbers of raises, and sums of log2 leverage gained ("doublings"), are tested against negative
    binomials (Poisson with the symbol's own forgetting, uncertain rate); the rise of the share of notional near
    liquidation over its level adds its z-score at half a decade a deviation; river's half-space trees on the whole
    vector add up to a quarter of their surprise. The sum is in decades, not yet a p-value. A tick is learned up to four
    deviations above expectation. The trees are the part that `one_in` thins out.

    It fails on a rise over hours, which the rate follows, and knows nothing of accounts whose position was not sent.

    Parameters
    ----------
    seed
        Seed of the half-space trees.
    half_life_s
        Memory of rates and level in seconds, > 0.
    grace_s
        Seconds seen before scores are believed, >= 0.
    tick_s
        Length of a tick in seconds, > 0.

    Notes
    -----
    Features: `time_s`; `raises_{1,10,60}s` counts; `doublings_{1,10,60}s` sums of log2 of leverage gained;
    `raises_tick`, `doublings_tick` the last tick's; `near_share` in [0, 1].

    Examples
    --------
    >>> spike = LeverageSpike(grace_s=0.0)
    >>> for second in range(600):
    ...     raises = {"raises_tick": second % 2, "raises_1s": second % 2, "raises_10s": 5, "raises_60s": 30}
    ...     spike.learn_one({"time_s": float(second)} | raises)
    >>> calm = {"time_s": 600.0, "raises_1s": 1, "raises_10s": 5, "raises_60s": 31}
    >>> wild = {"time_s": 600.0, "raises_1s": 12, "raises_10s": 40, "raises_60s": 70}
    >>> spike.score_one(calm) < 1 < 8 < spike.score_one(wild)
    True
    """

    name = "leverage_spike"

    def __init__(self, seed: int = 0, half_life_s: float = 1_800.0, grace_s: float = 60.0, tick_s: float = 0.1) -> None:
        self.seed = seed
        self.half_life_s = half_life_s
        self.grace_s = grace_s
        self.tick_s = tick_s
        self._rates = {kind: DecayedRate(half_life_s) for kind, _ in _COUNTED}
        self._near = GuardedGaussian(half_life_s, floor=0.01)
        self._trees = HalfSpaceSurprise(seed, half_life_s=half_life_s)
        self._ticks = 0

    def score_one(self, x: Features) -> float:
        """Decades of surprise of the counts, plus those of the share near liquidation and of the whole vector."""
        parts = self._parts(x)
        counted = max((part[0] for part in parts if part[5]), default=0.0)
        if counted <= 0.0:
            return 0.0
        near = max(self._near.z(share), 0.0) * _DECADES_PER_DEVIATION if (share := _near_share(x)) is not None else 0.0
        trees = 0.0 if self._ticks % self.one_in else _TREE_SHARE * self._trees.surprise(self._vector(x))
        return counted + min(near, 10.0) + trees

    def learn_one(self, x: Features) -> None:
        """Add the last tick to rates and level."""
        time_s = x.get("time_s", 0.0)
        if self._ticks % self.one_in == 0:
            self._trees.learn(self._vector(x), time_s)
        self._ticks += 1
        for kind, rate in self._rates.items():
            expected = rate.per_second(time_s) * self.tick_s
            most = 1.0 + expected + _LEARN_DEVIATIONS * math.sqrt(expected)
            rate.learn(min(count_of(x, f"{kind}_tick"), most), time_s)
        if (share := _near_share(x)) is not None:
            self._near.learn(share, time_s)
        self._age(time_s)

    def explain_one(self, x: Features) -> tuple[Contribution, ...]:
        """The windows that surprised, the largest surprise first."""
        parts = sorted((part for part in self._parts(x) if part[0] > 0.0), key=lambda part: (-part[0], part[1]))
        whole = sum(part[0] for part in parts)
        return tuple(
            Contribution(label, seen, round(expected, 4), unit, max(10.0**-decades, 1e-300), decades / whole)
            for decades, label, seen, expected, unit, _ in parts
        )

    def _parts(self, x: Features) -> list[tuple[float, str, float, float, str, bool]]:
        """(decades, label, observed, expected, unit, whether it can start an alarm) of each quantity."""
        time_s = x.get("time_s", 0.0)
        parts: list[tuple[float, str, float, float, str, bool]] = []
        for kind, label in _COUNTED:
            rate = self._rates[kind]
            for window, seconds in _WINDOWS:
                seen = count_of(x, f"{kind}_{window}")
                decades = rate.surprise(seen, seconds, time_s)
                parts.append((decades, f"{label} in {window}", seen, rate.per_second(time_s) * seconds, kind, True))
        if (share := _near_share(x)) is not None:
            decades = min(max(self._near.z(share), 0.0) * _DECADES_PER_DEVIATION, 10.0)
            parts.append((decades, "share of notional near liquidation", share, self._near.mean, "of notional", False))
        return parts

    def _vector(self, x: Features) -> Features:
        """Rough z-scores of every quantity, for the trees."""
        time_s = x.get("time_s", 0.0)
        vector: Features = {"near_share": self._near.z(share) if (share := _near_share(x)) is not None else 0.0}
        for kind, _ in _COUNTED:
            for window, seconds in _WINDOWS:
                expected = self._rates[kind].per_second(time_s) * seconds
                seen = count_of(x, f"{kind}_{window}")
                vector[f"{kind}_{window}"] = (seen - expected) / math.sqrt(expected + 1.0)
        return vector

    def state(self) -> State:
        """Rates, level and trees."""
        return {
            "parameters": [self.seed, self.half_life_s],
            "rates": {kind: rate.state() for kind, rate in self._rates.items()},
            "near": self._near.state(),
            "trees": self._trees.state(),
            "time": [self._born_s, self._time_s, self._ticks],
        }

    def restore(self, state: State) -> None:
        """Take up where `state()` was made; raises StateError for other parameters."""
        if state.get("parameters") != [self.seed, self.half_life_s]:
            msg = f"leverage_spike state: expected {[self.seed, self.half_life_s]}, found {state.get('parameters')}"
            raise StateError(msg)
        for kind, rate in self._rates.items():
            rate.restore(state["rates"][kind])
        self._near.restore(state["near"])
        self._trees.restore(state["trees"])
        self._born_s, self._time_s, self._ticks = state["time"]


def _near_share(x: Features) -> float | None:
    """The share near liquidation, in [0, 1]; None when it is missing or not a number."""
    share = x.get("near_share", math.nan)
    return None if math.isnan(share) else min(max(share, 0.0), 1.0)
