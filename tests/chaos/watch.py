"""The watcher of a run: asks again and again what the group has committed, and only then reads what came out by then.

In this order a commit that ran ahead of its effects is seen as such: whatever a worker did before the commit is in the
topics when they are read.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.codecs import decode_signal_frame
from streams.demo.settling import asking
from streams.topics import (
    ACCOUNT_ACTIVITY,
    ALERTS,
    AUDIT,
    DEAD_LETTERS,
    GUARDRAILS,
    RATE_LIMITS,
    SIGNALS,
    SNAPSHOTS,
    TOPICS,
    bootstrap_servers,
)
from tests.chaos.oracle import Place
from tests.chaos.snapshots import Snapshots
from tests.chaos.workers import Fleet

#: What a worker reads of events.
INPUTS = ("trades", "cancels", "books", "tickers", "liquidations", "latency", "leverage")
OUTPUTS = (ALERTS, RATE_LIMITS, GUARDRAILS, AUDIT, DEAD_LETTERS, SIGNALS, SNAPSHOTS)
_SAMPLE_EVERY_S = 0.4
_ANSWER_TIMEOUT_S = 5.0


class Kept(NamedTuple):
    """A record that came out."""

    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: dict[str, bytes]


@dataclass(slots=True)
class Sample:
    """One look: what was committed, and how much of each output was there right after."""

    at_s: float
    committed: dict[Place, int]
    #: Records of each output topic that were read by then.
    seen: dict[str, int]
    #: Source -> event time that its frames had closed by then.
    closed_us: dict[str, int]
    #: Records of each topic that the workers say wait for them.
    waiting: dict[str, float] = field(default_factory=dict)
    #: Stages of which something was committed that no complete checkpoint reached.
    beyond: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Seen:
    """All that was seen in a run."""

    samples: list[Sample] = field(default_factory=list)
    outputs: dict[str, list[Kept]] = field(default_factory=lambda: {topic: [] for topic in OUTPUTS})
    #: Looks that the broker did not answer, which nemeses of brokers bring about.
    unanswered: int = 0
    snapshots: Snapshots = field(default_factory=Snapshots)


class Watcher:
    """Looks until it is told to stop.

    Parameters
    ----------
    broker, group, partitions
        What to look at.
    fleet
        Its memory and lag are noted too.
    """

    def __init__(self, broker: str, group: str, partitions: int, fleet: Fleet) -> None:
        self._broker = broker
        self._group = group
        self._fleet = fleet
        self._inputs = places_of((*INPUTS, ACCOUNT_ACTIVITY, SIGNALS), partitions)
        self._outputs = places_of(OUTPUTS, partitions)
        self._closed_us: dict[str, int] = {}
        self.seen = Seen()

    async def watch(self) -> None:
        """Take samples until cancelled."""
        async with reading(self._broker, self._outputs) as outputs, asking(self._broker, self._group) as group:
            while True:
                await asyncio.sleep(_SAMPLE_EVERY_S)
                try:
                    async with asyncio.timeout(_ANSWER_TIMEOUT_S):
                        committed = await committed_by(group, self._inputs)
                        await self._read(outputs)
                except (KafkaError, TimeoutError):
                    self.seen.unanswered += 1
                    continue
                seen = {topic: len(kept) for topic, kept in self.seen.outputs.items()}
                sample = Sample(time.monotonic(), committed, seen, dict(self._closed_us))
                sample.beyond = self.seen.snapshots.beyond(committed)
                self.seen.samples.append(sample)
                sample.waiting = await self._fleet.look()

    async def _read(self, outputs: AIOKafkaConsumer) -> None:
        """Read every output to where it ends now."""
        async for topic, kept in read_to_end(outputs, self._outputs):
            if topic == SNAPSHOTS:
                self.seen.snapshots.see(kept.partition, kept.key, kept.value)
                # They are long, and nobody looks at them again.
                kept = kept._replace(value=b"")  # noqa: PLW2901
            self.seen.outputs[topic].append(kept)
            if topic == SIGNALS:
                frame = decode_signal_frame(kept.value)
                self._closed_us[frame.source] = max(frame.closed_us, self._closed_us.get(frame.source, -1))


def places_of(topics: Iterable[str], partitions: int) -> list[TopicPartition]:
    """Every partition of these topics."""
    return [TopicPartition(topic, p) for topic in topics for p in range(TOPICS[topic].partitions(partitions))]


@asynccontextmanager
async def reading(broker: str, places: list[TopicPartition]) -> AsyncIterator[AIOKafkaConsumer]:
    """A reader of partitions from their beginning."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers(broker), auto_offset_reset="earliest", fetch_max_wait_ms=10
    )
    await consumer.start()
    try:
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        yield consumer
    finally:
        await consumer.stop()


async def committed_by(group: AIOKafkaConsumer, places: Iterable[TopicPartition]) -> dict[Place, int]:
    """What the group has committed, all partitions in one question; 0 where nothing was."""
    found: dict[Any, Any] = await group._coordinator.fetch_committed_offsets(list(places))
    return {(place.topic, place.partition): at.offset for place, at in found.items() if at.offset >= 0}


async def read_to_end(consumer: AIOKafkaConsumer, places: list[TopicPartition]) -> AsyncIterator[tuple[str, Kept]]:
    """Read on, to where each partition ends at the time of the call."""
    ends: dict[TopicPartition, int] = await consumer.end_offsets(places)
    while any([await consumer.position(place) < end for place, end in ends.items()]):
        for place, records in (await consumer.getmany(timeout_ms=50)).items():
            for record in records:
                headers = {name: bytes(value) for name, value in record.headers}
                yield place.topic, Kept(place.partition, record.offset, record.key or b"", record.value or b"", headers)
