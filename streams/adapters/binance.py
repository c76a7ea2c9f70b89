"""Public dumps of Binance futures, USD-M and COIN-M: aggTrades, bookDepth, metrics, liquidationSnapshot.

Source of the formats: data.binance.vision and the README and issues of github.com/binance/binance-public-data. Files
before 2022 have no header; times are in ms, in newer ones partly in us. Of COIN-M contracts, quantities and open
interest are numbers of contracts, and stay so: notionals worked out of them are then in contracts times price.
"""

import re
from collections.abc import Sequence
from decimal import Context, Decimal

from streams.adapters.cells import clock_us, epoch_us, one_of
from streams.adapters.columns import NamedColumns
from streams.adapters.event_lines import Digits, book_line, liquidation_line, ticker_line, trade_line
from streams.adapters.rows import Row, RowFault
from streams.files import Line

AGG_TRADES = ("agg_trade_id", "price", "quantity", "first_trade_id", "last_trade_id", "transact_time", "is_buyer_maker")
BOOK_DEPTH = ("timestamp", "percentage", "depth", "notional")
METRICS = ("create_time", "symbol", "sum_open_interest", "sum_open_interest_value")
LIQUIDATIONS = (
    *("time", "side", "order_type", "time_in_force", "original_quantity", "price", "average_price"),
    *("order_status", "last_fill_quantity", "accumulated_fill_quantity"),
)
_RATIOS = ("toptrader_count", "toptrader_sum", "accounts", "takers")
_TAKER_SIDES = {"true": "sell", "false": "buy"}
_SIDES = {"buy": "buy", "sell": "sell"}
_NAME = re.compile(r"([A-Z0-9]+(?:_[A-Z0-9]+)?)-(?:aggTrades|bookDepth|metrics|liquidationSnapshot)-")
#: Enough for sums and differences of any two numbers that we take, and for the price of a band.
_EXACT = Context(prec=80)
_PRICE = Context(prec=12)


def symbol_in(name: str) -> str:
    """Give the symbol that a file's name begins with; empty when there is none.

    Examples
    --------
    >>> symbol_in("BTCUSD_PERP-aggTrades-2024-01-31.zip"), symbol_in("trades.csv")
    ('BTCUSD_PERP', '')
    """
    found = _NAME.match(name)
    return found[1] if found else ""


class _Binance(NamedColumns):
    """What the dumps have in common: not all of them name the symbol in their rows."""

    def __init__(self, first: Sequence[str], symbol: str = "") -> None:
        super().__init__(first, symbol)
        if not symbol and "symbol" not in self._at:
            raise RowFault("expected the name of the file to begin with the symbol, or --symbol")


class BinanceTrades(_Binance):
    """`aggTrades`: fills of one taker at one price, as one trade; the taker bought unless the buyer was the maker."""

    required = ("agg_trade_id", "price", "quantity", "transact_time", "is_buyer_maker")
    # Spot has one column more, whether the price was the best.
    headless = (AGG_TRADES, (*AGG_TRADES, "is_best_match"))

    def take(self, row: Row) -> list[Line]:
        """One row, one trade."""
        when = epoch_us(self._cell(row, "transact_time"), "transact_time")
        side = one_of(self._cell(row, "is_buyer_maker"), "is_buyer_maker", _TAKER_SIDES)
        price, amount = self._number(row, "price"), self._number(row, "quantity")
        return [trade_line(when, self._symbol(row), price, amount, side, self._cell(row, "agg_trade_id"))]


class BinanceMetrics(_Binance):
    """`metrics`: of its columns the open interest alone has a place in our events, every five minutes.

    The value of the open interest and the ratios of long to short are left out: a mark price that somebody else's
    rounding stands in is none.
    """

    required = ("create_time", "symbol", "sum_open_interest")
    headless = ((*METRICS, *_RATIOS),)

    def take(self, row: Row) -> list[Line]:
        """One row, one ticker."""
        when = clock_us(self._cell(row, "create_time"), "create_time")
        return [ticker_line(when, self._symbol(row), {"open_interest": self._number(row, "sum_open_interest")})]


class BinanceLiquidations(_Binance):
    """`liquidationSnapshot`: what was closed (accumulated quantity), at the price it was closed at (average price).

    Side is that of the closing order. Orders of which nothing was filled are passed over. So is a row that repeats the
    one before it in every cell: in COIN-M files each stands twice.
    """

    required = ("time", "side", "average_price", "accumulated_fill_quantity")
    headless = (LIQUIDATIONS, (LIQUIDATIONS[0], "symbol", *LIQUIDATIONS[1:]))

    def __init__(self, first: Sequence[str], symbol: str = "") -> None:
        super().__init__(first, symbol)
        self._before: list[str] = []

    def take(self, row: Row) -> list[Line]:
        """One row, one liquidation."""
        before, self._before = self._before, row.cells
        if row.cells == before:
            self.passed_over["repeated row"] += 1
            return []
        price, amount = self._number(row, "average_price"), self._number(row, "accumulated_fill_quantity")
        if not Decimal(price) and not Decimal(amount):
            self.passed_over["nothing filled"] += 1
            return []
        when = epoch_us(self._cell(row, "time"), "time")
        side = one_of(self._cell(row, "side"), "side", _SIDES)
        return [liquidation_line(when, self._symbol(row), side, price, amount)]


class BinanceDepth(_Binance):
    """`bookDepth`: cumulative depth and notional within -5..5 % of the middle, about every 30 s, as a coarse book.

    There are no levels in these files. What is made of them is one level a band between two neighbouring percentages:
    its amount is the difference of the depths, exact; its price is the mean price of the orders in the band, the
    difference of notionals over that of depths, to 12 digits. So depth and notional within each percentage are right,
    and changes of them are. The spread, and depth nearer than the first percentage, are not in the file: the best
    price is the mean price of the innermost band. Bands without orders are left out.
    """

    required = BOOK_DEPTH
    headless = (BOOK_DEPTH,)

    def __init__(self, first: Sequence[str], symbol: str = "") -> None:
        super().__init__(first, symbol)
        self._rows: list[Row] = []
        self._when = ""

    def take(self, row: Row) -> list[Line]:
        """Rows of the same time are one snapshot; it is there when another time begins."""
        when = self._cell(row, "timestamp")
        if when == self._when:
            self._rows.append(row)
            return []
        rows, self._rows, self._when = self._rows, [row], when
        return self._snapshot(rows)

    def finish(self) -> list[Line]:
        """The last snapshot."""
        rows, self._rows = self._rows, []
        return self._snapshot(rows)

    def _snapshot(self, rows: Sequence[Row]) -> list[Line]:
        if not rows:
            return []
        try:
            when = self._cell(rows[0], "timestamp")
            known = (clock_us if "-" in when else epoch_us)(when, "timestamp")
            within: dict[Decimal, tuple[Decimal, Decimal]] = {}
            for row in rows:
                at, depth, notional = (Decimal(self._number(row, name)) for name in BOOK_DEPTH[1:])
                if at in within or not at:
                    raise RowFault(f"expected each percentage once, and none of 0, found {at}")
                within[at] = depth, notional
            bids = _bands([(-at, *found) for at, found in within.items() if at < 0])
            asks = _bands([(at, *found) for at, found in within.items() if at > 0])
            return [book_line(known, self._symbol(rows[0]), bids, asks)]
        except RowFault as fault:
            # The row in hand is of the next snapshot.
            raise RowFault(str(fault), rows) from None


def _bands(within: list[tuple[Decimal, Decimal, Decimal]]) -> list[tuple[Digits, Digits]]:
    """Cumulative depth and notional by distance, into levels."""
    levels: list[tuple[Digits, Digits]] = []
    nearer_depth = nearer_notional = Decimal(0)
    for at, depth, notional in sorted(within):
        amount = _EXACT.subtract(depth, nearer_depth)
        value = _EXACT.subtract(notional, nearer_notional)
        if amount < 0 or value < 0:
            raise RowFault(f"expected no less depth within {at} % than nearer, found {depth} after {nearer_depth}")
        if amount:
            levels.append((str(_PRICE.divide(value, amount)), str(amount)))
        nearer_depth, nearer_notional = depth, notional
    return levels
