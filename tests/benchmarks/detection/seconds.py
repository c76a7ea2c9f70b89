"""Features by the second, the same for every baseline: what the detectors look at, and what they do not yet."""

import math
from collections import Counter, deque

from detectors.cancel_burst import UNKNOWN_AGE_COST, cancel_cost
from detectors.events import (
    BookSnapshot,
    Cancel,
    DerivativeTicker,
    Event,
    Latency,
    Level,
    LeverageChange,
    Liquidation,
    Trade,
)
from detectors.features.book import book_features
from tests.benchmarks.detection.flows import SECOND_US

Row = dict[str, float]
_ORDER_NOTIONAL = 100_000.0
_TICK_US = 100_000
#: What is added up over windows.
_COUNTED = ("cancels", "pressure", "trades", "volume", "signed", "raises", "doublings", "liquidations", "liquidated")


class SymbolMeter:
    """One symbol's features at the end of each second.

    Examples
    --------
    >>> meter = SymbolMeter()
    >>> for at_us in (100_000, 200_000, 1_500_000):
    ...     meter.see(Trade(at_us, "X", 100.0, 2.0, "buy"))
    ...     if at_us == 200_000:
    ...         first = meter.close(0)
    >>> second = meter.close(1)
    >>> first["trades_1s"], second["trades_1s"], second["trades_10s"], second["volume_10s"]
    (2.0, 1.0, 3.0, 6.0)
    """

    def __init__(self) -> None:
        self._rows: deque[list[float]] = deque(maxlen=60)
        self._accounts: deque[Counter[str]] = deque(maxlen=10)
        self._book: Row = {}
        self._levels: tuple[list[Level], list[Level]] = ([], [])
        self._ticker: Row = {}
        self._last_us = self._book_us = 0
        self._same_books = 0
        self._begin()

    def _begin(self) -> None:
        self._now = dict.fromkeys(_COUNTED, 0.0)
        self._by_account: Counter[str] = Counter()
        self._by_tick: dict[int, set[str]] = {}
        self._at_once: Counter[int] = Counter()
        self._cancelled = 0.0

    def see(self, event: Event) -> None:
        """Take one event in."""
        self._last_us = max(self._last_us, event.timestamp)
        now = self._now
        match event:
            case Cancel():
                now["cancels"] += 1
                age_us = max(event.timestamp - event.order_timestamp, 0)
                now["pressure"] += cancel_cost(age_us) if event.order_timestamp else UNKNOWN_AGE_COST
                self._by_account[event.account] += 1
                self._by_tick.setdefault(event.timestamp // _TICK_US, set()).add(event.account)
                self._cancelled += event.price * event.amount
            case Trade():
                now["trades"] += 1
                now["volume"] += event.amount
                now["signed"] += event.amount if event.side == "buy" else -event.amount
                self._at_once[event.timestamp] += 1
            case LeverageChange() if event.prev_leverage and event.leverage > event.prev_leverage:
                now["raises"] += 1
                now["doublings"] += math.log2(event.leverage / event.prev_leverage)
            case BookSnapshot():
                self._see_book(event)
            case DerivativeTicker():
                self._see_ticker(event)
            case Liquidation():
                now["liquidations"] += 1
                now["liquidated"] += event.amount

    def _see_book(self, book: BookSnapshot) -> None:
        x = book_features(book, _ORDER_NOTIONAL)
        row: Row = {"spread_bp": x["spread_bp"]}
        for name in ("depth_10bp", "depth_25bp", "depth_50bp", "slope"):
            row[name] = min(x[f"bid_{name}"], x[f"ask_{name}"])
        row["slippage_bp"] = max(x["bid_slippage_bp"], x["ask_slippage_bp"])
        row["one_sided_book"] = abs(x["imbalance"])
        row["top_level"] = max((price * amount for price, amount in book.bids + book.asks), default=0.0)
        self._book = row
        levels = (book.bids, book.asks)
        self._same_books = self._same_books + 1 if levels == self._levels else 0
        self._levels = levels
        self._book_us = max(self._book_us, book.timestamp)

    def _see_ticker(self, ticker: DerivativeTicker) -> None:
        last, mark, index = ticker.last_price, ticker.mark_price, ticker.index_price
        for name, one, other in (("mark_index", mark, index), ("mark_last", mark, last), ("last_index", last, index)):
            if one and other:
                self._ticker[f"{name}_bp"] = abs(one / other - 1.0) * 1e4

    def close(self, second: int) -> Row:
        """The features at the end of a second."""
        self._rows.append([self._now[name] for name in _COUNTED])
        self._accounts.append(self._by_account)
        row: Row = {}
        for name, in_1s, in_10s, in_60s in zip(_COUNTED, self._rows[-1], self._sums(10), self._sums(60), strict=True):
            row[f"{name}_1s"], row[f"{name}_10s"], row[f"{name}_60s"] = in_1s, in_10s, in_60s
        row["one_sided_10s"] = abs(row.pop("signed_10s"))
        row["rush"] = float(max(self._at_once.values(), default=0))
        row["in_step"] = float(max(map(len, self._by_tick.values()), default=0))
        row["cancelled_1s"] = self._cancelled
        row["top_cancels_1s"] = float(max(self._by_account.values(), default=0))
        together = sum(self._accounts, Counter[str]()) if row["cancels_10s"] else Counter[str]()
        row["top_cancels_10s"] = float(max(together.values(), default=0))
        end_us = (second + 1) * SECOND_US
        row["silence_s"] = max((end_us - self._last_us) / SECOND_US, 0.0) if self._last_us else 0.0
        row["book_age_s"] = max((end_us - self._book_us) / SECOND_US, 0.0) if self._book_us else 0.0
        row["same_book"] = float(self._same_books)
        row |= self._book
        row |= self._ticker
        self._begin()
        return row

    def _sums(self, seconds: int) -> list[float]:
        rows = list(self._rows)[-seconds:]
        return [math.fsum(column) for column in zip(*rows, strict=True)]


class ComponentMeter:
    """One component's latency: the largest of the second, and the mean over ten."""

    def __init__(self) -> None:
        self._seconds: deque[list[float]] = deque(maxlen=10)
        self._now: list[float] = []

    def see(self, event: Event) -> None:
        """Take one event in."""
        if isinstance(event, Latency):
            self._now.append(event.latency_us / 1_000)

    def close(self, second: int) -> Row:
        """The features at the end of a second."""
        self._seconds.append(self._now)
        seen = [value for values in self._seconds for value in values]
        row = {"latency_ms": max(self._now, default=0.0)}
        row["latency_10s_ms"] = math.fsum(seen) / len(seen) if seen else 0.0
        self._now = []
        return row
