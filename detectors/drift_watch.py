"""Drift of a symbol's inputs, and of the scores of those who watch it."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from detectors.drift import INPUTS, Drift
from detectors.features.book import book_features
from detectors.features.market import CANCELS, SymbolTick
from detectors.ledger import EvidenceWindow
from detectors.measures import Measure
from detectors.results import Signal
from detectors.watch import Spot, SymbolTickWatch

#: The inputs that a model stands on: when they move, its ground has.
STANDS_ON: dict[str, tuple[str, ...]] = {
    "cancel_burst": ("cancels",),
    "lockstep": ("cancels",),
    "layering": ("cancels", "trades"),
    "trade_burst": ("trades",),
    "thin_book": ("depth", "spread"),
    "execution_quality": ("depth", "spread", "trades"),
}
#: Ground counts as moved for so long after a change was found.
MOVED_FOR_S = 1_800.0
_COUNTED = ("cancels", "trades")


class DriftWatch(SymbolTickWatch[Drift]):
    """`Drift` once a minute, on what each second of it brought: counts, the first book, the models' running scores.

    Seconds without events of a symbol that has some in the minute count as silent; minutes without any are passed over:
    that nothing is heard may be the fault of the feed.
    """

    name = pattern = "drift"
    prior_scale = 0.1
    warm_up = 120

    def __init__(self, spot: Spot) -> None:
        super().__init__(spot)
        self._ticks_a_second = 1_000_000 // self.tick_us
        self._others: Sequence[SymbolTickWatch[Any]] = ()
        self._second = -1
        #: Events of the second by input, for inputs that ever came; and whether its first book was looked at.
        self._counts: dict[str, int] = {}
        self._has_book = False
        #: By series, seconds and the sum of logarithms of the minute; it counts when it was heard from its beginning.
        self._sums: dict[str, list[float]] = {}
        self._is_whole = False
        #: The topics of the tick at hand.
        self._shown_by: tuple[str, ...] = ()

    @classmethod
    def concerns(cls, state: SymbolTick) -> bool:
        """Cancels, trades and books."""
        return bool(state.accounts or state.trades or state.book is not None)

    def new_detector(self) -> Drift:
        """With the memory of a day."""
        return Drift()

    def stand_beside(self, others: Sequence[SymbolTickWatch[Any]]) -> None:
        """Listen to the scores of the other watches of the symbol."""
        self._others = [other for other in others if other is not self]

    def close_tick(self, tick: int, state: SymbolTick, evidence: EvidenceWindow) -> list[Signal]:
        """Count; when a second is over take it in, when a minute is over judge it."""
        second, signals = tick // self._ticks_a_second, list[Signal]()
        if second != self._second:
            self._end_second()
            if second // 60 != self._second // 60:
                self._shown_by = _topics_of(state)
                signals = self._end_minute(tick, evidence)
                # What came before the first minute began is not known, nor how long it has been so.
                self._is_whole = self._second >= 0
            self._second = second
        if state.accounts:
            self._counts["cancels"] = self._counts.get("cancels", 0) + self.spot.activity.now[CANCELS]
        if state.trades:
            self._counts["trades"] = self._counts.get("trades", 0) + state.trades
        if state.book is not None and not self._has_book:
            self._has_book = True
            x = book_features(state.book, self.spot.settings.market.order_notional)
            self._add("depth", x["bid_depth_25bp"] + x["ask_depth_25bp"])
            self._add("spread", x["spread_bp"])
        return signals

    def shown_by(self, tick: int, length: int) -> tuple[str, ...]:
        """What came when the minute was over: a sample of what it is like now."""
        return self._shown_by

    def _end_second(self) -> None:
        for name, count in self._counts.items():
            if count:
                self._add(name, float(count))
                self._counts[name] = 0
        for other in self._others:
            if other.detector.ready and other.scorer.pot.ready:
                self._add_log(other.name, other.scorer.course)
        self._has_book = False

    def _end_minute(self, tick: int, evidence: EvidenceWindow) -> list[Signal]:
        sums, self._sums = self._sums, {}
        if not self._is_whole:
            return []
        x = {name: total / seconds for name, (seconds, total) in sums.items() if name not in _COUNTED}
        # Silent seconds add nothing: the logarithm of 1 is 0.
        x |= {name: sums.get(name, (0.0, 0.0))[1] / 60.0 for name in self._counts}
        x["time_s"] = float(60 * (self._second // 60 + 1))
        return self.judge(tick, x, evidence)

    def _add(self, name: str, quantity: float) -> None:
        self._add_log(name, math.log1p(min(max(quantity * INPUTS[name][2], 0.0), 1e15)))

    def _add_log(self, name: str, value: float) -> None:
        known = self._sums.get(name)
        if known is None:
            self._sums[name] = [1.0, value]
        else:
            known[0] += 1.0
            known[1] += value

    def measures(self) -> Iterator[Measure]:
        """Give for each input and model whether its ground has moved lately."""
        symbol, time_s = self.spot.symbol, float(self._second)
        names = self.detector.names
        for name in names:
            grounds = (name, *STANDS_ON.get(name, ()))
            moved = any(self.detector.moved(ground, time_s, MOVED_FOR_S) for ground in grounds)
            yield Measure("ground_moved", (symbol, name), float(moved))

    def rest(self) -> Any:  # noqa: ANN401 - see Watch
        """The second and the minute under way."""
        sums = {name: list(sums) for name, sums in sorted(self._sums.items())}
        return [self._second, dict(sorted(self._counts.items())), self._has_book, sums, self._is_whole]

    def take_rest(self, rest: Any) -> None:  # noqa: ANN401 - see Watch
        """Take up the second and the minute."""
        self._second, counts, self._has_book, sums, self._is_whole = rest
        self._counts = dict(counts)
        self._sums = {name: list(sum_) for name, sum_ in sums.items()}


def _topics_of(state: SymbolTick) -> tuple[str, ...]:
    """The topics of which the symbol has events in a tick."""
    came = {
        "books": state.book is not None,
        "cancels": bool(state.cancelled),
        "liquidations": state.liquidated is not None,
        "tickers": state.references is not None,
        "trades": bool(state.traded),
    }
    return tuple(topic for topic, some in came.items() if some)
