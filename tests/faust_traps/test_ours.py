"""We do not inherit it: the same situations through our own parts.

What tests/streams shows already is not shown again: README.md beside this file names those tests.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import pytest
from faust.types import TP
from faust.types.enums import ProcessingGuarantee
from mode.supervisors import CrashingSupervisor

from streams.app import SquallApp
from streams.batches import RecordBatch
from streams.faust_options import faust_options
from streams.settings import Settings
from streams.transport import BatchConsumer, BatchMessage, BatchTransport, SafeProducer
from tests.faust_traps.offline import OfflineBatchConsumer, inputs, reader_of, squall, until, working

pytestmark = pytest.mark.asyncio

TRADES = TP("trades", 0)


def batch_message(app: SquallApp, first: int, records: int = 5) -> BatchMessage:
    offsets = list(range(first, first + records))
    batch = RecordBatch(TRADES.topic, TRADES.partition, first, offsets, [b"{}"] * records)
    return BatchMessage(batch, app.consumer_generation_id)


async def test_faust_keeps_no_ack_no_gap_and_no_message_of_ours() -> None:
    app = squall()
    consumer = reader_of(app)
    consumer.owned = {TRADES}
    async with working(app, [TRADES]):
        assert not [topic for topic in inputs(app) if app.topics.acks_enabled_for(topic)]
        for first in range(0, 500, 5):
            await app.topics.on_message(batch_message(app, first))
        agent = cast("Any", app.agents["market"])
        await until(lambda: all(actor.stream.channel.queue.empty() for actor in agent._actors))
    assert not any(consumer._acked.values())
    assert not any(consumer._gap.values())
    assert not consumer.unacked
    assert consumer._n_acked == 0


@pytest.mark.parametrize("acked", [[0, 1, 2], [2586, 2587], [10, 10, 11]])
async def test_acks_of_faust_move_no_offset_of_ours(acked: list[int]) -> None:
    consumer = reader_of(squall())
    consumer.owned = {TRADES}
    consumer._acked[TRADES] = acked
    assert not await consumer.force_commit()
    assert not await consumer.commit()
    assert consumer.commits == []


async def test_nothing_is_committed_once_an_agent_has_failed() -> None:
    app = squall()
    consumer = reader_of(app)
    consumer.owned = {TP(topic, 0) for topic in inputs(app)}
    app.failure = "agent market: ValueError: a fault was asked for"
    assert not await consumer.commit()
    assert consumer.commits == []


async def test_partitions_are_given_up_though_faust_counts_a_message_as_unacked() -> None:
    app = squall()
    consumer = reader_of(app)
    held = batch_message(app, 0)
    consumer._unacked_messages.add(held)
    async with asyncio.timeout(20.0):
        await consumer.wait_empty()
    assert held in consumer.unacked


async def test_a_partition_stays_active_while_its_agents_queue_is_full() -> None:
    consumer = reader_of(squall())
    consumer._set_active_tps({TRADES})
    consumer.on_buffer_full(TRADES)
    assert consumer._get_active_partitions() == {TRADES}


class Stated:
    """A `Committer` that states the offsets it is given, and notes what it is told."""

    def __init__(self, safe: dict[TP, int]) -> None:
        self.safe = safe
        self.committed: list[Mapping[TP, int]] = []
        self.sought: list[Mapping[TP, int | None]] = []

    def committable(self) -> Mapping[TP, int]:
        return self.safe

    def on_committed(self, offsets: Mapping[TP, int]) -> None:
        self.committed.append(offsets)

    def on_seek(self, committed: Mapping[TP, int | None]) -> None:
        self.sought.append(committed)

    async def settle(self) -> None:
        """Nothing is under way."""


def committing(safe: dict[TP, int]) -> tuple[OfflineBatchConsumer, Stated]:
    app, stated = squall(), Stated(safe)
    app.committer = cast("Any", stated)
    consumer = reader_of(app)
    consumer.owned = {TRADES}
    return consumer, stated


async def test_what_is_committed_is_what_the_application_states_of_its_own_partitions() -> None:
    consumer, stated = committing({TRADES: 5, TP("trades", 1): 9})
    consumer._acked[TRADES] = [7, 8]
    assert await consumer.commit()
    assert consumer.commits == stated.committed == [{TRADES: 5}]


async def test_a_commit_that_the_broker_refused_is_not_counted_as_done() -> None:
    consumer, stated = committing({TRADES: 5})
    consumer.refuses = True
    assert not await consumer.commit()
    assert stated.committed == []
    consumer.refuses = False
    assert await consumer.commit()
    assert stated.committed == [{TRADES: 5}]


async def test_partitions_given_up_are_committed_once_more_behind_a_commit_under_way() -> None:
    consumer, stated = committing({TRADES: 5})
    under_way = consumer._commit_fut = asyncio.get_running_loop().create_future()
    leaving = asyncio.ensure_future(consumer.wait_empty())
    await asyncio.sleep(0)
    assert stated.committed == []
    stated.safe = {TRADES: 8}
    consumer._commit_fut = None
    under_way.set_result(None)
    await leaving
    assert stated.committed == [{TRADES: 8}]


async def test_a_committed_offset_of_0_is_a_number_and_nothing_read_before_is_dropped() -> None:
    consumer, stated = committing({})
    consumer.group_offsets = {TRADES: 0, TP("cancels", 0): None}
    consumer._read_offset[TRADES] = 99
    await consumer.perform_seek()
    assert stated.sought == [{TRADES: 0, TP("cancels", 0): None}]
    assert consumer._read_offset[TRADES] is None


@pytest.mark.parametrize("idempotent", [True, False])
async def test_our_producer_waits_for_all_replicas_and_20_seconds(idempotent: bool) -> None:
    app = squall()
    app.idempotent_producer = idempotent
    producer = cast("SafeProducer", app.producer)
    assert isinstance(producer, SafeProducer)
    asked = {**producer._settings_default(), **producer._settings_extra()}
    assert (asked["acks"], asked["enable_idempotence"], asked["request_timeout_ms"]) == ("all", idempotent, 20_000)


async def test_our_application_uses_nothing_of_faust_that_is_known_not_to_hold() -> None:
    app = squall()
    conf: Any = app.conf
    assert conf.processing_guarantee is ProcessingGuarantee.AT_LEAST_ONCE
    assert not app.in_transaction
    assert not app.tables
    assert not app.tables.changelog_topics
    assert conf.agent_supervisor is CrashingSupervisor
    assert (app.conf.topic_allow_declare, app.conf.topic_disable_leader) == (False, True)
    assert not app.conf.web_enabled
    assert app.conf.stream_wait_empty
    assert (app.conf.key_serializer, app.conf.value_serializer) == ("raw", "raw")
    assert not app.conf.cython_optimizations
    assert type(app.transport).__mro__[1] is BatchTransport
    assert isinstance(app.consumer, BatchConsumer)
    for agent in app.agents.values():
        assert (agent.concurrency, agent.isolated_partitions) == (1, False)


async def test_every_input_is_subscribed_at_the_start_raw_and_without_acks() -> None:
    app = squall()
    async with working(app, [TRADES]):
        topics = list(app.topics)
        assert {name for topic in topics for name in topic.topics} == set(inputs(app))
        assert all((topic.value_type, topic.acks) == (bytes, False) for topic in topics)


async def test_dead_workers_are_noticed_in_15_seconds_and_offsets_committed_each_second() -> None:
    conf = squall().conf
    assert (conf.broker_session_timeout, conf.broker_rebalance_timeout, conf.broker_heartbeat_interval) == (15, 15, 3)
    assert conf.broker_max_poll_interval == 300
    assert conf.broker_commit_interval == 1.0


async def test_a_worker_can_keep_its_partitions_over_a_restart_by_its_name() -> None:
    assert squall().conf.consumer_group_instance_id is None
    named = faust_options(Settings(worker={"group_instance_id": "worker-1"}))
    assert named["consumer_group_instance_id"] == "worker-1"


async def test_what_is_fetched_at_once_is_bounded() -> None:
    app = squall()
    assert app.conf.consumer_max_fetch_size == app.settings.worker.fetch_max_bytes == 1_048_576
    assert app.conf.broker_max_poll_records == app.fetch_limits.max_records == 2_000
    assert app.conf.stream_buffer_maxsize == app.settings.worker.queued_batches == 16
