"""Signals of the last minutes, for the plots around an alert."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from typing import NamedTuple

from detectors.results import Alert, Contribution, Signal
from detectors.stress import MARKET

_SECOND_US = 1_000_000


class SignalPoint(NamedTuple):
    """The least probable signal of one detector for one entity within one second."""

    timestamp: int
    detector: str
    scope: str
    entity: str
    symbol: str
    p_value: float
    says: Contribution | None
    accounts: tuple[str, ...]


_Key = tuple[int, str, str, str, str]


class SignalMemory:
    """Points by second, symbol, detector and entity; what it knows in the end depends on no order.

    Parameters
    ----------
    minutes
        Of event time, behind the newest signal.
    most
        Of more points the oldest are forgotten.

    Examples
    --------
    >>> memory = SignalMemory(minutes=1, most=10)
    >>> part = Contribution("cancels in 1 s", 57.0, 3.14, "cancels", 1e-9, 1.0)
    >>> memory.take(Signal(5_000_000, "cancel_burst", "cancel_burst", "symbol", "X", "X", 1e-9, 0.1, 9.0, (part,)))
    >>> [point.p_value for point in memory.between(0, 9_000_000)]
    [1e-09]
    """

    def __init__(self, minutes: int, most: int) -> None:
        self._span_us = minutes * 60 * _SECOND_US
        self._most = most
        self._points: dict[_Key, SignalPoint] = {}
        self._order: list[_Key] = []
        self._newest_us = 0

    def __len__(self) -> int:
        return len(self._points)

    @property
    def newest_us(self) -> int:
        """The time of the newest signal; 0: there was none."""
        return self._newest_us

    @property
    def oldest_us(self) -> int:
        """From when on signals are remembered; 0: there are none."""
        return self._order[0][0] * _SECOND_US if self._order else 0

    def take(self, signal: Signal) -> None:
        """Take a signal."""
        self._newest_us = max(self._newest_us, signal.timestamp)
        key = (signal.timestamp // _SECOND_US, signal.symbol, signal.detector, signal.scope, signal.entity)
        says = signal.contributions[0] if signal.contributions else None
        point = SignalPoint(
            signal.timestamp,
            signal.detector,
            signal.scope,
            signal.entity,
            signal.symbol,
            signal.p_value,
            says,
            signal.accounts,
        )
        known = self._points.get(key)
        if known is None:
            insort(self._order, key)
        if known is None or _rarity(point) < _rarity(known):
            self._points[key] = point
        self._forget()

    def between(self, begin_us: int, end_us: int) -> list[SignalPoint]:
        """Tell the points of a stretch of time, both ends included, the oldest first."""
        first = bisect_left(self._order, begin_us // _SECOND_US, key=lambda key: key[0])
        last = bisect_right(self._order, end_us // _SECOND_US, key=lambda key: key[0])
        points = (self._points[key] for key in self._order[first:last])
        return sorted((point for point in points if begin_us <= point.timestamp <= end_us), key=lambda one: one[:5])

    def _forget(self) -> None:
        horizon_s = (self._newest_us - self._span_us) // _SECOND_US
        outdated = bisect_left(self._order, horizon_s, key=lambda key: key[0])
        surplus = max(outdated, len(self._order) - self._most)
        for key in self._order[:surplus]:
            del self._points[key]
        del self._order[:surplus]


def around(alert: Alert, points: Iterable[SignalPoint]) -> list[SignalPoint]:
    """Pick the points that may bear on an alert: of its symbol, of the market, of its accounts."""
    accounts = set(alert.accounts)

    def bears(point: SignalPoint) -> bool:
        here = alert.symbol in ("", MARKET) or point.symbol in ("", MARKET, alert.symbol)
        return here or point.entity in accounts or not accounts.isdisjoint(point.accounts)

    return [point for point in points if bears(point)]


def contributes(alert: Alert, point: SignalPoint) -> bool:
    """Whether an alert's explanation names the signal: by its entity, or alone by what it measures."""
    if not alert.window_start <= point.timestamp <= alert.window_end + _SECOND_US:
        return False
    by_name = f"({point.scope} {point.entity})"
    measured = "" if point.says is None else point.says.signal
    return any(by_name in one.signal or one.signal == measured for one in alert.explanation)


def _rarity(point: SignalPoint) -> tuple[float, int, str]:
    return point.p_value, point.timestamp, repr(point)
