"""Trades, cancels and books of one tick, by symbol: sums that do not depend on the order of events."""

from collections.abc import Callable, Iterable
from typing import TypeVar, cast

from detectors.cancel_burst import CANCEL_COSTS, UNKNOWN_AGE_COST
from detectors.events import BookSnapshot, Cancel, DerivativeTicker, Latency, Liquidation, Trade

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
#: What follows from trades, cancels and liquidations.
_COUNTED = (
    *("accounts", "bought_cents", "buys", "cancelled", "flagged", "flagged_sides", "forced", "last"),
    *("liquidated", "liquidated_sides", "sold_cents", "traded", "trades"),
)
_E = TypeVar("_E", Trade, Cancel, Liquidation)


#: A number, and when it was told: of two at once the larger is kept.
Told = tuple[int, float]
#: Places in the counts of liquidations: events, hundredths of notional.
FORCED_EVENTS, FORCED_CENTS = range(2)


class References:
    """The newest reference prices, open interest and funding that one symbol's tickers told in a tick."""

    __slots__ = ("funding", "index", "interest", "mark")

    def __init__(self) -> None:
        self.mark: Told | None = None
        self.index: Told | None = None
        self.interest: Told | None = None
        self.funding: Told | None = None


class SymbolTick:
    """One symbol in one tick."""

    __slots__ = (
        "accounts",
        "book",
        "book_times",
        "books",
        "bought_cents",
        "buys",
        "cancelled",
        "flagged",
        "flagged_sides",
        "forced",
        "last",
        "liquidated",
        "liquidated_sides",
        "references",
        "repeated",
        "sold_cents",
        "traded",
        "trades",
    )

    def __init__(self) -> None:
        self.accounts: AccountCounts = {}
        #: Notional of longs and shorts closed by force, in hundredths: as told by itself, and as flags of trades.
        self.liquidated_sides = (0, 0)
        self.flagged_sides = (0, 0)
        self.trades = 0
        #: Trades whose taker bought, and hundredths of notional that takers bought and sold.
        self.buys = 0
        self.bought_cents = 0
        self.sold_cents = 0
        self.last: Told | None = None
        #: Liquidations: of trades that say they are one, and of their own topic.
        self.flagged: list[int] | None = None
        self.liquidated: list[int] | None = None
        self.book: BookSnapshot | None = None
        self.books = 0
        self.book_times: set[int] = set()
        self.references: References | None = None
        #: The events themselves, in any order: for who has to look closer.
        self.cancelled: list[Cancel] = []
        self.traded: list[Trade] = []
        self.forced: list[Liquidation] = []
        #: By topic, events whose id was there before; known when the tick is `settled`.
        self.repeated: dict[str, int] = {}


class MarketTick:
    """All symbols of a partition in one tick."""

    __slots__ = ("components", "symbols")

    def __init__(self) -> None:
        self.symbols: dict[str, SymbolTick] = {}
        #: Latencies of each component, in microseconds, in any order.
        self.components: dict[str, list[float]] = {}

    def symbol(self, name: str) -> SymbolTick:
        """The tick of a symbol, made when it is not there."""
        state = self.symbols.get(name)
        if state is None:
            state = self.symbols[name] = SymbolTick()
        return state

    def add_cancels(self, cancels: Iterable[Cancel]) -> None:
        """Count cancels by account, weighted by age."""
        symbol, accounts, cancelled = "", cast(AccountCounts, {}), cast(list[Cancel], [])
        for cancel in cancels:
            if cancel.symbol != symbol:
                symbol = cancel.symbol
                state = self.symbol(symbol)
                accounts, cancelled = state.accounts, state.cancelled
            cancelled.append(cancel)
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
        """Count trades, what takers bought and sold, and the fills of both accounts of each."""
        for trade in trades:
            state = self.symbol(trade.symbol)
            state.trades += 1
            state.traded.append(trade)
            cents = int(trade.price * trade.amount * 100.0)
            cents = min(cents, LARGEST_CENTS)
            if trade.side == "buy":
                state.buys += 1
                state.bought_cents += cents
            else:
                state.sold_cents += cents
            state.last = _newer(state.last, trade.timestamp, trade.price)
            if trade.liquidation:
                state.flagged = _added(state.flagged, cents)
                # A maker's position that was closed by force stood on the other side than the taker's order.
                of_longs = (trade.side == "sell") != (trade.liquidation in _OF_MAKER)
                state.flagged_sides = _added_side(state.flagged_sides, of_longs, cents)
            for account in (trade.taker_account, trade.maker_account):
                if account:
                    counts = state.accounts.get(account)
                    if counts is None:
                        counts = state.accounts[account] = [0, 0, 0, 0]
                    counts[FILLS] += 1

    def add_liquidations(self, liquidations: Iterable[Liquidation]) -> None:
        """Count liquidations, and add up what they closed: a sale closes a long."""
        for one in liquidations:
            state = self.symbol(one.symbol)
            cents = min(int(one.price * one.amount * 100.0), LARGEST_CENTS)
            state.forced.append(one)
            state.liquidated = _added(state.liquidated, cents)
            state.liquidated_sides = _added_side(state.liquidated_sides, one.side == "sell", cents)

    def add_latencies(self, latencies: Iterable[Latency]) -> None:
        """Keep the latencies of each component."""
        for latency in latencies:
            self.components.setdefault(latency.component, []).append(latency.latency_us)

    def add_tickers(self, tickers: Iterable[DerivativeTicker]) -> None:
        """Keep what was told last of each reference; records need not tell all of them."""
        for ticker in tickers:
            state = self.symbol(ticker.symbol)
            found = state.references
            if found is None:
                found = state.references = References()
            if ticker.mark_price is not None:
                found.mark = _newer(found.mark, ticker.timestamp, ticker.mark_price)
            if ticker.index_price is not None:
                found.index = _newer(found.index, ticker.timestamp, ticker.index_price)
            if ticker.open_interest is not None:
                found.interest = _newer(found.interest, ticker.timestamp, ticker.open_interest)
            if ticker.funding_rate is not None:
                found.funding = _newer(found.funding, ticker.timestamp, ticker.funding_rate)

    def add_books(self, books: Iterable[BookSnapshot]) -> None:
        """Keep the newest book of each symbol; of two at the same microsecond the one that compares higher."""
        for book in books:
            state = self.symbol(book.symbol)
            state.books += 1
            state.book_times.add(book.timestamp)
            kept = state.book
            if kept is None or (book.timestamp, book.bids, book.asks) > (kept.timestamp, kept.bids, kept.asks):
                state.book = book

    def settle(self) -> None:
        """Count what came twice once, when all of the tick is there.

        An event that was sent again is the same in all it says, so that it falls into the same tick. Without an id (of
        a liquidation: an account) it may as well be another one, and counts.
        """
        for name, state in self.symbols.items():
            repeated = {
                "trades": _repeated(trade.trade_id for trade in state.traded),
                "cancels": _repeated(cancel.order_id for cancel in state.cancelled),
                "liquidations": _repeated(_identity(one) for one in state.forced) if len(state.forced) > 1 else 0,
                "books": state.books - len(state.book_times),
            }
            state.repeated = {topic: many for topic, many in repeated.items() if many}
            if state.repeated.keys() & {"trades", "cancels", "liquidations"}:
                self._count_again(name, state)

    def _count_again(self, name: str, state: SymbolTick) -> None:
        once = MarketTick()
        once.add_cancels(_distinct(state.cancelled, lambda cancel: cancel.order_id != ""))
        once.add_trades(_distinct(state.traded, lambda trade: trade.trade_id != ""))
        once.add_liquidations(_distinct(state.forced, lambda forced: forced.account != ""))
        for counted in _COUNTED:
            setattr(state, counted, getattr(once.symbol(name), counted))


def _identity(one: Liquidation) -> str:
    """What tells liquidations apart, as an id does; empty where nothing does."""
    return repr(one) if one.account else ""


def _repeated(names: Iterable[str | int]) -> int:
    """How many names were there before; those that are empty do not count."""
    named = [name for name in names if name != ""]
    return len(named) - len(set(named))


def _distinct(events: Iterable[_E], is_named: Callable[[_E], bool]) -> list[_E]:
    """Each event once, but those that have no name as often as they came."""
    seen: set[_E] = set()
    found: list[_E] = []
    for event in events:
        if event not in seen:
            found.append(event)
            if is_named(event):
                seen.add(event)
    return found


def _added_side(sums: tuple[int, int], of_longs: bool, cents: int) -> tuple[int, int]:
    longs, shorts = sums
    return (longs + cents, shorts) if of_longs else (longs, shorts + cents)


def _newer(known: Told | None, timestamp: int, value: float) -> Told:
    return (timestamp, value) if known is None else max(known, (timestamp, value))


def _added(sums: list[int] | None, cents: int) -> list[int]:
    if sums is None:
        return [1, cents]
    sums[FORCED_EVENTS] += 1
    sums[FORCED_CENTS] += cents
    return sums
