"""What only Apache Kafka can: records that outlive a node, idempotent producers, static members."""

import asyncio
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.broker import Broker
from streams.demo.ports import free_port
from streams.topics import DEAD_LETTERS, ensure_topics
from tests.kafka import KafkaCluster
from tests.streams.worker_bench import (
    ROOT,
    Worker,
    producing,
    reading,
    trade_value,
    until,
    watching_commits,
)

PARTITIONS = 2
#: Longer than any wait of the test: who waits for it fails.
SESSION_TIMEOUT_S = 100
#: Where a batch of records holds its producer's id, -1 for none (Kafka's record batch, version 2).
PRODUCER_ID_AT = 43


@pytest.fixture
def kafka(own_broker: Broker) -> Iterator[KafkaCluster]:
    if not isinstance(own_broker, KafkaCluster):
        pytest.skip("the embedded broker cannot; needs --kafka")
    yield own_broker
    own_broker.start_missing()


class StaticWorker(Worker):
    """`squall worker` with a name in its group, and a producer whose retries the broker recognises."""

    def __init__(self, broker: str) -> None:
        self.port = free_port()
        self._start(
            ["-m", "streams", "worker", "--broker", broker, "--web-port", str(self.port)],
            SQUALL_PARTITIONS=str(PARTITIONS),
            SQUALL_WORKER__SESSION_TIMEOUT_S=str(SESSION_TIMEOUT_S),
            SQUALL_WORKER__GROUP_INSTANCE_ID="worker-1",
            SQUALL_WORKER__IDEMPOTENT_PRODUCER="true",
        )


def test_a_static_idempotent_worker_that_is_killed_has_its_partitions_back_at_once(kafka: KafkaCluster) -> None:
    async def work(committed_before: int) -> None:
        async with producing(kafka.url) as producer, watching_commits(kafka.url) as committed:
            for number in range(99):
                await producer.send("trades", trade_value(number), partition=number % PARTITIONS)
            await producer.send("trades", b"{not json", partition=0)
            await producer.flush()

            async def all_committed() -> bool:
                return sum((await committed(["trades"], PARTITIONS)).values()) == committed_before + 100

            await until(all_committed, 45.0)

    async def scenario() -> None:
        await ensure_topics(kafka.url, PARTITIONS)
        with StaticWorker(kafka.url) as first:
            await first.ready()
            await work(0)
        # The block ends with SIGKILL: to the broker, the member is alive.
        killed_s = time.monotonic()
        with StaticWorker(kafka.url) as second:
            await second.ready()
            await work(100)
        assert time.monotonic() - killed_s < SESSION_TIMEOUT_S
        async with reading(kafka.url, DEAD_LETTERS) as dead:
            assert [letter.value for letter in await dead.read()] == [b"{not json"] * 2

    asyncio.run(scenario())
    segment = kafka.data_of(0) / f"{DEAD_LETTERS}-0" / f"{0:020}.log"
    (producer_id,) = struct.unpack_from(">q", segment.read_bytes(), PRODUCER_ID_AT)
    assert producer_id >= 0


def test_a_node_ends_with_the_process_that_started_it_even_when_paused(kafka: KafkaCluster, tmp_path: Path) -> None:
    program = (
        "import pathlib, sys, time\n"
        "from tests.kafka import KafkaCluster\n"
        "with KafkaCluster(pathlib.Path(sys.argv[1])) as kafka:\n"
        "    kafka.pause_node(0)\n"
        "    print(kafka.pid(0), flush=True)\n"
        "    time.sleep(100)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        node = Path(f"/proc/{int(parent.stdout.readline())}/cmdline")
        assert b"kafka.Kafka" in node.read_bytes()
        parent.kill()

    deadline_s = time.monotonic() + 10.0
    while node.exists():
        assert time.monotonic() < deadline_s, "the node outlived its parent"
        time.sleep(0.01)


def test_a_node_that_is_killed_comes_back_with_its_records_at_its_old_address(kafka: KafkaCluster) -> None:
    async def send(url: str) -> None:
        async with producing(url) as producer:
            for number in range(100):
                await producer.send("trades", str(number).encode(), partition=0)
            await producer.flush()

    async def read(url: str) -> list[bytes]:
        async with reading(url, "trades") as log:
            return [record.value for record in await log.read()]

    url = kafka.url
    asyncio.run(ensure_topics(url, 1))
    asyncio.run(send(url))
    kafka.kill_node(0)
    kafka.start_node(0)
    assert kafka.url == url
    assert asyncio.run(read(url)) == [str(number).encode() for number in range(100)]
