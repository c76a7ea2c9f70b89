"""What an import is made of: where rows come from, and what turns them into lines of events."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from streams.adapters.rows import Row
from streams.files import Line
from streams.mapping.field_mapping import NO_MAPPING, FieldMapping


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
