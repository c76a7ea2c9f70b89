"""A room: stations come and go with partitions, and offsets wait for the broker's answers."""

import asyncio
from collections.abc import Iterable, Mapping

import pytest
from faust.types import TP
from prometheus_client import CollectorRegistry

from detectors.errors import BrokerError
from streams.agents import MARKET_TOPICS, market_station
from streams.backlog import Backlog
from streams.batches import RecordBatch
from streams.desks import Keeping
from streams.fetching import InputEnd
from streams.metrics import Metrics
from streams.rooms import Room
from streams.stations import OutgoingRecord, Station
from tests.streams.counting import CountingMarket
from tests.streams.test_stations import trade

pytestmark = pytest.mark.asyncio

Answer = asyncio.Future[None]


class Sink:
    """A broker in memory; it answers when told to."""

    def __init__(self) -> None:
        self.records: list[OutgoingRecord] = []
        self.answers: list[Answer] = []

    async def send(self, record: OutgoingRecord) -> Answer:
        self.records.append(record)
        self.answers.append(asyncio.get_running_loop().create_future())
        return self.answers[-1]

    def acknowledge(self) -> None:
        for answer in self.answers:
            if not answer.done():
                answer.set_result(None)


class Setup:
    """A market room over a sink."""

    def __init__(self) -> None:
        self.sink = Sink()
        self.registry = CollectorRegistry()
        self.metrics = Metrics.create(self.registry)
        self.made: list[CountingMarket] = []
        self.ends: dict[TP, InputEnd] = {}
        self.first = 0
        self.stored: list[tuple[bytes | None, bytes | None]] = []
        self.room = Room(
            "market",
            MARKET_TOPICS,
            self._make,
            make_backlog=lambda partition: Backlog(partition, MARKET_TOPICS, {}, max_open_ticks=100),
            send=self.sink.send,
            input_end=lambda tp: self.ends.get(tp, InputEnd(None, None)),
            first_offsets=self._first_offsets,
            read_snapshots=self._read,
            keeping=Keeping(partitions=1, interval_s=0.0, writer="test"),
            metrics=self.metrics,
            app_id="test",
        )

    async def _first_offsets(self, partitions: Iterable[TP]) -> dict[TP, int]:
        return dict.fromkeys(partitions, self.first)

    async def _read(self, partition: int) -> list[tuple[bytes | None, bytes | None]]:
        return self.stored

    async def store(self) -> None:
        """The broker takes outputs, then the checkpoint behind them."""
        for _ in range(6):
            self.sink.acknowledge()
            await self.room.tick()

    def _make(self, partition: int) -> Station:
        self.made.append(CountingMarket(partition, partitions=1))
        return market_station(partition, self.made[-1], self.metrics, max_record_bytes=1_000)


def assigned(*partitions: int, trades: int | None = None) -> Mapping[TP, int | None]:
    offsets: dict[TP, int | None] = {TP(topic, p): None for topic in MARKET_TOPICS for p in partitions}
    return offsets | {TP("trades", p): trades for p in partitions}


def trades(first: int, last: int, partition: int = 0) -> RecordBatch:
    offsets = list(range(first, last + 1))
    return RecordBatch("trades", partition, first, offsets, [trade(offset) for offset in offsets])


async def test_offsets_are_committable_only_after_the_broker_answered() -> None:
    setup = Setup()
    setup.room.assign(assigned(0))
    await setup.room.process(trades(0, 9))
    setup.sink.acknowledge()
    await setup.room.tick()
    assert [record.topic for record in setup.sink.records[-1:]] == ["snapshots"]
    assert setup.room.committable() == {}
    await setup.store()
    # The newest event stays open.
    assert setup.room.committable() == {TP("trades", 0): 9}
    setup.room.on_committed({TP("trades", 0): 9})
    assert setup.room.committable() == {}


async def test_an_output_that_cannot_be_sent_is_raised() -> None:
    setup = Setup()
    setup.room.assign(assigned(0))
    await setup.room.process(trades(0, 9))
    setup.sink.answers[0].set_exception(TimeoutError("gone"))
    with pytest.raises(TimeoutError, match="gone"):
        await setup.room.tick()


async def test_a_partition_that_stays_keeps_its_stage() -> None:
    setup = Setup()
    setup.room.assign(assigned(0, 1))
    await setup.room.process(trades(0, 9))
    await setup.store()
    setup.room.on_committed(setup.room.committable())
    setup.room.assign({**assigned(0, trades=9), **assigned(2)})
    assert setup.room.partitions == [0, 2]
    assert [stage.partition for stage in setup.made] == [0, 1, 2]
    await setup.room.process(trades(9, 12))
    assert setup.made[0].counters["events"] == 13


async def test_a_partition_that_somebody_else_read_meanwhile_gets_a_new_stage() -> None:
    setup = Setup()
    setup.room.assign(assigned(0))
    await setup.room.process(trades(0, 9))
    setup.room.assign(assigned(0, trades=40))
    await setup.room.process(trades(40, 41))
    assert [stage.counters["events"] for stage in setup.made] == [10, 2]


async def test_topics_of_a_partition_on_different_workers_are_refused() -> None:
    setup = Setup()
    with pytest.raises(BrokerError, match=r"partition 1 of .* but books went elsewhere"):
        setup.room.assign({tp: None for tp in assigned(1) if tp.topic != "books"})


async def test_nothing_is_taken_between_settling_and_the_next_assignment() -> None:
    setup = Setup()
    setup.room.assign(assigned(0))
    await setup.room.settle(1.0)
    await setup.room.process(trades(0, 9))
    await setup.room.tick()
    assert setup.made[0].counters["events"] == 0
    setup.room.assign(assigned(0))
    await setup.room.process(trades(0, 9))
    assert setup.made[0].counters["events"] == 10


async def test_settling_waits_for_the_broker_but_not_for_ever() -> None:
    setup = Setup()
    setup.room.assign(assigned(0))
    await setup.room.process(trades(0, 9))
    await setup.room.settle(0.05)
    assert setup.room.committable() == {}
    for delay_s in (0.05, 0.1):
        asyncio.get_running_loop().call_later(delay_s, setup.sink.acknowledge)
    await setup.room.settle(5.0)
    assert setup.room.committable() == {TP("trades", 0): 9}


async def test_a_tick_closes_what_rests_without_new_input() -> None:
    setup = Setup()
    setup.room.assign(assigned(0))
    await setup.room.process(trades(0, 9))
    setup.ends[TP("trades", 0)] = InputEnd(None, 10)
    await setup.store()
    assert setup.room.committable() == {TP("trades", 0): 10}


async def test_refused_bytes_go_to_dead_letters_unchanged_and_are_counted() -> None:
    setup = Setup()
    setup.room.assign(assigned(0))
    await setup.room.process(RecordBatch("trades", 0, 0, [0, 1], [b"{bad", trade(1)]))
    letter = setup.sink.records[0]
    assert (letter.topic, letter.value) == ("dead-letters", b"{bad")
    assert dict(letter.headers or [])["__connect.errors.offset"] == b"0"
    assert setup.made[0].counters["events"] == 1
    labels = {"topic": "trades", "reason": "malformed"}
    assert setup.registry.get_sample_value("squall_refused_total", labels) == 1
    assert setup.registry.get_sample_value("squall_records_total", {"topic": "trades"}) == 2


async def test_lag_and_the_stages_own_counts_are_shown() -> None:
    setup = Setup()
    setup.room.assign(assigned(0))
    await setup.room.process(trades(0, 9))
    setup.ends[TP("trades", 0)] = InputEnd(None, 25)
    setup.room.show()
    setup.room.show()
    lag = setup.registry.get_sample_value("squall_consumer_lag_records", {"topic": "trades", "partition": "0"})
    events = setup.registry.get_sample_value("squall_stage_outcomes_total", {"stage": "market", "outcome": "events"})
    assert (lag, events) == (15, 10)
    assert setup.registry.get_sample_value("squall_open_ticks", {"stage": "market", "partition": "0"}) == 1
