"""Faust's Kafka transport, changed in three places: records come in batches, commits are ours, and producers are safe.

Faust pays some 30 microseconds for every message it hands to an agent. Here a message is all that was fetched from one
partition (`RecordBatch`), so the price is paid once for some thousand records. What is committed does not follow from Faust's
acks, which pass events that failed or whose outputs were lost; the `Committer` that the application brings states it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, cast

import aiokafka
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import ConsumerStoppedError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, Message
from faust.types.transports import ConsumerT, ProducerT

from streams.batches import RecordBatch, cut_batches


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """How much is fetched and handed on at once.

    Parameters
    ----------
    max_records, max_bytes
        Limits of one batch.
    max_wait_ms
        How long the broker may hold an empty fetch, in milliseconds. A partition that was not part of a waiting fetch waits as
        long, and Tansu looks for new records only every half of it: it bounds the latency of a lone record.
    """

    max_records: int = 2_000
    max_bytes: int = 524_288
    max_wait_ms: int = 10


class Committer(Protocol):
    """What the transport asks of the application about offsets."""

    def committable(self) -> Mapping[TP, int]:
        """Offsets that may be committed: every record below is done with, and its outputs are acknowledged."""
        ...

    def on_committed(self, offsets: Mapping[TP, int]) -> None:
        """The broker has taken these offsets."""
        ...

    def on_seek(self, committed: Mapping[TP, int | None]) -> None:
        """Partitions are assigned, and will be read from these committed offsets (None: from the beginning)."""
        ...

    async def settle(self) -> None:
        """Take no more batches, finish those in hand, and wait (not for ever) until outputs are acknowledged."""
        ...


class BatchMessage(ConsumerMessage):
    """Faust's message, with a batch in place of one value; its offset is that of the batch's last record."""

    __slots__ = ("batch",)

    def __init__(self, batch: RecordBatch, generation_id: int) -> None:
        tp = TP(batch.topic, batch.partition)
        super().__init__(
            batch.topic,
            batch.partition,
            batch.offsets[-1],
            timestamp=0.0,
            timestamp_type=0,
            headers=None,
            key=None,
            value=b"",
            checksum=None,
            serialized_key_size=0,
            serialized_value_size=0,
            tp=tp,
            generation_id=generation_id,
        )
        self.batch = batch


class InputEnd(Protocol):
    """Tells how far a partition could be read."""

    def __call__(self, tp: TP) -> tuple[int | None, int | None]:
        """The start (if nothing was read of it yet) and the end of what the broker has, each None when not known."""
        ...


def _as_it_came(_tp: object, record: object) -> object:
    return record


class _ConsumerThread(driver.AIOKafkaConsumerThread):
    """Runs aiokafka's consumer; fetches batches."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._touched: set[Any] = set()

    def _create_worker_consumer(self, transport: driver.Transport) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Faust fixes 1,500 ms, which a drained partition may have to wait.
        consumer._fetch_max_wait_ms = _limits(self.app).max_wait_ms
        return consumer

    async def _fetch_records(  # type: ignore[override]
        self,
        consumer: aiokafka.AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is Faust's
        max_records: int | None = None,
    ) -> dict[TP, list[RecordBatch]]:
        limits = _limits(self.app)
        fetcher = consumer._fetcher
        if consumer._closed or fetcher._closed:
            raise ConsumerStoppedError
        with fetcher._subscriptions.fetch_context():
            starts, fetched = await self._drain(fetcher, active_partitions, timeout or 0.0, limits.max_records)
        return {
            TP(*tp): list(
                cut_batches(*tp, starts[tp], records, max_records=limits.max_records, max_bytes=limits.max_bytes)
            )
            for tp, records in fetched.items()
        }

    async def _drain(
        self, fetcher: Any, partitions: set[TP], wait_s: float, max_records: int  # noqa: ANN401 - untyped library
    ) -> tuple[dict[Any, int], dict[Any, list[Any]]]:
        """Do what `Fetcher.fetched_records` does, without its object of eleven fields for every record.

        Nothing is taken while the flow is stopped: what is taken then would be dropped, after the seek that could bring it back.
        """
        deadline = time.monotonic() + wait_s
        while self.consumer.flow_active:
            if fetcher._subscriptions.reassignment_in_progress:
                await fetcher._subscriptions.wait_for_assignment()
                continue
            starts: dict[Any, int] = {}
            for tp, result in fetcher._records.items():
                self._touched.add(tp)
                if type(result) is FetchResult and result._partition_records is not None:
                    starts[tp] = result._partition_records.next_fetch_offset
                    result._partition_records._consumer_record = _as_it_came
            fetched = await fetcher.fetched_records(partitions, timeout=0, max_records=max_records)
            remaining_s = deadline - time.monotonic()
            if fetched or remaining_s <= 0 or fetcher._closed:
                return starts, fetched
            waiter = fetcher._create_fetch_waiter()
            done, _ = await asyncio.wait([waiter], timeout=remaining_s)
            if done:
                waiter.result()
            else:
                waiter.cancel()
        return {}, {}

    def forget_positions(self) -> None:
        """Partitions are read anew from their committed offsets."""
        self._touched.clear()

    def input_end(self, tp: TP) -> tuple[int | None, int | None]:
        """See `InputEnd`; called from the main thread, so the position is read before the mark that it moved."""
        consumer = self._consumer
        key = driver.ensure_aiokafka_TP(tp)
        if consumer is None or not consumer._subscription.is_assigned(key):
            return None, None
        state = consumer._subscription.subscription.assignment.state_value(key)
        position = state.position if state.has_valid_position else None
        answered_ms = state.timestamp or 0
        if time.time() * 1_000 - answered_ms > _STALE_MS:
            return None, None
        return (None if key in self._touched else position), state.highwater


#: An answer to a fetch older than this says nothing about the end of the partition any more.
_STALE_MS = 2_000


class BatchConsumer(driver.Consumer):
    """Faust's consumer, handing out batches and committing what the application says."""

    def _new_consumer_thread(self) -> _ConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:  # noqa: ASYNC109 - Faust's signature
        """Fetch batches; those of a generation that is over are dropped, since its successor reads them again."""
        fetched, _ = await self._wait_next_records(timeout)
        generation_id = self.app.consumer_generation_id
        if fetched is None:
            return
        for tp, batch in self.scheduler.iterate(fetched):
            if self.should_stop or not self.flow_active or self.app.consumer_generation_id != generation_id:
                return
            yield tp, BatchMessage(batch, generation_id)

    def on_buffer_full(self, tp: TP) -> None:
        """Stay active: a full queue holds back the fetch loop by itself.

        Faust would take the partition out, and sleep a whole second once all are out.
        """

    def input_end(self, tp: TP) -> tuple[int | None, int | None]:
        """See `InputEnd`."""
        return cast("_ConsumerThread", self._thread).input_end(tp)

    async def perform_seek(self) -> None:
        """Go back to the committed offsets, and tell the application where that is."""
        cast("_ConsumerThread", self._thread).forget_positions()
        committed = await self.seek_to_committed()
        # Faust drops what lies before the offset it noted as read.
        self._read_offset.clear()
        _committer(self.app).on_seek({TP(tp.topic, tp.partition): offset for tp, offset in committed.items()})

    async def wait_empty(self) -> None:
        """Before partitions are given up: finish, and commit what is safe."""
        await _committer(self.app).settle()
        # A commit that is under way may have been put together before; Faust would count it as ours.
        await self.maybe_wait_for_commit_to_finish()
        await self.commit()

    async def force_commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: ANN401, ARG002
        """Commit what the application says is safe; Faust's acks have no say."""
        committer = _committer(self.app)
        assignment = self.assignment()
        offsets = {tp: offset for tp, offset in committer.committable().items() if tp in assignment}
        if not offsets or not await self._commit(offsets):
            return False
        committer.on_committed(offsets)
        return True


class SafeProducer(driver.Producer):
    """Faust's producer, waiting for all replicas; idempotent where the broker can."""

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": bool(getattr(self.app, "idempotent_producer", False))}


class BatchTransport(driver.Transport):
    """The transport that an application installs (`App._new_transport`)."""

    Consumer: ClassVar[type[ConsumerT]] = BatchConsumer
    Producer: ClassVar[type[ProducerT]] = SafeProducer


def _limits(app: Any) -> FetchLimits:  # noqa: ANN401 - Faust's type does not know our attributes
    return cast("FetchLimits", app.fetch_limits)


def _committer(app: Any) -> Committer:  # noqa: ANN401
    return cast("Committer", app.committer)
