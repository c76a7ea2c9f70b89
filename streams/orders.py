"""Operators' orders: what a record of `overrides` has to be, and what of the topic is to be remembered."""

import heapq
from collections import deque
from collections.abc import Sequence

import msgspec

from detectors.decisions import Override
from detectors.errors import DecodeError
from detectors.orders import order_fault
from streams.topic_reading import decoder_of
from streams.topics import OVERRIDES

#: A valid order is a tenth of it at most, unless it is blown up.
LONGEST_ORDER_BYTES = 65_536
#: Scopes with an order, and refused records, that are remembered.
MOST_SCOPES = 10_000
MOST_MALFORMED = 256

_decode = decoder_of(Override, OVERRIDES)
_encode = msgspec.json.Encoder().encode


def encode_order(order: Override) -> tuple[bytes, bytes]:
    """Key and value of an order's record."""
    return order.scope.encode(), _encode(order)


def decode_order(value: bytes) -> Override:
    """Read a record of `overrides`.

    Raises
    ------
    DecodeError
        It is no order that may be acted on; the message says what was expected, what was found, and where.

    Examples
    --------
    >>> decode_order(b'{"override_id": "1"}')
    Traceback (most recent call last):
    detectors.errors.DecodeError: record of overrides: Object missing required field `scope`
    """
    if len(value) > LONGEST_ORDER_BYTES:
        raise DecodeError(f"record of {OVERRIDES}: Expected at most {LONGEST_ORDER_BYTES} bytes, got {len(value)}")
    order = _decode(value)
    fault = order_fault(order)
    if fault is not None:
        raise DecodeError(f"record of {OVERRIDES}: {fault}")
    return order


class OrderLog:
    """The orders of a log as compaction would leave them: of each scope the newest.

    Records that are no orders replace nothing, so that they change nothing; the newest of them are kept beside the
    orders, for whoever refuses them. So are deletions: an order ends with its expiry, or by another order.

    Parameters
    ----------
    most_scopes
        Of more scopes than this, those whose orders end soonest are forgotten; >= 1.

    Examples
    --------
    >>> log = OrderLog()
    >>> for offset, action in enumerate(("freeze", "resume")):
    ...     order = Override("1", "controller", action, "ann", "maintenance", 0, 60_000_000)
    ...     log.take(offset, encode_order(order)[1])
    >>> [(offset, decode_order(value).action) for offset, value in log.since(0)], log.since(2)
    ([(1, 'resume')], [])
    """

    def __init__(self, most_scopes: int = MOST_SCOPES) -> None:
        self.end = 0
        self.forgotten = 0
        self._most_scopes = most_scopes
        #: Scope -> offset, value, expiry; in the order of the offsets.
        self._orders: dict[str, tuple[int, bytes, int]] = {}
        self._malformed: deque[tuple[int, bytes]] = deque(maxlen=MOST_MALFORMED)

    def take(self, offset: int, value: bytes | None) -> None:
        """Take the next record; what was taken before is passed over."""
        if offset < self.end:
            return
        self.end = offset + 1
        try:
            order = decode_order(value or b"")
        except DecodeError:
            self._malformed.append((offset, value or b""))
            return
        self._orders.pop(order.scope, None)
        self._orders[order.scope] = (offset, value or b"", order.expires_at)
        if len(self._orders) > self._most_scopes:
            self._forget()

    def since(self, offset: int) -> Sequence[tuple[int, bytes]]:
        """Give offset and value of the records from `offset` on, in order."""
        if offset >= self.end:
            return []
        orders = [(at, value) for at, value, _ in self._orders.values() if at >= offset]
        malformed = [(at, value) for at, value in self._malformed if at >= offset]
        return sorted(orders + malformed) if malformed else orders

    def _forget(self) -> None:
        # Several at once: to look for them takes a pass over all.
        surplus = len(self._orders) - self._most_scopes + self._most_scopes // 10
        for scope in heapq.nsmallest(surplus, self._orders, key=lambda scope: self._orders[scope][2]):
            del self._orders[scope]
        self.forgotten += surplus
