"""Fetching from a real broker: held partitions wait, the others do not, and nothing of what waited is lost."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaConsumer
from faust.transport.drivers.aiokafka import ensure_aiokafka_TP
from faust.types import TP
from prometheus_client import CollectorRegistry

from detectors.errors import BrokerError
from streams.app import build_app
from streams.broker import Broker
from streams.fetching import BatchThread
from streams.settings import Settings
from streams.topics import bootstrap_servers, ensure_topics
from streams.transport import BatchConsumer, BatchTransport
from tests.streams.counting import counting_makers
from tests.streams.worker_bench import producing, trade_value, until

pytestmark = [pytest.mark.asyncio, pytest.mark.broker]

FIRST, SECOND = TP("trades", 0), TP("trades", 1)
BOTH = {FIRST, SECOND}
INTERNAL = TP("account-activity", 0)


class Reader(BatchConsumer):
    """Our consumer, whose thread is this one."""

    def _new_consumer_thread(self) -> BatchThread:
        return BatchThread(self, loop=self.loop, thread_loop=self.loop, beacon=self.beacon)


class Fetching:
    """Our consumer's thread over a consumer of some partitions that belongs to no group."""

    def __init__(self, broker: str, consumer: AIOKafkaConsumer, partitions: set[TP]) -> None:
        self.partitions = partitions
        app = build_app(Settings(broker=broker), CollectorRegistry(), counting_makers(4))
        reader = Reader(BatchTransport(app.conf.broker_consumer, app), _nothing, _nothing, _nothing)
        self.thread = cast("BatchThread", reader._thread)
        self.thread._consumer = self.consumer = consumer

    async def fetch(self, wait_s: float = 0.3) -> dict[TP, list[int]]:
        """Offsets that one fetch brings, by partition."""
        fetched = await self.thread._fetch_records(self.consumer, self.partitions, timeout=wait_s)
        return {tp: [offset for batch in batches for offset in batch.offsets] for tp, batches in fetched.items()}


async def _nothing(*_: object) -> None:
    """Nobody is to be told."""


@asynccontextmanager
async def fetching(broker: str, partitions: set[TP] = BOTH) -> AsyncIterator[Fetching]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers(broker), auto_offset_reset="earliest", fetch_max_wait_ms=5
    )
    await consumer.start()
    try:
        consumer.assign([ensure_aiokafka_TP(tp) for tp in partitions])
        await consumer.seek_to_beginning()
        yield Fetching(broker, consumer, partitions)
    finally:
        await consumer.stop()


async def send(broker: str, partition: int, many: int) -> None:
    async with producing(broker) as producer:
        for number in range(many):
            await producer.send("trades", trade_value(number), partition=partition)
        await producer.flush()


async def test_a_held_partition_is_not_fetched_while_others_are_and_loses_nothing(own_broker: Broker) -> None:
    await ensure_topics(own_broker.url, 4)
    async with fetching(own_broker.url) as ours:
        ours.thread.hold(frozenset({FIRST}))
        for round_number in range(3):
            await send(own_broker.url, 0, 5)
            await send(own_broker.url, 1, 5)
            taken: list[int] = []
            while len(taken) < 5:
                found = await ours.fetch()
                assert FIRST not in found
                taken += found.get(SECOND, [])
            assert taken == list(range(5 * round_number, 5 * round_number + 5))
        ours.thread.hold(frozenset())
        taken = []

        async def all_taken() -> bool:
            taken.extend((await ours.fetch()).get(FIRST, []))
            return len(taken) >= 15

        await until(all_taken, 10.0)
        assert taken == list(range(15))


async def test_a_held_partition_is_not_at_its_end(own_broker: Broker) -> None:
    await ensure_topics(own_broker.url, 4)
    await send(own_broker.url, 0, 5)
    async with fetching(own_broker.url) as ours:
        ours.thread.hold(frozenset({FIRST}))
        for _ in range(3):
            assert await ours.fetch() == {}
        start, end, _ = ours.thread.input_end(FIRST)
        assert (start, end) in {(0, 5), (None, None)}


async def test_with_everything_held_nothing_is_fetched(own_broker: Broker) -> None:
    await ensure_topics(own_broker.url, 4)
    await send(own_broker.url, 0, 5)
    async with fetching(own_broker.url) as ours:
        ours.thread.hold(frozenset(BOTH))
        assert await ours.fetch() == {}


async def test_partitions_that_are_given_out_anew_are_not_held(own_broker: Broker) -> None:
    await ensure_topics(own_broker.url, 4)
    await send(own_broker.url, 0, 5)
    async with fetching(own_broker.url) as ours:
        ours.thread.hold(frozenset(BOTH))
        ours.thread.forget_positions()

        async def taken() -> bool:
            return (await ours.fetch()).get(FIRST) == [0, 1, 2, 3, 4]

        await until(taken, 10.0)


async def test_an_internal_record_seen_after_a_later_one_is_waited_for_but_not_for_ever(own_broker: Broker) -> None:
    await ensure_topics(own_broker.url, 4)
    async with producing(own_broker.url) as producer:
        for _ in range(5):
            await producer.send_and_wait(INTERNAL.topic, b"x", partition=INTERNAL.partition)
    async with fetching(own_broker.url, {INTERNAL}) as ours:
        records = [record for record in await _raw(ours) if record.offset != 2]
        assert [one.offset for one in ours.thread._up_to_gap(_key(INTERNAL), {_key(INTERNAL): 0}, records)] == [0, 1]
        # It is asked for again, and comes.
        assert (await ours.fetch())[INTERNAL] == [2, 3, 4]
        ours.thread._gaps[_key(INTERNAL)] = (2, time.monotonic() - 60.0)
        with pytest.raises(BrokerError, match=r"expected a record at offset 2, found none for 10 s, and one at 3"):
            ours.thread._up_to_gap(_key(INTERNAL), {_key(INTERNAL): 2}, records[2:])


async def _raw(ours: Fetching) -> list[Any]:
    found: list[Any] = []
    while len(found) < 5:
        for records in (await ours.consumer.getmany(timeout_ms=200)).values():
            found += records
    return found


def _key(tp: TP) -> Any:  # noqa: ANN401 - aiokafka has no types
    return ensure_aiokafka_TP(tp)
