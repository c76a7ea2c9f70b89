"""When all that was sent has gone through: the consumer group has committed what stood in its topics."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.topics import ACCOUNT_ACTIVITY, INPUT_TOPICS, SIGNALS, TOPICS, bootstrap_servers

_ASK_EVERY_S = 0.1


async def settle(broker: str, group: str, partitions: int, reader: AIOKafkaConsumer) -> None:
    """Wait until everything sent so far is committed by every stage in turn, and its outputs are read.

    A stage commits only what is in closed ticks and whose outputs were acknowledged. So once the inputs are committed,
    all that comes of them stands in the next topic; what is sent there later is not waited for: frames never end.

    Parameters
    ----------
    broker
        Its address.
    group
        The workers' consumer group.
    partitions
        Of the partitioned topics.
    reader
        Reads the outputs: alerts, limits and trips.
    """
    async with asking(broker, group) as consumer:
        for topics in (INPUT_TOPICS, (ACCOUNT_ACTIVITY,), (SIGNALS,)):
            places = _places(topics, partitions)
            ends: dict[TopicPartition, int] = await consumer.end_offsets(places)
            for place, end in ends.items():
                while (await consumer.committed(place) or 0) < end:  # noqa: ASYNC110 - the broker tells no-one
                    await asyncio.sleep(_ASK_EVERY_S)
        ends = await consumer.end_offsets(reader.assignment())
        for place, end in ends.items():
            while await reader.position(place) < end:  # noqa: ASYNC110 - as above
                await asyncio.sleep(_ASK_EVERY_S)


@asynccontextmanager
async def asking(broker: str, group: str) -> AsyncIterator[AIOKafkaConsumer]:
    """Asks what a group has committed, without joining it."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers(broker), group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


def _places(topics: Iterable[str], partitions: int) -> list[TopicPartition]:
    return [
        TopicPartition(topic, partition)
        for topic in topics
        for partition in range(TOPICS[topic].partitions(partitions))
    ]
