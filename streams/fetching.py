"""The consumer's thread: takes what aiokafka has fetched as batches, without an object of its own for each record."""
# ruff: noqa: SLF001 - aiokafka has no public way to its raw records, positions and ends; the pinned 0.14.0 was read for it

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import aiokafka
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import ConsumerStoppedError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from detectors.errors import BrokerError
from streams.batches import RecordBatch, cut_batches

log = logging.getLogger(__name__)

#: An answer to a fetch older than this says nothing about the end of the partition any more.
_STALE_MS = 2_000
#: How soon a partition that is no longer held is read again: what was fetched of it before wakes nobody.
_HELD_WAIT_S = 0.05
#: How long a record may be missing between others that are there; and how soon it is asked for again.
_GAP_PATIENCE_S, _GAP_WAIT_S = 10.0, 0.005


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """How much is fetched and handed on at once.

    Parameters
    ----------
    max_records, max_bytes
        Limits of one batch.
    max_wait_ms
        How long the broker may hold an empty fetch, in milliseconds. A partition that was not part of a waiting fetch
        waits as long, and Tansu looks for new records only every half of it: it bounds the latency of a lone record.
    gapless
        Topics in which each offset holds a record: nobody compacts them or writes them in transactions.
    """

    max_records: int = 2_000
    max_bytes: int = 524_288
    max_wait_ms: int = 10
    gapless: frozenset[str] = frozenset()


class InputEnd(NamedTuple):
    """How far a partition could be read: `start` while nothing was read of it, and `end` of what the broker has.

    Both are None when not known, or not known any more. `seen_us` is when the broker said so, on the monotonic clock.
    """

    start: int | None
    end: int | None
    seen_us: int = 0


class _Drained(NamedTuple):
    """How far a partition was read: the position, and the offset behind the last record that was handed out."""

    position: int
    behind: int


class BatchThread(driver.AIOKafkaConsumerThread):
    """Runs aiokafka's consumer in a thread of its own; fetches batches."""

    app: Any

    def __post_init__(self) -> None:
        """Know nothing of any partition."""
        super().__post_init__()
        self._touched: set[Any] = set()
        self._drained: dict[Any, _Drained] = {}
        self._held: frozenset[TP] = frozenset()
        #: Where a record is missing, and since when.
        self._gaps: dict[Any, tuple[int, float]] = {}

    def hold(self, partitions: frozenset[TP]) -> None:
        """Take nothing of these partitions until told otherwise; called from the main thread.

        The broker is asked for what one fetch brings of them, and no more: aiokafka does not ask again for a partition
        whose records nobody takes.
        """
        self._held = partitions

    def _create_worker_consumer(self, transport: driver.Transport) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Faust fixes 1,500 ms, which a drained partition may have to wait.
        consumer._fetch_max_wait_ms = self.app.fetch_limits.max_wait_ms
        return consumer

    async def _fetch_records(
        self,
        consumer: aiokafka.AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is Faust's
        max_records: int | None = None,
    ) -> Mapping[TP, list[RecordBatch]]:
        limits: FetchLimits = self.app.fetch_limits
        fetcher = consumer._fetcher
        if consumer._closed or fetcher._closed:
            raise ConsumerStoppedError
        with fetcher._subscriptions.fetch_context():
            starts, fetched = await self._drain(fetcher, active_partitions, timeout or 0.0, limits.max_records)
        return {
            TP(tp.topic, tp.partition): list(
                cut_batches(
                    tp.topic,
                    tp.partition,
                    starts[tp],
                    records,
                    max_records=limits.max_records,
                    max_bytes=limits.max_bytes,
                )
            )
            for tp, records in fetched.items()
        }

    async def _drain(
        self,
        fetcher: Any,  # noqa: ANN401 - has no types
        partitions: set[TP],
        wait_s: float,
        max_records: int,
    ) -> tuple[dict[Any, int], dict[Any, list[Any]]]:
        """Wait for records; gives the positions before them and the records themselves.

        Nothing is taken while the flow is stopped: it would be dropped, after the seek that could bring it back. Nor of
        a partition that is held.
        """
        deadline_s = time.monotonic() + wait_s
        while self.consumer.flow_active:
            if fetcher._subscriptions.reassignment_in_progress:
                await fetcher._subscriptions.wait_for_assignment()
                continue
            starts, held = self._prepare(fetcher), self._held
            wanted = partitions - held
            # None wanted would be taken for all of them.
            fetched = await fetcher.fetched_records(wanted, timeout=0, max_records=max_records) if wanted else {}
            fetched = {tp: whole for tp, records in fetched.items() if (whole := self._up_to_gap(tp, starts, records))}
            self._note(fetcher, starts, fetched)
            remaining_s = deadline_s - time.monotonic()
            if fetched or remaining_s <= 0 or fetcher._closed:
                return starts, fetched
            if self._gaps:
                await asyncio.sleep(_GAP_WAIT_S)
            waiter = fetcher._create_fetch_waiter()
            done, _ = await asyncio.wait([waiter], timeout=min(remaining_s, _HELD_WAIT_S) if held else remaining_s)
            if done:
                waiter.result()
            else:
                waiter.cancel()
        return {}, {}

    def _prepare(self, fetcher: Any) -> dict[Any, int]:  # noqa: ANN401 - has no types
        """Let fetched records come as they are; gives the position before them."""
        starts: dict[Any, int] = {}
        for tp, result in fetcher._records.items():
            self._touched.add(tp)
            if type(result) is FetchResult and result._partition_records is not None:
                starts[tp] = result._partition_records.next_fetch_offset
                result._partition_records._consumer_record = _as_it_came
        return starts

    def _up_to_gap(self, tp: Any, starts: Mapping[Any, int], records: list[Any]) -> list[Any]:  # noqa: ANN401
        """Take the records before one that is missing, and ask for that one again.

        The embedded broker gives an offset to a record before it can be read: when several write to a partition, a
        later record may be seen first.
        """
        start = starts[tp]
        if tp.topic not in self.app.fetch_limits.gapless or records[-1].offset - start + 1 == len(records):
            self._gaps.pop(tp, None)
            return records
        whole = next(index for index, record in enumerate(records) if record.offset != start + index)
        offset, now_s = start + whole, time.monotonic()
        before = self._gaps.get(tp)
        since_s = before[1] if before is not None and before[0] == offset else now_s
        if now_s - since_s > _GAP_PATIENCE_S:
            raise BrokerError(
                f"{tp.topic}[{tp.partition}]: expected a record at offset {offset}, found none for "
                f"{_GAP_PATIENCE_S:.0f} s, and one at {records[whole].offset}"
            )
        if since_s == now_s:
            log.info("%s[%d]: offset %d is not there yet, %d is", tp.topic, tp.partition, offset, records[whole].offset)
        self._gaps[tp] = (offset, since_s)
        cast("Any", self._consumer).seek(tp, offset)
        return records[:whole]

    def _note(self, fetcher: Any, starts: Iterable[Any], fetched: dict[Any, list[Any]]) -> None:  # noqa: ANN401
        """Note how far each partition was read, and which of its records was the last that could be seen."""
        for tp in starts:
            state = fetcher._subscriptions.subscription.assignment.state_value(tp)
            if state is None or not state.has_valid_position:
                continue
            before, records = self._drained.get(tp), fetched.get(tp)
            if records:
                behind = records[-1].offset + 1
            elif before is not None:
                behind = before.behind
            else:
                # Nothing was there to be seen, if anything was read at all: as good as not begun.
                self._touched.discard(tp)
                continue
            self._drained[tp] = _Drained(state.position, behind)

    def forget_positions(self) -> None:
        """Partitions are read anew from their committed offsets; none is held."""
        self._touched.clear()
        self._drained.clear()
        self._gaps.clear()
        self._held = frozenset()

    def input_end(self, tp: TP) -> InputEnd:
        """Tell how far a partition could be read.

        Called from the main thread, so the position is read before the mark that it was moved.
        """
        consumer, key = self._consumer, driver.ensure_aiokafka_TP(tp)
        if consumer is None or not consumer._subscription.is_assigned(key):
            return InputEnd(None, None)
        state = consumer._subscription.subscription.assignment.state_value(key)
        if state is None:
            return InputEnd(None, None)
        # What the end was and when it was seen are set one after the other in another thread: the older time is safe.
        age_ms = time.time() * 1_000 - (state.timestamp or 0)
        seen_us = int(time.monotonic() * 1e6 - age_ms * 1_000)
        if age_ms > _STALE_MS:
            return InputEnd(None, None)
        position = state.position if state.has_valid_position else None
        end = state.highwater
        drained = self._drained.get(key)
        if drained is not None and end is not None and drained.position >= end:
            # Behind the last record stand marks of transactions, or nothing is left of what did.
            end = drained.behind
        return InputEnd(None if key in self._touched else position, end, seen_us)


def _as_it_came(_tp: object, record: object) -> object:
    return record
