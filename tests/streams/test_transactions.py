"""Topics written in transactions end with marks that no reader sees: they are at rest, and do not lag, all the same."""

import re
import signal

import pytest
from aiokafka import AIOKafkaProducer

from streams.broker import Broker
from streams.topics import bootstrap_servers, ensure_topics
from tests.streams.worker_bench import Worker, reading, taken_offsets, trade_value, until

pytestmark = [pytest.mark.asyncio, pytest.mark.broker]


async def send_in_transaction(broker: str, values: list[bytes]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers(broker), transactional_id="exchange", acks="all")
    await producer.start()
    try:
        async with producer.transaction():
            for value in values:
                await producer.send("trades", value, partition=0)
    finally:
        await producer.stop()


async def has_no_lag(worker: Worker) -> bool:
    _, page = await worker.probe("/metrics")
    found = re.findall(r'^squall_consumer_lag_(\w+)\{partition="0",topic="trades"\} (\S+)$', page, re.MULTILINE)
    return sorted(found) == [("records", "0.0"), ("seconds", "0.0")]


async def test_the_end_of_a_transaction_is_the_end_of_its_topic(
    own_broker: Broker, request: pytest.FixtureRequest
) -> None:
    if not request.config.getoption("--kafka"):
        pytest.skip("the embedded broker has no transactions: pytest --kafka")
    await ensure_topics(own_broker.url, 4)
    async with reading(own_broker.url, "signals") as signals:
        # The mark is there before the worker: otherwise the topic may be at rest for a moment without it.
        await send_in_transaction(own_broker.url, [trade_value(number) for number in range(10)])
        with Worker(own_broker.url) as worker:
            await worker.ready()

            async def all_closed() -> bool:
                # The newest trade closes only when its topic is stated to be at rest.
                return len(taken_offsets(await signals.read()).get(("trades", 0), ())) == 10

            await until(all_closed, 20.0)

            await until(lambda: has_no_lag(worker), 20.0)
            worker.process.send_signal(signal.SIGTERM)
            assert (await worker.ended(20.0))[0] == 0
        with Worker(own_broker.url) as successor:
            # It begins at the mark, of which it sees nothing.
            await successor.ready()
            await until(lambda: has_no_lag(successor), 20.0)
