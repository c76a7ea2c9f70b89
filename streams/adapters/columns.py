"""What formats whose columns have names have in common."""

from collections import Counter
from collections.abc import Sequence

from streams.adapters.cells import cell, columns_of, number
from streams.adapters.event_lines import Digits
from streams.adapters.rows import Row
from streams.files import Line


class NamedColumns:
    """A format of rows whose cells are found by the names of their columns.

    Parameters
    ----------
    first
        The cells of the first row, a header or not.
    symbol
        Taken in place of what the rows say, unless it is empty.
    """

    #: Columns that have to be there; and, where a file may have no header, what its columns are then.
    required: Sequence[str] = ()
    headless: Sequence[Sequence[str]] = ()

    def __init__(self, first: Sequence[str], symbol: str = "") -> None:
        columns = columns_of(first, self.required, self.headless)
        self.has_header = columns.has_header
        self.passed_over: Counter[str] = Counter()
        self._at = columns.at
        self._given_symbol = symbol

    def finish(self) -> list[Line]:
        """Nothing waits for the end of the file."""
        return []

    def _cell(self, row: Row, column: str) -> str:
        return cell(row.cells, self._at[column], column)

    def _number(self, row: Row, column: str) -> Digits:
        return number(self._cell(row, column), column)

    def _symbol(self, row: Row) -> str:
        return self._given_symbol or self._cell(row, "symbol")
