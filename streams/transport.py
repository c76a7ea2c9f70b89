"""Faust's Kafka transport, changed in three places: records come in batches, commits are ours, and producers are safe.

Faust pays some 30 microseconds for every message it hands to an agent. Here a message is all that was fetched from one
partition (`RecordBatch`), so the price is paid once for some thousand records. What is committed does not follow from
Faust's acks, which pass events that failed or whose outputs were lost: the application states it (`Committer`).
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any, ClassVar, Protocol, cast

from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, Message
from faust.types.transports import ConsumerT, ProducerT

from streams.batches import RecordBatch
from streams.fetching import BatchThread, FetchLimits, InputEnd


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


class Application(Protocol):
    """What the transport asks of the Faust application beyond Faust."""

    fetch_limits: FetchLimits
    committer: Committer
    idempotent_producer: bool


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


class BatchConsumer(driver.Consumer):
    """Faust's consumer, handing out batches and committing what the application says."""

    def _new_consumer_thread(self) -> BatchThread:
        return BatchThread(self, loop=self.loop, beacon=self.beacon)

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

    def hold(self, partitions: frozenset[TP]) -> None:
        """Fetch nothing of these partitions until told otherwise, or until partitions are given out anew."""
        cast("BatchThread", self._thread).hold(partitions)

    def input_end(self, tp: TP) -> InputEnd:
        """Tell how far a partition could be read."""
        return cast("BatchThread", self._thread).input_end(tp)

    async def perform_seek(self) -> None:
        """Go back to the committed offsets, and tell the application where that is."""
        cast("BatchThread", self._thread).forget_positions()
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

    async def force_commit(self, topics: object = None, start_new_transaction: bool = True) -> bool:
        """Commit what the application says is safe; Faust's acks have no say."""
        committer = _committer(self.app)
        committable = committer.committable()
        # A consumer that never began to work has no assignment to be asked for.
        assignment = self.assignment() if committable else frozenset()
        offsets = {tp: offset for tp, offset in committable.items() if tp in assignment}
        if not offsets or not await self._commit(offsets):
            return False
        committer.on_committed(offsets)
        return True


class SafeProducer(driver.Producer):
    """Faust's producer, waiting for all replicas; idempotent where the broker can."""

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": cast("Application", self.app).idempotent_producer}


class BatchTransport(driver.Transport):
    """The transport that an application installs (`App._new_transport`)."""

    Consumer: ClassVar[type[ConsumerT]] = BatchConsumer
    Producer: ClassVar[type[ProducerT]] = SafeProducer


def _committer(app: object) -> Committer:
    return cast("Application", app).committer
