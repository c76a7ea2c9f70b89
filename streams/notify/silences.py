"""Which patterns operators have silenced now, as the topic of their orders says."""

import logging
from collections.abc import Callable, Sequence

from detectors.errors import DecodeError
from detectors.standing_orders import StandingOrders
from streams.orders import decode_order

_log = logging.getLogger(__name__)


class Silences:
    """Follows operators' orders.

    Parameters
    ----------
    since
        Offset and value of the orders from an offset on, as `TopicFeed.since` gives them.
    clock_us
        The time, in microseconds.

    Examples
    --------
    >>> from detectors.decisions import Override
    >>> from streams.orders import encode_order
    >>> order = Override("1", "pattern:thin_book", "silence", "ann", "holiday", timestamp=0, expires_at=60)
    >>> time_us = iter([59, 60])
    >>> orders = [(0, encode_order(order)[1])]
    >>> silences = Silences(lambda offset: orders[offset:], lambda: next(time_us))
    >>> silences.patterns(), silences.patterns()
    (frozenset({'thin_book'}), frozenset())
    """

    def __init__(self, since: Callable[[int], Sequence[tuple[int, bytes]]], clock_us: Callable[[], int]) -> None:
        self._since = since
        self._clock_us = clock_us
        self._below = 0
        self._orders = StandingOrders()

    def patterns(self) -> frozenset[str]:
        """Name the patterns that are silenced now."""
        now_us = self._clock_us()
        for offset, value in self._since(self._below):
            self._below = offset + 1
            try:
                self._orders.take(decode_order(value), now_us)
            except DecodeError as error:
                # Workers refuse it as well, and keep it among the dead letters.
                _log.warning("an order is passed over: %s", error)
        self._orders.ended(now_us)
        return self._orders.silenced
