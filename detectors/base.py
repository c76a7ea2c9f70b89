"""The contract of a detector."""

import abc
from typing import Any

from river.base import AnomalyDetector

from detectors.results import Contribution

#: What a detector looks at: numbers by name. A name that is missing means "nothing seen", never an error.
Features = dict[Any, float]
#: Plain numbers, strings, lists and dicts: what msgpack can carry. Never a pickle.
State = dict[str, Any]


#: No count, rate or notional is taken for larger.
LARGEST_COUNT = 1e12


def count_of(x: Features, name: str) -> float:
    """A count among features: from 0 to `LARGEST_COUNT` whatever was given, 0 when it is missing or not a number.

    Examples
    --------
    >>> [count_of({"n": n}, "n") for n in (3.0, -1.0, 1e308, float("nan"))], count_of({}, "n")
    ([3.0, 0.0, 1000000000000.0, 0.0], 0.0)
    """
    value = float(x.get(name, 0.0))
    return value if 0.0 <= value <= LARGEST_COUNT else LARGEST_COUNT if value > 0.0 else 0.0


class Detector(AnomalyDetector):
    """One entity's online anomaly detector: a river `AnomalyDetector` with readiness, reasons and explicit state.

    Score first, then learn; the stages do so in one place. `score_one` never changes the detector, and answers a finite
    number for any input: 0 is ordinary, higher is stranger. Scores of one detector class are comparable among its
    entities, so that one `PeaksOverThreshold` can calibrate a pool of them.

    Every `x` may hold `time_s`, the event time in seconds at which the features stand. Time that goes back counts as no
    time.
    """

    #: Stable name: metric label, state key, field of signals.
    name: str
    #: Parts that are heavy look at one observation in so many, by count; 1: at all. Whoever owns the detector raises it
    #: while there is no time for more; it is no part of the state.
    one_in: int = 1

    @property
    @abc.abstractmethod
    def ready(self) -> bool:
        """Whether enough was seen for a score to be believed; once true it stays true."""

    @abc.abstractmethod
    def score_one(self, x: Features) -> float:
        """How strange `x` is: finite, at least 0."""

    @abc.abstractmethod
    def learn_one(self, x: Features) -> None:
        """Take `x` in; always after `score_one`."""

    @abc.abstractmethod
    def explain_one(self, x: Features) -> tuple[Contribution, ...]:
        """What `score_one(x)` saw, expected, and how much each part added; the shares sum to 1."""

    @abc.abstractmethod
    def state(self) -> State:
        """Everything learned, as plain values."""

    @abc.abstractmethod
    def restore(self, state: State) -> None:
        """Take up where `state()` was made; raises StateError when it does not fit this detector's parameters."""


class AgedDetector(Detector):
    """A detector whose scores are believed when `grace_s` seconds have passed since its first observation."""

    #: Set by a subclass from its parameter, >= 0.
    grace_s: float
    _born_s = -1.0
    _time_s = -1.0

    @property
    def ready(self) -> bool:
        """Whether `grace_s` seconds have passed since the first observation."""
        return self._born_s >= 0.0 and self._time_s - self._born_s >= self.grace_s

    def _age(self, time_s: float) -> None:
        """Take note that something was learned at a time."""
        if self._born_s < 0.0:
            self._born_s = time_s
        self._time_s = max(self._time_s, time_s)
