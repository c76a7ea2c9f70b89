"""The reader against a real broker: limits in, answers out, through restarts, silence and records of all kinds."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.broker import Broker, EmbeddedBroker
from streams.client import LIMIT_ACKS, RATE_LIMITS, Baseline, LimitAck, LimitReader, Trust
from streams.client.answers import AckSender
from streams.demo.ports import free_port
from streams.topics import bootstrap_servers, ensure_topics
from tests.streams.client.test_properties import limit

BASELINE = Baseline(orders_per_second=10.0, burst=20.0)
PARTITIONS = 3


async def until(condition: Callable[[], bool], deadline_s: float = 20.0) -> None:
    ends_s = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < ends_s, "expected the condition in time"
        await asyncio.sleep(0.02)


class Squall:
    """The other side: sends limits, reads answers."""

    def __init__(self, url: str, producer: AIOKafkaProducer) -> None:
        self.servers = bootstrap_servers(url)
        self._producer = producer

    async def send(self, account: str, version: int, rate: float = 5.0, *, ago_s: float = 0.0) -> None:
        issued_us = time.time_ns() // 1_000 - round(ago_s * 1e6)
        await self.send_raw(account, msgspec.json.encode(limit(version, issued_us, rate, account=account)))

    async def send_raw(self, account: str, value: bytes | None) -> None:
        await self._producer.send_and_wait(RATE_LIMITS, value, key=account.encode())

    async def answers(self, many: int) -> list[tuple[str, int, str, str]]:
        """All answers, once there are as many and no more come."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.servers, fetch_max_wait_ms=20)
        await consumer.start()
        try:
            places = [TopicPartition(LIMIT_ACKS, partition) for partition in range(PARTITIONS)]
            consumer.assign(places)
            await consumer.seek_to_beginning()
            found, ends_s = list[tuple[str, int, str, str]](), time.monotonic() + 20.0
            while time.monotonic() < ends_s:
                batches = await consumer.getmany(timeout_ms=500)
                if not batches and len(found) >= many:
                    break
                for record in (record for records in batches.values() for record in records):
                    ack = msgspec.json.decode(record.value, type=LimitAck)
                    assert record.key == ack.account.encode()
                    found.append((ack.account, ack.version, ack.status, ack.engine))
            return sorted(found)
        finally:
            await consumer.stop()


@asynccontextmanager
async def squall(broker: Broker) -> AsyncIterator[Squall]:
    await ensure_topics(broker.url, PARTITIONS)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers(broker.url))
    await producer.start()
    try:
        yield Squall(broker.url, producer)
    finally:
        await producer.stop()


def rate_of(reader: LimitReader, account: str) -> float | None:
    found = reader.limit_of(account)
    return found.orders_per_second if found else None


@pytest.mark.broker
@pytest.mark.asyncio
async def test_limits_come_into_force_are_followed_and_answered(own_broker: Broker) -> None:
    async with squall(own_broker) as other, LimitReader(other.servers, "engine-1", BASELINE) as reader:
        assert reader.silent
        await asyncio.wait_for(reader.ready(), 20.0)
        assert not reader.silent
        for number in range(6):
            await other.send(f"account-{number}", 1)
        await until(lambda: all(rate_of(reader, f"account-{number}") == 5.0 for number in range(6)))
        assert sum(reader.allow("account-0") for _ in range(30)) in (10, 11)
        assert reader.allow("account-0", "cancel")
        await other.send("account-1", 3, rate=2.0)
        for _ in range(2):
            await other.send("account-1", 2, rate=1.0)
        await other.send_raw("account-2", b"{")
        await other.send_raw("account-3", None)
        await until(lambda: rate_of(reader, "account-3") is None)
        await until(lambda: reader.view.counts["stale"] == 2 and reader.view.counts["malformed"] == 1)
        assert [rate_of(reader, f"account-{number}") for number in range(1, 4)] == [2.0, None, None]
        applied = [(f"account-{number}", 1, "applied", "engine-1") for number in range(6)]
        later = [("account-1", 2, "stale"), ("account-1", 3, "applied"), ("account-2", -1, "rejected")]
        assert await other.answers(9) == sorted(applied + [(*ack, "engine-1") for ack in later])


@pytest.mark.broker
@pytest.mark.asyncio
async def test_a_restarted_reader_has_the_same_limits_and_answers_only_what_is_in_force(own_broker: Broker) -> None:
    async with squall(own_broker) as other:
        await other.send("A", 1, ago_s=3_600.0)
        for version in range(1, 5):
            await other.send("B", version, rate=float(version))
        await other.send("B", 2, rate=2.0)
        await other.send("C", 1)
        await other.send_raw("C", None)
        for engine in ("engine-1", "engine-2"):
            async with LimitReader(other.servers, engine, BASELINE) as reader:
                await asyncio.wait_for(reader.ready(), 20.0)
                assert [rate_of(reader, account) for account in "ABC"] == [None, 4.0, None]
        assert await other.answers(2) == [("B", 4, "applied", "engine-1"), ("B", 4, "applied", "engine-2")]


@pytest.mark.broker
@pytest.mark.asyncio
async def test_a_broker_that_hangs_leaves_baselines_and_is_followed_again_when_it_is_back() -> None:
    with EmbeddedBroker() as broker:
        async with (
            squall(broker) as other,
            LimitReader(other.servers, "engine-1", BASELINE, trust=Trust(silence_s=1.0)) as reader,
        ):
            await other.send("A", 1)
            await until(lambda: rate_of(reader, "A") == 5.0)
            assert broker.pid is not None
            os.kill(broker.pid, signal.SIGSTOP)
            try:
                await until(lambda: reader.silent)
                assert rate_of(reader, "A") is None
                assert reader.allow("A", "cancel")
            finally:
                os.kill(broker.pid, signal.SIGCONT)
            await until(lambda: rate_of(reader, "A") == 5.0)
            await other.send("A", 2, rate=2.0)
            await until(lambda: rate_of(reader, "A") == 2.0)
            assert await other.answers(2) == [("A", version, "applied", "engine-1") for version in (1, 2)]


@pytest.mark.broker
@pytest.mark.asyncio
async def test_a_broker_that_is_gone_for_long_is_followed_again_when_there_is_one() -> None:
    with EmbeddedBroker() as first:
        port = int(first.url.rpartition(":")[2])
        await ensure_topics(first.url, PARTITIONS)
        trust = Trust(silence_s=1.0)
        async with LimitReader(f"127.0.0.1:{port}", "engine-1", BASELINE, trust=trust) as reader:
            await asyncio.wait_for(reader.ready(), 20.0)
            first.__exit__(None, None, None)
            await until(lambda: reader.silent)
            # So long that it has given up its first connection.
            gone_until_s = time.monotonic() + 3.0 * trust.silence_s
            await until(lambda: time.monotonic() > gone_until_s)
            assert reader.allow("A", "cancel")
            with EmbeddedBroker(port=port) as second:
                async with squall(second) as other:
                    await other.send("A", 1)
                    await until(lambda: rate_of(reader, "A") == 5.0)
                await reader.stop()


@pytest.mark.broker
@pytest.mark.asyncio
async def test_a_broker_that_comes_after_the_reader_is_found() -> None:
    port = free_port()
    async with LimitReader(f"127.0.0.1:{port}", "engine-1", BASELINE) as reader:
        assert sum(reader.allow("A") for _ in range(30)) == 20
        with EmbeddedBroker(port=port) as broker:
            async with squall(broker) as other:
                await other.send("A", 1)
                await until(lambda: rate_of(reader, "A") == 5.0)


@pytest.mark.broker
@pytest.mark.asyncio
async def test_a_topic_that_is_not_there_yet_is_waited_for_and_not_made(own_broker: Broker) -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers(own_broker.url))
    async with LimitReader(bootstrap_servers(own_broker.url), "engine-1", BASELINE) as reader:
        await consumer.start()
        try:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.ready(), 1.0)
            assert await consumer.topics() == set()
        finally:
            await consumer.stop()
        async with squall(own_broker) as other:
            await other.send("A", 1)
            await until(lambda: rate_of(reader, "A") == 5.0)


@pytest.mark.asyncio
async def test_a_reader_without_a_broker_stops_when_told() -> None:
    async with asyncio.timeout(15.0):
        async with LimitReader(f"127.0.0.1:{free_port()}", "engine-1", BASELINE) as reader:
            assert reader.silent
            assert sum(reader.allow("A") for _ in range(30)) == 20


@pytest.mark.broker
@pytest.mark.asyncio
async def test_answers_that_cannot_be_sent_hold_up_neither_limits_nor_the_end(own_broker: Broker) -> None:
    async with squall(own_broker) as other:
        reader = LimitReader(other.servers, "engine-1", BASELINE)
        reader.answers = AckSender(LIMIT_ACKS, {"bootstrap_servers": f"127.0.0.1:{free_port()}"})
        async with reader:
            for version in (1, 2, 3):
                await other.send("A", version, rate=float(version))
            await until(lambda: rate_of(reader, "A") == 3.0)
            begun_s = time.monotonic()
        assert time.monotonic() - begun_s < 10.0
        assert reader.answers.counts["sent"] == 0
