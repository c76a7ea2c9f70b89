"""What aiokafka's consumer does when it is stopped while its broker is away, and what is done about it."""

import asyncio
import logging
import time

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.broker import EmbeddedBroker
from streams.client.stopping import stop_consumer
from streams.topics import RATE_LIMITS, bootstrap_servers, ensure_topics

#: So long does a fetch that has failed wait: the consumer is surely stopped meanwhile.
BACKOFF_MS = 60_000


async def waiting_to_fetch_again(caplog: pytest.LogCaptureFixture) -> AIOKafkaConsumer:
    """A consumer whose broker has gone, and whose fetch waits to be tried again."""
    with EmbeddedBroker() as broker:
        await ensure_topics(broker.url, 1)
        consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers(broker.url), retry_backoff_ms=BACKOFF_MS)
        await consumer.start()
        consumer.assign([TopicPartition(RATE_LIMITS, 0)])
        await consumer.seek_to_beginning()
        await consumer.getmany(timeout_ms=200)
    deadline_s = time.monotonic() + 20.0
    while "Failed fetch messages" not in caplog.text:
        assert time.monotonic() < deadline_s, caplog.text
        await asyncio.sleep(0.02)
    return consumer


@pytest.mark.broker
@pytest.mark.asyncio
async def test_a_consumer_that_waits_to_fetch_again_is_stopped_without_harm_to_who_stops_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR)
    consumer = await waiting_to_fetch_again(caplog)
    await asyncio.wait_for(stop_consumer(consumer), 10.0)


@pytest.mark.broker
@pytest.mark.asyncio
async def test_the_library_alone_would_end_who_stops_it_as_cancelled(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    consumer = await waiting_to_fetch_again(caplog)
    with pytest.raises(asyncio.CancelledError):
        await consumer.stop()
    await consumer._client.close()
