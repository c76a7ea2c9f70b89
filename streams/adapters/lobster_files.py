"""LOBSTER's files: what their names say, and a message and an order book file read side by side."""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

from detectors.errors import DecodeError
from streams.adapters.rows import Row, TextFile

#: Columns of a message: time, type, order id, size, price, direction.
MESSAGE_COLUMNS = 6
_NAME = re.compile(r"(?P<symbol>[^_]+)_(?P<day>\d{4}-\d{2}-\d{2})_\d+_\d+_(?P<kind>message|orderbook)_(?P<levels>\d+)")


class LobsterName(NamedTuple):
    """What the name of a LOBSTER file says."""

    symbol: str
    day: date
    kind: str


def read_name(name: str) -> LobsterName | None:
    """Read the name of a file; None when it is not LOBSTER's.

    Examples
    --------
    >>> read_name("AAPL_2012-06-21_34200000_57600000_message_10.csv")
    LobsterName(symbol='AAPL', day=datetime.date(2012, 6, 21), kind='message')
    """
    found = _NAME.match(name)
    if found is None:
        return None
    try:
        return LobsterName(found["symbol"], date.fromisoformat(found["day"]), found["kind"])
    except ValueError:
        return None


def partner_of(message: Path) -> Path:
    """Give the order book file that belongs to a message file."""
    return message.with_name(message.name.replace("_message_", "_orderbook_"))


class PairedFiles:
    """Rows of a message file, each with the book after it, if there is a book file.

    Raises
    ------
    DecodeError
        While reading: one of them cannot be read, or they are not of the same length.
    """

    def __init__(self, message: TextFile, book: TextFile | None) -> None:
        self.path = message.path
        self._message = message
        self._book = book
        self.total_bytes = message.total_bytes + (book.total_bytes if book else 0)

    @property
    def read_bytes(self) -> int:
        """How much of `total_bytes` has been read."""
        return self._message.read_bytes + (self._book.read_bytes if self._book else 0)

    def rows(self) -> Iterator[Row]:
        """Read both from the beginning; cells of the book stand behind those of the message."""
        if self._book is None:
            yield from self._message.rows()
            return
        books = self._book.rows()
        for row in self._message.rows():
            book = next(books, None)
            if book is None or book.number != row.number:
                found = "its end" if book is None else f"line {book.number}"
                raise DecodeError(
                    f"{self._book.path}: expected line {row.number}, as in {self.path.name}, found {found}"
                )
            cells = row.cells[:MESSAGE_COLUMNS]
            # A short message must not borrow cells of the book.
            padding = [""] * (MESSAGE_COLUMNS - len(cells))
            yield Row(row.number, [*cells, *padding, *book.cells], row.raw + b"," + book.raw)
        more = next(books, None)
        if more is not None:
            raise DecodeError(
                f"{self._book.path}: expected no more lines than {self.path.name}, found line {more.number}"
            )

    def first_row(self) -> Row | None:
        """The first row of the messages."""
        return self._message.first_row()
