"""Thin book: there is less to trade against than there was."""

import math

from detectors.base import Detector, Features, State
from detectors.errors import StateError
from detectors.features.book import BANDS_BP
from detectors.guarded_gaussian import GuardedGaussian
from detectors.half_space import HalfSpaceSurprise
from detectors.results import Contribution

_SIDES = ("bid", "ask")
#: The quantities watched, and the least deviation of their logarithm: a book steadier than that is still not alarmed by less.
_FLOORS: dict[str, float] = {
    **{f"{side}_depth_{band}bp": 0.1 for side in _SIDES for band in BANDS_BP},
    **{f"{side}_slippage_bp": 0.1 for side in _SIDES},
    **{f"{side}_slope": 0.1 for side in _SIDES},
    "spread_bp": 0.1,
}
#: What is worse when it grows; the others are worse when they shrink.
_WORSE_HIGH = {"spread_bp", "bid_slippage_bp", "ask_slippage_bp"}
#: The parts of one side, by weight: depth first, then what it costs to trade.
_SIDE_PARTS: dict[str, dict[str, float]] = {
    side: {
        **{f"{side}_depth_{band}bp": 1.0 for band in BANDS_BP},
        f"{side}_slippage_bp": 1.0,
        f"{side}_slope": 1.0,
        "spread_bp": 1.0,
    }
    for side in _SIDES
}
_CLIP = 12.0
_TREE_SHARE = 0.25


class ThinBook(Detector):
    """Depth within 5, 10, 25 and 50 bp, slope, slippage and spread against their own recent level; only thinner is worse.

    Every quantity's logarithm has a guarded, exponentially weighted level. Its z-score, signed so that worse is positive, is
    averaged over a side; the worse side counts, or both together where both are thin. The same is done for ten-second averages, whose
    levels spread less: a thinning that lasts stands out more than a flicker. River's half-space trees on the vector of z-scores add up
    to a quarter of their surprise, when the book is thin at all.

    It fails where the snapshot is shallower than the bands (all bands then say the same), and during the first minutes of a new regime.

    Parameters
    ----------
    seed
        Seed of the half-space trees.
    half_life_s
        Memory of the level in seconds, > 0.
    smooth_s
        Time constant of the averages in seconds, > 0.
    grace_s
        Seconds of book needed before scores are believed, >= 0.

    Notes
    -----
    Features: those of `detectors.features.book.book_features`, and `time_s`.

    Examples
    --------
    >>> import random
    >>> rng = random.Random(3)
    >>> def book(time_s, scale):
    ...     x = {name: scale * rng.lognormvariate(10, 0.3) for name in _FLOORS if "depth" in name or "slope" in name}
    ...     return x | {"time_s": time_s, "spread_bp": 1.0, "bid_slippage_bp": 2.0, "ask_slippage_bp": 2.0}
    >>> thin = ThinBook(seed=1)
    >>> for tick in range(3000):
    ...     thin.learn_one(book(tick / 10, 1.0))
    >>> thin.score_one(book(300.0, 1.0)) < 1.5 < 3 < thin.score_one(book(300.0, 0.2)), thin.score_one(book(300.0, 5.0))
    (True, 0.0)
    """

    name = "thin_book"

    def __init__(self, seed: int = 0, half_life_s: float = 600.0, smooth_s: float = 10.0, grace_s: float = 60.0) -> None:
        self.seed = seed
        self.half_life_s = half_life_s
        self.smooth_s = smooth_s
        self.grace_s = grace_s
        self._level = {name: GuardedGaussian(half_life_s, floor) for name, floor in _FLOORS.items()}
        self._smooth_level = {name: GuardedGaussian(half_life_s, floor / 2) for name, floor in _FLOORS.items()}
        self._smooth: Features = {}
        self._trees = HalfSpaceSurprise(seed, half_life_s=half_life_s)
        self._time_s = -1.0
        self._seen_s = 0.0

    @property
    def ready(self) -> bool:
        """Whether `grace_s` seconds of book were seen."""
        return self._seen_s >= self.grace_s

    def score_one(self, x: Features) -> float:
        """Mean z-score of the worse side, 0 when the book is not thin."""
        now, smooth = self._z_scores(x)
        thin = max(_worse_side(now)[0], _worse_side(smooth)[0])
        return thin + _TREE_SHARE * self._trees.surprise(now) if thin > 0.0 else 0.0

    def learn_one(self, x: Features) -> None:
        """Move the levels towards this book."""
        time_s = x.get("time_s", 0.0)
        now, _ = self._z_scores(x)
        self._trees.learn(now, time_s)
        smooth = self._smoothed(x)
        for name, value in _logs(x).items():
            self._level[name].learn(value, time_s)
            self._smooth_level[name].learn(smooth[name], time_s)
        if self._time_s >= 0.0:
            self._seen_s += min(max(time_s - self._time_s, 0.0), 5.0)
        self._time_s = max(self._time_s, time_s)
        self._smooth.update(smooth)

    def explain_one(self, x: Features) -> tuple[Contribution, ...]:
        """The quantities of the side that is thin, with their usual values."""
        now, smooth = self._z_scores(x)
        lasting = _worse_side(smooth)[0] > _worse_side(now)[0]
        z_scores, levels = (smooth, self._smooth_level) if lasting else (now, self._level)
        seen = self._smoothed(x) if lasting else _logs(x)
        names = _worse_side(z_scores)[1]
        parts = sorted(((z_scores[name], name) for name in names if z_scores.get(name, 0.0) > 0.0), reverse=True)
        whole = sum(z for z, _ in parts)
        label = " (10 s average)" if lasting else ""
        return tuple(
            Contribution(
                f"{name}{label}",
                round(math.expm1(seen[name]), 6),
                round(math.expm1(levels[name].mean), 6),
                "basis points" if name in _WORSE_HIGH else "notional per bp" if "slope" in name else "notional",
                0.5 * math.erfc(z * math.sqrt(0.5)),
                z / whole,
            )
            for z, name in parts
        )

    def _smoothed(self, x: Features) -> Features:
        gap_s = min(max(x.get("time_s", 0.0) - self._time_s, 0.0), self.smooth_s) if self._time_s >= 0.0 else 0.0
        keep = math.exp(-gap_s / self.smooth_s)
        return {name: keep * self._smooth.get(name, value) + (1.0 - keep) * value for name, value in _logs(x).items()}

    def _z_scores(self, x: Features) -> tuple[Features, Features]:
        """Signed z-scores, worse positive, of the values as they stand and of their averages."""
        now: Features = {}
        smooth: Features = {}
        averages = self._smoothed(x)
        for name, value in _logs(x).items():
            sign = 1.0 if name in _WORSE_HIGH else -1.0
            now[name] = min(max(sign * self._level[name].z(value), -_CLIP), _CLIP)
            smooth[name] = min(max(sign * self._smooth_level[name].z(averages[name]), -_CLIP), _CLIP)
        return now, smooth

    def state(self) -> State:
        """Levels, averages and trees."""
        return {
            "parameters": [self.seed, self.half_life_s, self.smooth_s],
            "level": {name: level.state() for name, level in self._level.items()},
            "smooth_level": {name: level.state() for name, level in self._smooth_level.items()},
            "smooth": dict(self._smooth),
            "trees": self._trees.state(),
            "time": [self._time_s, self._seen_s],
        }

    def restore(self, state: State) -> None:
        """Take up where `state()` was made; raises StateError for other parameters."""
        expected = [self.seed, self.half_life_s, self.smooth_s]
        if state.get("parameters") != expected:
            msg = f"thin_book state: expected parameters {expected}, found {state.get('parameters')}"
            raise StateError(msg)
        for name in _FLOORS:
            self._level[name].restore(state["level"][name])
            self._smooth_level[name].restore(state["smooth_level"][name])
        self._smooth = dict(state["smooth"])
        self._trees.restore(state["trees"])
        self._time_s, self._seen_s = state["time"]


def _logs(x: Features) -> Features:
    return {name: math.log1p(min(max(x[name], 0.0), 1e15)) for name in _FLOORS if name in x}


def _worse_side(z_scores: Features) -> tuple[float, tuple[str, ...]]:
    """The larger of each side's mean z-score and both sides' (which vary less), and the names behind it."""
    means = {side: sum(z_scores.get(name, 0.0) for name in parts) / len(parts) for side, parts in _SIDE_PARTS.items()}
    both = (means["bid"] + means["ask"]) * math.sqrt(0.5)
    side = max(means, key=lambda name: means[name])
    if both > means[side]:
        return both, tuple(_FLOORS)
    return means[side], tuple(_SIDE_PARTS[side])
