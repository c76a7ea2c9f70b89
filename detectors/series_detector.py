"""Any series of numbers: how strange its newest value is, and the stretch that ends with it."""

import math

from detectors.base import Detector, Features, State
from detectors.errors import StateError
from detectors.results import Contribution
from detectors.series_tail import TailHistogram
from detectors.series_views import VIEWS, FadingMean, Look, SeriesViews

#: Values are taken as at most this large, so that squares stay finite.
_LARGEST = 1e100
#: Values after which a view's tail weighs half, and the p-value beyond which a tail learns sparingly.
_TAIL_HALF_LIFE = 4_000.0
_GUARD = 1e-2
#: Views whose range may wander for good; a guard would keep a trend strange for ever.
_UNGUARDED = ("level", "window_level")
#: Values that a view must have seen before its p-values count.
_TAIL_WARM_UP = 20.0
#: Power of the mean by which views are combined: 1 is the harmonic mean of p-values, towards 0 the geometric one.
_POWER = 0.5
_MOST_SURPRISE = 60.0
#: Half-life, in values, of the running mean that makes a strange stretch one stretch, and the most that one value adds
#: to it: a spike must not linger. Half of the evidence is this mean.
_STRETCH = 16.0
_MOST_LINGERING = 6.0
#: Evidence of chance: ln p is -0.68 e² up to `_BODY_END`, and goes on as the tangent. Since each view is calibrated by
#: its own history, this law is nearly the same for all series; it was measured on made ones without anomalies.
_CURVATURE, _BODY_END = 0.68, 2.6
#: Each nine of a score is this many decades of p.
_DECADES_A_NINE = 4.0


class SeriesDetector(Detector):
    """Anomalies of one series without a shape of its own, whatever its scale, season or law, and without tuning.

    Six views look at each value: the error of a forecast from lags, longer means and the value a period ago (the
    period is found by itself); the same error averaged over some values; the distance from the long level;
    stillness (values that change less than they use to); the level and the shape of the window of a period, the shape
    against those kept from before. Each view's ratio to its own usual size becomes a p-value by its own history
    (`TailHistogram`). They are combined, `e = 2 ln mean(p_i ** -0.5)`, and averaged with a running mean of `e`, so that
    a strange stretch stands out as one.

    The score is `1 - p ** (1/4)`, p the chance that an ordinary value is as strange: 0.9 is one in ten thousand, each
    further nine four more decades, so that even the strangest values can be ranked. p is calibrated for stationary
    series, white or not, of light or heavy X

    After a lasting change of level, spread or shape scores come down within some tens to hundreds of values: what is
    guarded learns one value in ten. It fails on the first few periods, on series whose normal shapes never come back,
    and on anomalies longer than its memory (2,048 values).

    Parameters
    ----------
    half_life
        Values after which what is usual is half forgotten, > 0.
    warm_up
        Values seen before scores are given, >= 0; 0.0 is answered until then.

    Notes
    -----
    Features: `value`, and `timestamp` in seconds (or `time_s`), used to tell gaps from steps only; without it values
    count as evenly spaced. A value that is missing or not finite scores 0 and is not learned. About 60 kB a series.

    Examples
    --------
    >>> import random
    >>> rng = random.Random(4)
    >>> series = SeriesDetector()
    >>> for index in range(1_000):
    ...     series.learn_one({"value": math.sin(index / 8) + rng.gauss(0, 0.1), "timestamp": 60.0 * index})
    >>> usual = {"value": math.sin(1_000 / 8), "timestamp": 60_000.0}
    >>> series.score_one(usual) < 0.5 < 0.99 < series.score_one(usual | {"value": 4.0})
    True

    References
    ----------
    Wilson, D. J. (2019). The harmonic mean p-value for combining dependent tests. PNAS 116(4), of which the power mean
    is a softer relative: Vovk, V. and Wang, R. (2020). Combining p-values via averaging. Biometrika 107(4).
    """

    name = "series"

    def __init__(self, half_life: float = 2_000.0, warm_up: int = 100) -> None:
        self.half_life = half_life
        self.warm_up = warm_up
        self._views = SeriesViews(half_life)
        self._tails = [TailHistogram(_TAIL_HALF_LIFE, 0.0 if view in _UNGUARDED else _GUARD) for view in VIEWS]
        self._stretch = FadingMean(_STRETCH)
        self._looked: tuple[tuple[float, float | None], Look, list[float], float] | None = None

    @property
    def ready(self) -> bool:
        """Whether `warm_up` values were seen."""
        return self._views.history.seen >= self.warm_up

    def score_one(self, x: Features) -> float:
        """From 0, ordinary, to 1: one less the fourth root of the p-value; 0 while warming up."""
        return max(1.0 - math.pow(self.p_value_one(x), 1.0 / _DECADES_A_NINE), 0.0)

    def p_value_one(self, x: Features) -> float:
        """Chance that an ordinary value is as strange; 1 while warming up and for what is not a number."""
        value = _value(x)
        if value is None or not self.ready:
            return 1.0
        now = self._look(value, _time(x))[2]
        return _chance(0.5 * (now + self._stretch.after(min(now, _MOST_LINGERING))))

    def learn_one(self, x: Features) -> None:
        """Take the value in."""
        value = _value(x)
        if value is None:
            return
        time_s = _time(x)
        look, _, now = self._look(value, time_s)
        self._looked = None
        if self.ready:
            self._stretch.learn(min(now, _MOST_LINGERING))
        for ratio, tail in zip(look.ratios, self._tails, strict=True):
            if ratio is not None:
                tail.learn(ratio)
        self._views.learn(value, time_s, look)

    def explain_one(self, x: Features) -> tuple[Contribution, ...]:
        """The views that find the value strange, with what they saw as multiples of what is usual to them."""
        value = _value(x)
        if value is None or not self.ready:
            return ()
        look, surprises, _ = self._look(value, _time(x))
        weights = [math.expm1(_POWER * surprise) for surprise in surprises]
        whole = sum(weights)
        found = [
            self._contribution(index, value, look, surprises[index], weight / whole)
            for index, weight in enumerate(weights)
            if weight > 0.0
        ]
        return tuple(sorted(found, key=lambda part: -part.share))

    def _contribution(self, index: int, value: float, look: Look, surprise: float, share: float) -> Contribution:
        view, p_value = VIEWS[index], math.exp(-surprise)
        if view == "error":
            return Contribution("value against forecast", value, look.expected, "value", p_value, share)
        if view == "level":
            return Contribution("value against level", value, self._views.level.mean, "value", p_value, share)
        return Contribution(view.replace("_", " "), look.ratios[index] or 0.0, 1.0, "times usual", p_value, share)

    def _look(self, value: float, time_s: float | None) -> tuple[Look, list[float], float]:
        """What the views see, each one's surprise, `-ln p`, and that of all together."""
        key = value, time_s
        if self._looked is None or self._looked[0] != key:
            look = self._views.look(value, time_s)
            surprises = [
                0.0 if ratio is None or tail.weight < _TAIL_WARM_UP else min(-tail.log_p(ratio), _MOST_SURPRISE)
                for ratio, tail in zip(look.ratios, self._tails, strict=True)
            ]
            # Scoring, explaining and learning ask for the same value in a row.
            self._looked = key, look, surprises, _combined(surprises)
        return self._looked[1:]

    def state(self) -> State:
        """Views, their tails, and the stretch."""
        return {
            "parameters": [self.half_life, self.warm_up],
            "views": self._views.state(),
            "tails": [tail.state() for tail in self._tails],
            "stretch": self._stretch.state(),
        }

    def restore(self, state: State) -> None:
        """Take up where `state()` was made; raises StateError for other parameters."""
        expected = [self.half_life, self.warm_up]
        if state.get("parameters") != expected:
            msg = f"series state: expected parameters {expected}, found {state.get('parameters')}"
            raise StateError(msg)
        self._views.restore(state["views"])
        for tail, saved in zip(self._tails, state["tails"], strict=True):
            tail.restore(saved)
        self._stretch.restore(state["stretch"])
        self._looked = None


def _combined(surprises: list[float]) -> float:
    """`-ln` of the power mean of p-values."""
    return math.log(sum(math.exp(_POWER * surprise) for surprise in surprises) / len(surprises)) / _POWER


def _chance(evidence: float) -> float:
    if evidence <= _BODY_END:
        return math.exp(-_CURVATURE * evidence * evidence)
    return math.exp(-_CURVATURE * _BODY_END * (2.0 * evidence - _BODY_END))


def _value(x: Features) -> float | None:
    value = float(x.get("value", math.nan))
    return min(max(value, -_LARGEST), _LARGEST) if math.isfinite(value) else None


def _time(x: Features) -> float | None:
    time_s = x.get("timestamp", x.get("time_s"))
    return float(time_s) if time_s is not None and math.isfinite(time_s) else None
