"""The trap is still there: what stock Faust acks, commits and forgets (G1 to G10, G29).

Each test asserts a fault. One that fails says that an upgrade has mended it, and what of ours may go.
"""

import asyncio
from typing import Any, cast

import pytest
from aiokafka.errors import CommitFailedError, KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import FutureMessage, Message, PendingMessage, StreamT

from tests.faust_traps.offline import INPUT, StockApp, StuckChannel, mended, until, working

pytestmark = pytest.mark.asyncio

ACKS = "our commits, which pass over acks (streams/transport.py BatchConsumer.force_commit, streams/ledger.py)"


async def test_stock_faust_acks_and_commits_an_event_whose_agent_raised() -> None:
    app, seen = StockApp(), list[int]()

    @app.agent(app.input())
    async def fails_at_1(stream: StreamT[Any]) -> None:
        async for event in stream.events():
            seen.append(event.message.offset)
            if event.message.offset == 1:
                raise ValueError("a fault was asked for")

    async with working(app):
        await app.deliver(range(4))
        await until(lambda: len(app.reader._acked[INPUT]) == 4 or 3 in seen)
        await app.consumer.commit()
        assert seen == [0, 1, 2, 3], mended("goes on behind a failed event", "rooms.agent_of, SquallApp.fail")
        assert app.reader.commits[-1] == {INPUT: 4}, mended("acks an event whose agent raised", ACKS)


async def test_stock_take_acks_a_failed_batch_and_events_that_nobody_saw() -> None:
    app, seen = StockApp(), list[int]()
    stream = app.stream(app.input())

    async def body() -> None:
        async for batch in stream.take(3, within=10.0):
            seen.append(len(batch))
            raise ValueError("a fault was asked for")

    async with working(app):
        failing = asyncio.ensure_future(body())
        await until(lambda: len(app.topics))
        await app.topics.on_partitions_assigned({INPUT})
        await app.deliver(range(5))
        with pytest.raises(ValueError, match="asked for"):
            await failing
        await until(lambda: len(app.reader._acked[INPUT]) == 5)
        await app.consumer.commit()
        assert (seen, app.reader.commits) == ([3], [{INPUT: 5}]), mended("acks what take() lost", "the ban on take()")
        await stream.stop()


async def test_stock_noack_take_commits_past_a_failed_batch() -> None:
    app = StockApp()
    stream = app.stream(app.input())

    async def body() -> None:
        async for _ in cast("Any", stream).noack_take(3, within=10.0):
            raise ValueError("a fault was asked for")

    async with working(app):
        failing = asyncio.ensure_future(body())
        await until(lambda: len(app.topics))
        await app.topics.on_partitions_assigned({INPUT})
        await app.deliver(range(5))
        with pytest.raises(ValueError, match="asked for"):
            await failing
        await until(lambda: app.reader._acked[INPUT] == [3, 4])
        await app.consumer.commit()
        assert app.reader.commits == [{INPUT: 5}], mended("commits past unacked events", "the ban on noack_take()")
        await stream.stop()


@pytest.mark.parametrize(
    ("committed", "acked", "offset"), [(2585, [2586, 2587, 2588, 2589], 2590), (None, [1, 2], 3), (0, [1, 2], 3)]
)
async def test_a_stock_commit_passes_an_event_in_flight(committed: int | None, acked: list[int], offset: int) -> None:
    """The event at the committed offset, or before the first ack, was never acked (faust-streaming#606)."""
    consumer = StockApp().reader
    consumer._committed_offset[INPUT] = committed
    consumer._acked[INPUT] = list(acked)
    assert consumer._new_offset(INPUT) == offset, mended("commits past an event in flight", ACKS)


async def test_an_offset_acked_twice_or_never_stops_stock_commits_and_acks_pile_up() -> None:
    consumer = StockApp().reader
    consumer._acked[INPUT] = [10, 10, 11, 12]
    assert consumer._new_offset(INPUT) == 11, mended("stops at an offset acked twice", ACKS)
    consumer._committed_offset[INPUT] = 5
    consumer._acked[INPUT] = list(range(8, 1_008))
    assert [consumer._new_offset(INPUT) for _ in range(3)] == [None] * 3, mended("stops behind a missing ack", ACKS)
    assert len(consumer._acked[INPUT]) == 1_000, mended("keeps acks for ever", ACKS)


async def test_a_stock_flush_gives_up_after_100_ms_and_the_commit_goes_ahead() -> None:
    app, stuck = StockApp(), StuckChannel()
    consumer, buffer = app.reader, app.producer.buffer
    await buffer.start()
    for _ in range(3):
        app.producer.send_soon(stuck.record())
    await until(lambda: stuck.asked)
    consumer._acked[INPUT] = [0, 1]
    async with asyncio.timeout(20.0):
        await consumer.commit()
    assert buffer.size == 2
    assert consumer.commits == [{INPUT: 2}], mended("commits before outputs are sent", "streams/ledger.py")
    while buffer.size:
        buffer.pending.get_nowait()
    await buffer.stop()


async def test_a_stock_send_that_failed_is_a_line_in_the_log_and_the_commit_goes_ahead() -> None:
    app = StockApp()
    topic = app.topic("output", value_type=bytes)
    pending = PendingMessage(cast("Any", topic), None, b"", None, None, None, None, None, None, None)
    output: FutureMessage = FutureMessage(pending)
    failed: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    failed.set_exception(KafkaError("gone"))
    cast("Any", topic)._on_published(failed, output, app.producer, None)
    assert isinstance(output.exception(), KafkaError)
    app.reader._acked[INPUT] = [0, 1]
    await app.consumer.commit()
    assert app.reader.commits == [{INPUT: 2}], mended("commits past a failed output", "streams/ledger.py")
    assert not app.consumer.crashed


async def test_the_stock_producer_is_not_idempotent_and_retries_for_20_minutes() -> None:
    app = StockApp()
    producer = cast("driver.Producer", app.producer)
    assert "enable_idempotence" not in {**producer._settings_default(), **producer._settings_extra()}, mended(
        "leaves the producer without idempotence", "streams/transport.py SafeProducer"
    )
    assert app.conf.producer_request_timeout == 1_200.0, mended(
        "retries for 20 minutes", "producer_request_timeout in streams/faust_options.py"
    )


class _Broken:
    """Stands where aiokafka's transactional producer stands in Faust's; nothing of it works."""

    async def begin_transaction(self) -> None:
        raise KafkaError("gone")

    commit_transaction = abort_transaction = begin_transaction


async def test_stock_transactions_swallow_every_error() -> None:
    producer = cast("driver.Producer", StockApp().producer)
    # Faust keeps one of these for all producers of the process.
    producer._transaction_producers = {"t": cast("Any", _Broken())}
    producer._trn_locks["t"] = asyncio.Lock()
    try:
        for step in (producer.begin_transaction, producer.commit_transaction, producer.abort_transaction):
            await step("t")
    except KafkaError:
        pytest.fail(mended("swallows errors of transactions", "the ban on exactly_once (then look at it again)"))


async def test_stock_gaps_hold_the_record_behind_them_so_that_it_counts_as_acked() -> None:
    app = StockApp()
    consumer, delivered = app.reader, list[int]()

    async def take(message: Message) -> None:
        delivered.append(message.offset)

    # Offsets 4 to 6 were compacted away; 7 is in the agent's hands and never acked.
    consumer.callback = take
    consumer.fetched = [app.message(offset) for offset in (3, 7, 8)]
    cast("Any", app.topics)._acking_topics.add(INPUT.topic)
    await consumer._drain_messages(consumer)
    assert delivered == [3, 7, 8]
    consumer._acked[INPUT] = [3, 8]
    assert consumer._new_offset(INPUT) == 9, mended("counts the record behind a gap as acked", ACKS)


async def test_stock_faust_waits_on_a_set_of_futures_for_every_single_record() -> None:
    app = StockApp()
    consumer = app.reader

    async def take(_message: object) -> None:
        """Nothing."""

    consumer.callback = take
    consumer.fetched = [app.message(offset) for offset in range(50)]
    await consumer._drain_messages(consumer)
    assert consumer.waits == 50, mended("waits for each record", "the batches of streams/fetching.py")


async def test_stock_faust_may_read_ten_thousand_events_again_after_a_rebalance() -> None:
    conf = StockApp().conf
    assert (conf.broker_commit_interval, conf.broker_commit_every) == (2.8, 10_000), mended(
        "commits every 2.8 s or 10,000 events", "broker_commit_interval in streams/faust_options.py"
    )


async def test_stock_faust_waits_for_an_ack_that_never_comes_before_it_gives_up_partitions() -> None:
    app = StockApp()
    cast("Any", app.topics)._acking_topics.add(INPUT.topic)
    held = app.message(0)
    app.consumer.track_message(held)
    waiting = asyncio.ensure_future(app.consumer.wait_empty())
    done, _ = await asyncio.wait([waiting], timeout=1.3)
    assert not done, mended("waits without end for acks", "streams/transport.py BatchConsumer.wait_empty")
    app.consumer.ack(held)
    await waiting


class _Refusing:
    """Stands where aiokafka's consumer stands in Faust's thread."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def assignment(self) -> set[Any]:
        return {INPUT}

    async def commit(self, _offsets: object) -> None:
        raise self._error


@pytest.mark.parametrize(
    ("error", "crashes"), [(CommitFailedError("Commit failed: already rebalanced"), False), (KafkaError("busy"), True)]
)
async def test_a_commit_that_the_broker_refuses_ends_a_stock_worker(error: Exception, crashes: bool) -> None:
    """Ours too: the process ends, and its successor reads again from what was committed."""
    thread = StockApp().reader._thread
    thread._consumer = cast("Any", _Refusing(error))
    assert await thread._commit({INPUT: 3}) is False
    assert thread.crashed is crashes


async def test_a_committed_offset_of_0_counts_as_none_in_stock_faust() -> None:
    consumer = StockApp().reader
    consumer.group_offsets = {INPUT: 0}
    await consumer.perform_seek()
    assert consumer._committed_offset[INPUT] is None, mended("takes 0 for none", "Room.committable's own offsets")
