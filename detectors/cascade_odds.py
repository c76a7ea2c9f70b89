"""How likely a cascade is within a horizon, calibrated on what happened, and how far that may be believed."""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from detectors.base import State
from detectors.online_logistic import OnlineLogistic

#: A forecast is taken for the record at most so often a symbol: more of them would say the same thing again.
FORECAST_EVERY_S = 60
#: The prior says that a cascade begins about once in so many forecasts, with the weight of so many.
_PRIOR_FORECASTS = 2_000.0
#: Before this many cascades were seen, nothing is known of how good the forecasts are.
_LEAST_CASCADES = 5
#: Forecasts after which a counted one weighs half.
_HALF_LIFE = 200_000.0


class Odds(NamedTuple):
    """A forecast: the probability, the base rate, both forecasts' Brier scores, and whether it may be believed.

    `known` is only true when cascades were seen, and the Brier score so far is below that of the base rate.
    """

    probability: float
    base_rate: float
    brier: float
    base_brier: float
    known: bool


class CascadeOdds:
    """One horizon's forecasts, learned from what came of those before, and scored against the base rate.

    The odds are an online logistic regression (`OnlineLogistic`) on a symbol's features.

    Once the horizon of a forecast is over, or a cascade has begun, the model learns whether it was right. Forecasts
    overlap: each has the weight of its share of the horizon, so that one cascade counts about once. The Brier score is
    the mean of `(forecast - outcome) ** 2`, forgetting.

    It has little to learn from while cascades are few: then it says so (`known` is false), and its probability is
    mostly the prior's.

    Parameters
    ----------
    horizon_s
        Seconds ahead, > 0.
    prior, variances
        Weights of the features before anything was learned, and how sure of them it is (`OnlineLogistic`).

    Examples
    --------
    >>> odds = CascadeOdds(horizon_s=900, prior=(0.0, 1.0), variances=(4.0, 1.0))
    >>> found = odds.forecast("X", (1.0, -1.386), time_s=0.0)
    >>> round(found.probability, 3), found.known
    (0.2, False)
    """

    def __init__(self, horizon_s: int, prior: Sequence[float], variances: Sequence[float]) -> None:
        self.horizon_s = horizon_s
        self._model = OnlineLogistic(prior, variances)
        self._seen = self._happened = self._loss = self._base_loss = 0.0
        self._cascades = 0
        #: Forecasts whose horizon is not over: symbol -> (time, features, forecast, base rate).
        self._waiting: dict[str, deque[tuple[float, tuple[float, ...], float, float]]] = {}

    @property
    def base_rate(self) -> float:
        """Share of forecasts after which a cascade began, with a prior of few."""
        return (self._happened + 0.5) / (self._seen + _PRIOR_FORECASTS)

    def forecast(self, symbol: str, x: Sequence[float], time_s: float) -> Odds:
        """The odds for these features; they are kept, and judged when the horizon is over."""
        probability = self._model.probability(x)
        waiting = self._waiting.setdefault(symbol, deque())
        if not waiting or time_s - waiting[-1][0] >= FORECAST_EVERY_S:
            waiting.append((time_s, tuple(x), probability, self.base_rate))
        return self._odds(probability)

    def begin_cascade(self, symbol: str, time_s: float) -> None:
        """Learn that a cascade began: every forecast whose horizon holds it was right to see it."""
        self._cascades += 1
        waiting = self._waiting.get(symbol, deque())
        while waiting:
            made_s, x, forecast, base = waiting.popleft()
            self._learn(x, forecast, base, happened=made_s < time_s <= made_s + self.horizon_s)

    def pass_time(self, symbol: str, time_s: float) -> None:
        """Learn that forecasts whose horizon is over saw nothing come."""
        waiting = self._waiting.get(symbol, deque())
        while waiting and waiting[0][0] + self.horizon_s < time_s:
            _, x, forecast, base = waiting.popleft()
            self._learn(x, forecast, base, happened=False)

    def forget(self, symbol: str) -> None:
        """Drop the forecasts of a symbol that is not watched any more; they are not judged."""
        self._waiting.pop(symbol, None)

    def _learn(self, x: tuple[float, ...], forecast: float, base: float, happened: bool) -> None:
        outcome, fade = float(happened), 0.5 ** (1.0 / _HALF_LIFE)
        self._loss = fade * self._loss + (forecast - outcome) ** 2
        self._base_loss = fade * self._base_loss + (base - outcome) ** 2
        self._seen = fade * self._seen + 1.0
        self._happened = fade * self._happened + outcome
        self._model.learn(x, outcome, FORECAST_EVERY_S / self.horizon_s)

    @property
    def brier(self) -> tuple[float, float] | None:
        """Brier scores of the forecasts and of the base rate; None: no forecast was judged yet."""
        return (self._loss / self._seen, self._base_loss / self._seen) if self._seen >= 1.0 else None

    def _odds(self, probability: float) -> Odds:
        if self.brier is None:
            return Odds(probability, self.base_rate, 0.0, 0.0, known=False)
        brier, base_brier = self.brier
        known = self._cascades >= _LEAST_CASCADES and brier < base_brier
        return Odds(probability, self.base_rate, brier, base_brier, known)

    def state(self) -> State:
        """Calibration, scores, and forecasts that wait."""
        return {
            "horizon_s": self.horizon_s,
            "model": self._model.state(),
            "sums": [self._seen, self._happened, self._loss, self._base_loss, self._cascades],
            "waiting": {
                symbol: [[time_s, list(x), forecast, base] for time_s, x, forecast, base in waiting]
                for symbol, waiting in sorted(self._waiting.items())
            },
        }

    def restore(self, state: State) -> None:
        """Take up where `state()` was made; raises StateError for other features."""
        self._model.restore(state["model"])
        self._seen, self._happened, self._loss, self._base_loss, self._cascades = state["sums"]
        self._waiting = {
            symbol: deque((time_s, tuple(x), forecast, base) for time_s, x, forecast, base in waiting)
            for symbol, waiting in state["waiting"].items()
        }
