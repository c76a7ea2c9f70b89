"""Drift: the ground on which models stand has moved for good."""

import math
from typing import Any, NamedTuple

from detectors.adaptive_window import AdaptiveWindow, Cut
from detectors.base import Detector, Features, State
from detectors.errors import StateError
from detectors.reasons import Part, contributions
from detectors.recent_levels import RecentLevels
from detectors.results import Contribution
from detectors.serial_correlation import SerialCorrelation

#: Inputs: how they are called, their unit, and how many of what is counted make one of it. All else is a model's score.
INPUTS: dict[str, tuple[str, str, float]] = {
    "cancels": ("cancels", "cancels a second", 1.0),
    "trades": ("trades", "trades a second", 1.0),
    "depth": ("depth within 25 bp", "notional", 1.0),
    "spread": ("spread", "basis points", 100.0),
}
#: Values are logarithms: none is taken for further from 0.
_LARGEST = 50.0
#: Series that are watched at most: there are some ten.
_MOST_SERIES = 64
_DAY_S = 86_400
#: Stretches over which levels are remembered, in values, and how many: two days of hours.
_STRETCH, _STRETCHES = 60, 48


class _Look(NamedTuple):
    """The window of a series with a value more; the change that is then found, and how far it goes."""

    window: AdaptiveWindow
    cut: Cut | None
    moved: float


class _Series:
    """One series: its window, how its values lean on each other, where it has been, and when it last moved."""

    __slots__ = ("leaning", "levels", "moved_s", "window")

    def __init__(self, delta: float, half_life: float) -> None:
        self.window = AdaptiveWindow(delta, clock=1)
        self.leaning = SerialCorrelation(half_life)
        self.levels = RecentLevels(_STRETCH, _STRETCHES)
        self.moved_s = -1.0

    def look(self, value: float) -> _Look:
        window = self.window.copy()
        if not window.update(value, self.leaning.inflation) or window.cut is None:
            return _Look(window, None, 0.0)
        cut = window.cut
        low, high = self.levels.range(without=cut.new_count) or (cut.old_mean, cut.old_mean)
        return _Look(window, cut, max(cut.new_mean - high, low - cut.new_mean, 0.0))

    def learn(self, value: float, look: _Look) -> None:
        # From the mean of the window that was: after a change it is soon that of the new level.
        self.leaning.learn(value, self.window.mean if self.window.width else value)
        self.levels.learn(value)
        self.window = look.window

    def state(self) -> list[object]:
        return [self.window.state(), self.leaning.state(), self.levels.state(), self.moved_s]

    def restore(self, state: list[Any]) -> None:
        window, leaning, levels, self.moved_s = state
        self.window.restore(window)
        self.leaning.restore(leaning)
        self.levels.restore(levels)


class Drift(Detector):
    """Lasting changes of the mean of any of several series: logarithms of inputs, and of models' scores.

    Each series has an `AdaptiveWindow` (ADWIN) over means of `block_s` seconds, whose bound is widened by how much
    neighbouring means lean on each other (`SerialCorrelation`). The score is 0 as long as no window finds a change,
    else how far the new mean lies outside the hours of the two days before, the largest of all series: 0.69 is a
    factor of two. What comes and goes with the day has been there yesterday. How seldom a move as large is found on
    this symbol is what the calibration says.

    A burst of a minute or two is no drift, whatever its size (below e**10): at ADWIN's bound of independent values a
    change must stay for 8 minutes to be found if it is by a factor of 5, for 18 if by 2; where values lean on each
    other over 5 minutes, two or three times as long. It fails on what moves slower than the windows grow, on a return
    to where the series was yesterday, and on changes of spread or shape that leave the mean of the logarithm alone.

    Parameters
    ----------
    delta
        Chance of a false change, roughly, in a window, in (0, 1).
    block_s
        Seconds of which each value is the mean, > 0.
    half_life
        Values after which what is known of correlation weighs half, > 0.
    warm_up
        Values of a series before the detector is ready, >= 1.

    Notes
    -----
    Features: `time_s`, the end of the block, and by name the mean over it of `ln(1 + quantity)` for each series.
    Inputs: `cancels` and `trades` a second, `depth` within 25 bp on both sides (notional), `spread` in hundredths of a
    basis point; other names are those of models, their quantity is the score. What lacks is not learned.

    Examples
    --------
    >>> import random
    >>> chance, drift = random.Random(3), Drift()
    >>> def x(number, cancels):
    ...     return {"time_s": 60.0 * number, "cancels": math.log1p(cancels) + chance.gauss(0.0, 0.1)}
    >>> for number in range(500):
    ...     drift.learn_one(x(number, 5.0))
    >>> found = 0.0
    >>> while not found:
    ...     number += 1
    ...     new = x(number, 15.0)
    ...     found, reason = drift.score_one(new), drift.explain_one(new)
    ...     drift.learn_one(new)
    >>> number - 499, 0.9 < found < 1.1, drift.moved("cancels", 60.0 * number, within_s=1_800.0)
    (12, True, True)
    >>> reason[0].signal, round(reason[0].observed), round(reason[0].expected), reason[0].unit
    ('cancels since 08:19 UTC', 15, 5, 'cancels a second')

    References
    ----------
    Bifet, A. and Gavalda, R. (2007). Learning from time-changing data with adaptive windowing. SIAM SDM.
    """

    name = "drift"

    def __init__(
        self, delta: float = 0.002, block_s: float = 60.0, half_life: float = 1_440.0, warm_up: int = 60
    ) -> None:
        self.delta = delta
        self.block_s = block_s
        self.half_life = half_life
        self.warm_up = warm_up
        self._series: dict[str, _Series] = {}
        self._seen = 0
        self._looked: tuple[tuple[tuple[str, float], ...], dict[str, _Look]] | None = None

    @property
    def ready(self) -> bool:
        """Whether `warm_up` blocks were seen."""
        return self._seen >= self.warm_up

    def score_one(self, x: Features) -> float:
        """How far the mean of a series has moved, the largest, in natural logarithms; 0 where none has."""
        return max((look.moved for look in self._look(x).values()), default=0.0)

    def learn_one(self, x: Features) -> None:
        """Let the values enter their windows."""
        time_s = float(x.get("time_s", 0.0))
        looks, values = self._look(x), _values(x)
        self._looked = None
        for name, look in looks.items():
            known = self._series.setdefault(name, self._new_series())
            known.learn(values[name], look)
            if look.moved > 0.0 and math.isfinite(time_s):
                known.moved_s = time_s
        self._seen += 1

    def explain_one(self, x: Features) -> tuple[Contribution, ...]:
        """The series that have moved: the new mean, the old one, and since when."""
        parts = []
        for name, look in self._look(x).items():
            if look.cut is None or look.moved <= 0.0:
                continue
            label, unit, scale = INPUTS.get(name, (f"score of {name}", "score", 1.0))
            since_s = float(x.get("time_s", 0.0)) - look.cut.new_count * self.block_s
            seen, usual = (math.expm1(mean) / scale for mean in (look.cut.new_mean, look.cut.old_mean))
            # Hoeffding's bound falls with the square of how far the means are apart.
            chance = self.delta ** (look.cut.size * look.cut.size)
            parts.append(Part(look.moved, f"{label} since {_clock(since_s)} UTC", seen, usual, unit, chance))
        return contributions(parts)

    def moved(self, name: str, time_s: float, within_s: float) -> bool:
        """Whether a series has moved lately to where it had not been; no series, no change."""
        known = self._series.get(name)
        return known is not None and known.moved_s >= 0.0 and time_s - known.moved_s <= within_s

    @property
    def names(self) -> tuple[str, ...]:
        """The series that are watched."""
        return tuple(sorted(self._series))

    def _look(self, x: Features) -> dict[str, _Look]:
        values = _values(x)
        key = tuple(values.items())
        if self._looked is None or self._looked[0] != key:
            # Scoring, explaining and learning ask for the same values in a row.
            room = _MOST_SERIES - len(self._series)
            new = [name for name in values if name not in self._series][:room]
            self._looked = (
                key,
                {
                    name: self._series.get(name, self._new_series()).look(value)
                    for name, value in values.items()
                    if name in self._series or name in new
                },
            )
        return self._looked[1]

    def _new_series(self) -> _Series:
        return _Series(self.delta, self.half_life)

    def state(self) -> State:
        """The windows, correlations and last changes of all series."""
        series = {name: known.state() for name, known in sorted(self._series.items())}
        return {"parameters": self._parameters(), "seen": self._seen, "series": series}

    def restore(self, state: State) -> None:
        """Take up where `state()` was made; raises StateError for other parameters."""
        if state.get("parameters") != self._parameters():
            msg = f"drift state: expected parameters {self._parameters()}, found {state.get('parameters')}"
            raise StateError(msg)
        self._seen, self._looked, self._series = state["seen"], None, {}
        for name, saved in state["series"].items():
            self._series[name] = self._new_series()
            self._series[name].restore(saved)

    def _parameters(self) -> list[float]:
        return [self.delta, self.block_s, self.half_life, self.warm_up]


def _values(x: Features) -> dict[str, float]:
    """What is a number, by name, in one order, within reason."""
    found = {}
    for name in sorted(name for name in x if name != "time_s"):
        value = float(x[name])
        if math.isfinite(value):
            found[name] = min(max(value, -_LARGEST), _LARGEST)
    return found


def _clock(time_s: float) -> str:
    minutes = int(time_s % _DAY_S) // 60 if math.isfinite(time_s) else 0
    return f"{minutes // 60:02}:{minutes % 60:02}"
