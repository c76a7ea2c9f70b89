"""Downloadable CSV files of Tardis: trades, liquidations, derivative_ticker, book_snapshot_N of any depth.

Source of the format: docs.tardis.dev, "Downloadable CSV files, data types". Rows stand in order of arrival
(`local_timestamp`); events take the venue's `timestamp`, so that rows a little out of order are usual. Names of
symbols are taken as they are. An empty cell is a value that the venue did not send.
"""

import re
from collections.abc import Sequence

from streams.adapters.cells import number, one_of, whole
from streams.adapters.columns import NamedColumns
from streams.adapters.event_lines import Digits, book_line, liquidation_line, ticker_line, trade_line
from streams.adapters.rows import Row, RowFault
from streams.files import Line

_SIDES = {"buy": "buy", "sell": "sell"}
_COMMON = ("symbol", "timestamp")
_DEAL = (*_COMMON, "side", "price", "amount")
_TICKER = ("last_price", "mark_price", "index_price", "open_interest", "funding_rate")
_LEVEL = re.compile(r"(asks|bids)\[([0-9]{1,4})\]\.(price|amount)")


class _Tardis(NamedColumns):
    """What the data types have in common."""

    required: Sequence[str] = _COMMON

    def _when(self, row: Row) -> int:
        return whole(self._cell(row, "timestamp"), "timestamp")

    def _side(self, row: Row) -> str:
        return one_of(self._cell(row, "side"), "side", _SIDES)


class TardisTrades(_Tardis):
    """`trades`: side is the taker's. A trade whose side the venue did not tell (`unknown`) is a fault."""

    required = _DEAL

    def take(self, row: Row) -> list[Line]:
        """One row, one trade."""
        trade_id = self._cell(row, "id") if "id" in self._at else ""
        price, amount = self._number(row, "price"), self._number(row, "amount")
        return [trade_line(self._when(row), self._symbol(row), price, amount, self._side(row), trade_id)]


class TardisLiquidations(_Tardis):
    """`liquidations`: side is that of the closing order, so `sell` closed a long position."""

    required = _DEAL

    def take(self, row: Row) -> list[Line]:
        """One row, one liquidation."""
        price, amount = self._number(row, "price"), self._number(row, "amount")
        return [liquidation_line(self._when(row), self._symbol(row), self._side(row), price, amount)]


class TardisTicker(_Tardis):
    """`derivative_ticker`; predicted funding and the time of funding have no place in our events."""

    required = (*_COMMON, *_TICKER)

    def take(self, row: Row) -> list[Line]:
        """One row, one ticker."""
        values = {name: text for name in _TICKER if (text := self._cell(row, name))}
        checked = {name: number(text, name) for name, text in values.items()}
        return [ticker_line(self._when(row), self._symbol(row), checked)]


class TardisBook(_Tardis):
    """`book_snapshot_5`, `book_snapshot_25` and any other depth; cells of levels that are not there are empty."""

    required = (*_COMMON, "asks[0].price", "asks[0].amount", "bids[0].price", "bids[0].amount")

    def __init__(self, first: Sequence[str], symbol: str = "") -> None:
        super().__init__(first, symbol)
        self._levels = {side: self._level_columns(side) for side in ("bids", "asks")}

    def take(self, row: Row) -> list[Line]:
        """One row, one snapshot."""
        bids, asks = ([*self._side_of(row, side)] for side in ("bids", "asks"))
        return [book_line(self._when(row), self._symbol(row), bids, asks)]

    def _level_columns(self, side: str) -> list[tuple[str, str]]:
        found = [match for name in self._at if (match := _LEVEL.fullmatch(name)) and match[1] == side]
        prices = {int(match[2]) for match in found if match[3] == "price"}
        amounts = {int(match[2]) for match in found if match[3] == "amount"}
        if prices != amounts or prices != set(range(len(prices))):
            raise RowFault(f"expected a price and an amount for each level of {side}, found {sorted(prices ^ amounts)}")
        return [(f"{side}[{level}].price", f"{side}[{level}].amount") for level in range(len(prices))]

    def _side_of(self, row: Row, side: str) -> list[tuple[Digits, Digits]]:
        levels: list[tuple[Digits, Digits]] = []
        for price_name, amount_name in self._levels[side]:
            price, amount = self._cell(row, price_name), self._cell(row, amount_name)
            if price or amount:
                levels.append((number(price, price_name), number(amount, amount_name)))
        return levels
