"""Two real workers: partition p of all inputs of a stage is on the same one (G12)."""

import re
from collections.abc import Sequence

import pytest

from streams.agents import ACCOUNT_TOPICS, MARKET_TOPICS
from streams.broker import Broker
from streams.topics import ensure_topics
from tests.streams.counting_worker import PARTITIONS
from tests.streams.worker_bench import Worker, producing, until

pytestmark = [pytest.mark.asyncio, pytest.mark.broker]

STAGES = {"market": MARKET_TOPICS, "account": ACCOUNT_TOPICS}
TOPICS = [topic for topics in STAGES.values() for topic in topics]
COMMITTED = re.compile(r'^squall_committed_offset\{partition="(\d+)",topic="([^"]+)"\} (\S+)', re.MULTILINE)
ASSIGNED = re.compile(r'^squall_assigned_partitions\{stage="([^"]+)"\} (\S+)', re.MULTILINE)


async def assigned(worker: Worker) -> dict[str, float]:
    """How many partitions of each stage a worker has."""
    return {stage: float(many) for stage, many in ASSIGNED.findall(str((await worker.probe("/metrics"))[1]))}


async def committed(worker: Worker) -> set[tuple[str, int, str]]:
    """Topic, partition and offset of everything that a worker committed last."""
    page = str((await worker.probe("/metrics"))[1])
    return {(topic, int(partition), offset) for partition, topic, offset in COMMITTED.findall(page)}


async def test_partition_p_of_all_inputs_of_a_stage_is_worked_on_by_one_worker(own_broker: Broker) -> None:
    url = own_broker.url
    await ensure_topics(url, PARTITIONS)
    with Worker(url) as first, Worker(url) as second:
        workers = (first, second)
        for worker in workers:
            await worker.ready()

        async def shared() -> bool:
            halves = [await assigned(worker) for worker in workers]
            return all(half.get(stage) == PARTITIONS / 2 for half in halves for stage in STAGES)

        async def together() -> bool:
            await until(shared, 30.0)
            halves = await moved(url, workers)
            return all(is_split_alike(topics, halves) for topics in STAGES.values())

        # Another round where a slow machine lets partitions change hands in the midst of one.
        await until(together, 60.0)
        assert [worker.process.poll() for worker in workers] == [None, None]


async def moved(url: str, workers: Sequence[Worker]) -> list[set[tuple[str, int]]]:
    """Send a record to every partition; gives of which partitions each worker has committed it."""
    before = [await committed(worker) for worker in workers]
    async with producing(url) as producer:
        for topic in TOPICS:
            for partition in range(PARTITIONS):
                # What cannot be decoded is a dead letter, and its offset is done with.
                await producer.send(topic, b"{", partition=partition)
        await producer.flush()
    halves: list[set[tuple[str, int]]] = []

    async def everywhere() -> bool:
        now = [await committed(worker) for worker in workers]
        halves[:] = [{done[:2] for done in new - old} for new, old in zip(now, before, strict=True)]
        return len(set().union(*halves)) == len(TOPICS) * PARTITIONS

    await until(everywhere, 30.0)
    return halves


def is_split_alike(topics: Sequence[str], halves: Sequence[set[tuple[str, int]]]) -> bool:
    """Whether each worker has the same partitions of all these topics, and none that the other has."""
    of_topic = [{topic: {p for name, p in half if name == topic} for topic in topics} for half in halves]
    alike = all(part[topic] == part[topics[0]] for part in of_topic for topic in topics)
    return alike and not set.intersection(*(part[topics[0]] for part in of_topic))
