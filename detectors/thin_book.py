"""Thin book: there is less to trade against than there was."""

import math
from typing import cast

import numpy as np
from numpy.typing import NDArray

from detectors.base import Detector, Features, State
from detectors.errors import StateError
from detectors.features.book import BANDS_BP
from detectors.guarded_gaussian import GuardedGaussian, GuardedVector
from detectors.half_space import HalfSpaceSurprise
from detectors.results import Contribution

#: One side's quantities; the spread belongs to both.
_OF_A_SIDE = (*(f"depth_{band}bp" for band in BANDS_BP), "slope", "slippage_bp")
_NAMES = (*(f"bid_{name}" for name in _OF_A_SIDE), *(f"ask_{name}" for name in _OF_A_SIDE), "spread_bp")
#: +1 for what is worse when it grows, -1 for what is worse when it shrinks.
_WORSE = np.array([1.0 if name.endswith(("slippage_bp", "spread_bp")) else -1.0 for name in _NAMES])
#: A steadier logarithm than this is still not alarmed by less.
_FLOOR = 0.1
_CLIP = 12.0
#: Parts of each side as weights that sum to 1: bid, ask.
_SIDES = np.array(
    [[name.startswith(side) or name == "spread_bp" for name in _NAMES] for side in ("bid", "ask")], dtype=float
)
_SIDES /= _SIDES.sum(axis=1, keepdims=True)
_SIDE_WEIGHTS: list[list[float]] = _SIDES.tolist()
#: Depths and slopes of each side: what shrinks by the same factor when a book thins.
_DEPTHS = [[i for i, name in enumerate(_NAMES) if name.startswith(side) and _WORSE[i] < 0.0] for side in ("bid", "ask")]
#: What is looked at: the worse side and both sides, as they stand and on average; all quantities, then shrinkage.
_VIEWS = ("side", "both", "side on average", "both on average")
_STATISTIC_FLOOR = 0.3
_SHRINKAGE_FLOOR = 0.1
#: What a deviation of the trees adds, as a share of the score.
_TREE_SHARE = 0.02
#: One book in so many teaches the trees: they are slow, and neighbours say the same.
_TREES_EVERY = 4


class ThinBook(Detector):
    """Depth near the mid, slope, slippage and spread against their own recent level; only thinner is worse.

    The depth is that within 5, 10, 25 and 50 bp. Every quantity's logarithm has a guarded, exponentially weighted
    level. Two things are asked of each side: the mean of the z-scores of all quantities, signed so that worse is
    positive; and the shrinkage, by which factor `exp(-s)` all depths and slopes are smaller than usual, `s = sum(w e) /
    sum(w)` over the deviations `e` of their logarithms with `w = 1 / variance`: far levels hardly ever change, and say
    most. Four views are taken of both: the worse side, and the better (both are thin), as they stand and as averages
    over some seconds (a thinning that lasts stands out more than a flicker). Each view is read against its own level
    and spread, since one side is often swept for a moment where both seldom are; the most unusual view is the score.
    River's half-space trees on the vector of z-scores add a fiftieth of the score for each deviation of theirs. The
    trees are the part that `one_in` thins out.

    It fails where the snapshot is shallower than the bands (all bands then say the same), and during the first minutes
    of a new regime.

    Parameters
    ----------
    seed
        Seed of the half-space trees.
    half_life_s
        Memory of the levels in seconds, > 0.
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
    ...     x = {name: scale * rng.lognormvariate(10, 0.3) for name in _NAMES if "depth" in name or "slope" in name}
    ...     return x | {"time_s": time_s, "spread_bp": 1.0, "bid_slippage_bp": 2.0, "ask_slippage_bp": 2.0}
    >>> thin = ThinBook(seed=1)
    >>> for tick in range(3000):
    ...     thin.learn_one(book(tick / 10, 1.0))
    >>> thin.score_one(book(300.0, 1.0)) < 3 < 6 < thin.score_one(book(300.0, 0.2)), thin.score_one(book(300.0, 5.0))
    (True, 0.0)
    """

    name = "thin_book"

    def __init__(
        self, seed: int = 0, half_life_s: float = 600.0, smooth_s: float = 10.0, grace_s: float = 60.0
    ) -> None:
        self.seed = seed
        self.half_life_s = half_life_s
        self.smooth_s = smooth_s
        self.grace_s = grace_s
        self._level = GuardedVector(len(_NAMES), half_life_s, _FLOOR)
        self._smooth_level = GuardedVector(len(_NAMES), half_life_s, _FLOOR / 2)
        floors = [_STATISTIC_FLOOR] * len(_VIEWS) + [_SHRINKAGE_FLOOR] * len(_VIEWS)
        self._views = [GuardedGaussian(half_life_s, floor) for floor in floors]
        self._smooth = np.full(len(_NAMES), np.nan)
        self._trees = HalfSpaceSurprise(seed, half_life_s=half_life_s)
        self._time_s = -1.0
        self._seen_s = 0.0
        self._books = 0
        self._scored: tuple[tuple[tuple[str, float], ...], tuple[NDArray[np.float64], NDArray[np.float64]]] | None = (
            None
        )

    @property
    def ready(self) -> bool:
        """Whether `grace_s` seconds of book were seen."""
        return self._seen_s >= self.grace_s

    def score_one(self, x: Features) -> float:
        """Deviations of the most unusual view above its level, 0 when the book is not thin."""
        now, smooth = self._z_scores(x)
        thin = max(self._unusual(self._seen(now, smooth)))
        if thin <= 0.0:
            return 0.0
        if self._books % self.one_in:
            return thin
        return thin * (1.0 + _TREE_SHARE * self._trees.surprise(_by_name(now)))

    def learn_one(self, x: Features) -> None:
        """Move the levels towards this book."""
        time_s = x.get("time_s", 0.0)
        now, smooth = self._z_scores(x)
        self._scored = None
        for view, value in zip(self._views, self._seen(now, smooth), strict=True):
            view.learn(value, time_s)
        if self._books % (_TREES_EVERY * self.one_in) == 0:
            self._trees.learn(_by_name(now), time_s)
        self._books += 1
        logs = _logs(x)
        self._smooth = self._smoothed(logs, time_s)
        self._level.learn(logs, time_s)
        self._smooth_level.learn(self._smooth, time_s)
        if self._time_s >= 0.0:
            self._seen_s += min(max(time_s - self._time_s, 0.0), 5.0)
        self._time_s = max(self._time_s, time_s)

    def explain_one(self, x: Features) -> tuple[Contribution, ...]:
        """The quantities of the side (or sides) that is thin, with their usual values."""
        now, smooth = self._z_scores(x)
        unusual = self._unusual(self._seen(now, smooth))
        view = max(range(len(unusual)), key=lambda index: unusual[index]) % len(_VIEWS)
        lasting, both = view >= 2, view % 2 == 1
        z_scores, level = (smooth, self._smooth_level) if lasting else (now, self._level)
        seen = self._smoothed(_logs(x), x.get("time_s", 0.0)) if lasting else _logs(x)
        weights = _SIDES.sum(axis=0) if both else _SIDES[int(np.argmax(_side_means(z_scores)))]
        parts = sorted(
            ((float(z_scores[i]), name, i) for i, name in enumerate(_NAMES) if weights[i] > 0.0 and z_scores[i] > 0.0),
            reverse=True,
        )
        whole = sum(z for z, _, _ in parts)
        return tuple(
            Contribution(
                f"{name} (average)" if lasting else name,
                round(math.expm1(float(seen[i])), 6),
                round(math.expm1(float(level.mean[i])), 6),
                "notional per bp" if "slope" in name else "notional" if "depth" in name else "basis points",
                0.5 * math.erfc(z * math.sqrt(0.5)),
                z / whole,
            )
            for z, name, i in parts
        )

    def _seen(self, now: NDArray[np.float64], smooth: NDArray[np.float64]) -> list[float]:
        """All views: of the mean z-scores, then of the shrinkage."""
        shrunk = [_shrinkage(z, level) for z, level in ((now, self._level), (smooth, self._smooth_level))]
        return [*_views(*map(_side_means, (now, smooth))), *_views(*shrunk)]

    def _unusual(self, views: list[float]) -> list[float]:
        """Deviations of each view above its level; 0 for a view that is not thin."""
        return [
            max(level.z(value), 0.0) if value > 0.0 else 0.0 for level, value in zip(self._views, views, strict=True)
        ]

    def _smoothed(self, logs: NDArray[np.float64], time_s: float) -> NDArray[np.float64]:
        gap_s = min(max(time_s - self._time_s, 0.0), self.smooth_s) if self._time_s >= 0.0 else 0.0
        keep = math.exp(-gap_s / self.smooth_s)
        averages = keep * self._smooth + (1.0 - keep) * logs
        return cast(
            NDArray[np.float64],
            np.where(np.isnan(self._smooth), logs, np.where(np.isnan(logs), self._smooth, averages)),
        )

    def _z_scores(self, x: Features) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Signed z-scores, worse positive, of the values as they stand and of their averages."""
        key = tuple(x.items())
        if self._scored is not None and self._scored[0] == key:
            return self._scored[1]
        logs = _logs(x)
        averages = self._smoothed(logs, x.get("time_s", 0.0))
        now = np.minimum(np.maximum(_WORSE * self._level.z(logs), -_CLIP), _CLIP)
        smooth = np.minimum(np.maximum(_WORSE * self._smooth_level.z(averages), -_CLIP), _CLIP)
        # Scoring, explaining and learning ask for the same book in a row.
        self._scored = key, (now, smooth)
        return now, smooth

    def state(self) -> State:
        """Levels, averages, views and trees."""
        return {
            "parameters": [self.seed, self.half_life_s, self.smooth_s],
            "level": self._level.state(),
            "smooth_level": self._smooth_level.state(),
            "views": [view.state() for view in self._views],
            "smooth": [None if math.isnan(value) else float(value) for value in self._smooth],
            "trees": self._trees.state(),
            "time": [self._time_s, self._seen_s, self._books],
        }

    def restore(self, state: State) -> None:
        """Take up where `state()` was made; raises StateError for other parameters."""
        expected = [self.seed, self.half_life_s, self.smooth_s]
        if state.get("parameters") != expected:
            msg = f"thin_book state: expected parameters {expected}, found {state.get('parameters')}"
            raise StateError(msg)
        self._level.restore(state["level"])
        self._smooth_level.restore(state["smooth_level"])
        for view, saved in zip(self._views, state["views"], strict=True):
            view.restore(saved)
        self._smooth = np.array([np.nan if value is None else value for value in state["smooth"]])
        self._trees.restore(state["trees"])
        self._time_s, self._seen_s, self._books = state["time"]
        self._scored = None


def _logs(x: Features) -> NDArray[np.float64]:
    """Logarithms of the quantities (of one plus them), NaN where one is missing."""
    # math.log1p, not numpy's: the latter's last digit depends on the processor.
    return np.array([math.log1p(min(max(x[name], 0.0), 1e15)) if name in x else np.nan for name in _NAMES])


def _views(now: list[float], smooth: list[float]) -> list[float]:
    """The worse side and the better, as they stand and on average."""
    return [max(now), min(now), max(smooth), min(smooth)]


def _shrinkage(z_scores: NDArray[np.float64], level: GuardedVector) -> list[float]:
    """Of each side: how much smaller the logarithms of its depths are than usual, weighted by how steady each is."""
    z, deviations = z_scores.tolist(), level.deviation().tolist()
    found = []
    for places in _DEPTHS:
        weight = sum(1.0 / deviations[i] ** 2 for i in places)
        found.append(sum(z[i] / deviations[i] for i in places) / weight)
    return found


def _side_means(z_scores: NDArray[np.float64]) -> list[float]:
    # Added up in order, not by a matrix product: that one's last digit depends on the processor.
    values = z_scores.tolist()
    return [sum(weight * z for weight, z in zip(side, values, strict=True)) for side in _SIDE_WEIGHTS]


def _by_name(z_scores: NDArray[np.float64]) -> Features:
    return dict(zip(_NAMES, z_scores.tolist(), strict=True))
