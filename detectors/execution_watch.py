"""Execution quality of a symbol, looked at once a second."""

import math
from collections.abc import Iterator
from typing import Any

from detectors.base import Features
from detectors.events import BookSnapshot
from detectors.execution_quality import COSTS, ExecutionQuality
from detectors.features.book import book_features
from detectors.features.market import SymbolTick
from detectors.ledger import EvidenceWindow
from detectors.measures import Measure
from detectors.results import Signal
from detectors.watch import Spot, SymbolTickWatch

_EVERY_US = 1_000_000
#: Time constants of volatility and of the effective spread.
_VOLATILITY_S, _TRADES_S = 60.0, 10.0
#: A mid older than this is none that a trade could have been compared with.
_OLDEST_MID_US = 5_000_000
#: Without a trade for so long, there is no effective spread.
_OLDEST_TRADE_US = 10_000_000
_MOST_BP = 1e4


class ExecutionWatch(SymbolTickWatch[ExecutionQuality]):
    """`ExecutionQuality` at the first tick with a book of each second; trades are compared with the mid before theirs.

    Its signals are a further stream of the pattern `thin_book`: trading costs more than it should.
    """

    name = "execution_quality"
    pattern = "thin_book"
    prior_scale = 0.5

    def __init__(self, spot: Spot) -> None:
        super().__init__(spot)
        self._looked_us = self._mid_us = self._traded_us = 0
        #: The newest mid, and that of the last look.
        self._mid = self._mid_before = 0.0
        #: Mean square of moves a second; effective spread times notional, and notional, both fading.
        self._square, self._paid, self._traded = -1.0, 0.0, 0.0
        #: What was last seen, for show.
        self._costs: dict[str, float] = {}

    @classmethod
    def concerns(cls, state: SymbolTick) -> bool:
        """Books."""
        return state.book is not None

    def new_detector(self) -> ExecutionQuality:
        """With the slow memory of the settings."""
        return ExecutionQuality(self.spot.settings.memory.leverage_half_life_s)

    def close_tick(self, tick: int, state: SymbolTick, evidence: EvidenceWindow) -> list[Signal]:
        """Add up trades; score the book when it is time."""
        end_us = (tick + 1) * self.tick_us
        if state.traded and self._mid > 0.0 and end_us - self._mid_us <= _OLDEST_MID_US:
            self._pay(state)
            self._traded_us = end_us
        book = state.book
        if book is None or not book.bids or not book.asks:
            return []
        self._mid, self._mid_us = 0.5 * (book.bids[0][0] + book.asks[0][0]), book.timestamp
        if end_us - self._looked_us < _EVERY_US:
            return []
        x = self._features(tick, end_us, book)
        return self.judge(tick, x, evidence)

    def shown_by(self, tick: int, length: int) -> tuple[str, ...]:
        """Books, and the trades that were compared with them."""
        has_trades = self._traded_us > (tick + 1 - length) * self.tick_us
        return ("books", "trades") if has_trades else ("books",)

    def _pay(self, state: SymbolTick) -> None:
        """Take in what takers paid beyond the mid: sums that do not depend on the order of trades."""
        mid = self._mid
        paid, traded = [], []
        for trade in state.traded:
            notional = trade.price * trade.amount
            beyond = (trade.price - mid) / mid * 2e4
            beyond = min(max(beyond if trade.side == "buy" else -beyond, -_MOST_BP), _MOST_BP)
            paid.append(notional * beyond)
            traded.append(notional)
        self._paid += math.fsum(paid)
        self._traded += math.fsum(traded)

    def _features(self, tick: int, end_us: int, book: BookSnapshot) -> Features:
        gap_s = (end_us - self._looked_us) / 1e6 if self._looked_us else 0.0
        self._looked_us = end_us
        seen = book_features(book, self.spot.settings.market.order_notional)
        x: Features = {"time_s": self.time_s(tick), "spread_bp": seen["spread_bp"]}
        x["slippage_bp"] = 0.5 * (seen["bid_slippage_bp"] + seen["ask_slippage_bp"])
        if self._traded > 0.0 and end_us - self._traded_us <= _OLDEST_TRADE_US:
            x["effective_spread_bp"] = self._paid / self._traded
        if self._mid_before > 0.0 and gap_s > 0.0:
            square = math.log(self._mid / self._mid_before) ** 2 / gap_s
            keep = math.exp(-gap_s / _VOLATILITY_S) if self._square >= 0.0 else 0.0
            self._square = keep * self._square + (1.0 - keep) * square
            x["volatility_bp"] = 1e4 * math.sqrt(60.0 * self._square)
        self._mid_before = self._mid
        self._costs = {name: x[name] for name in COSTS if name in x}
        keep = math.exp(-gap_s / _TRADES_S)
        self._paid, self._traded = keep * self._paid, keep * self._traded
        return x

    def measures(self) -> Iterator[Measure]:
        """Give effective spread, slippage, and how much they suffer from volatility."""
        symbol = self.spot.symbol
        for name in ("effective_spread_bp", "slippage_bp"):
            if name in self._costs:
                yield Measure(name, (symbol,), self._costs[name])
                yield Measure("fill_degradation", (symbol, name.removesuffix("_bp")), self.detector.degradation(name))

    def rest(self) -> Any:  # noqa: ANN401 - see Watch
        """Mids, volatility, and what was paid."""
        times = [self._looked_us, self._mid_us, self._traded_us]
        numbers = [self._mid, self._mid_before, self._square, self._paid, self._traded]
        return [times, numbers, dict(sorted(self._costs.items()))]

    def take_rest(self, rest: Any) -> None:  # noqa: ANN401 - see Watch
        """Take up mids, volatility, and what was paid."""
        times, numbers, costs = rest
        self._looked_us, self._mid_us, self._traded_us = times
        self._mid, self._mid_before, self._square, self._paid, self._traded = numbers
        self._costs = dict(costs)
