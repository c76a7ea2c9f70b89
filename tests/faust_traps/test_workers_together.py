"""Two real workers: partition p of all inputs of a stage is on the same one (G12), and an idle one is seen (G13)."""

import re
from collections import defaultdict

import pytest

from streams.agents import ACCOUNT_EVENT_TOPIC, MARKET_TOPICS
from streams.broker import Broker
from streams.topics import ACCOUNT_ACTIVITY, ensure_topics
from tests.streams.counting_worker import PARTITIONS
from tests.streams.worker_bench import Worker, producing, until

pytestmark = [pytest.mark.asyncio, pytest.mark.broker]

STAGES = {"market": MARKET_TOPICS, "account": (ACCOUNT_EVENT_TOPIC, ACCOUNT_ACTIVITY)}
COMMITTED = re.compile(r'^squall_committed_offset\{partition="(\d+)",topic="([^"]+)"\}', re.MULTILINE)
ASSIGNED = re.compile(r'^squall_assigned_partitions\{stage="([^"]+)"\} (\S+)', re.MULTILINE)


async def assigned(worker: Worker) -> dict[str, float]:
    """How many partitions of each stage a worker has."""
    return {stage: float(many) for stage, many in ASSIGNED.findall(str((await worker.probe("/metrics"))[1]))}


async def committed(worker: Worker) -> dict[str, set[int]]:
    """Of which partitions a worker has committed anything, by topic."""
    found: dict[str, set[int]] = defaultdict(set)
    for partition, topic in COMMITTED.findall(str((await worker.probe("/metrics"))[1])):
        found[topic].add(int(partition))
    return found


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

        await until(shared, 30.0)
        async with producing(url) as producer:
            for topic in (*MARKET_TOPICS, ACCOUNT_EVENT_TOPIC, ACCOUNT_ACTIVITY):
                for partition in range(PARTITIONS):
                    # What cannot be decoded is a dead letter, and its offset is done with.
                    await producer.send(topic, b"{", partition=partition)
            await producer.flush()

        async def all_committed() -> bool:
            halves = [await committed(worker) for worker in workers]
            return all(
                set().union(*(half[topic] for half in halves)) == set(range(PARTITIONS))
                for topics in STAGES.values()
                for topic in topics
            )

        await until(all_committed, 30.0)
        halves = [await committed(worker) for worker in workers]
    for topics in STAGES.values():
        for half in halves:
            assert all(half[topic] == half[topics[0]] for topic in topics), half
        assert not halves[0][topics[0]] & halves[1][topics[0]]
