"""A station with what the shell keeps for it: what was sent, what is stored, and what may therefore be committed."""

import asyncio
import time
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from faust.types import TP

from detectors.errors import StateError
from streams.backlog import Backlog
from streams.checkpoints import Found, Log, Record
from streams.journal import Checkpoint, Journal
from streams.ledger import Acknowledgement, Ledger
from streams.metrics import Metrics
from streams.stations import OutgoingRecord, Station
from streams.topics import SNAPSHOTS

Send = Callable[[OutgoingRecord], Awaitable[Acknowledgement]]


@dataclass(frozen=True, slots=True)
class Keeping:
    """How checkpoints are kept: the partitions of the topics, seconds between two, and a name that no other has."""

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
    station, backlog
        The stage at work, and what lies between it and the broker.
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
        station: Station,
        backlog: Backlog,
        committed: Mapping[TP, int | None],
        send: Send,
        keeping: Keeping,
        metrics: Metrics,
    ) -> None:
        self.name = name
        self.station = station
        self.backlog = backlog
        #: What the broker held when the station began, then what we committed: if it still does, nobody else has read.
        self.committed = dict(committed)
        self.lock = asyncio.Lock()
        self.shown: Counter[str] = Counter()
        #: Whether the station knows what its predecessor knew.
        self.is_ready = False
        self._send = send
        self._keeping = keeping
        self._metrics = metrics
        self._outputs: Ledger[Checkpoint] = Ledger()
        self._stored: Ledger[Checkpoint] = Ledger()
        self._journal = Journal(name, keeping.partitions, keeping.writer)
        self._in_flight: Checkpoint | None = None
        self._safe: dict[str, int] = {}
        self._offsets: dict[str, int] = {}
        # Desks take turns, so that not all pause at once.
        share = zlib.crc32(f"{name}/{station.partition}".encode()) / 2**32
        self._due_s = time.monotonic() + keeping.interval_s * (0.5 + share)

    @property
    def pending(self) -> int:
        """How much still waits for the broker."""
        return self._outputs.pending + self._stored.pending

    def take_up(self, records: Sequence[Record]) -> list[str]:
        """Take up what a predecessor left in `snapshots`.

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
        log = Log(records, self.name)
        committed = {tp.topic: offset for tp, offset in self.committed.items()}
        found = log.find(committed, notes)
        self._journal = Journal(self.name, self._keeping.partitions, self._keeping.writer, above=log.highest)
        if found is not None and self._fits(found, notes):
            self._journal.take_up(found)
            self.station.resume(found, notes)
            self._offsets = dict(found.header.offsets)
        elif any(committed.values()):
            notes.append(f"{self.name}/{self.station.partition}: no state to go on from; it learns anew")
        self.is_ready = True
        return notes

    async def step(self, outgoing: Sequence[OutgoingRecord]) -> None:
        """Send what a step brought, and take a checkpoint behind it when one is due."""
        sent = [await self._send(record) for record in outgoing]
        due = time.monotonic() >= self._due_s
        self._outputs.note(sent, self._checkpoint() if due else None)
        await self.advance()

    async def advance(self) -> None:
        """Send the checkpoint whose outputs have arrived, and release the offsets of one that has arrived itself."""
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

    def close_up(self) -> None:
        """Take a last checkpoint, if there is anything new, without waiting until one is due."""
        self._outputs.note([], self._checkpoint())

    def committable(self) -> dict[TP, int]:
        """Offsets that may be committed and are not."""
        found = {TP(topic, self.station.partition): offset for topic, offset in self._safe.items()}
        return {tp: offset for tp, offset in found.items() if offset > (self.committed.get(tp) or 0)}

    def _checkpoint(self) -> Checkpoint | None:
        """A checkpoint of this moment; None while one is under way, and when nothing was read since the last."""
        offsets = self.station.safe_offsets()
        if not self.is_ready or self._in_flight is not None or offsets == self._offsets:
            return None
        began_s = time.monotonic()
        self._due_s = began_s + self._keeping.interval_s
        self._offsets = offsets
        self._in_flight = self._journal.write(self.station.stage, offsets)
        self._metrics.snapshot_seconds.labels(self.name).observe(time.monotonic() - began_s)
        return self._in_flight

    def _fits(self, found: Found, notes: list[str]) -> bool:
        header, place = found.header, f"{self.name}/{self.station.partition}"
        if header.partitions != self._keeping.partitions:
            raise StateError(
                f"{place}: expected state of {self._keeping.partitions} partitions (the setting `partitions`), found "
                f"state of {header.partitions} in topic {SNAPSHOTS}. The number cannot change: a key's history would "
                "be looked for in another partition than it stands in. Set `partitions` back, or begin with new topics."
            )
        if header.tick_us != self.station.stage.tick_us:
            ours = self.station.stage.tick_us // 1_000
            notes.append(f"{place}: expected state in ticks of {ours} ms, found {header.tick_us // 1_000} ms")
            return False
        return True
