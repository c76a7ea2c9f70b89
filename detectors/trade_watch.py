"""Trade bursts of a symbol."""

from typing import Any

from detectors.features.market import FILLS, SymbolTick
from detectors.ledger import EvidenceWindow
from detectors.results import Signal
from detectors.trade_burst import TradeBurst
from detectors.watch import Spot, SymbolTickWatch
from detectors.windows import SlidingCounts

_TRADES, _BOUGHT, _SOLD = range(3)
_ALL = ""


class TradeWatch(SymbolTickWatch[TradeBurst]):
    """`TradeBurst` at each tick with trades; seconds without any are learned as such."""

    name = pattern = "trade_burst"
    #: Trades come in clusters that differ by far more than a Poisson process lets expect.
    prior_scale = 2.0
    topics = ("trades",)

    def __init__(self, spot: Spot) -> None:
        super().__init__(spot)
        self._one = SlidingCounts(1_000_000 // self.tick_us, 3)
        self._ten = SlidingCounts(10_000_000 // self.tick_us, 3)

    @classmethod
    def concerns(cls, state: SymbolTick) -> bool:
        """Trades."""
        return state.trades > 0

    def new_detector(self) -> TradeBurst:
        """With the memory of the settings."""
        return TradeBurst(self.spot.settings.memory.half_life_s, tick_s=self.tick_us / 1e6)

    def begin(self, since_s: float) -> None:
        """The symbol has been known since then, and was not traded."""
        self.listen_from(since_s)

    def close_tick(self, tick: int, state: SymbolTick, evidence: EvidenceWindow) -> list[Signal]:
        """Score what was traded."""
        if not state.trades:
            return []
        self.learn_silence(self.time_s(tick))
        counts = [state.trades, state.bought_cents, state.sold_cents]
        self._one.add(tick, {_ALL: counts})
        self._ten.add(tick, {_ALL: counts})
        ten = self._ten.get(_ALL)
        x = {"time_s": self.time_s(tick)}
        for name, window in (("tick", counts), ("1s", self._one.get(_ALL)), ("10s", ten)):
            x[f"trades_{name}"] = float(window[_TRADES])
            x[f"notional_{name}"] = (window[_BOUGHT] + window[_SOLD]) / 100.0
            x[f"bought_{name}"] = window[_BOUGHT] / 100.0
        if ten[_TRADES] >= self.detector.least_trades and self.detector.stands_out(x):
            x["crowding"] = min(self.spot.activity.most(FILLS) / ten[_TRADES], 1.0)
        busiest = self.spot.activity.busiest
        return self.judge(tick, x, evidence, lambda _: (busiest(FILLS), (ten[_BOUGHT] + ten[_SOLD]) / 100.0))

    def rest(self) -> Any:  # noqa: ANN401 - see Watch
        """The trades of the last ten seconds."""
        return [[tick, counts[_ALL]] for tick, counts in self._ten.state()]

    def take_rest(self, rest: Any) -> None:  # noqa: ANN401 - see Watch
        """Let the trades of the last ten seconds enter the windows again."""
        for tick, counts in rest:
            self._one.add(tick, {_ALL: counts})
            self._ten.add(tick, {_ALL: counts})
