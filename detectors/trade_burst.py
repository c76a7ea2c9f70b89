"""Trade burst: takers trade more, and more one-sidedly, than they do."""

import math

from detectors.base import Detector, Features, State, count_of
from detectors.errors import StateError
from detectors.gamma_poisson import DecayedRate, surprise
from detectors.reasons import Part, contributions
from detectors.results import Contribution

_WINDOWS = (("tick", 0.0), ("1s", 1.0), ("10s", 10.0))
#: A trade of more than so many usual ones counts as so many: sizes have tails without a mean.
_LARGEST_TRADE = 20.0
#: Surprise of a burst of both sides and of many accounts counts half.
_OF_A_CROWD = 0.5
_LEARN_DEVIATIONS = 4.0
_HABIT_WEIGHT = 0.03
_HABIT_FLOOR = 1.0
_SIZE_PRIOR = 5.0


class TradeBurst(Detector):
    """Trades and traded notional in a tick, 1 and 10 s against the symbol's own forgetting rates.

    A count is tested against a negative binomial (`gamma_poisson.surprise`); so is notional in units of
    the usual trade, `notional / mean size`, whose counts and history are divided by `E[size^2] / E[size]^2`: by so much
    more than counts do sums of uneven sizes vary. A burst of both sides and of many accounts is a busy market: its
    surprise counts half, that of a burst on one side, or of one account, in full:
    `score = surprise (1 + max(lean, crowding)) / 2`, with `lean = |bought - sold| / (bought + sold)`. The largest is
    divided by what is usual for the symbol: one that always trades in bursts must outdo itself. A second teaches at
    most four deviations above what was expected.

    It fails on a burst cut into pieces over minutes, and calls a large order of a newcomer a burst: it is one.

    Parameters
    ----------
    half_life_s
        Memory of the rates in seconds, > 0.
    grace_s
        Seconds between the first trade and a score that is believed, >= 0.
    least_trades
        Fewer trades than this in 10 s are no burst, however rare, >= 1.
    tick_s
        Length of a tick in seconds, > 0.

    Notes
    -----
    Features: `time_s`; for each window `tick`, `1s`, `10s`: `trades_*` a count, `notional_*` and `bought_*` in price
    times amount; `crowding` the share of the fills of 10 s that the busiest account took part in, in [0, 1].

    Examples
    --------
    >>> burst = TradeBurst(grace_s=5.0)
    >>> def x(tick, trades, ten):
    ...     counts = {"tick": trades, "1s": 5 + trades, "10s": ten}
    ...     x = {f"trades_{name}": count for name, count in counts.items()}
    ...     x |= {f"notional_{name}": 100.0 * count for name, count in counts.items()}
    ...     return x | {f"bought_{name}": 100.0 * count for name, count in counts.items()} | {"time_s": tick / 10}
    >>> for tick in range(300):
    ...     burst.learn_one(x(tick, tick % 2, 50))
    >>> burst.score_one(x(300, 1, 50)) < 1 < 10 < burst.score_one(x(300, 40, 90))
    True

    References
    ----------
    La Morgia, M. et al. (2020). Pump and dumps in the Bitcoin era. ICCCN (rush orders as the strongest feature).
    """

    name = "trade_burst"

    def __init__(
        self, half_life_s: float = 600.0, grace_s: float = 30.0, least_trades: int = 8, tick_s: float = 0.1
    ) -> None:
        self.half_life_s = half_life_s
        self.grace_s = grace_s
        self.least_trades = least_trades
        self.tick_s = tick_s
        self._trades = DecayedRate(half_life_s)
        self._sizes = DecayedRate(half_life_s)
        self._mean_size = self._mean_square = 0.0
        self._weight = 0.0
        self._habit = 0.0
        self._born_s = -1.0
        self._second = -1
        self._left = [0.0, 0.0]

    @property
    def ready(self) -> bool:
        """Whether `grace_s` seconds have passed since the first trade."""
        return self._born_s >= 0.0 and self._trades.time_s - self._born_s >= self.grace_s

    def score_one(self, x: Features) -> float:
        """Largest surprise over windows, in units of what is usual for this symbol."""
        return self._most(x) / (_HABIT_FLOOR + self._habit)

    def learn_one(self, x: Features) -> None:
        """Add the last tick to the rates; a second adds at most four deviations above what was expected."""
        time_s = x.get("time_s", 0.0)
        if not math.isfinite(time_s):
            time_s = 0.0
        trades, notional = count_of(x, "trades_tick"), count_of(x, "notional_tick")
        sizes = self._in_trades(notional, trades)
        second = int(time_s)
        if second != self._second:
            self._second = second
            self._habit += _HABIT_WEIGHT * (min(self._most(x), 3.0 * (self._habit + _HABIT_FLOOR)) - self._habit)
            self._left = [_most_learned(rate.per_second(time_s)) for rate in (self._trades, self._sizes)]
        learned = min(trades, self._left[0]), min(sizes, self._left[1])
        self._left = [self._left[0] - learned[0], self._left[1] - learned[1]]
        self._trades.learn(learned[0], time_s)
        self._sizes.learn(learned[1], time_s)
        if trades > 0.0:
            self._learn_size(notional, trades)
        if self._born_s < 0.0:
            self._born_s = time_s

    def explain_one(self, x: Features) -> tuple[Contribution, ...]:
        """The windows that surprised, and how one-sided they were."""
        parts = []
        time_s = x.get("time_s", 0.0)
        for (name, length_s), found in zip(_WINDOWS, self._surprises(x), strict=True):
            seconds = length_s or self.tick_s
            leaning = f", {100.0 * _lean(x, name):.0f} % one-sided"
            usual = self._trades.per_second(time_s) * seconds
            parts.append(
                Part(found[0], f"trades in {seconds:g} s{leaning}", count_of(x, f"trades_{name}"), usual, "trades",
                     10.0 ** -found[0])
            )  # fmt: skip
            usual = self._sizes.per_second(time_s) * seconds * self._mean_size
            parts.append(
                Part(found[1], f"notional traded in {seconds:g} s{leaning}", count_of(x, f"notional_{name}"), usual,
                     "notional", 10.0 ** -found[1])
            )  # fmt: skip
        return contributions(parts)

    def stands_out(self, x: Features) -> bool:
        """Whether a window has three times the usual trades: a reason to look who it was."""
        per_second = self._trades.per_second(x.get("time_s", 0.0))
        return any(x.get(f"trades_{name}", 0.0) > 3.0 * per_second * (s or self.tick_s) for name, s in _WINDOWS[1:])

    def _most(self, x: Features) -> float:
        if not x.get("trades_10s", 0.0) >= self.least_trades:
            return 0.0
        return max(max(found) for found in self._surprises(x))

    def _surprises(self, x: Features) -> list[tuple[float, float]]:
        """Of trades and of notional in each window, less where it is a busy market."""
        time_s = x.get("time_s", 0.0)
        of_trades, of_sizes = self._trades.gamma(time_s), self._sizes.gamma(time_s)
        crowding = min(count_of(x, "crowding"), 1.0)
        even = self._mean_size**2 / self._mean_square if self._mean_square > 0.0 else 1.0
        found = []
        for name, length_s in _WINDOWS:
            seconds, trades = length_s or self.tick_s, count_of(x, f"trades_{name}")
            sizes = self._in_trades(count_of(x, f"notional_{name}"), trades)
            weight = _OF_A_CROWD + (1.0 - _OF_A_CROWD) * max(_lean(x, name), crowding)
            of_notional = surprise(sizes * even, of_sizes[0] * even, of_sizes[1], seconds)
            found.append((weight * surprise(trades, *of_trades, seconds), weight * of_notional))
        return found

    def _in_trades(self, notional: float, trades: float) -> float:
        """Notional in units of the usual trade, at most `_LARGEST_TRADE` for each trade there was."""
        return min(notional / self._mean_size, _LARGEST_TRADE * trades) if self._mean_size > 0.0 else trades

    def _learn_size(self, notional: float, trades: float) -> None:
        """Move the mean size of a trade: an average over some hundreds, of which none counts for too much."""
        size = notional / trades
        if self._mean_size > 0.0:
            size = min(size, _LARGEST_TRADE * self._mean_size)
        self._weight = min(self._weight + min(trades, _SIZE_PRIOR), 100.0 * _SIZE_PRIOR)
        step = min(trades, _SIZE_PRIOR) / self._weight
        self._mean_size += step * (size - self._mean_size)
        # Never below the square of the mean: the sizes of a tick are known by their mean only.
        self._mean_square += step * (size * size - self._mean_square)
        self._mean_square = max(self._mean_square, self._mean_size**2)

    def state(self) -> State:
        """Rates, mean size, habit, and when it began."""
        return {
            "parameters": [self.half_life_s, self.least_trades],
            "rates": [self._trades.state(), self._sizes.state()],
            "sizes": [self._mean_size, self._mean_square, self._weight],
            "now": [self._habit, self._born_s, self._second, *self._left],
        }

    def restore(self, state: State) -> None:
        """Take up where `state()` was made; raises StateError for other parameters."""
        expected = [self.half_life_s, self.least_trades]
        if state.get("parameters") != expected:
            msg = f"trade_burst state: expected parameters {expected}, found {state.get('parameters')}"
            raise StateError(msg)
        for rate, saved in zip((self._trades, self._sizes), state["rates"], strict=True):
            rate.restore(saved)
        self._mean_size, self._mean_square, self._weight = state["sizes"]
        self._habit, self._born_s, self._second, *self._left = state["now"]


def _lean(x: Features, name: str) -> float:
    """How one-sided the takers of a window were, from 0 to 1."""
    notional, bought = count_of(x, f"notional_{name}"), count_of(x, f"bought_{name}")
    return min(abs(2.0 * bought - notional) / notional, 1.0) if notional > 0.0 else 0.0


def _most_learned(per_second: float) -> float:
    """What of a second's count is learned at most."""
    return 1.0 + per_second + _LEARN_DEVIATIONS * math.sqrt(per_second)
