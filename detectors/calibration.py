"""From a detector's score to a p-value, by peaks over threshold on its own history."""

import math

import numpy as np

from detectors.base import State
from detectors.errors import StateError
from detectors.generalized_pareto import fit_generalized_pareto, pareto_tail

#: Peaks needed before the shape of the tail is fitted; below it the tail is taken as exponential with an unknown mean.
_MIN_PEAKS_FOR_SHAPE = 40
#: Weight, in peaks, of the prior on the exponential tail's mean.
_SCALE_PRIOR_PEAKS = 5.0
_REFIT_EVERY = 16
#: The shape is not known exactly: weight of a shape one standard error above the fit, which never lets the tail end.
_HEAVIER_WEIGHT = 0.25
_LEAST_HEAVIER_SHAPE = 0.02
#: Step of the running quantile, in units of `prior_scale`.
_QUANTILE_STEP = 0.05


class PeaksOverThreshold:
    """Calibrated upper-tail p-values of a stream of scores, however they are distributed.

    Scores above a high quantile `t` of the stream itself are *peaks*; their excesses over `t` follow, for large `t`, a
    generalized Pareto distribution, so that `p(s) = (N_t / n) * (1 + shape * (s - t) / scale) ** (-1 / shape)`. Until
    there are enough peaks for a shape, the tail is exponential with its mean integrated out (a Lomax tail): wide while
    little is known. The tail begins at the lowest peak there was: a score that leaps from 0 to 5 whenever there is
    anything has no tail of that scale. Body scores (`s <= t`) answer 1.0: nothing to see.

    It catches what its stream has not shown before, and fails when the stream's own past was already abnormal. What
    lies beyond the level `guard` is learned as that level, and at most once in `refractory` scores: an attacker cannot
    lift the threshold quickly, but a lasting change of regime is taken in after some thousand scores (no model freezes
    for ever).

    Parameters
    ----------
    level
        Share of scores that should be peaks, in (0, 0.5).
    warm_up
        Scores needed before it is ready, at least 20.
    prior_scale
        Excess, in units of the score, that is ordinary before anything is known, > 0.
    max_peaks
        Peaks kept, at least 40; older ones are forgotten.
    guard
        p-value below which a score is learned only in part, in (0, level).
    refractory
        Scores between two learned ones beyond `guard`, at least 1.
    run
        Peaks at most this many scores apart are one cluster, of which the tail learns the largest only: scores of
        overlapping windows say the same thing many times, >= 0.
    half_life
        Scores after which a counted score weighs half, at least `warm_up`.

    Examples
    --------
    >>> import random
    >>> rng = random.Random(7)
    >>> pot = PeaksOverThreshold(warm_up=500)
    >>> for _ in range(20_000):
    ...     pot.learn(rng.expovariate(1.0))
    >>> 0.5 < pot.p_value(9.2) / math.exp(-9.2) < 2
    True
    >>> pot.p_value(0.5)
    1.0

    References
    ----------
    Siffer, A. et al. (2017). Anomaly detection in streams with extreme value theory. KDD.
    """

    __slots__ = (
        "_first", "_fit", "_last_peak", "_next", "_peaks", "_quantile", "_since_fit", "_since_guarded", "_used",
        "guard", "half_life", "level", "max_peaks", "n", "n_clusters", "n_peaks", "prior_scale", "refractory", "run",
        "seen", "threshold", "warm_up",
    )  # fmt: skip

    def __init__(
        self,
        level: float = 0.02,
        warm_up: int = 300,
        prior_scale: float = 1.0,
        max_peaks: int = 256,
        guard: float = 1e-4,
        refractory: int = 100,
        run: int = 2,
        half_life: float = 200_000.0,
    ) -> None:
        self.level = level
        self.warm_up = warm_up
        self.prior_scale = prior_scale
        self.max_peaks = max_peaks
        self.guard = guard
        self.refractory = refractory
        self.run = run
        self._last_peak = -run - 1
        self.half_life = half_life
        self.seen = 0
        self.n = 0.0
        self.n_peaks = 0.0
        self.n_clusters = 0.0
        self.threshold = math.inf
        self._first: list[float] = []
        self._peaks = np.zeros(max_peaks)
        self._used = 0
        self._next = 0
        self._fit: tuple[float, float] | None = None
        self._since_fit = 0
        self._since_guarded = refractory
        self._quantile = 0.0

    @property
    def ready(self) -> bool:
        """Whether the warm-up is over."""
        return self.seen >= self.warm_up

    @property
    def clustering(self) -> float:
        """Clusters for each peak, in (0, 1]: by how much episodes are fewer than the scores they are made of.

        The tail is that of clusters' highest scores, so that `p_value * clustering` is the share of scores that begin
        an episode which gets as high.
        """
        return min((self.n_clusters + 0.5) / (self.n_peaks + 0.5), 1.0)

    def p_value(self, score: float) -> float:
        """Chance that an ordinary score is at least this high; 1.0 for the body and while warming up."""
        if score <= self.threshold or not self.ready:
            return 1.0
        excess = score - self.threshold
        exceed_rate = min(1.0, (self.n_peaks + 0.5) / (self.n + 1.0))
        return max(exceed_rate * self._survival(excess), 1e-300)

    def admit(self, score: float) -> float:
        """What of a score may be learned: all of it up to the level of `guard`, then that level, once in `refractory`.

        Asked when the score is seen, so that what an incident teaches is bounded by what was known before it.
        """
        self._since_guarded += 1
        if score <= self.threshold or not self.ready:
            return score
        highest = self.threshold + self._guard_excess()
        if score <= highest:
            return score
        if self._since_guarded < self.refractory:
            return 0.0
        self._since_guarded = 0
        return highest

    def learn(self, score: float) -> None:
        """Take one score in, after `p_value` was asked for it."""
        self.learn_admitted(self.admit(score))

    def learn_admitted(self, score: float) -> None:
        """Take in what `admit` gave, now or later."""
        self.seen += 1
        if not self.ready:
            self._first.append(score)
            return
        if self._first:
            self._first.append(score)
            self._start()
            return
        decay = 0.5 ** (1.0 / self.half_life)
        self.n = self.n * decay + 1.0
        self.n_peaks *= decay
        self.n_clusters *= decay
        self._quantile += _QUANTILE_STEP * self.prior_scale * ((score > self._quantile) - self.level)
        if score > self.threshold:
            self._keep(score - self.threshold)
        if self.seen % 512 == 0:
            self._follow()

    def learn_silence(self, scores: int) -> None:
        """Take in that many scores of 0 at once, as when nothing happened for a while."""
        if scores <= 0:
            return
        missing = max(self.warm_up - self.seen, 0)
        self._first.extend([0.0] * min(missing, scores))
        self.seen += scores
        if scores <= missing:
            return
        if self._first:
            self._start()
            scores -= missing
        fade = 0.5 ** (scores / self.half_life)
        self.n = self.n * fade + scores
        self.n_peaks *= fade
        self.n_clusters *= fade
        self._since_guarded += scores
        self._quantile = max(self._quantile - _QUANTILE_STEP * self.prior_scale * self.level * scores, 0.0)

    def _start(self) -> None:
        ordered = sorted(self._first)
        self.threshold = max(ordered[min(len(ordered) - 1, int((1 - self.level) * len(ordered)))], 0.0)
        # A stream that was silent so far has no scale of its own: its threshold is one step of the prior above the
        # silence.
        if self.threshold == 0.0:
            self.threshold = 0.5 * self.prior_scale
        self.n = float(len(ordered))
        self._quantile = self.threshold
        start = self.seen - len(self._first)
        seen = self.seen
        for index, score in enumerate(self._first):
            self.seen = start + index
            if score > self.threshold:
                self._keep(score - self.threshold)
        self.seen = seen
        self._first = []

    def _keep(self, excess: float) -> None:
        self.n_peaks += 1.0
        leap = self._leap()
        leap = self._leap()
        same_cluster = self.seen - self._last_peak <= self.run and self._used > 0
        self._last_peak = self.seen
        if same_cluster:
            newest = (self._next - 1) % self.max_peaks
            if excess > self._peaks[newest]:
                self._peaks[newest] = excess
                self._fit = None
            return
        self.n_clusters += 1.0
        self._peaks[self._next] = excess
        self._next = (self._next + 1) % self.max_peaks
        self._used = min(self._used + 1, self.max_peaks)
        self._since_fit += 1
        if self._since_fit >= _REFIT_EVERY or self._used < _MIN_PEAKS_FOR_SHAPE or self._leap() != leap:
            self._fit = None

    def _follow(self) -> None:
        """Move the threshold when far more, or far fewer, scores than `level` pass it: the ground has moved."""
        share = self.n_peaks / self.n
        if share > 3 * self.level and self._used >= _MIN_PEAKS_FOR_SHAPE:
            step = float(np.median(self._peaks[: self._used]))
        elif share < self.level / 3 and 0.0 < self._quantile < self.threshold:
            step = self._quantile - self.threshold
        else:
            return
        kept = self._peaks[: self._used] - step
        kept = kept[kept > 0.0]
        self.threshold += step
        self.n_peaks *= len(kept) / max(self._used, 1)
        self.n_clusters *= len(kept) / max(self._used, 1)
        self._peaks[: len(kept)] = kept
        self._used = len(kept)
        self._next = self._used % self.max_peaks
        self._fit = None
        self._quantile = self.threshold

    def _survival(self, excess: float) -> float:
        # Where scores leap from silence to some height, the tail begins there: the leap is no part of its scale.
        excess -= self._leap()
        if excess <= 0.0:
            return 1.0
        if self._used < _MIN_PEAKS_FOR_SHAPE:
            weight, peaks = self._unknown_mean()
            return float((weight / (weight + excess)) ** peaks)
        shape, scale = self._shape_and_scale()
        error = (1.0 + max(shape, 0.0)) / math.sqrt(self._used)
        heavier = pareto_tail(excess, max(shape + error, _LEAST_HEAVIER_SHAPE), scale)
        return (1.0 - _HEAVIER_WEIGHT) * pareto_tail(excess, shape, scale) + _HEAVIER_WEIGHT * heavier

    def _leap(self) -> float:
        return float(self._peaks[: self._used].min()) if self._used else 0.0

    def _unknown_mean(self) -> tuple[float, float]:
        """Scale and shape of the Lomax tail; the lowest peak has gone into where it begins."""
        beyond = float(self._peaks[: self._used].sum()) - self._used * self._leap()
        return _SCALE_PRIOR_PEAKS * self.prior_scale + beyond, _SCALE_PRIOR_PEAKS + max(self._used - 1, 0)

    def _shape_and_scale(self) -> tuple[float, float]:
        if self._fit is None:
            self._fit = fit_generalized_pareto(np.maximum(self._peaks[: self._used] - self._leap(), 1e-9))
            self._since_fit = 0
        return self._fit

    def _guard_excess(self) -> float:
        """The excess whose p-value is `guard`."""
        tail = min(1.0, self.guard * (self.n + 1.0) / (self.n_peaks + 0.5))
        if self._used < _MIN_PEAKS_FOR_SHAPE:
            weight, peaks = self._unknown_mean()
            return self._leap() + weight * float(tail ** (-1.0 / peaks) - 1.0)
        shape, scale = self._shape_and_scale()
        beyond = -scale * math.log(tail) if abs(shape) < 1e-6 else scale / shape * (tail**-shape - 1.0)
        return self._leap() + beyond

    def state(self) -> State:
        """Everything learned, as plain values."""
        return {
            "parameters": [self.level, self.warm_up, self.prior_scale, self.max_peaks],
            "counts": [self.seen, self.n, self.n_peaks, self.n_clusters, self.threshold, self._quantile],
            "since": [self._since_fit, self._since_guarded, self._last_peak],
            "first": list(self._first),
            # As they stand: sums of floats depend on their order.
            "peaks": self._peaks[: self._used].tolist(),
            "next": self._next,
            "fit": list(self._fit) if self._fit is not None else None,
        }

    def restore(self, state: State) -> None:
        """Take up where `state()` was made; raises StateError when the parameters differ."""
        if state.get("parameters") != [self.level, self.warm_up, self.prior_scale, self.max_peaks]:
            expected = [self.level, self.warm_up, self.prior_scale, self.max_peaks]
            msg = f"calibration state: expected parameters {expected}, found {state.get('parameters')}"
            raise StateError(msg)
        self.seen, self.n, self.n_peaks, self.n_clusters, self.threshold, self._quantile = state["counts"]
        self._since_fit, self._since_guarded, self._last_peak = state["since"]
        self._first = list(state["first"])
        self._used = len(state["peaks"])
        self._peaks[: self._used] = state["peaks"]
        self._next = state["next"]
        self._fit = tuple(state["fit"]) if state["fit"] is not None else None
