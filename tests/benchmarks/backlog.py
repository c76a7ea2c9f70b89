"""What is measured with: events of the simulated exchange, in memory and in the broker, one record an event."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer

from detectors.events import Event, key_of
from streams.broker import EmbeddedBroker
from streams.codecs import encode_event
from streams.simulator import Exchange, ExchangeSettings
from streams.topics import bootstrap_servers, ensure_topics, partition_of

PARTITIONS = 4
#: About what a producer with 5 ms of linger gathers for a partition at the rates measured here.
_BATCH_BYTES = 65_536


class Item(NamedTuple):
    """One event, and the record that carries it."""

    topic: str
    partition: int
    key: bytes
    value: bytes
    event: Event


def simulate(events: int, events_per_s: float, seed: int = 1) -> list[Item]:
    """Make about `events` events of the simulated exchange, at a density in event time, in order of time."""
    settings = ExchangeSettings(seed=seed, events_per_s=events_per_s, duration_s=events / events_per_s)
    items: list[Item] = []
    for topic, event in Exchange(settings).events():
        key = key_of(topic, event)
        items.append(Item(topic, partition_of(key, PARTITIONS), key.encode(), encode_event(event), event))
    return items


def density_per_s(items: Sequence[Item]) -> float:
    """Events in a second of event time."""
    return len(items) / ((items[-1].event.timestamp - items[0].event.timestamp) / 1e6)


def bytes_per_event(items: Iterable[Item]) -> float:
    """Mean size of the values of trades and cancels."""
    sizes = [len(item.value) for item in items if item.topic in ("trades", "cancels")]
    return sum(sizes) / len(sizes)


@contextmanager
def loaded_broker(items: Iterable[Item]) -> Iterator[str]:
    """A broker of its own that holds all items, for the block; gives its address.

    Every measurement has one: what stages send to each other would otherwise be read by the next.
    """
    with EmbeddedBroker() as broker:
        asyncio.run(ensure_topics(broker.url, PARTITIONS))
        asyncio.run(_load(broker.url, items))
        yield broker.url


async def _load(broker: str, items: Iterable[Item]) -> None:
    """Put all items into the broker, in batches as a busy producer makes them."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers(broker), max_batch_size=_BATCH_BYTES)
    await producer.start()
    try:
        open_batches: dict[tuple[str, int], Any] = {}
        for item in items:
            place = item.topic, item.partition
            batch = open_batches.get(place) or producer.create_batch()
            while batch.append(timestamp=None, key=item.key, value=item.value) is None:
                batch.close()
                await producer.send_batch(batch, item.topic, partition=item.partition)
                batch = producer.create_batch()
            open_batches[place] = batch
        for (topic, partition), batch in open_batches.items():
            batch.close()
            await producer.send_batch(batch, topic, partition=partition)
        await producer.flush()
    finally:
        await producer.stop()
