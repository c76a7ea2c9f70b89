"""Cells of a row, checked: numbers keep the digits that were written."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from streams.adapters.rows import RowFault

_json_number = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,4})?").fullmatch
_whole_number = re.compile(r"[0-9]{1,19}").fullmatch
#: Longer numbers are none.
_LONGEST_NUMBER = 64
#: Milliseconds since the epoch have 13 digits from 2001 to 2286, microseconds have 16.
_MS_DIGITS, _US_DIGITS = 13, 16
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Columns(NamedTuple):
    """Where the columns of a file stand, by name, and whether its first row names them."""

    at: Mapping[str, int]
    has_header: bool


def columns_of(first: Sequence[str], required: Sequence[str], headless: Sequence[Sequence[str]] = ()) -> Columns:
    """Find the columns of a file from its first row.

    Parameters
    ----------
    first
        The cells of its first row.
    required
        Columns that must be there.
    headless
        The orders of columns that files without a header have; told apart by how many they are.

    Raises
    ------
    RowFault
        A required column is missing, or the file has neither a header nor one of these numbers of columns.

    Examples
    --------
    >>> columns_of(["time", "side"], ["side"])
    Columns(at={'time': 0, 'side': 1}, has_header=True)
    >>> columns_of(["1700000000000", "BUY"], ["side"], [["time", "side"]]).has_header
    False
    """
    named = [name.strip().lower() for name in first]
    if headless and (_json_number(named[0]) or (named[0][:1].isdecimal() and not set(required) & set(named))):
        for order in headless:
            if len(order) == len(first):
                return Columns({name: index for index, name in enumerate(order)}, has_header=False)
        many = " or ".join(str(len(order)) for order in headless)
        raise RowFault(f"expected {many} columns in a file without a header, found {len(first)}")
    missing = [name for name in required if name.lower() not in named]
    if missing:
        raise RowFault(f"expected columns {', '.join(missing)}, found {','.join(first)[:200]!r}")
    return Columns({name: index for index, name in enumerate(named)}, has_header=True)


def cell(cells: Sequence[str], at: int, column: str) -> str:
    """Give a cell, without blanks around it.

    Raises
    ------
    RowFault
        The row is too short.
    """
    if at >= len(cells):
        raise RowFault(f"expected at least {at + 1} columns, up to `{column}`, found {len(cells)}")
    return cells[at].strip()


def number(text: str, column: str) -> str:
    """Check a number, and give it as JSON has it: with the digits that were written.

    Raises
    ------
    RowFault
        It is none, or not finite.

    Examples
    --------
    >>> number("0.10", "price"), number(".5", "price"), number("1e-05", "price")
    ('0.10', '0.5', '1e-05')
    >>> number("nan", "price")
    Traceback (most recent call last):
    streams.adapters.rows.RowFault: expected a number in `price`, found 'nan'
    """
    if len(text) <= _LONGEST_NUMBER:
        if _json_number(text):
            return text
        try:
            found = Decimal(text) if text.isascii() and "_" not in text else Decimal("NaN")
        except InvalidOperation:
            found = Decimal("NaN")
        if found.is_finite() and abs(found.adjusted()) <= _LONGEST_NUMBER:
            return format(found, "f")
    raise RowFault(f"expected a number in `{column}`, found {text[:80]!r}")


def whole(text: str, column: str) -> int:
    """Read a whole number that is not negative.

    Raises
    ------
    RowFault
        It is none.
    """
    if not _whole_number(text):
        raise RowFault(f"expected a whole number in `{column}`, found {text[:80]!r}")
    return int(text)


def epoch_us(text: str, column: str) -> int:
    """Read a time since the epoch, in milliseconds or microseconds as its length tells.

    Raises
    ------
    RowFault
        It is neither.

    Examples
    --------
    >>> epoch_us("1700000000123", "time"), epoch_us("1700000000123456", "time")
    (1700000000123000, 1700000000123456)
    """
    if _whole_number(text):
        if len(text) == _MS_DIGITS:
            return int(text) * 1_000
        if len(text) == _US_DIGITS:
            return int(text)
    raise RowFault(f"expected a time in `{column}`, in ms ({_MS_DIGITS} digits) or us ({_US_DIGITS}), found {text!r}")


def clock_us(text: str, column: str) -> int:
    """Read a time written as `2024-01-31 23:59:30` or in ISO 8601, UTC unless it says otherwise.

    Raises
    ------
    RowFault
        It is not of that form.

    Examples
    --------
    >>> clock_us("2024-01-31 23:59:30", "timestamp")
    1706745570000000
    """
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise RowFault(f"expected a time like 2024-01-31 23:59:30 in `{column}`, found {text[:80]!r}") from None
    return ((when if when.tzinfo else when.replace(tzinfo=UTC)) - _EPOCH) // timedelta(microseconds=1)


def one_of(text: str, column: str, known: Mapping[str, str]) -> str:
    """Translate a cell; how it is spelled in large and small letters does not matter.

    Raises
    ------
    RowFault
        It is none of those known.
    """
    found = known.get(text.lower())
    if found is None:
        raise RowFault(f"expected one of {', '.join(known)} in `{column}`, found {text[:80]!r}")
    return found
