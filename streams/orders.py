"""Operators' orders as they come: every worker follows the topic `overrides`, whichever partitions it has."""

import asyncio
import heapq
import logging
from collections import deque
from collections.abc import Sequence
from typing import Any

import msgspec
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from detectors.decisions import Override
from detectors.errors import BrokerError, DecodeError
from detectors.orders import order_fault
from streams.settings import Settings
from streams.topic_reading import decoder_of, existing_partitions, is_at_end, lone_consumer
from streams.topics import OVERRIDES

#: A valid order is a tenth of it at most, unless it is blown up.
LONGEST_ORDER_BYTES = 65_536
#: Scopes with an order, and refused records, that are remembered.
MOST_SCOPES = 10_000
MOST_MALFORMED = 256

_POLL_MS = 200
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 1.0

_log = logging.getLogger(__name__)
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


class OrderFeed:
    """Follows `overrides` in a task of its own, outside every consumer group: each worker sees every order.

    It reads from the beginning, then goes on; while the broker is away it tries again, at least once a second.

    Parameters
    ----------
    settings
        Where the broker is.
    """

    def __init__(self, settings: Settings) -> None:
        self.caught_up = False
        self._settings = settings
        self._orders = OrderLog()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to read; `caught_up` tells when all that stood there has been read once."""
        self._task = asyncio.create_task(self._follow(), name="orders")

    async def stop(self) -> None:
        """End reading; what was read stays."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            # What ended it before, if anything, was told by `since`.
            await asyncio.gather(task, return_exceptions=True)

    def since(self, offset: int) -> Sequence[tuple[int, bytes]]:
        """Give offset and value of the records from `offset` on, in order; of orders of one scope only the newest.

        A value is as it was sent: `decode_order` tells whether it is an order. What ended the reading, if anything but
        `stop` did, is raised here.
        """
        if self._task is not None and self._task.done():
            self._task.result()
        return self._orders.since(offset)

    async def _follow(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            end = self._orders.end
            try:
                await self._read()
            except (KafkaError, OSError, BrokerError) as error:
                _log.warning("expected to follow %s, found: %s", OVERRIDES, str(error) or type(error).__name__)
            pause_s = _FIRST_PAUSE_S if self._orders.end > end else min(2 * pause_s, _LONGEST_PAUSE_S)
            await asyncio.sleep(pause_s)

    async def _read(self) -> None:
        tp = TopicPartition(OVERRIDES, 0)
        await existing_partitions(self._settings, OVERRIDES)
        async with lone_consumer(self._settings, OVERRIDES, fetch_wait_ms=_POLL_MS) as consumer:
            consumer.assign([tp])
            await consumer.seek_to_beginning(tp)
            while True:
                fetched: dict[TopicPartition, list[Any]] = await consumer.getmany(tp, timeout_ms=_POLL_MS)
                for record in fetched.get(tp, ()):
                    self._orders.take(record.offset, record.value)
                self.caught_up = self.caught_up or await is_at_end(consumer, tp)
