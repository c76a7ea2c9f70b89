"""What tests of whole workers are made of: processes that end with the test, a producer, and readers of topics."""

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.codecs import decode_signal_frame
from streams.demo.ports import free_port
from streams.security import NO_SECURITY, SecuritySettings, client_security
from streams.topics import bootstrap_servers
from tests.streams.counting_worker import PARTITIONS

Found = TypeVar("Found")

ROOT = Path(__file__).parents[2]


class Worker:
    """A worker process; killed when the block is left."""

    def __init__(self, broker: str, *fault: str) -> None:
        self.port = free_port()
        self._start(["-m", "tests.streams.counting_worker", broker, str(self.port), *fault])

    def _start(self, arguments: Sequence[str], **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    async def probe(self, page: str) -> tuple[int, Any]:
        """Ask one of its pages; status 0: it does not answer."""
        return await asyncio.to_thread(probe, self.port, page)

    async def ready(self) -> None:
        """Wait until it works."""

        async def joined() -> bool:
            assert self.process.poll() is None, self.process.communicate()[0]
            return (await self.probe("/readyz"))[0] == 200

        await until(joined, 30.0)

    async def ended(self, deadline_s: float) -> tuple[int, str]:
        """Wait for its end; gives the exit status and what it said."""
        said, _ = await asyncio.to_thread(self.process.communicate, None, deadline_s)
        return self.process.returncode, said


class FaustWorker(Worker):
    """A worker that Faust's own command started, with the real stages."""

    def __init__(self, broker: str) -> None:
        self.port = free_port()
        self._start(
            ["-m", "faust", "-A", "streams.app", "worker", "--loglevel", "warn"],
            SQUALL_BROKER=broker,
            SQUALL_WORKER__WEB_PORT=str(self.port),
            SQUALL_WORKER__SESSION_TIMEOUT_S="4",
        )


def probe(port: int, page: str) -> tuple[int, Any]:
    """Ask a page of a worker; status 0: nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{page}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())
    except OSError:
        return 0, None


async def until(found: Callable[[], Awaitable[Found]], deadline_s: float) -> Found:
    """Ask again and again until the answer is true; fails at the deadline."""
    end_s = time.monotonic() + deadline_s
    while not (answer := await found()):
        assert time.monotonic() < end_s, f"not within {deadline_s} s"
        await asyncio.sleep(0.02)
    return answer


@asynccontextmanager
async def producing(
    broker: str, linger_ms: int = 2, security: SecuritySettings = NO_SECURITY
) -> AsyncIterator[AIOKafkaProducer]:
    """A producer for the block."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers(broker),
        acks="all",
        linger_ms=linger_ms,
        max_batch_size=65_536,
        **client_security(security),
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


class Log:
    """All records of a topic, read on from where it stood."""

    def __init__(self, consumer: AIOKafkaConsumer, topic: str) -> None:
        self._consumer = consumer
        self._topic = topic
        self.records: list[Any] = []

    async def read(self) -> list[Any]:
        """Read to the end, and give all so far."""
        partitions = self._consumer.assignment()
        ends = await self._consumer.end_offsets(partitions)
        while any([await self._consumer.position(tp) < end for tp, end in ends.items()]):
            for records in (await self._consumer.getmany(timeout_ms=50)).values():
                self.records.extend(records)
        return self.records


@asynccontextmanager
async def reading(
    broker: str, topic: str, partitions: int = 1, security: SecuritySettings = NO_SECURITY
) -> AsyncIterator[Log]:
    """A reader of a topic from its beginning."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers(broker),
        auto_offset_reset="earliest",
        fetch_max_wait_ms=5,
        **client_security(security),
    )
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, partition) for partition in range(partitions)])
        await consumer.seek_to_beginning()
        yield Log(consumer, topic)
    finally:
        await consumer.stop()


@asynccontextmanager
async def watching_commits(
    broker: str, group: str = "squall", security: SecuritySettings = NO_SECURITY
) -> AsyncIterator[Callable[..., Awaitable[dict[Any, int]]]]:
    """Asks what a group has committed."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers(broker),
        group_id=group,
        enable_auto_commit=False,
        **client_security(security),
    )
    await consumer.start()

    async def committed(topics: Sequence[str], partitions: int = PARTITIONS) -> dict[Any, int]:
        keys = [TopicPartition(topic, partition) for topic in topics for partition in range(partitions)]
        return {key: await consumer.committed(key) or 0 for key in keys}

    try:
        yield committed
    finally:
        await consumer.stop()


def taken_offsets(signal_records: Sequence[Any]) -> Mapping[tuple[str, int], dict[int, int]]:
    """How often each offset of each input partition was taken, as the counting stages say in their frames."""
    taken: dict[tuple[str, int], dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for record in signal_records:
        for tick in decode_signal_frame(record.value).ticks:
            for part in tick.evidence:
                for offset in range(part.first_offset, part.last_offset + 1):
                    taken[part.topic, part.partition][offset] += 1
    return taken


def trade_value(number: int, amount: float = 1.0, symbol: str = "BTC") -> bytes:
    """A trade that happens now."""
    return json.dumps(
        {
            "type": "trade",
            "timestamp": int(time.time() * 1e6),
            "symbol": symbol,
            "price": 100.5,
            "amount": amount,
            "side": "buy",
            "trade_id": f"t{number}",
        }
    ).encode()


def cancel_value(number: int) -> bytes:
    """A cancel that happens now."""
    return json.dumps(
        {
            "type": "cancel",
            "timestamp": int(time.time() * 1e6),
            "symbol": "BTC",
            "account": "a",
            "order_id": number,
            "side": "buy",
            "price": 100.5,
            "amount": 1,
        }
    ).encode()
