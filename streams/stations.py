"""A pure stage at work on one partition: batches in, records to send and safe offsets out, without Kafka or Faust."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from detectors.entities import Entities
from detectors.errors import DecodeError, StateError
from detectors.events import Event
from detectors.results import Refusal, RefusedRecord
from streams.alignment import Reach
from streams.batches import RecordBatch
from streams.checkpoints import Found, decode_state
from streams.codecs import WHOLE_RECORD, RecordDecoder, RecordReader, RefusedElement, locate_refusals
from streams.followed_intake import FollowedIntake

Frame = TypeVar("Frame")
#: Topics are called alike everywhere.
NO_NAMES: Mapping[str, str] = {}


class Stage(Protocol):
    """What every pure stage has; what `poll` returns differs."""

    counters: Counter[str]
    closed_us: int
    faults: deque[str]

    @property
    def tick_us(self) -> int:
        """Length of a tick."""
        ...

    @property
    def settled_us(self) -> int:
        """The time before which nothing waits any more."""
        ...

    @property
    def watermark(self) -> Reach:
        """How far its inputs have come."""
        ...

    def sample(self, one_in: int) -> None:
        """Let heavy models look at one observation in so many."""
        ...

    @property
    def open_ticks(self) -> int:
        """How many ticks may still grow."""
        ...

    def poll(self, now_us: int) -> object:
        """Close what can be closed, and give what came of it."""
        ...

    def safe_offset(self, topic: str) -> int | None:
        """Every record below it is in closed ticks; None: nothing read yet."""
        ...

    def head(self) -> dict[str, Any]:
        """What a successor needs, but for the entities kept."""
        ...

    def kept(self) -> Mapping[str, Entities[Any]]:
        """By kind, the entities that are saved one by one."""
        ...

    def resume(self, head: dict[str, Any], cells: Mapping[str, Mapping[Any, Any]], notes: list[str]) -> None:
        """Take up where another stage was."""
        ...


class EventStage(Stage, Protocol):
    """A stage with topics of events among its inputs."""

    def push(
        self,
        topic: str,
        offsets: Sequence[int],
        events: Sequence[Event],
        now_us: int,
        refused: Sequence[RefusedRecord] = (),
    ) -> list[Refusal]:
        """Take events, and note what was refused beside them; `Refusal.element` is an index into the events."""
        ...

    def rest(self, topic: str, seen_us: int) -> None:
        """State that this input was read to its end when the broker last answered."""
        ...


class OutgoingRecord(NamedTuple):
    """A record to send; `partition` None lets the key decide."""

    topic: str
    value: bytes | None
    key: bytes | None = None
    partition: int | None = None
    headers: list[tuple[str, bytes]] | None = None


class Taken(NamedTuple):
    """What became of one batch."""

    records: int
    events: int
    refused: list[RefusedElement]


class Intake(Protocol):
    """How the records of one input topic get into the stage."""

    #: Whether the stage is told when this input is read to its end.
    rests: bool

    def take(self, batch: RecordBatch, now_us: int) -> tuple[list[int], list[RefusedElement]]:
        """Decode and push; gives the offset of every event taken, and what was refused."""
        ...

    def rest(self, seen_us: int) -> None:
        """The input was read to its end when the broker last answered."""
        ...


class EventIntake:
    """Events of an input topic."""

    rests = True

    def __init__(
        self, topic: str, stage: EventStage, max_record_bytes: int, reader: RecordReader | None = None
    ) -> None:
        self._topic = topic
        self._stage = stage
        self._decoder = RecordDecoder(topic, max_record_bytes, reader)

    def take(self, batch: RecordBatch, now_us: int) -> tuple[list[int], list[RefusedElement]]:
        """Decode, push, and find the bytes of what was refused."""
        decoded = self._decoder.decode(batch.values, batch.offsets)
        placed = [self._decoder.place(one) for one in decoded.refused]
        refusals = self._stage.push(self._topic, decoded.offsets, decoded.events, now_us, placed)
        if not refusals:
            return decoded.offsets, decoded.refused
        located = locate_refusals(refusals, batch.values, batch.offsets, decoded)
        # A record that goes as a whole is one letter, whatever was refused of it before.
        whole = {one.offset for one in located if one.element == WHOLE_RECORD}
        gone = {refusal.element for refusal in refusals}
        taken = [offset for index, offset in enumerate(decoded.offsets) if index not in gone]
        return taken, [one for one in decoded.refused if one.offset not in whole] + located

    def rest(self, seen_us: int) -> None:
        """State it to the stage."""
        self._stage.rest(self._topic, seen_us)


class FrameIntake(Generic[Frame]):
    """Frames of an internal topic, made by a stage upstream; the frames themselves say when their source rests."""

    rests = False

    def __init__(self, decode: Callable[[bytes], Frame], push: Callable[[Frame, int, int], None]) -> None:
        self._decode = decode
        self._push = push

    def take(self, batch: RecordBatch, now_us: int) -> tuple[list[int], list[RefusedElement]]:
        """Decode and push frame by frame."""
        taken: list[int] = []
        refused: list[RefusedElement] = []
        for offset, value in zip(batch.offsets, batch.values, strict=True):
            try:
                frame = self._decode(value or b"")
            except DecodeError as error:
                refused.append(RefusedElement(offset, WHOLE_RECORD, "schema", str(error), value or b""))
            else:
                self._push(frame, offset, now_us)
                taken.append(offset)
        return taken, refused

    def rest(self, seen_us: int) -> None:
        """Frames carry it."""


class Station:
    """One stage on one partition.

    Remembers how far each input was taken, so that records read again after a rebalance are passed over, and refines
    the stage's safe offsets: a record of which nothing was taken holds nothing back.

    Parameters
    ----------
    partition
        The partition it works on.
    stage
        Its stage, fresh.
    intakes
        Input topic -> how its records get in.
    to_records
        Turns what `stage.poll` gives into records to send.
    followed
        How what operators say gets into the stage; None: it takes nothing of it.
    names
        How the stage calls topics that have another name on the broker.
    """

    def __init__(
        self,
        partition: int,
        stage: Stage,
        intakes: Mapping[str, Intake],
        to_records: Callable[[object], Iterable[OutgoingRecord]],
        followed: FollowedIntake[Any] | None = None,
        names: Mapping[str, str] = NO_NAMES,
    ) -> None:
        self.partition = partition
        self._names = names
        self.followed = followed
        self.stage = stage
        self._intakes = dict(intakes)
        self._to_records = to_records
        self._next_offset: dict[str, int] = {}
        self._last_event_offset: dict[str, int] = {}
        #: Per input, where reading begins as long as nothing was read.
        self._starts: dict[str, int] = {}
        #: Per input, the offset below which a predecessor has told what was refused.
        self._told_below: dict[str, int] = {}

    def resume(self, found: Found, notes: list[str]) -> None:
        """Go on from a checkpoint; what could not be taken up is added to `notes`."""
        cells = {
            kind: {name: decode_state(state) for name, (_, state) in named.items()}
            for kind, named in found.cells.items()
        }
        self.stage.resume(found.header.head, cells, notes)
        self._next_offset = dict(found.header.offsets)
        self._told_below = dict(found.header.positions)

    def begin_at(self, starts: Mapping[str, int]) -> None:
        """Expect the first records of each input at an offset: before it the broker has none, or all are done with.

        Records that it has deleted before they were read, while nobody worked, are counted (`expired`).
        """
        for topic, start in starts.items():
            position = self._next_offset.get(topic)
            if position is not None and start > position:
                self.stage.counters["expired"] += start - position
                self._next_offset[topic] = start
        self._starts = dict(starts)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Topics it reads."""
        return tuple(self._intakes)

    def position(self, topic: str, start: int | None = None) -> int | None:
        """The offset behind the last record taken, or where reading starts, if it is behind that; None: not known.

        `start` is where reading stands as long as nothing was read: behind marks of transactions, of which nothing is
        seen.
        """
        position = self._next_offset.get(topic)
        return start if position is None else position if start is None else max(position, start)

    def positions(self) -> dict[str, int]:
        """Per topic, the offset behind the last record taken, by this station or its predecessor."""
        reached = self._told_below | self._next_offset
        return {topic: max(offset, self._told_below.get(topic, 0)) for topic, offset in reached.items()}

    def take(self, batch: RecordBatch, now_us: int) -> Taken:
        """Take the records of a batch that were not taken before.

        Raises
        ------
        StateError
            Records between this batch and the one before never came.
        """
        expected = self._next_offset.get(batch.topic, self._starts.get(batch.topic, batch.start))
        if batch.start > expected:
            raise StateError(
                f"expected records of {batch.topic}[{batch.partition}] from offset {expected}, found {batch.start}"
            )
        batch = batch.from_offset(expected)
        if not batch.offsets:
            return Taken(0, 0, [])
        event_offsets, refused = self._intakes[batch.topic].take(batch, now_us)
        self._next_offset[batch.topic] = batch.next_offset
        if event_offsets:
            self._last_event_offset[batch.topic] = event_offsets[-1]
        told_below = self._told_below.get(batch.topic, 0)
        return Taken(len(batch.offsets), len(event_offsets), [one for one in refused if one.offset >= told_below])

    def poll(self, ends: Mapping[str, tuple[int | None, int | None, int]], now_us: int) -> list[OutgoingRecord]:
        """Tell the stage which inputs are read to their end, and let it close what can be closed.

        Parameters
        ----------
        ends
            Per input topic, where reading starts if nothing was read yet, the end of what the broker has, and when the
            broker said so (on the clock of `now_us`).
        now_us
            The shell's monotonic clock, in microseconds.
        """
        for topic, (start, end, seen_us) in ends.items():
            position = self.position(topic, start)
            if end is not None and position is not None and position >= end:
                self._intakes[topic].rest(seen_us)
        return list(self._to_records(self.stage.poll(now_us)))

    def resting_topics(self) -> list[str]:
        """Inputs of which the stage wants to know when they are read to their end."""
        return [topic for topic, intake in self._intakes.items() if intake.rests]

    def safe_offsets(self) -> dict[str, int]:
        """Per topic, the offset below which this station needs nothing any more; topics without one are left out."""
        found = {topic: self._safe_offset(topic, position) for topic, position in self._next_offset.items()}
        return {topic: offset for topic, offset in found.items() if offset is not None}

    def _safe_offset(self, topic: str, position: int) -> int | None:
        last_event = self._last_event_offset.get(topic)
        safe = self.stage.safe_offset(self._names.get(topic, topic))
        if last_event is None or (safe is not None and safe > last_event):
            return position
        return None if safe is None else min(safe, position)
