"""One symbol's clearing house: leverage, the reference prices, and liquidations."""

from random import Random

from detectors.events import DerivativeTicker, LeverageChange, Liquidation, Side
from streams.simulator.holdings import Holdings
from streams.simulator.market import Market

#: How much the mark price is drawn from the fair price to the last trade.
_LAST_SHARE = 0.3
_INDEX_NOISE = 2e-5
_FUNDING, _FUNDING_NOISE, _FUNDING_RETURN = 1e-4, 2e-6, 0.01


class Clearing:
    """Keeps the accounts of one symbol honest: sets leverage, states prices, closes positions without margin.

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
        before, after = changed
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
        self._funding += _FUNDING_RETURN * (_FUNDING - self._funding) + self._rng.gauss(0, _FUNDING_NOISE)
        mark = self._mark()
        index = self.market.fair_price * (1 + self._rng.gauss(0, _INDEX_NOISE))
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
        for account in self.holdings.bankrupt(mark):
            self._liquidate(now_us, account)

    def _mark(self) -> float:
        return (1 - _LAST_SHARE) * self.market.fair_price + _LAST_SHARE * self.market.last_price

    def _liquidate(self, now_us: int, account: int) -> None:
        """Close a position, or a piece of it; the rest is looked at again at the next tick."""
        position = int(self.holdings.lots[account])
        market = self.market
        closed = market.close_out(now_us, account, position)
        if closed:
            amount = closed / market.contract.lots_per_unit
            side: Side = "buy" if position < 0 else "sell"
            event = Liquidation(now_us, market.contract.symbol, side, market.last_price, amount, market.names[account])
            market.emit(("liquidations", event))
