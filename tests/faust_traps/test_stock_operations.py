"""The trap is still there: tables, topics, typed records, pages and tests of stock Faust (G18 to G28, fetching).

Each test asserts a fault. One that fails says that an upgrade has mended it, and what of ours may go.
"""

import asyncio
import urllib.request
from typing import Any, cast

import pytest
from faust.exceptions import ValueDecodeError
from faust.stores.memory import Store
from faust.types import StreamT

from streams.demo.ports import free_port
from streams.settings import Settings
from tests.faust_traps.offline import INPUT, StockApp, StuckChannel, mended, until, working

pytestmark = pytest.mark.asyncio


async def test_a_hundred_pending_table_writes_hold_back_every_stock_agent() -> None:
    app, stuck = StockApp(), StuckChannel()

    @app.agent(app.input())
    async def idle(stream: StreamT[Any]) -> None:
        async for _ in stream:
            pass

    buffer = app.producer.buffer
    await buffer.start()
    async with working(app):
        # One more is taken out, and never gets there.
        for _ in range(buffer.max_messages + 2):
            app.producer.send_soon(stuck.record())
        await until(lambda: stuck.asked)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await app.deliver([0])
                pytest.fail(mended("stalls behind 100 pending writes", "the ban on tables and send_soon"))
    assert buffer.max_messages == 100
    while buffer.size:
        buffer.pending.get_nowait()
    await buffer.stop()


async def test_a_table_in_memory_remembers_no_offset_and_reads_its_whole_changelog_again() -> None:
    app = StockApp()
    store: Store[Any, Any] = Store("memory://", app, cast("Any", app.Table("counts", partitions=1)))
    assert store.persisted_offset(INPUT) is None, mended("replays whole changelogs", "the ban on tables")


async def test_stock_faust_makes_topics_by_itself_with_one_replica() -> None:
    conf = StockApp().conf
    assert (conf.topic_allow_declare, conf.topic_replication_factor) == (True, 1), mended(
        "declares topics with one replica", "topic_allow_declare in streams/faust_options.py"
    )


async def test_one_bad_record_of_a_typed_topic_is_acked_and_kills_the_stock_agent() -> None:
    app, ended = StockApp(), list[BaseException]()

    @app.agent(app.input(value_type=int, value_serializer="json"))
    async def typed(stream: StreamT[Any]) -> None:
        try:
            async for _ in stream:
                pass
        except ValueDecodeError as error:
            ended.append(error)
            raise

    async with working(app):
        await app.deliver([0], b"{not json")
        await until(lambda: ended)
        await app.consumer.commit()
        assert app.reader.commits == [{INPUT: 1}], mended(
            "acks a bad record and ends the agent", "decoding in streams/codecs.py behind raw topics"
        )


async def test_the_page_of_stock_faust_says_200_while_its_agent_is_dead() -> None:
    app = StockApp(web_port=free_port(), web_bind="127.0.0.1", web_host="127.0.0.1")
    assert app.conf.web_enabled

    @app.agent(app.input())
    async def dead(_stream: StreamT[Any]) -> None:
        """Ends at once."""

    async with working(app):
        tasks = [actor.actor_task for actor in cast("Any", dead)._actors]
        await until(lambda: all(task.done() for task in tasks))
        await app.web.start()
        try:
            status = await asyncio.to_thread(_status, f"http://127.0.0.1:{app.conf.web_port}/")
        finally:
            await app.web.stop()
    assert status == 200, mended("answers 200 with dead agents", "streams/health.py")


def _status(url: str) -> int:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - an address of this machine
        return int(answer.status)


async def test_an_agents_test_context_sees_no_offset_and_commits_nothing() -> None:
    app = StockApp()

    @app.agent(app.input())
    async def fails(stream: StreamT[Any]) -> None:
        async for _ in stream:
            raise ValueError("a fault was asked for")

    async with cast("Any", fails).test_context() as context:
        with pytest.raises(ValueError, match="asked for"):
            await context.put(b"1")
    assert app.reader.commits == []


async def test_stock_faust_lets_a_drained_partition_wait_1500_ms() -> None:
    app = StockApp()
    consumer = cast("Any", app.reader)._thread._create_worker_consumer(app.transport)
    try:
        assert consumer._fetch_max_wait_ms == 1_500, mended(
            "fixes 1,500 ms", "BatchThread._create_worker_consumer in streams/fetching.py"
        )
    finally:
        await consumer.stop()
    assert Settings().worker.fetch_max_wait_ms < 100


async def test_stock_faust_takes_a_partition_out_while_an_agents_queue_is_full() -> None:
    consumer = StockApp().reader
    consumer._set_active_tps({INPUT})
    consumer.on_buffer_full(INPUT)
    assert consumer._get_active_partitions() == set(), mended(
        "takes a partition out", "streams/transport.py BatchConsumer.on_buffer_full"
    )
