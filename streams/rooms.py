"""What stands behind an agent: its stage at work on every partition that this worker has been given.

A room's steps (a batch, or the periodic tick) run the pure stage, send what came of it, and write into the ledger which
offsets are safe once that is acknowledged. Any error is a failure of the worker: no event is ever passed over, so the
process ends and its successor reads again from the committed offsets.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from faust.types import TP

from detectors.errors import BrokerError, StateError
from streams.backlog import Backlog
from streams.batches import RecordBatch
from streams.checkpoints import Record
from streams.codecs import RefusedElement
from streams.dead_letters import dead_letter
from streams.desks import Desk, Keeping, Send
from streams.fetching import InputEnd
from streams.metrics import Metrics
from streams.stage_metrics import Source
from streams.stations import OutgoingRecord, Station
from streams.topics import DEAD_LETTERS, SNAPSHOTS

log = logging.getLogger(__name__)


class Room:
    """An agent's stations, one a partition.

    Parameters
    ----------
    name
        Of the stage; the `stage` label of metrics.
    topics
        Its inputs; partition p of all of them belongs to one station.
    make_station, make_backlog
        Called on assignment.
    send, input_end, first_offsets, read_snapshots
        The ways to the broker; the last two give where its partitions begin, and the records of one of `snapshots`.
    keeping
        How checkpoints are kept.
    metrics
        Where to count.
    app_id
        Named in dead letters.
    """

    def __init__(
        self,
        name: str,
        topics: Iterable[str],
        make_station: Callable[[int], Station],
        *,
        make_backlog: Callable[[int], Backlog],
        send: Send,
        input_end: Callable[[TP], InputEnd],
        first_offsets: Callable[[Iterable[TP]], Awaitable[Mapping[TP, int]]],
        read_snapshots: Callable[[int], Awaitable[Sequence[Record]]],
        keeping: Keeping,
        metrics: Metrics,
        app_id: str,
    ) -> None:
        self.name = name
        self.topics = tuple(topics)
        self._make_station = make_station
        self._make_backlog = make_backlog
        self._send = send
        self._input_end = input_end
        self._first_offsets = first_offsets
        self._read_snapshots = read_snapshots
        self._keeping = keeping
        self._metrics = metrics
        self._app_id = app_id
        self._desks: dict[int, Desk] = {}
        self._open = False
        self._one_in = 1
        #: Monotonic times for liveness: the last finished tick, and when the batch in hand was taken up.
        self.ticked_s = time.monotonic()
        self.busy_since_s: float | None = None
        #: Whether the agent's task runs; None before it was started.
        self.running: bool | None = None

    @property
    def partitions(self) -> list[int]:
        """Partitions worked on."""
        return sorted(self._desks)

    @property
    def held(self) -> frozenset[TP]:
        """Topic partitions that stages here want held."""
        return frozenset[TP]().union(*(desk.backlog.held for desk in self._desks.values()))

    @property
    def lag_s(self) -> dict[TP, float]:
        """The lag of the inputs, as last shown."""
        return {tp: lag_s for desk in self._desks.values() for tp, lag_s in desk.backlog.lag_s.items()}

    def sample(self, one_in: int) -> None:
        """Let heavy models look at one observation in so many."""
        self._one_in = one_in
        for desk in self._desks.values():
            desk.station.stage.sample(one_in)

    def assign(self, committed: Mapping[TP, int | None]) -> None:
        """Begin to work on the partitions given; a station whose offsets nobody else moved keeps its state."""
        owned: dict[int, dict[TP, int | None]] = {}
        for tp, offset in committed.items():
            if tp.topic in self.topics:
                owned.setdefault(tp.partition, {})[tp] = offset
        for partition, offsets in owned.items():
            missing = set(self.topics) - {tp.topic for tp in offsets}
            if missing:
                raise BrokerError(
                    f"expected partition {partition} of {', '.join(self.topics)} on one worker, "
                    f"but {', '.join(sorted(missing))} went elsewhere: have all topics the same number of partitions?"
                )
        kept = {p: desk for p, desk in self._desks.items() if desk.committed == owned.get(p) and desk.is_whole}
        self._metrics.forget(self.name, {*self._desks} - {*owned}, self.topics)
        self._desks = {p: kept.get(p) or self._new_desk(p, offsets) for p, offsets in owned.items()}
        self._metrics.assigned_partitions.labels(self.name).set(len(self._desks))
        self._open = True

    def _new_desk(self, partition: int, committed: dict[TP, int | None]) -> Desk:
        def make_station() -> Station:
            station = self._make_station(partition)
            station.stage.sample(self._one_in)
            return station

        backlog = self._make_backlog(partition)
        return Desk(self.name, make_station, backlog, committed, self._send, self._keeping, self._metrics)

    async def process(self, batch: RecordBatch) -> None:
        """Run a batch through its station."""
        desk = self._desks.get(batch.partition)
        if desk is None or not self._open:
            # It was fetched before a rebalance, and will be read again by whom it now belongs to.
            return
        async with desk.lock:
            if await self._is_ready(desk):
                self.busy_since_s = began_s = time.monotonic()
                self._refuse_a_shorter_topic(desk, batch)
                desk.begin()
                taken = desk.station.take(batch, int(began_s * 1e6))
                desk.backlog.take(batch)
                self._metrics.step_seconds.labels(self.name).observe(time.monotonic() - began_s)
                self._count(batch.topic, taken.records, taken.events, taken.refused)
                await self._step(desk, self._letters(batch.topic, batch.partition, taken.refused))
        self.busy_since_s = None

    async def tick(self) -> None:
        """Let every station close what time alone closes."""
        await asyncio.gather(*(self._tick(desk) for desk in self._desks.values()))
        self.ticked_s = time.monotonic()

    async def _tick(self, desk: Desk) -> None:
        async with desk.lock:
            if await self._is_ready(desk):
                await self._step(desk, [])
                desk.backlog.align(desk.station.stage)

    def close(self) -> None:
        """Take nothing more."""
        self._open = False

    async def settle(self, timeout_s: float) -> None:
        """Take nothing more, finish what is under way, store what is known, or stop when time is up."""
        self.close()
        deadline = time.monotonic() + timeout_s
        if not (await self._drain(deadline) and await self._close_up(deadline)):
            log.warning("%s: outputs not acknowledged in %.1f s; their input is read again", self.name, timeout_s)

    async def _drain(self, deadline: float) -> bool:
        """Wait until the broker has everything that was sent; False when that takes too long."""
        desks = list(self._desks.values())
        while any(desk.lock.locked() or desk.pending for desk in desks):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.005)
            for desk in desks:
                await desk.advance()
        return True

    async def _close_up(self, deadline: float) -> bool:
        """Take a last checkpoint of every station, so that a successor need not work anything out again."""
        for desk in self._desks.values():
            desk.close_up()
            await desk.advance()
        return await self._drain(deadline)

    def committable(self) -> dict[TP, int]:
        """Offsets that may be committed and are not."""
        found: dict[TP, int] = {}
        for desk in self._desks.values():
            found |= desk.committable()
        return found

    def on_committed(self, offsets: Mapping[TP, int]) -> None:
        """The broker took these; those of other rooms are passed over."""
        for tp, offset in offsets.items():
            desk = self._desks.get(tp.partition)
            if desk is not None and tp in desk.committed:
                desk.committed[tp] = offset
                self._metrics.committed_offset.labels(tp.topic, str(tp.partition)).set(offset)

    def show(self) -> None:
        """Bring the gauges and the stages' own counters up to date."""
        for partition, desk in self._desks.items():
            stage = desk.station.stage
            self._metrics.add_outcomes(self.name, stage.counters, desk.shown)
            while stage.faults:
                log.error("%s/%d: a model failed: %s", self.name, partition, stage.faults.popleft())
            self._metrics.open_ticks.labels(self.name, str(partition)).set(stage.open_ticks)
            for topic in self.topics:
                start, end, _ = self._input_end(TP(topic, partition))
                read_to = desk.station.position(topic, start)
                if end is not None and read_to is not None:
                    lag = max(0, end - read_to)
                    self._metrics.consumer_lag_records.labels(topic, str(partition)).set(lag)
                lag_s = desk.backlog.measure(topic, read_to, end)
                if lag_s is not None:
                    self._metrics.consumer_lag_seconds.labels(topic, str(partition)).set(lag_s)
        progress = self._metrics.agent_progress_timestamp_seconds.labels(self.name)
        progress.set(time.time() - (time.monotonic() - self.ticked_s))

    def show_measures(self) -> None:
        """Bring what the stages measure up to date."""
        sources = [Source(desk.station.stage, desk.measured) for desk in self._desks.values()]
        self._metrics.stages.show(self.name, sources)

    async def _step(self, desk: Desk, outgoing: list[OutgoingRecord]) -> None:
        station = desk.station
        desk.begin()
        ends = {topic: self._input_end(TP(topic, station.partition)) for topic in station.resting_topics()}
        began_s = time.monotonic()
        if station.followed is not None:
            outgoing = outgoing + self._letters(station.followed.topic, 0, station.followed.take())
        outgoing = outgoing + station.poll(ends, int(began_s * 1e6))
        self._metrics.step_seconds.labels(self.name).observe(time.monotonic() - began_s)
        await desk.step(outgoing)

    async def _is_ready(self, desk: Desk) -> bool:
        """Whether a station may work: it is still ours, the room is open, and it knows what its predecessor knew."""
        if self._open and not desk.is_ready:
            began_s = time.monotonic()
            partition = desk.station.partition
            first = await self._first_offsets(desk.committed)
            records = await self._watched(self._read_snapshots(partition))
            for note in desk.take_up(records, first):
                log.warning("%s/%d: %s", self.name, partition, note)
                self._metrics.state_resets.labels(self.name).inc()
            self._metrics.restored.labels(self.name).inc()
            self._metrics.restore_seconds.labels(self.name).observe(time.monotonic() - began_s)
            # Others' heartbeats and probes come first, when many partitions are taken up.
            await asyncio.sleep(0)
        return self._open and desk.is_whole and self._desks.get(desk.station.partition) is desk

    async def _watched(self, reading: Awaitable[Sequence[Record]]) -> Sequence[Record]:
        """Wait for state to be read, which is no standstill: it has a deadline of its own."""
        task = asyncio.ensure_future(reading)
        while not task.done():
            self.ticked_s = time.monotonic()
            await asyncio.wait({task}, timeout=1.0)
        return task.result()

    def _refuse_a_shorter_topic(self, desk: Desk, batch: RecordBatch) -> None:
        """State that is ahead of all that a topic holds is of another topic: its records would be passed over."""
        position, end = desk.station.position(batch.topic), self._input_end(TP(batch.topic, batch.partition)).end
        if position is not None and end is not None and batch.next_offset <= end < position:
            raise StateError(
                f"{batch.topic}[{batch.partition}]: expected an end at or behind offset {position}, which state in "
                f"{SNAPSHOTS} has seen, found the end at {end}. Was the topic made anew? Then empty {SNAPSHOTS} too."
            )

    def _count(self, topic: str, records: int, events: int, refused: list[RefusedElement]) -> None:
        self._metrics.records.labels(topic).inc(records)
        self._metrics.events.labels(topic).inc(events)
        for reason, many in Counter(element.reason for element in refused).items():
            self._metrics.refused.labels(topic, reason).inc(many)

    def _letters(self, topic: str, partition: int, refused: list[RefusedElement]) -> list[OutgoingRecord]:
        letters = [dead_letter(topic, partition, element, self._app_id) for element in refused]
        if letters:
            self._metrics.dead_letters.labels(topic).inc(len(letters))
        return [OutgoingRecord(DEAD_LETTERS, value, headers=headers) for value, headers in letters]


def agent_of(room: Room, fail: Callable[[str, BaseException], Awaitable[None]]) -> Callable[[Any], Awaitable[None]]:
    """Make the Faust agent that feeds a room."""

    async def agent(stream: Any) -> None:  # noqa: ANN401 - Faust's stream type says less
        room.running = True
        try:
            async for event in stream.events():
                await room.process(cast("RecordBatch", event.message.batch))
        except Exception as error:
            # Faust would go on behind the batch that failed: make sure that nothing is committed any more.
            await fail(f"agent {room.name}", error)
            raise
        finally:
            room.running = False

    agent.__name__ = room.name
    return agent
