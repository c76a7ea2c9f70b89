"""A station with what the shell keeps for it: what was sent, what is stored, and what may therefore be committed."""

import asyncio
import itertools
import time
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from faust.types import TP

from detectors.errors import MISSHAPEN, StateError
from detectors.revival import STATE_VERSION
from streams.backlog import Backlog
from streams.checkpoints import Found, Log, Record
from streams.journal import Checkpoint, Journal
from streams.ledger import Acknowledgement, Ledger
from streams.metrics import Metrics
from streams.stage_metrics import Shown
from streams.stations import OutgoingRecord, Station
from streams.topics import SNAPSHOTS

_made = itertools.count()

Send = Callable[[OutgoingRecord], Awaitable[Acknowledgement]]


@dataclass(frozen=True, slots=True)
class Keeping:
    """How checkpoints are kept: the partitions of the topics, seconds between two, and a name no other process has."""

    partitions: int
    interval_s: float
    writer: str


class Desk:
    """One stage on one partition, and its checkpoints.

    The order is what makes a killed worker harmless: outputs are sent; when the broker has them all, the checkpoint
    that was taken behind them is sent; when the broker has that, its offsets may be committed. Whoever takes over finds
    a checkpoint whose outputs are all there, and reads on from its offsets.

    Parameters
    ----------
    name
        Of the stage.
    make_station, backlog
        Makes the stage at work, as new; and what lies between it and the broker.
    committed
        What the group has committed of its inputs.
    send
        The way to the broker.
    keeping, metrics
        How checkpoints are kept, and where they are counted.
    """

    def __init__(
        self,
        name: str,
        make_station: Callable[[], Station],
        backlog: Backlog,
        committed: Mapping[TP, int | None],
        send: Send,
        keeping: Keeping,
        metrics: Metrics,
    ) -> None:
        self.name = name
        self._make_station = make_station
        self.station = make_station()
        self.backlog = backlog
        #: What the broker held when the station began, then what we committed: if it still does, nobody has committed
        #: more, and our state is as good as anybody's.
        self.committed = dict(committed)
        self.lock = asyncio.Lock()
        self.shown: Counter[str] = Counter()
        #: What the stage had measured when that was last shown.
        self.measured: Shown = {}
        #: Whether the station knows what its predecessor knew.
        self.is_ready = False
        #: Whether everything that came of what the stage was given has been handed to the broker: not while a step is
        #: under way, and never again when one has failed. No checkpoint is taken or sent then.
        self.is_whole = True
        self._send = send
        self._keeping = keeping
        self._metrics = metrics
        self._outputs: Ledger[Checkpoint] = Ledger()
        self._stored: Ledger[Checkpoint] = Ledger()
        # A name of its own: a desk made anew for the same partition must not write under the same keys.
        self._writer = f"{keeping.writer}{next(_made):x}"
        self._journal = Journal(name, keeping.partitions, self._writer)
        self._in_flight: Checkpoint | None = None
        self._safe: dict[str, int] = {}
        self._offsets: dict[str, int] = {}
        # Desks take turns, so that not all pause at once.
        share = zlib.crc32(f"{name}/{self.station.partition}".encode()) / 2**32
        self._due_s = time.monotonic() + keeping.interval_s * (0.5 + share)

    @property
    def pending(self) -> int:
        """How much still waits for the broker."""
        return self._outputs.pending + self._stored.pending

    def take_up(self, records: Sequence[Record], first: Mapping[TP, int]) -> list[str]:
        """Take up what a predecessor left in `snapshots`; `first` is where the broker's records of each input begin.

        Returns
        -------
        list[str]
            What could not be taken up, and why.

        Raises
        ------
        StateError
            It was saved for another number of partitions.
        """
        notes: list[str] = []
        log = Log(records, self.name, notes)
        committed = {tp.topic: offset for tp, offset in self.committed.items()}
        found = log.find(committed)
        self._journal = Journal(self.name, self._keeping.partitions, self._writer, above=log.highest)
        if found is not None and self._fits(found, notes) and self._resume(found, notes):
            self._journal.take_up(found)
            self._safe = self._offsets = dict(found.header.offsets)
        elif any(committed.values()):
            notes.append("no state to go on from; it learns anew")
        starts = {tp.topic: max(offset, self.committed.get(tp) or 0) for tp, offset in first.items()}
        self.station.begin_at(starts)
        self.is_ready = True
        return notes

    def begin(self) -> None:
        """A step begins: what the stage now takes and says is not the broker's yet."""
        self.is_whole = False

    async def step(self, outgoing: Sequence[OutgoingRecord]) -> None:
        """Send what a step brought, and take a checkpoint behind it when one is due."""
        sent = [await self._send(record) for record in outgoing]
        for topic, many in Counter(record.topic for record in outgoing).items():
            self._metrics.sent.labels(topic).inc(many)
        self._outputs.note(sent)
        self.is_whole = True
        if time.monotonic() >= self._due_s:
            self.close_up()
        await self.advance()

    async def advance(self) -> None:
        """Send the checkpoint whose outputs have arrived, and release the offsets of one that has arrived itself."""
        if not self.is_whole:
            return
        self.is_whole = False
        for checkpoint in self._outputs.take():
            records = checkpoint.records
            partition = self.station.partition
            sent = [await self._send(OutgoingRecord(SNAPSHOTS, value, key, partition)) for key, value in records]
            self._metrics.snapshot_bytes.labels(self.name).inc(sum(len(value or b"") for _, value in records))
            self._stored.note(sent, checkpoint)
        for checkpoint in self._stored.take():
            self._safe = checkpoint.offsets
            self._in_flight = None
            self._metrics.snapshots.labels(self.name).inc()
        self.is_whole = True

    def close_up(self) -> None:
        """Take a checkpoint, if there is anything new, whether or not one is due."""
        self._outputs.note([], self._checkpoint())

    def committable(self) -> dict[TP, int]:
        """Offsets that may be committed and are not."""
        found = {TP(topic, self.station.partition): offset for topic, offset in self._safe.items()}
        return {tp: offset for tp, offset in found.items() if offset > (self.committed.get(tp) or 0)}

    def _checkpoint(self) -> Checkpoint | None:
        """A checkpoint of this moment; None while one is under way, and when nothing was read since the last."""
        offsets = self.station.safe_offsets()
        if not (self.is_ready and self.is_whole) or self._in_flight is not None or offsets == self._offsets:
            return None
        began_s = time.monotonic()
        self._due_s = began_s + self._keeping.interval_s
        self._offsets = offsets
        self._in_flight = self._journal.write(self.station.stage, offsets, self.station.positions())
        self._metrics.snapshot_seconds.labels(self.name).observe(time.monotonic() - began_s)
        return self._in_flight

    def _resume(self, found: Found, notes: list[str]) -> bool:
        try:
            self.station.resume(found, notes)
        except MISSHAPEN as error:
            notes.append(f"state of version {STATE_VERSION} is not as expected: {type(error).__name__}: {error}")
            self.station = self._make_station()
            return False
        return True

    def _fits(self, found: Found, notes: list[str]) -> bool:
        header, place = found.header, f"{self.name}/{self.station.partition}"
        if header.partitions != self._keeping.partitions:
            raise StateError(
                f"{place}: expected state of {self._keeping.partitions} partitions (the setting `partitions`), found "
                f"state of {header.partitions} in topic {SNAPSHOTS}. The number cannot change: a key's history would "
                "be looked for in another partition than it stands in. Set `partitions` back, or begin with new topics "
                f"({SNAPSHOTS} too)."
            )
        others = sorted(set(header.offsets) - set(self.station.inputs))
        if others:
            # Offsets of one topic say nothing about another, which may have come in its place.
            notes.append(f"expected state of {', '.join(self.station.inputs)}, found some of {', '.join(others)} too")
            return False
        if header.tick_us != self.station.stage.tick_us:
            ours = self.station.stage.tick_us // 1_000
            notes.append(f"expected state in ticks of {ours} ms, found {header.tick_us // 1_000} ms")
            return False
        return True
