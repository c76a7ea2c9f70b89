"""Private parts of aiokafka and Faust that streams/fetching.py and streams/transport.py rely on, as the pins have them.

One that fails names what an upgrade moved: read both modules again before the pins in pyproject.toml are raised.
"""

import asyncio
import importlib.metadata
import inspect
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faust
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import Fetcher, FetchResult, PartitionRecords
from aiokafka.consumer.subscription_state import SubscriptionState
from faust.transport import consumer as faust_consumer
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from streams.broker import Broker
from streams.topics import bootstrap_servers, ensure_topics
from tests.faust_traps.offline import until
from tests.streams.worker_bench import producing

ROOT = Path(__file__).parents[2]


def test_the_pins_hold_the_versions_that_were_read() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned = {line.name: line.specifier for line in map(Requirement, project["dependencies"])}
    stated = {name: pinned[name] for name in ("aiokafka", "faust-streaming")}
    assert stated == {"aiokafka": SpecifierSet(">=0.14.0,<0.15"), "faust-streaming": SpecifierSet(">=0.15.3,<0.16")}
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    for name, allowed in stated.items():
        installed = importlib.metadata.version(name)
        assert installed in allowed
        assert f"{name}=={installed}" in constraints
    assert project["requires-python"] == ">=3.11"


def parameters(function: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(function).parameters)


def test_what_we_override_in_faust_is_called_as_before() -> None:
    thread, consumer = driver.AIOKafkaConsumerThread, driver.Consumer
    assert parameters(thread._create_worker_consumer) == ["self", "transport"]
    assert parameters(thread._fetch_records) == ["self", "consumer", "active_partitions", "timeout", "max_records"]
    assert inspect.iscoroutinefunction(thread._fetch_records)
    assert parameters(consumer._new_consumer_thread) == ["self"]
    assert parameters(consumer.getmany) == ["self", "timeout"]
    assert inspect.isasyncgenfunction(consumer.getmany)
    assert parameters(consumer.on_buffer_full) == ["self", "tp"]
    for coroutine in (consumer.perform_seek, consumer.wait_empty):
        assert parameters(coroutine) == ["self"]
    assert parameters(consumer.force_commit) == ["self", "topics", "start_new_transaction"]
    assert parameters(driver.Producer._settings_extra) == ["self"]
    assert parameters(faust.App._new_transport) == parameters(faust.App._new_producer_transport) == ["self"]
    assert driver.Transport.Consumer is driver.Consumer
    assert driver.Transport.Producer is driver.Producer


def test_what_we_call_in_faust_is_there() -> None:
    consumer = driver.Consumer
    assert parameters(consumer._wait_next_records) == ["self", "timeout"]
    assert parameters(consumer._commit) == ["self", "offsets"]
    assert parameters(consumer.maybe_wait_for_commit_to_finish) == ["self"]
    assert parameters(consumer.seek_to_committed) == ["self"]
    assert "flow_active" in vars(faust_consumer.Consumer)
    assert "_read_offset" in faust_consumer.Consumer.__annotations__
    assert "_consumer" in vars(driver.AIOKafkaConsumerThread)
    assert driver.ensure_aiokafka_TP(TP("trades", 0)) == TopicPartition("trades", 0)
    assert parameters(driver.Producer.send)[1:7] == ["topic", "key", "value", "partition", "timestamp", "headers"]
    # Every way to give up partitions goes through what we override.
    assert "self.force_commit(" in inspect.getsource(faust_consumer.Consumer.commit)
    assert "self.wait_empty()" in inspect.getsource(faust_consumer.Consumer.on_stop)


def test_a_message_of_faust_takes_what_ours_gives() -> None:
    expected = "topic partition offset timestamp timestamp_type headers key value checksum serialized_key_size"
    expected += " serialized_value_size tp time_in time_out time_total generation_id"
    assert parameters(ConsumerMessage.__init__) == ["self", *expected.split()]


def test_aiokafkas_fetcher_takes_what_ours_gives() -> None:
    assert parameters(Fetcher.fetched_records) == ["self", "partitions", "timeout", "max_records"]
    assert parameters(Fetcher._create_fetch_waiter) == ["self"]
    assert parameters(PartitionRecords._consumer_record) == ["self", "tp", "record"]
    # It must be looked up on the object for each record, or ours is never called.
    assert "self._consumer_record(tp, record)" in inspect.getsource(PartitionRecords._unpack_records)
    for name in ("fetch_context", "wait_for_assignment", "is_assigned", "assigned_partitions"):
        assert callable(getattr(SubscriptionState, name))
    assert isinstance(SubscriptionState.reassignment_in_progress, property)


@pytest.mark.broker
@pytest.mark.asyncio
async def test_fetched_records_lie_where_we_take_them_and_positions_where_we_read_them(own_broker: Broker) -> None:
    await ensure_topics(own_broker.url, 1)
    async with producing(own_broker.url) as producer:
        for number in range(3):
            await producer.send("trades", b"%d" % number, partition=0)
        await producer.flush()
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers(own_broker.url), auto_offset_reset="earliest", fetch_max_wait_ms=5
    )
    assert (consumer._fetch_max_wait_ms, consumer._fetcher) == (5, None)
    key = TopicPartition("trades", 0)
    await consumer.start()
    try:
        consumer.assign([key])
        await _check(consumer, key)
    finally:
        await consumer.stop()
    assert consumer._closed


async def _check(consumer: Any, key: Any) -> None:  # noqa: ANN401 - aiokafka has no types
    fetcher, subscription = consumer._fetcher, consumer._subscription
    assert (consumer._closed, fetcher._closed, fetcher._subscriptions is subscription) == (False, False, True)
    assert subscription.is_assigned(key)
    assert subscription.reassignment_in_progress is False
    await until(lambda: key in fetcher._records)
    result = fetcher._records[key]
    assert type(result) is FetchResult
    assert result._partition_records.next_fetch_offset == 0
    result._partition_records._consumer_record = lambda _tp, record: record
    # No partitions at all are taken for all of them.
    drained = await fetcher.fetched_records(frozenset(), timeout=0, max_records=2)
    assert [(record.offset, record.value, record.timestamp > 0) for record in drained[key]] == [
        (0, b"0", True),
        (1, b"1", True),
    ]
    assert type(drained[key][0]).__module__.startswith("aiokafka.record"), "a record that was made into another"
    with subscription.fetch_context():
        drained = await fetcher.fetched_records({key}, timeout=0, max_records=2)
    assert [record.offset for record in drained[key]] == [2]
    state = subscription.subscription.assignment.state_value(key)
    assert (state.has_valid_position, state.position, state.highwater) == (True, 3, 3)
    assert abs(state.timestamp - time.time() * 1_000) < 60_000
    waiter = fetcher._create_fetch_waiter()
    assert asyncio.isfuture(waiter)
    waiter.cancel()
