"""Trades, cancels and books of one tick, by symbol: sums that do not depend on the order of events."""

from collections.abc import Iterable
from typing import cast

from detectors.cancel_burst import CANCEL_COSTS, UNKNOWN_AGE_COST
from detectors.events import BookSnapshot, Cancel, DerivativeTicker, Liquidation, Trade

#: Cost of a cancel by whole seconds of age, as a table: one look-up an event.
_COST_BY_SECOND = [
    next((cost for below_s, cost in CANCEL_COSTS if second < below_s), 0) for second in range(CANCEL_COSTS[-1][0] + 1)
]
_OLDEST_S = len(_COST_BY_SECOND) - 1

#: No order or position is taken for larger, in hundredths: sums of very many stay whole numbers of 64 bits.
LARGEST_CENTS = 10**13
#: Flags of trades that closed the maker's position by force, as venues write them.
_OF_MAKER = ("maker", "M")
#: Places in the counts of an account: cancels, age-weighted pressure, fills, notional cancelled in hundredths.
CANCELS, PRESSURE, FILLS, NOTIONAL_CENTS = range(4)
AccountCounts = dict[str, list[int]]


class SymbolTick:
    """One symbol in one tick."""

    __slots__ = ("accounts", "book", "flagged_sides", "liquidated_sides", "trades")

    def __init__(self) -> None:
        self.accounts: AccountCounts = {}
        #: Notional of longs and shorts closed by force, in hundredths: as told by itself, and as flags of trades.
        self.liquidated_sides = (0, 0)
        self.flagged_sides = (0, 0)
        self.trades = 0
        self.book: BookSnapshot | None = None


class References:
    """When one symbol's newest mark and index came in a tick, and its newest open interest."""

    __slots__ = ("index_us", "interest", "mark_us")

    def __init__(self) -> None:
        self.mark_us: int | None = None
        self.index_us: int | None = None
        #: Its time, and how much.
        self.interest: tuple[int, float] | None = None


class MarketTick:
    """All symbols of a partition in one tick."""

    __slots__ = ("references", "symbols")

    def __init__(self) -> None:
        self.symbols: dict[str, SymbolTick] = {}
        self.references: dict[str, References] = {}

    def symbol(self, name: str) -> SymbolTick:
        """The tick of a symbol, made when it is not there."""
        state = self.symbols.get(name)
        if state is None:
            state = self.symbols[name] = SymbolTick()
        return state

    def add_cancels(self, cancels: Iterable[Cancel]) -> None:
        """Count cancels by account, weighted by age."""
        symbol, accounts = "", cast(AccountCounts, {})
        for cancel in cancels:
            if cancel.symbol != symbol:
                symbol = cancel.symbol
                accounts = self.symbol(symbol).accounts
            counts = accounts.get(cancel.account)
            if counts is None:
                counts = accounts[cancel.account] = [0, 0, 0, 0]
            placed = cancel.order_timestamp
            if placed:
                age_s = (cancel.timestamp - placed) // 1_000_000
                cost = _COST_BY_SECOND[age_s if 0 <= age_s < _OLDEST_S else _OLDEST_S if age_s > 0 else 0]
            else:
                cost = UNKNOWN_AGE_COST
            counts[0] += 1
            counts[1] += cost
            # Whole hundredths add up to the same sum in any order; floats would not.
            cents = int(cancel.price * cancel.amount * 100.0)
            counts[3] += cents if cents < LARGEST_CENTS else LARGEST_CENTS

    def add_trades(self, trades: Iterable[Trade]) -> None:
        """Count trades, and the fills of both their accounts."""
        for trade in trades:
            state = self.symbol(trade.symbol)
            state.trades += 1
            if trade.liquidation:
                # A maker's position that was closed by force stood on the other side than the taker's order.
                of_longs = (trade.side == "sell") != (trade.liquidation in _OF_MAKER)
                state.flagged_sides = _added_side(state.flagged_sides, of_longs, trade.price * trade.amount)
            for account in (trade.taker_account, trade.maker_account):
                if account:
                    counts = state.accounts.get(account)
                    if counts is None:
                        counts = state.accounts[account] = [0, 0, 0, 0]
                    counts[FILLS] += 1

    def add_liquidations(self, liquidations: Iterable[Liquidation]) -> None:
        """Add up what was closed by force: a sale closes a long."""
        for one in liquidations:
            state = self.symbol(one.symbol)
            state.liquidated_sides = _added_side(state.liquidated_sides, one.side == "sell", one.price * one.amount)

    def add_tickers(self, tickers: Iterable[DerivativeTicker]) -> None:
        """Keep the newest times of mark and index, and the newest open interest, of two at once the larger."""
        for ticker in tickers:
            found = self.references.get(ticker.symbol)
            if found is None:
                found = self.references[ticker.symbol] = References()
            if ticker.mark_price is not None:
                found.mark_us = max(found.mark_us or 0, ticker.timestamp)
            if ticker.index_price is not None:
                found.index_us = max(found.index_us or 0, ticker.timestamp)
            if ticker.open_interest is not None:
                interest = ticker.timestamp, ticker.open_interest
                found.interest = interest if found.interest is None else max(found.interest, interest)

    def add_books(self, books: Iterable[BookSnapshot]) -> None:
        """Keep the newest book of each symbol; of two at the same microsecond the one that compares higher."""
        for book in books:
            state = self.symbol(book.symbol)
            kept = state.book
            if kept is None or (book.timestamp, book.bids, book.asks) > (kept.timestamp, kept.bids, kept.asks):
                state.book = book


def _added_side(cents: tuple[int, int], of_longs: bool, notional: float) -> tuple[int, int]:
    added = int(min(notional * 100.0, LARGEST_CENTS))
    longs, shorts = cents
    return (longs + added, shorts) if of_longs else (longs, shorts + added)
