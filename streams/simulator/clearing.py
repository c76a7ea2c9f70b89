"""One symbol's clearing house: leverage, the reference prices, and liquidations."""

import math
from collections.abc import Callable
from random import Random

import msgspec

from detectors.events import DerivativeTicker, LeverageChange, Liquidation, Side
from streams.simulator.dislocation import Dislocation
from streams.simulator.holdings import Holdings
from streams.simulator.market import Market

#: How much the mark price is drawn from the fair price to the last trade.
_LAST_SHARE = 0.3
_INDEX_NOISE = 2e-5
_FUNDING, _FUNDING_NOISE, _FUNDING_RETURN = 1e-4, 2e-6, 0.01
#: With cascades the mark is the index times the mean of last over index, with a memory of so many seconds.
_BASIS_MEMORY_S = 10.0


class Forced(msgspec.Struct, frozen=True):
    """A liquidation, and whether it fed on others: had none moved the price, the account would have had its margin."""

    timestamp: int
    symbol: str
    account: str
    lots: int
    is_self_fed: bool


class Clearing:
    """Keeps the accounts of one symbol honest: sets leverage, states prices, closes positions without margin.

    Without cascades the fair price is the world's, and the mark lies between it and the last trade. With them
    (`dislocation`) the mark is `index * exp(b)`, `b` the mean of `ln(last / index)` with a memory of ten seconds, and
    where forced orders trade moves the fair price.

    Parameters
    ----------
    market
        Where the symbol trades.
    holdings
        The accounts' positions, which the market changes by trades.
    rng
        Where its chance comes from.
    """

    def __init__(self, market: Market, holdings: Holdings, rng: Random) -> None:
        self.holdings = holdings
        self.market = market
        self.dislocation: Dislocation | None = None
        #: The weather's price, and what is added to the funding rate to which funding returns.
        self.outside = market.fair_price
        self.lean = 0.0
        #: How far a fault carries the mark price, as a share of it.
        self.mark_fault = 0.0
        #: Told of each liquidation; None: nobody is.
        self.log: Callable[[Forced], None] | None = None
        self._basis = 0.0
        self._rng = rng
        self._funding = _FUNDING
        self.ticking = market.agenda.action(self.tick)
        self.changing = market.agenda.action(self.change_leverage)

    def change_leverage(self, now_us: int, change: tuple[int, float]) -> None:
        """Set the leverage of (account, leverage), as far as the account's losses let it."""
        account, wanted = change
        holdings = self.holdings
        changed = holdings.change_leverage(account, wanted, self._mark())
        if changed is None:
            return
        self._tell(now_us, account, *changed)

    def tell_position(self, now_us: int, account: int, wanted: float) -> None:
        """Set an account's leverage as far as its losses let it, and tell of its position in any case."""
        before = float(self.holdings.leverage[account])
        changed = self.holdings.change_leverage(account, wanted, self._mark())
        self._tell(now_us, account, *(changed or (before, before)))

    def _tell(self, now_us: int, account: int, before: float, after: float) -> None:
        holdings = self.holdings
        position = holdings.position(account)
        event = LeverageChange(
            now_us,
            self.market.names[account],
            self.market.contract.symbol,
            after,
            before,
            position,
            round(float(holdings.entry[account]), 8) if position else None,
            "isolated" if holdings.isolated[account] else "cross",
            round(abs(position) * self.market.last_price / after, 2),
        )
        self.market.emit(("leverage", event))

    def tick(self, now_us: int, _: None) -> None:
        """Show the reference prices, then liquidate whom the mark price leaves without margin."""
        usual = _FUNDING + self.lean
        self._funding += _FUNDING_RETURN * (usual - self._funding) + self._rng.gauss(0, _FUNDING_NOISE)
        if self.dislocation is not None:
            gap = math.log(self.market.last_price / self.dislocation.index(self.outside))
            self._basis += (gap - self._basis) / _BASIS_MEMORY_S
        mark = self._mark()
        index = self._index() * (1 + self._rng.gauss(0, _INDEX_NOISE))
        ticker = DerivativeTicker(
            now_us,
            self.market.contract.symbol,
            self.market.last_price,
            round(mark, 6),
            round(index, 6),
            self.holdings.open_interest(),
            round(self._funding, 8),
        )
        self.market.emit(("tickers", ticker))
        due = self.holdings.bankrupt(mark)
        if due and self.dislocation is not None:
            anyhow = set(self.holdings.bankrupt(self.dislocation.undisturbed(self.outside)))
            for account in due:
                self._liquidate(now_us, account, is_self_fed=account not in anyhow)
            return
        for account in due:
            self._liquidate(now_us, account)

    def _index(self) -> float:
        return self.market.fair_price if self.dislocation is None else self.dislocation.index(self.outside)

    def _mark(self) -> float:
        if self.dislocation is not None:
            return self._index() * math.exp(self._basis) * (1 + self.mark_fault)
        between = (1 - _LAST_SHARE) * self.market.fair_price + _LAST_SHARE * self.market.last_price
        return between * (1 + self.mark_fault)

    def close_account(self, now_us: int, account: int) -> None:
        """Liquidate an account whatever its margin is; nothing happens to one that holds nothing."""
        if self.holdings.lots[account]:
            self._liquidate(now_us, account)

    def _liquidate(self, now_us: int, account: int, *, is_self_fed: bool = False) -> None:
        """Close a position, or a piece of it; the rest is looked at again at the next tick."""
        position = int(self.holdings.lots[account])
        market = self.market
        closed = market.close_out(now_us, account, position)
        if not closed:
            return
        amount = closed / market.contract.lots_per_unit
        side: Side = "buy" if position < 0 else "sell"
        name = market.names[account]
        event = Liquidation(now_us, market.contract.symbol, side, market.last_price, amount, name)
        market.emit(("liquidations", event))
        if self.dislocation is not None:
            fair = self.dislocation.fair(self.outside)
            self.dislocation.force(is_buy=side == "buy", traded=market.last_price, fair=fair)
            if self.log is not None:
                self.log(Forced(now_us, market.contract.symbol, name, closed, is_self_fed))
