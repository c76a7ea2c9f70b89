"""Kinds of files that can be imported, and which kind a file is, from its name and its first row."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from detectors.errors import ConfigError, DecodeError
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
from streams.adapters.lobster import Lobster, PairedFiles, partner_of, read_name
from streams.adapters.mapped import MappedRows
from streams.adapters.rows import Row, RowFault, TextFile
from streams.adapters.tardis import TardisBook, TardisLiquidations, TardisTicker, TardisTrades
from streams.files import Line
from streams.mapping.mapped_stream import NO_MAPPING, FieldMapping


class Adapter(Protocol):
    """Turns rows of one file into lines of events."""

    #: Whether the first row names the columns.
    has_header: bool
    #: Rows that are as they should be and become no event, by what they are.
    passed_over: Counter[str]

    def take(self, row: Row) -> list[Line]:
        """What comes of a row, and of those before it that were waiting; RowFault when it is not what it should be."""
        ...

    def finish(self) -> list[Line]:
        """What was still waiting."""
        ...


class RowSource(Protocol):
    """Where the rows of an import come from: one file, or two side by side."""

    path: Path
    total_bytes: int

    @property
    def read_bytes(self) -> int:
        """How much of `total_bytes` has been read."""
        ...

    def rows(self) -> Iterator[Row]:
        """Read from the beginning."""
        ...


@dataclass(frozen=True, slots=True)
class Wishes:
    """What whoever imports may say.

    Parameters
    ----------
    symbol
        Takes the place of what the files say; empty: as they say.
    account
        Stands for everybody where a format does not say whose an order is.
    book_every_us
        How often a book is taken from a file that has one with every row, in microseconds, > 0.
    mapping
        How records of files of NDJSON are read.
    """

    symbol: str = ""
    account: str = "unknown"
    book_every_us: int = 250_000
    mapping: FieldMapping = NO_MAPPING


class Source(NamedTuple):
    """A file (or two) to import, with what it was taken for."""

    kind: str
    rows: RowSource
    make: Callable[[Row], Adapter]


class Kind(NamedTuple):
    """A kind of file: what it gives, and how its rows are read, given the first row and the file."""

    gives: str
    make: Callable[[Row, Path, Wishes], Adapter]


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


def sources_of(paths: Iterable[Path], kind: str | None, wishes: Wishes) -> list[Source]:
    """Tell what each file is, and put those together that are read side by side.

    Parameters
    ----------
    paths
        The files.
    kind
        A key of `KINDS`; None: each as it seems.
    wishes
        What the files do not say.

    Raises
    ------
    ConfigError
        A file cannot be told, or lacks its partner.
    DecodeError
        A file cannot be read.
    """
    if kind is not None and kind not in KINDS:
        raise ConfigError(f"--kind: expected one of {', '.join(KINDS)}, found {kind!r}")
    if kind == MAPPED and not wishes.mapping.streams:
        raise ConfigError("--kind mapped: expected a mapping of fields (--mapping FILE, or mapping.file), found none")
    given = list(dict.fromkeys(paths))
    sources: list[Source] = []
    for path in given:
        file = TextFile(path)
        first = file.first_row()
        is_mapped = wishes.mapping.streams and first is not None and first.raw[:1] == b"{"
        found = kind or (MAPPED if is_mapped else guess(path, first))
        if found is None:
            raise ConfigError(
                f"{path}: expected a file whose name or header tells its kind, found neither; "
                f"say --kind with one of {', '.join(KINDS)}"
            )
        if found == "lobster":
            sources += _lobster_source(file, given, wishes)
        else:
            sources.append(Source(found, file, _maker(found, path, wishes)))
    return sources


def _maker(kind: str, path: Path, wishes: Wishes) -> Callable[[Row], Adapter]:
    def make(first: Row) -> Adapter:
        try:
            return KINDS[kind].make(first, path, wishes)
        except RowFault as fault:
            raise DecodeError(f"{path}:{first.number}, read as {kind}: {fault}") from None

    return make


def _lobster_source(file: TextFile, given: Sequence[Path], wishes: Wishes) -> list[Source]:
    """Of a pair, the message file stands for both."""
    named = read_name(file.path.name)
    if named is not None and named.kind == "orderbook":
        if any(path != file.path and partner_of(path) == file.path for path in given):
            return []
        raise ConfigError(f"{file.path}: expected its message file too, to tell the times of its rows")
    book = partner_of(file.path)
    pair = PairedFiles(file, TextFile(book) if book != file.path and book in given else None)
    return [Source("lobster", pair, _maker("lobster", file.path, wishes))]


def _lobster(path: Path, wishes: Wishes) -> Lobster:
    named = read_name(path.name)
    if named is None:
        raise ConfigError(
            f"{path}: expected a name like AAPL_2012-06-21_34200000_57600000_message_10.csv, for the date of its times"
        )
    return Lobster(wishes.symbol or named.symbol, named.day, wishes.account, wishes.book_every_us)
