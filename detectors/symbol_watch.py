"""All watches of one symbol."""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

from detectors.base import State
from detectors.cancel_watch import CancelWatch
from detectors.config import CoreSettings
from detectors.drift_watch import DriftWatch
from detectors.events import BookSnapshot
from detectors.execution_watch import ExecutionWatch
from detectors.features.book import book_features
from detectors.features.market import CANCELS, AccountCounts, SymbolTick
from detectors.layering_watch import LayeringWatch
from detectors.ledger import EvidenceWindow
from detectors.liquidation_watch import LiquidationWatch
from detectors.lockstep_watch import LockstepWatch
from detectors.mark_watch import MarkWatch
from detectors.measures import Measure, calibration_measure
from detectors.results import Signal
from detectors.temperature_watch import TemperatureWatch
from detectors.thin_watch import ThinWatch
from detectors.trade_watch import TradeWatch
from detectors.watch import Guard, Spot, SymbolTickWatch

#: What is watched of a symbol: a new detector is one line here. Signals come in this order.
WATCHES: tuple[type[SymbolTickWatch[Any]], ...] = (
    CancelWatch,
    ThinWatch,
    LockstepWatch,
    MarkWatch,
    TradeWatch,
    LiquidationWatch,
    LayeringWatch,
    TemperatureWatch,
    ExecutionWatch,
    DriftWatch,
)


class SymbolWatch:
    """The watches of a symbol, each made at the first tick that concerns it.

    Parameters
    ----------
    symbol
        Its name.
    settings
        The settings of the core.
    counters
        The stage's counters.
    """

    def __init__(self, symbol: str, settings: CoreSettings, counters: Counter[str]) -> None:
        self._tick_us = settings.timing.tick_us
        self._spot = Spot.of_symbol(symbol, settings, counters)
        self._activity = self._spot.activity
        self._watches: list[SymbolTickWatch[Any]] = []
        self._missing = WATCHES
        self._since_tick: int | None = None
        self._one_in = 1
        #: For show: what was counted, the newest book, and the open interest last told.
        self._cancels = self._trades = 0
        self._book: BookSnapshot | None = None
        self.open_interest: float | None = None
        #: When it was last asked: twice the tick, and one more at the end of a second.
        self.turn = -1

    def measures(self) -> Iterator[Measure]:
        """Give what can be shown of the symbol."""
        symbol = self._spot.symbol
        yield Measure("cancels", (symbol,), self._cancels)
        yield Measure("trades", (symbol,), self._trades)
        if self._book is not None:
            x = book_features(self._book, self._spot.settings.market.order_notional)
            yield Measure("spread_bp", (symbol,), x["spread_bp"])
            yield Measure("imbalance", (symbol,), x["imbalance"])
            for side in ("bid", "ask"):
                yield Measure("depth_10bp", (symbol, side), x[f"{side}_depth_10bp"])
        if self.open_interest is not None:
            yield Measure("open_interest", (symbol,), self.open_interest)
        for watch in self._watches:
            yield calibration_measure(watch.name, is_warm=watch.scorer.pot.ready)
            yield from watch.measures()

    def close_tick(self, tick: int, state: SymbolTick, evidence: EvidenceWindow, guard: Guard) -> list[Signal]:
        """Let every watch look at what one tick brought; one that fails does not end the others."""
        if self._since_tick is None:
            self._since_tick = tick
        self.turn = 2 * tick
        if state.accounts or state.trades:
            self._activity.count(tick, state.accounts, state.trades)
            self._cancels += self._activity.now[CANCELS]
            self._trades += state.trades
        self._book = state.book or self._book
        if self._missing:
            self._make(state, guard)
        signals: list[Signal] = []
        for watch in self._watches:
            signals += guard(self._named(watch), partial(watch.close_tick, tick, state, evidence), [])
        return signals

    def _make(self, state: SymbolTick, guard: Guard) -> None:
        since_s = ((self._since_tick or 0) + 1) * self._tick_us / 1e6
        for kind in self._missing:
            if kind.concerns(state):
                watch = kind(self._spot)
                guard(self._named(watch), partial(_begun, watch, since_s), [])
                watch.sample(self._one_in)
                self._hold([*self._watches, watch])

    def _hold(self, watches: list[SymbolTickWatch[Any]]) -> None:
        """Keep these, in the one order there is, whichever was made first."""
        made = {type(watch): watch for watch in watches}
        self._watches = [made[kind] for kind in WATCHES if kind in made]
        self._missing = tuple(kind for kind in WATCHES if kind not in made)
        for watch in self._watches:
            watch.stand_beside(self._watches)

    def sample(self, one_in: int) -> None:
        """Let the heavy parts of models look at one observation in so many."""
        if one_in != self._one_in:
            self._one_in = one_in
            for watch in self._watches:
                watch.sample(one_in)

    @property
    def has_second(self) -> bool:
        """Whether a watch has something to look at when the second ends."""
        return any(watch.has_second for watch in self._watches)

    def close_second(self, tick: int, evidence: EvidenceWindow, guard: Guard) -> list[Signal]:
        """Let watches look at the second of which `tick` is the last."""
        self.turn = 2 * tick + 1
        signals: list[Signal] = []
        for watch in self._watches:
            if watch.has_second:
                signals += guard(self._named(watch), partial(watch.close_second, tick, evidence), [])
        return signals

    def _named(self, watch: SymbolTickWatch[Any]) -> str:
        return f"{watch.name} of {self._spot.symbol}"

    def recount(self, tick: int, accounts: AccountCounts, trades: int, *, in_this_second: bool) -> None:
        """Let a tick that was judged before, by a watch whose state was taken up, enter the windows again."""
        if self._since_tick is not None and tick >= self._since_tick:
            self._activity.count(tick, accounts, trades)
            if in_this_second:
                for watch in self._watches:
                    watch.recount(accounts)

    def state(self) -> State:
        """All watches; the windows of accounts follow from the ticks that the stage keeps."""
        return {
            "asked": [self._since_tick, self.turn],
            "watches": {watch.name: watch.state() for watch in self._watches},
        }

    def restore(self, state: State, notes: list[str]) -> None:
        """Take up where `state()` was made; a model of other parameters begins afresh, which is added to `notes`."""
        self._since_tick, self.turn = state["asked"]
        watches = [kind(self._spot) for kind in WATCHES if kind.name in state["watches"]]
        for watch in watches:
            watch.restore(state["watches"][watch.name], notes)
            watch.sample(self._one_in)
        self._hold(watches)


def _begun(watch: SymbolTickWatch[Any], since_s: float) -> list[Signal]:
    watch.begin(since_s)
    return []
