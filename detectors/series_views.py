"""Several views of one series: how far its newest value is from what was usual, each as a ratio to its own level."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.base import State
from detectors.series_forecast import LagForecast
from detectors.series_history import INPUTS, SEASONAL, SHAPE_SIZE, SeriesHistory
from detectors.series_shapes import ShapeMemory

Floats = NDArray[np.float64]

#: Views in order: error of the forecast, the same averaged over some values, distance from the long level, stillness,
#: level of the window, shape of the window.
VIEWS = ("error", "errors", "level", "stillness", "window_level", "window_shape")
_NOTHING: tuple[float | None, ...] = (None,) * len(VIEWS)
#: Half-lives of the short means, in values.
_ERRORS, _STILL = 8.0, 12.0
_SHAPES, _NEAREST, _SHAPES_A_WINDOW = 192, 3, 8
#: Shapes kept before distances to them mean something.
_ENOUGH_SHAPES = 16
#: Nothing is learned for more than so many times its own level, unless it comes again and again.
_MOST = 30.0
#: A value further than so many mean deviations from the level is taken as that far, for the first so many.
_FAR, _AGAIN = 100.0, 8
#: Values before a mean is believed.
_KNOWN = 40.0


class FadingMean:
    """Exponentially fading mean that begins as a plain one."""

    __slots__ = ("_fade", "mean", "weight")

    def __init__(self, half_life: float) -> None:
        self._fade: float = 0.5 ** (1.0 / half_life)
        self.mean = 0.0
        self.weight = 0.0

    def after(self, value: float) -> float:
        """The mean that `learn(value)` would give."""
        return self.mean + (value - self.mean) / (self.weight * self._fade + 1.0)

    def learn(self, value: float) -> None:
        """Take a value in."""
        self.weight = self.weight * self._fade + 1.0
        self.mean += (value - self.mean) / self.weight

    def state(self) -> list[float]:
        """Everything learned."""
        return [self.mean, self.weight]

    def restore(self, state: list[float]) -> None:
        """Take up where `state()` was made."""
        self.mean, self.weight = state


class Look(NamedTuple):
    """What is seen of a value before it is learned; ratios are None for a view that knows too little."""

    ratios: tuple[float | None, ...]
    expected: float
    error: float
    inputs: Floats | None
    window_mean: float
    window_distance: float
    shape: Floats | None


class SeriesViews:
    """All that is known of one series, and the ratios at which each view sees the next value.

    Parameters
    ----------
    half_life
        Values after which what is usual is half forgotten, > 0.
    """

    def __init__(self, half_life: float) -> None:
        self.history = SeriesHistory()
        self.level = FadingMean(half_life)
        self._forecast = LagForecast(INPUTS, half_life)
        self._memory = ShapeMemory(SHAPE_SIZE, _SHAPES, _NEAREST)
        self._waiting: list[Floats] = []
        self._outside = 0
        self._error, self._deviation, self._step, self._window_deviation, self._distance = (
            FadingMean(half_life) for _ in range(5)
        )
        self._recent_error, self._recent_step = FadingMean(_ERRORS), FadingMean(_STILL)

    def look(self, value: float, time_s: float | None) -> Look:
        """What each view says about a value, without learning it."""
        history, level = self.history, self.level.mean
        if not history.has_lags:
            return Look(_NOTHING, level, 0.0, None, 0.0, 0.0, None)
        # What is too small to be told from rounding is nothing.
        tiny = 1e-12 * (abs(value) + abs(level)) + 1e-290
        last = history.last
        inputs = history.inputs(level)
        expected = last + self._forecast.expect(inputs)
        # After a gap less is known, as of a walk.
        error = abs(value - expected) / math.sqrt(min(history.steps(time_s), 64.0))
        usual, bounded = self._error.mean + tiny, self._bounded(self._error, error)
        still = self._recent_step.after(abs(value - last)) + tiny + 1e-9 * self._step.mean
        ratios: list[float | None] = [
            error / usual,
            self._recent_error.after(bounded) / usual,
            abs(value - level) / (self._deviation.mean + tiny),
            (self._step.mean + tiny) / still,
            None,
            None,
        ]
        mean, distance, shape = 0.0, 0.0, None
        if history.has_window:
            mean, shape = history.shape(value)
            ratios[4] = abs(mean - level) / (self._window_deviation.mean + tiny)
            if self._memory.used >= _ENOUGH_SHAPES:
                distance = self._memory.distance(shape)
                ratios[5] = distance / (self._distance.mean + tiny)
        known = tuple(ratios) if self._error.weight >= _KNOWN else _NOTHING
        return Look(known, expected, error, inputs, mean, distance, shape)

    def learn(self, value: float, time_s: float | None, look: Look) -> None:
        """Take in a value that was looked at."""
        value = self._believed(value)
        history = self.history
        step = abs(value - history.last) if history.seen else 0.0
        if look.inputs is not None:
            bounded = self._bounded(self._error, look.error)
            self._recent_error.learn(bounded)
            self._error.learn(bounded)
            self._forecast.learn(look.inputs, value - history.last, look.expected - history.last)
            self._recent_step.learn(step)
            self._step.learn(self._bounded(self._step, step))
            self._deviation.learn(self._bounded(self._deviation, abs(value - self.level.mean)))
        if look.shape is not None:
            self._learn_window(look, look.shape)
        self.level.learn(value)
        if history.push(value, time_s):
            self._forecast.forget(SEASONAL)
            self._memory.clear()
            self._waiting.clear()

    def _learn_window(self, look: Look, shape: Floats) -> None:
        deviation = abs(look.window_mean - self.level.mean)
        self._window_deviation.learn(self._bounded(self._window_deviation, deviation))
        if self._memory.used >= _ENOUGH_SHAPES:
            self._distance.learn(self._bounded(self._distance, look.window_distance))
        if self.history.seen % max(self.history.window // _SHAPES_A_WINDOW, 1) == 0:
            # A window that overlaps with the newest is no precedent for it.
            self._waiting.append(shape)
            if len(self._waiting) > _SHAPES_A_WINDOW:
                self._memory.keep(self._waiting.pop(0))

    def _bounded(self, usual: FadingMean, value: float) -> float:
        if usual.weight < _KNOWN or usual.mean <= 0.0 or self._outside > _AGAIN:
            return value
        return min(value, _MOST * usual.mean)

    def _believed(self, value: float) -> float:
        """The value, or the furthest one that is believed of this series until it has come again and again."""
        reach = _FAR * self._deviation.mean
        level = self.level.mean
        if self._deviation.weight < _KNOWN or reach <= 1e-9 * abs(level) or abs(value - level) <= reach:
            self._outside = 0
            return value
        self._outside += 1
        return value if self._outside > _AGAIN else min(max(value, level - reach), level + reach)

    def _means(self) -> list[FadingMean]:
        return [
            self.level, self._error, self._deviation, self._step, self._window_deviation, self._distance,
            self._recent_error, self._recent_step,
        ]  # fmt: skip

    def state(self) -> State:
        """Everything learned, as plain values."""
        return {
            "history": self.history.state(),
            "forecast": self._forecast.state(),
            "memory": self._memory.state(),
            "waiting": [shape.tolist() for shape in self._waiting],
            "outside": self._outside,
            "means": [mean.state() for mean in self._means()],
        }

    def restore(self, state: State) -> None:
        """Take up where `state()` was made."""
        self.history.restore(state["history"])
        self._forecast.restore(state["forecast"])
        self._memory.restore(state["memory"])
        self._waiting = [np.array(shape) for shape in state["waiting"]]
        self._outside = state["outside"]
        for mean, saved in zip(self._means(), state["means"], strict=True):
            mean.restore(saved)
