"""Layering on a symbol: candidates among its accounts."""

from collections import deque
from collections.abc import Iterator
from functools import partial
from typing import Any

from detectors.base import Features
from detectors.events import Cancel, Side, Trade
from detectors.features.market import CANCELS, LARGEST_CENTS, SymbolTick
from detectors.layering import LEAST_LEVELS, Layering
from detectors.ledger import EvidenceWindow
from detectors.results import Signal
from detectors.scorer import Verdict
from detectors.watch import Spot, SymbolTickWatch

#: Layers are taken back, and the other side filled, within so many seconds.
_WINDOW_S = 5
#: Orders that an account must take back in a tick, all on one side, to be looked at.
_LEAST_AT_ONCE = 2
_OTHER: dict[Side, Side] = {"buy": "sell", "sell": "buy"}
#: By account and side: hundredths filled; and the prices and hundredths of what was cancelled.
Fills = dict[tuple[str, str], int]
Layers = dict[tuple[str, str], list[tuple[float, int]]]


class LayeringWatch(SymbolTickWatch[Layering]):
    """`Layering` on accounts that take back several orders of one side at once, and were filled on the other.

    An account that takes back one order a tick is not looked at: what most accounts do costs a look at their counts.
    """

    name = pattern = "layering"
    topics = ("cancels", "trades")
    prior_scale = 0.6

    def __init__(self, spot: Spot) -> None:
        super().__init__(spot)
        self._ticks: deque[tuple[int, Fills, Layers]] = deque()
        #: When each account was last filled on each side: most have not been.
        self._filled: dict[tuple[str, str], int] = {}
        self._length = _WINDOW_S * 1_000_000 // self.tick_us

    @classmethod
    def concerns(cls, state: SymbolTick) -> bool:
        """Cancels and trades: a fill may come first."""
        return bool(state.cancelled) or state.trades > 0

    def new_detector(self) -> Layering:
        """With the slow memory of the settings."""
        return Layering(self.spot.settings.memory.leverage_half_life_s)

    def begin(self, since_s: float) -> None:
        """The symbol has been known since then."""
        self.listen_from(since_s)

    def close_tick(self, tick: int, state: SymbolTick, evidence: EvidenceWindow) -> list[Signal]:
        """Look at the accounts that took back several orders."""
        if not (state.cancelled or state.traded):
            return []
        fills, layers = _fills(state.traded), _layers(state)
        self._enter(tick, fills, layers)
        signals: list[Signal] = []
        for account, side in sorted(layers):
            x = self._features(tick, account, side, layers)
            if x is not None:
                self.learn_silence(self.time_s(tick))
                who = (account,), x["cancelled"]
                signals += self.judge(tick, x, evidence, partial(_this, who))
        return signals

    def _features(self, tick: int, account: str, side: str, layers: Layers) -> Features | None:
        """Of an account that took back orders of a side; None unless they are layers, and the other side was filled."""
        other = _OTHER["buy" if side == "buy" else "sell"]
        if (account, other) in layers or (account, other) not in self._filled or len(layers[account, side]) < 2:
            return None
        cancelled = [order for _, _, kept in self._ticks for order in kept.get((account, side), ())]
        levels = len({price for price, _ in cancelled})
        if levels < LEAST_LEVELS:
            return None
        return {
            "time_s": self.time_s(tick),
            "levels": float(levels),
            "cancels": float(len(cancelled)),
            "others": float(sum(len(kept.get((account, other), ())) for _, _, kept in self._ticks)),
            "cancelled": sum(cents for _, cents in cancelled) / 100.0,
            "filled": sum(kept.get((account, other), 0) for _, kept, _ in self._ticks) / 100.0,
        }

    def _enter(self, tick: int, fills: Fills, layers: Layers) -> None:
        kept = self._ticks
        while kept and kept[0][0] <= tick - self._length:
            left, gone, _ = kept.popleft()
            for place in gone:
                if self._filled.get(place) == left:
                    del self._filled[place]
        if fills or layers:
            kept.append((tick, fills, layers))
        for place in fills:
            self._filled[place] = tick

    def rest(self) -> Any:  # noqa: ANN401 - see Watch
        """Fills and layers of the last seconds."""
        ticks = [
            [tick, [[*place, cents] for place, cents in sorted(fills.items())],
             [[*place, orders] for place, orders in sorted(layers.items())]]
            for tick, fills, layers in self._ticks
        ]  # fmt: skip
        return ticks

    def take_rest(self, rest: Any) -> None:  # noqa: ANN401 - see Watch
        """Take up the fills and layers of the last seconds."""
        for tick, fills, layers in rest:
            self._enter(
                tick,
                {(account, side): cents for account, side, cents in fills},
                {(account, side): [(price, cents) for price, cents in orders] for account, side, orders in layers},
            )


def _this(who: tuple[tuple[str, ...], float], _: Verdict) -> tuple[tuple[str, ...], float]:
    return who


def _fills(trades: list[Trade]) -> Fills:
    """What each account was filled for, by its own side."""
    found: Fills = {}
    for trade in trades:
        cents = min(int(trade.price * trade.amount * 100.0), LARGEST_CENTS)
        for account, side in ((trade.taker_account, trade.side), (trade.maker_account, _OTHER[trade.side])):
            if account:
                found[account, side] = found.get((account, side), 0) + cents
    return found


def _layers(state: SymbolTick) -> Layers:
    """What accounts that took back several orders in a tick took back, in the order of price."""
    several = {account for account, counts in state.accounts.items() if counts[CANCELS] >= _LEAST_AT_ONCE}
    found: Layers = {}
    for cancel in _of(several, state.cancelled):
        cents = min(int(cancel.price * cancel.amount * 100.0), LARGEST_CENTS)
        found.setdefault((cancel.account, cancel.side), []).append((cancel.price, cents))
    for orders in found.values():
        orders.sort()
    return found


def _of(accounts: set[str], cancels: list[Cancel]) -> Iterator[Cancel]:
    return (cancel for cancel in cancels if cancel.account in accounts) if accounts else iter(())
