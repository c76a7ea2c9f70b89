"""Desks killed at any moment, with any part of what they sent having arrived: nothing is lost or told twice."""

import asyncio
import contextlib
import itertools
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from faust.types import TP
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from detectors.account_stage import AccountStage
from detectors.config import CoreSettings, Memory
from detectors.errors import BrokerError, StateError
from detectors.events import Cancel
from detectors.market_stage import MarketStage
from detectors.results import Activity, ActivityFrame
from detectors.revival import STATE_VERSION
from streams.agents import MARKET_TOPICS, market_station
from streams.backlog import Backlog
from streams.batches import RecordBatch
from streams.checkpoints import Body, Header, Part, Record, encode_body
from streams.checkpoints import Log as Checkpoints
from streams.codecs import decode_activity_frame, decode_signal_frame
from streams.desks import Keeping
from streams.fetching import InputEnd
from streams.journal import Journal
from streams.metrics import Metrics
from streams.rooms import Room
from streams.stations import OutgoingRecord, Station
from tests.helpers import Log, quick_settings, stressed_flow

WITHOUT_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
EVENTS = Log(stressed_flow(seed=3)[:1_500], 1)
INPUTS = {
    topic: [msgspec.json.encode({"type": kind} | msgspec.to_builtins(event)) for event in EVENTS.of(topic, 0)]
    for topic, kind in (("trades", "trade"), ("cancels", "cancel"), ("books", "book_snapshot"))
}


class Broker:
    """A broker in memory: what has arrived, per topic partition, and what is still on its way."""

    def __init__(self) -> None:
        self.arrived: dict[tuple[str, int], list[OutgoingRecord]] = {}
        self.under_way: list[tuple[OutgoingRecord, asyncio.Future[None]]] = []
        #: Sends until one fails; below 0: none does.
        self.sends_left = -1
        self.committed: dict[TP, int | None] = {TP(topic, 0): None for topic in MARKET_TOPICS}

    async def send(self, record: OutgoingRecord) -> asyncio.Future[None]:
        if self.sends_left == 0:
            raise BrokerError("expected the broker to take a record, it does not answer")
        self.sends_left -= 1
        future = asyncio.get_running_loop().create_future()
        self.under_way.append((record, future))
        return future

    def take(self, many: int, *, answer: bool) -> None:
        """The first so many arrive; whoever sent them may die before he hears of it."""
        for record, future in self.under_way[:many]:
            self.arrived.setdefault((record.topic, record.partition or 0), []).append(record)
            if answer:
                future.set_result(None)
        del self.under_way[:many]

    async def first_offsets(self, partitions: Iterable[TP]) -> dict[TP, int]:
        return dict.fromkeys(partitions, 0)

    async def snapshots(self, partition: int) -> list[Record]:
        return [(record.key, record.value) for record in self.arrived.get(("snapshots", partition), [])]


def new_room(broker: Broker, core: CoreSettings, writer: str, partitions: int = 1) -> Room:
    metrics, clock_us = Metrics.create(CollectorRegistry()), itertools.count(0, 200_000)

    def station(partition: int) -> Station:
        stage = MarketStage(partition, 1, core, lambda _: 0)
        return market_station(partition, stage, metrics, max_record_bytes=1_000_000)

    return Room(
        "market",
        MARKET_TOPICS,
        station,
        make_backlog=lambda partition: Backlog(partition, MARKET_TOPICS, {}, 600),
        send=broker.send,
        input_end=lambda tp: InputEnd(None, None) if tp.topic in INPUTS else InputEnd(0, 0, next(clock_us)),
        first_offsets=broker.first_offsets,
        read_snapshots=broker.snapshots,
        keeping=Keeping(partitions, 0.0, writer),
        metrics=metrics,
        app_id="test",
    )


def told(broker: Broker) -> Mapping[str, Sequence[Any]]:
    """What the stages downstream take: each tick once, in order; they must not differ when they are told again."""
    ticks: dict[str, dict[int, Any]] = {"account-activity": {}, "signals": {}}
    decoders: dict[str, Any] = {"account-activity": decode_activity_frame, "signals": decode_signal_frame}
    for topic, kept in ticks.items():
        for record in broker.arrived.get((topic, 0), []):
            for tick in decoders[topic](record.value).ticks:
                number = tick[0] if topic == "account-activity" else tick.tick
                value = (tick[1], sorted(map(repr, tick[2]))) if topic == "account-activity" else tick
                assert kept.setdefault(number, value) == value
    return {topic: [kept[number] for number in sorted(kept)] for topic, kept in ticks.items()}


async def die(chance: random.Random, broker: Broker, room: Room) -> None:
    """The end of a worker: at once, since a record could not be sent or was not taken, or asked to stop in vain."""
    how = chance.choice(["at once", "send", "answer", "settle"])
    values: list[bytes | None] = list(INPUTS["cancels"])
    position = room.committable().get(TP("cancels", 0)) or broker.committed[TP("cancels", 0)] or 0
    batch = RecordBatch("cancels", 0, position, list(range(position, len(values))), values[position:])
    if how == "send":
        broker.sends_left = chance.randint(0, 3)
        with contextlib.suppress(BrokerError):
            await room.process(batch)
    elif how == "answer" and broker.under_way:
        await room.process(batch)
        chance.choice(broker.under_way)[1].set_exception(BrokerError("refused"))
        broker.under_way = [(record, future) for record, future in broker.under_way if not future.done()]
        broker.take(len(broker.under_way), answer=True)
    if how != "at once":
        # A tick that comes before the end, and a stop that tries to store what it can.
        for attempt in (room.tick(), room.settle(0.02)):
            with contextlib.suppress(BrokerError):
                await attempt
            broker.take(len(broker.under_way), answer=True)


async def work(seed: int, kills: int) -> Broker:
    """Read everything, in batches of any size; die so many times, with any part of what was sent having arrived."""
    chance, broker = random.Random(seed), Broker()
    room = new_room(broker, quick_settings(), "w0")
    room.assign(broker.committed)
    read = dict.fromkeys(INPUTS, 0)
    while any(read[topic] < len(values) for topic, values in INPUTS.items()):
        topic = chance.choice(list(INPUTS))
        begin, end = read[topic], min(read[topic] + chance.randint(1, 60), len(INPUTS[topic]))
        if begin < end:
            values: list[bytes | None] = list(INPUTS[topic][begin:end])
            await room.process(RecordBatch(topic, 0, begin, list(range(begin, end)), values))
            read[topic] = end
        await room.tick()
        broker.take(chance.randint(0, len(broker.under_way)), answer=True)
        if chance.random() < 0.3:
            offsets = room.committable()
            broker.committed |= offsets
            room.on_committed(offsets)
        if kills and chance.random() < 0.1:
            kills -= 1
            await die(chance, broker, room)
            broker.take(chance.randint(0, len(broker.under_way)), answer=False)
            broker.under_way.clear()
            broker.sends_left = -1
            room = new_room(broker, quick_settings(), f"w{kills + 1}")
            room.assign(broker.committed)
            read = {topic: broker.committed[TP(topic, 0)] or 0 for topic in INPUTS}
    await room.tick()
    for _ in range(6):
        broker.take(len(broker.under_way), answer=True)
        await room.tick()
    return broker


@pytest.mark.slow
@settings(max_examples=16, phases=WITHOUT_SHRINKING, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_desk_killed_at_any_moment_tells_what_one_that_was_not_tells(seed: int) -> None:
    whole = told(asyncio.run(work(seed, kills=0)))
    assert len(whole["account-activity"]) > 100
    assert told(asyncio.run(work(seed, kills=8))) == whole


@settings(max_examples=5, phases=WITHOUT_SHRINKING, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_what_is_committed_lies_in_a_checkpoint_that_has_arrived(seed: int) -> None:
    broker = asyncio.run(work(seed, kills=3))
    room = new_room(broker, quick_settings(), "last")
    room.assign(broker.committed)
    asyncio.run(room.tick())
    assert any(broker.committed.values())
    assert room.committable() == {} or all(
        offset >= (broker.committed[tp] or 0) for tp, offset in room.committable().items()
    )


async def handed_over() -> Broker:
    """Some good records and a bad one, read by a worker that is asked to stop, and by its successor."""
    broker = Broker()
    values: list[bytes | None] = [*INPUTS["cancels"][:20], b"{bad", *INPUTS["cancels"][20:25]]
    for writer, begin in (("w0", 0), ("w1", None)):
        room = new_room(broker, quick_settings(), writer)
        room.assign(broker.committed)
        first = broker.committed[TP("cancels", 0)] or 0 if begin is None else begin
        await room.process(RecordBatch("cancels", 0, first, list(range(first, len(values))), values[first:]))
        for _ in range(6):
            broker.take(len(broker.under_way), answer=True)
            await room.tick()
        broker.committed |= room.committable()
        broker.committed[TP("cancels", 0)] = min(broker.committed[TP("cancels", 0)] or 0, 10)
    return broker


def test_what_was_refused_is_told_once_however_often_its_record_is_read() -> None:
    broker = asyncio.run(handed_over())
    assert [letter.value for letter in broker.arrived["dead-letters", 0]] == [b"{bad"]


def test_state_of_another_number_of_partitions_is_refused_with_an_explanation() -> None:
    broker = asyncio.run(work(1, kills=0))
    room = new_room(broker, quick_settings(), "last", partitions=8)
    room.assign(broker.committed)
    with pytest.raises(StateError, match=r"expected state of 8 partitions .* found state of 1 in topic snapshots"):
        asyncio.run(room.tick())


def test_models_of_other_parameters_begin_afresh_and_that_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    broker = asyncio.run(work(1, kills=0))
    room = new_room(broker, replace(quick_settings(), memory=Memory(half_life_s=60.0)), "last")
    room.assign(broker.committed)
    asyncio.run(room.tick())
    said = "\n".join(record.message for record in caplog.records)
    assert "cancel_burst of BTC-PERP begins afresh: cancel_burst state: expected half_life_s 60" in said
    assert "thin_book of BTC-PERP begins afresh" in said
    assert "lockstep" not in said


def test_state_that_is_not_as_expected_is_left_and_the_stage_begins_afresh(caplog: pytest.LogCaptureFixture) -> None:
    broker = asyncio.run(work(1, kills=0))
    kept = broker.arrived["snapshots", 0]
    broker.arrived["snapshots", 0] = [record for record in kept if record.value is not None][-1:]
    key = broker.arrived["snapshots", 0][0].key or b""
    chain = (Part(int(key.split(b"/")[1]), key.split(b"/")[2].decode(), 1),)
    odd = encode_body(Body(Header(1, 100_000, {"trades": 10**6}, {}, chain, {"closed_us": 0}), (), ()))
    broker.arrived["snapshots", 0] = [
        OutgoingRecord("snapshots", odd[0], b"/".join([*key.split(b"/")[:3], b"0"]), 0),
        OutgoingRecord("snapshots", b"what", b"market/12", 0),
    ]
    room = new_room(broker, quick_settings(), "last")
    broker.committed = dict.fromkeys(broker.committed, None)
    room.assign(broker.committed)
    asyncio.run(room.tick())
    said = "\n".join(record.message for record in caplog.records)
    assert f"state of version {STATE_VERSION} is not as expected: KeyError" in said
    assert "expected a key like `market/12/ab12cd34/0`, found b'market/12'" in said


def test_sums_beyond_64_bits_do_not_keep_a_checkpoint_from_being_written() -> None:
    stage = MarketStage(0, 1, quick_settings(), lambda _: 0)
    wild = [Cancel(10**15 + number, "X", "a", "1", "buy", 1e15, 1e15, 10**15) for number in range(50)]
    stage.push("cancels", range(50), wild, 0)
    stage.flush()
    assert Journal("market", 1, "w0").write(stage, {"cancels": 50}).records


def test_a_cap_that_was_lowered_forgets_for_good() -> None:
    def accounts(most: int) -> AccountStage:
        return AccountStage(0, 1, replace(quick_settings(), memory=Memory(max_accounts=most)))

    first, log = accounts(100), list[Record]()
    for number in range(60):
        tick = 17_000_000_000 + number
        row = Activity(f"a{number}", "X", 1, 8, 0, 100)
        first.push_frame(ActivityFrame("market/0", (tick + 1) * 100_000, False, ((tick, (), (row,)),)), number, 0)
    first.flush()
    log += Journal("account", 1, "w0").write(first, {}).records
    for most, writer in ((20, "w1"), (20, "w2")):
        heir, notes = accounts(most), list[str]()
        found = Checkpoints(log, "account", notes).find({})
        assert found is not None
        Station(0, heir, {}, lambda _: ()).resume(found, notes)
        assert (len(heir.kept()["account"]), notes) == (20, [])
        journal = Journal("account", 1, writer)
        journal.take_up(found)
        for _ in range(40):
            log += journal.write(heir, {}).records
