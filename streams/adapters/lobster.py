"""LOBSTER's message and order book files, read side by side.

Source of the format: lobsterdata.com, "Data structure". A message has time (seconds after midnight in New York), type,
order id, size, price (in 1/10000 dollars) and direction (1: a buy order, -1: a sell order); row k of the order book
file is the book after message k, `ask price, ask size, bid price, bid size` a level. Neither has a header.

| type | becomes |
| --- | --- |
| 1 submission | nothing; its time is kept for the cancel |
| 2 partial cancel, 3 deletion | a cancel of the size that was taken back |
| 4, 5 execution (visible, hidden) | a trade; the taker is on the other side of the order |
| 6 auction, 7 halt | passed over, and counted: neither has a taker |

The exchange does not say whose an order is. All cancels get one account, so that what is told of accounts means
nothing, and limits neither; what is told of symbols does. `order_timestamp` is there when the submission was seen, so
not for orders older than the file.
"""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from detectors.errors import ConfigError
from streams.adapters.cells import number, whole
from streams.adapters.event_lines import Digits, book_line, cancel_line, trade_line
from streams.adapters.lobster_files import MESSAGE_COLUMNS
from streams.adapters.rows import Row, RowFault
from streams.files import Line

_COLUMNS = ("time", "type", "order id", "size", "price", "direction")
_SECONDS = re.compile(r"([0-9]{1,5})(?:\.([0-9]{1,12}))?")
_DAY_S = 86_400
#: Price of a level that is not there.
_NO_LEVEL = ("9999999999", "-9999999999")
#: Orders whose submission is remembered: many times what stands in a book at once.
_REMEMBERED_ORDERS = 1_000_000
_SIDES = {"1": "buy", "-1": "sell"}
_OTHER = {"buy": "sell", "sell": "buy"}
_PASSED_OVER = {"1": "submissions", "6": "auction trades", "7": "halts"}


class Lobster:
    """Messages of one day and symbol, and books every so often.

    Parameters
    ----------
    symbol, day
        As the name of the file says.
    account
        Stands for everybody.
    book_every_us
        A book is given with the first message of each such stretch of time, > 0.
    """

    has_header = False

    def __init__(self, symbol: str, day: date, account: str = "unknown", book_every_us: int = 250_000) -> None:
        self.passed_over: Counter[str] = Counter()
        self._symbol = symbol
        self._account = account
        self._book_every_us = book_every_us
        self._midnight_us = _midnight_us(day)
        self._next_book_us = 0
        #: Order id -> when it was submitted, and how much is left.
        self._orders: dict[str, tuple[int, int]] = {}

    def take(self, row: Row) -> list[Line]:
        """One message: a cancel, a trade or nothing, and perhaps the book."""
        if len(row.cells) < MESSAGE_COLUMNS or not row.cells[MESSAGE_COLUMNS - 1]:
            raise RowFault(f"expected columns {', '.join(_COLUMNS)}, found {len(row.cells)}")
        when = self._midnight_us + _of_day_us(row.cells[0])
        books: list[Line] = []
        if len(row.cells) > MESSAGE_COLUMNS and when >= self._next_book_us:
            books = [self._book(when, row.cells[MESSAGE_COLUMNS:])]
        lines = self._event(when, row.cells[:MESSAGE_COLUMNS])
        if books:
            self._next_book_us = (when // self._book_every_us + 1) * self._book_every_us
        return lines + books

    def finish(self) -> list[Line]:
        """Nothing waits for the end of the file."""
        return []

    def _event(self, when: int, cells: Sequence[str]) -> list[Line]:
        _, kind, order_id, size_text, price_text, direction = cells
        if kind in ("6", "7"):
            self.passed_over[_PASSED_OVER[kind]] += 1
            return []
        size = whole(size_text, "size")
        side = _SIDES.get(direction)
        if side is None or kind not in ("1", "2", "3", "4", "5"):
            raise RowFault(f"expected a type of 1 to 7 and a direction of 1 or -1, found {kind!r} and {direction!r}")
        price = _dollars(price_text)
        if kind == "1":
            self.passed_over["submissions"] += 1
            self._remember(order_id, when, size)
            return []
        if kind == "5":
            return [trade_line(when, self._symbol, price, str(size), _OTHER[side])]
        placed = self._reduce(order_id, size, is_gone=kind == "3")
        if kind == "4":
            return [trade_line(when, self._symbol, price, str(size), _OTHER[side])]
        return [cancel_line(when, self._symbol, self._account, order_id, side, price, str(size), placed)]

    def _remember(self, order_id: str, when: int, size: int) -> None:
        if len(self._orders) >= _REMEMBERED_ORDERS:
            del self._orders[next(iter(self._orders))]
        self._orders[order_id] = when, size

    def _reduce(self, order_id: str, size: int, *, is_gone: bool) -> int:
        """Take from an order; gives when it was submitted, 0 when that was not seen."""
        placed, left = self._orders.get(order_id, (0, 0))
        if is_gone or left <= size:
            self._orders.pop(order_id, None)
        else:
            self._orders[order_id] = placed, left - size
        return placed

    def _book(self, when: int, cells: Sequence[str]) -> Line:
        if len(cells) % 4:
            raise RowFault(f"expected four columns of the book a level, found {len(cells)} columns")
        asks = _levels(cells[0::4], cells[1::4])
        bids = _levels(cells[2::4], cells[3::4])
        return book_line(when, self._symbol, bids, asks)


def _levels(prices: Sequence[str], amounts: Sequence[str]) -> list[tuple[Digits, Digits]]:
    return [
        (_dollars(price), number(amount, "size"))
        for price, amount in zip(prices, amounts, strict=True)
        if price not in _NO_LEVEL
    ]


def _dollars(text: str) -> Digits:
    return str(Decimal(whole(text, "price")).scaleb(-4))


def _of_day_us(text: str) -> int:
    found = _SECONDS.fullmatch(text)
    if found is None or int(found[1]) >= _DAY_S:
        raise RowFault(f"expected seconds after midnight in `time`, found {text[:80]!r}")
    return int(found[1]) * 1_000_000 + int((found[2] or "").ljust(6, "0")[:6])


def _midnight_us(day: date) -> int:
    try:
        zone = ZoneInfo("America/New_York")
    except ZoneInfoNotFoundError as error:
        raise ConfigError(f"expected the system's time zones, to tell New York's time, found: {error}") from error
    # Clocks change at two in the morning, long before anything trades: noon has the offset that counts.
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=zone).astimezone(UTC)
    return (noon - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) - 12 * 3_600_000_000
