"""Kinds of files that can be imported, and which kind a file is, from its name and its first row."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from detectors.errors import ConfigError
from streams.adapters.binance import (
    AGG_TRADES,
    BOOK_DEPTH,
    LIQUIDATIONS,
    METRICS,
    BinanceDepth,
    BinanceLiquidations,
    BinanceMetrics,
    BinanceTrades,
    symbol_in,
)
from streams.adapters.lobster import Lobster
from streams.adapters.lobster_files import read_name
from streams.adapters.mapped import MappedRows
from streams.adapters.rows import Row
from streams.adapters.source import Adapter, Wishes
from streams.adapters.tardis import TardisBook, TardisLiquidations, TardisTicker, TardisTrades


class Kind(NamedTuple):
    """A kind of file: what it gives, and how its rows are read, given the first row and the file."""

    gives: str
    make: Callable[[Row, Path, Wishes], Adapter]


#: Read by a mapping of fields.
MAPPED = "mapped"
KINDS: dict[str, Kind] = {
    "tardis-trades": Kind("trades", lambda row, _, wishes: TardisTrades(row.cells, wishes.symbol)),
    "tardis-book-snapshot": Kind("books", lambda row, _, wishes: TardisBook(row.cells, wishes.symbol)),
    "tardis-derivative-ticker": Kind("tickers", lambda row, _, wishes: TardisTicker(row.cells, wishes.symbol)),
    "tardis-liquidations": Kind("liquidations", lambda row, _, wishes: TardisLiquidations(row.cells, wishes.symbol)),
    "binance-aggtrades": Kind(
        "trades", lambda row, path, wishes: BinanceTrades(row.cells, wishes.symbol or symbol_in(path.name))
    ),
    "binance-bookdepth": Kind(
        "books", lambda row, path, wishes: BinanceDepth(row.cells, wishes.symbol or symbol_in(path.name))
    ),
    "binance-metrics": Kind("tickers", lambda row, _, wishes: BinanceMetrics(row.cells, wishes.symbol)),
    "binance-liquidations": Kind(
        "liquidations", lambda row, path, wishes: BinanceLiquidations(row.cells, wishes.symbol or symbol_in(path.name))
    ),
    "lobster": Kind("cancels, trades and books", lambda _, path, wishes: _lobster(path, wishes)),
    MAPPED: Kind("what the mapping says", lambda _row, _path, wishes: MappedRows(wishes.mapping)),
}
#: Parts of a file's name that tell its kind.
_NAMES = {
    "_trades_": "tardis-trades",
    "_liquidations_": "tardis-liquidations",
    "_derivative_ticker_": "tardis-derivative-ticker",
    "_book_snapshot_": "tardis-book-snapshot",
    "-aggTrades-": "binance-aggtrades",
    "-bookDepth-": "binance-bookdepth",
    "-metrics-": "binance-metrics",
    "-liquidationSnapshot-": "binance-liquidations",
}
#: Columns that only one kind has.
_HEADERS: list[tuple[frozenset[str], str]] = [
    (frozenset(AGG_TRADES), "binance-aggtrades"),
    (frozenset(BOOK_DEPTH), "binance-bookdepth"),
    (frozenset(METRICS[:3]), "binance-metrics"),
    (frozenset(LIQUIDATIONS[-3:]), "binance-liquidations"),
    (frozenset({"local_timestamp", "funding_rate", "mark_price"}), "tardis-derivative-ticker"),
    (frozenset({"local_timestamp", "asks[0].price", "bids[0].price"}), "tardis-book-snapshot"),
]


def guess(path: Path, first: Row | None) -> str | None:
    """Tell the kind of a file from its name, or else from its header; None when neither tells.

    Examples
    --------
    >>> guess(Path("BTCUSDT-aggTrades-2024-01-31.zip"), None)
    'binance-aggtrades'
    >>> guess(Path("x.csv"), Row(1, ["timestamp", "percentage", "depth", "notional"], b""))
    'binance-bookdepth'
    """
    if read_name(path.name) is not None:
        return "lobster"
    by_name = next((kind for part, kind in _NAMES.items() if part in path.name), None)
    if by_name is not None or first is None:
        return by_name
    named = {cell.strip().lower() for cell in first.cells}
    return next((kind for columns, kind in _HEADERS if columns <= named), None)


def _lobster(path: Path, wishes: Wishes) -> Lobster:
    named = read_name(path.name)
    if named is None:
        raise ConfigError(
            f"{path}: expected a name like AAPL_2012-06-21_34200000_57600000_message_10.csv, for the date of its times"
        )
    return Lobster(wishes.symbol or named.symbol, named.day, wishes.account, wishes.book_every_us)
