"""Writes a stage's checkpoints: each time what has changed, and a little of what has not, so that chains stay short."""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import msgspec

from detectors.entities import Entities
from streams.checkpoints import Body, Cell, Found, Header, Part, encode_body, encode_state

#: A record is closed at so many bytes of entities: brokers take records of 1 MiB unless told otherwise.
_RECORD_BYTES = 262_144
#: A chain of more checkpoints, or with so many times more cells than there are entities, has its oldest rewritten.
_LONGEST_CHAIN = 32
_MOST_CELLS_PER_ENTITY = 2
#: Cells that a chain may hold in any case.
_FREE_CELLS = 2_000
#: Rewritten at once beside what has changed: as many cells as have changed, at least so many.
_LEAST_REWRITTEN = 500
#: Tombstones follow so many checkpoints later: a worker that was stopped for a while may still go on from older ones.
_TOMBSTONES_AFTER = 8


class StageState(Protocol):
    """What the journal asks of a stage."""

    @property
    def tick_us(self) -> int:
        """Length of its ticks."""
        ...

    def head(self) -> dict[str, Any]:
        """What is written each time."""
        ...

    def kept(self) -> Mapping[str, Entities[Any]]:
        """What is written when it has changed."""
        ...


class Checkpoint(NamedTuple):
    """One checkpoint to send: its records, and the offsets that may be committed once it is stored."""

    number: int
    offsets: dict[str, int]
    records: list[tuple[bytes, bytes | None]]


class Journal:
    """The checkpoints of one stage on one partition.

    A checkpoint is taken in one go and so is consistent; what it costs depends on what has changed. What has not
    changed stays in older checkpoints of the chain. When that grows too long, or holds too many outdated cells, the
    entities that still stand in its oldest checkpoint are written anew, some at a time, until that one can go: as a
    log-structured file system cleans its segments. So a successor reads at most about twice what there is.

    Parameters
    ----------
    stage
        Name of the stage.
    partitions
        Partitions of the co-partitioned topics, written into each checkpoint.
    writer
        A name that no other journal has.
    above
        Number that all checkpoints there are stay at or below.
    """

    def __init__(self, stage: str, partitions: int, writer: str, above: int = 0) -> None:
        self.stage = stage
        self.partitions = partitions
        self.writer = writer
        self._chain: deque[Part] = deque()
        #: By checkpoint of the chain: cells written in it, and those not outdated since.
        self._cells: dict[int, int] = {}
        self._live: dict[int, int] = {}
        self._written: dict[str, dict[Any, int]] = {}
        self._retired: deque[tuple[int, bytes]] = deque()
        self._number = above

    def take_up(self, found: Found) -> None:
        """Go on from a checkpoint."""
        self._chain = deque(found.header.chain)
        self._number = max(self._number, self._chain[-1].number)
        self._live = dict.fromkeys((part.number for part in self._chain), 0)
        self._written = {}
        for kind, cells in found.cells.items():
            written = self._written[kind] = {}
            for name, (number, _) in cells.items():
                written[name] = number
                self._live[number] += 1
        self._cells = dict(found.written)
        self._retired = deque((self._number, key) for key in found.leftover)

    def write(
        self, stage: StageState, offsets: Mapping[str, int], positions: Mapping[str, int] | None = None
    ) -> Checkpoint:
        """Take a checkpoint of a stage whose outputs have all been handed over.

        Parameters
        ----------
        stage
            What it is of.
        offsets
            Per input, where its successor reads on.
        positions
            Per input, the offset behind the last record taken, at or behind that; None: as `offsets`.
        """
        self._number += 1
        self._live[self._number] = 0
        bodies = _Bodies()
        gone = self._write_changed(stage, bodies)
        self._rewrite_oldest(stage, bodies, most=max(bodies.cells, _LEAST_REWRITTEN))
        self._cells[self._number] = bodies.cells
        values = bodies.close()
        self._drop_outdated()
        reached = dict(offsets if positions is None else positions)
        first, part = self._first(stage, (dict(offsets), reached), gone, len(values))
        self._chain.append(part)
        values = [*first, *values]
        records: list[tuple[bytes, bytes | None]] = [
            (part.key(self.stage, index), value) for index, value in enumerate(values)
        ]
        return Checkpoint(self._number, dict(offsets), [*records, *self._tombstones()])

    def _first(
        self,
        stage: StageState,
        read: tuple[dict[str, int], dict[str, int]],
        gone: list[tuple[str, Any]],
        others: int,
    ) -> tuple[list[bytes], Part]:
        """The records with the header, which says how many there are of all; and what the checkpoint is in a chain."""
        head, records = stage.head(), 1 + others
        while True:
            part = Part(self._number, self.writer, records)
            header = Header(self.partitions, stage.tick_us, *read, (*self._chain, part), head)
            values = encode_body(Body(header, (), tuple(gone)))
            if len(values) + others == records:
                return values, part
            records = len(values) + others

    def _write_changed(self, stage: StageState, bodies: "_Bodies") -> list[tuple[str, Any]]:
        """Write what has changed; gives what is gone."""
        gone: list[tuple[str, Any]] = []
        for kind, entities in stage.kept().items():
            changed, forgotten = entities.take_changes()
            written = self._written.setdefault(kind, {})
            for name in forgotten:
                number = written.pop(name, None)
                if number is not None:
                    self._live[number] -= 1
                    gone.append((kind, name))
            for name in changed:
                self._outdate(written.get(name))
                self._write_cell(kind, name, entities, bodies)
        return gone

    def _rewrite_oldest(self, stage: StageState, bodies: "_Bodies", most: int) -> None:
        """Write again what only the oldest checkpoint holds, at most so many, when the chain should become shorter."""
        left = most
        while self._chain and self._is_too_long() and left > 0:
            oldest = self._chain[0].number
            for kind, entities in stage.kept().items():
                written = self._written.setdefault(kind, {})
                names = [name for name, number in written.items() if number == oldest] if self._live[oldest] else []
                for name in names[:left]:
                    self._outdate(oldest)
                    self._write_cell(kind, name, entities, bodies)
                left -= min(len(names), left)
            if self._live[oldest]:
                break
            self._drop_outdated()

    def _is_too_long(self) -> bool:
        live = sum(self._live.values())
        return len(self._chain) > _LONGEST_CHAIN or sum(self._cells.values()) > (
            _MOST_CELLS_PER_ENTITY * live + _FREE_CELLS
        )

    def _write_cell(self, kind: str, name: Any, entities: Entities[Any], bodies: "_Bodies") -> None:  # noqa: ANN401
        self._written[kind][name] = self._number
        self._live[self._number] += 1
        bodies.add(Cell(kind, name, msgspec.Raw(encode_state(entities.state_of(name)))))

    def _outdate(self, number: int | None) -> None:
        if number is not None:
            self._live[number] -= 1

    def _drop_outdated(self) -> None:
        """Let go of the oldest checkpoints of which nothing is needed, before a newer one is added."""
        while self._chain and not self._live[self._chain[0].number]:
            part = self._chain.popleft()
            del self._live[part.number], self._cells[part.number]
            self._retired += [(self._number, part.key(self.stage, index)) for index in range(part.records)]

    def _tombstones(self) -> Iterator[tuple[bytes, None]]:
        while self._retired and self._retired[0][0] <= self._number - _TOMBSTONES_AFTER:
            yield self._retired.popleft()[1], None


class _Bodies:
    """Cells packed into records as they come: only bytes are kept of a large checkpoint."""

    def __init__(self) -> None:
        self.cells = 0
        self._values: list[bytes] = []
        self._open: list[Cell] = []
        self._open_bytes = 0

    def add(self, cell: Cell) -> None:
        self.cells += 1
        self._open.append(cell)
        self._open_bytes += len(cell.state)
        if self._open_bytes >= _RECORD_BYTES:
            self._pack()

    def close(self) -> list[bytes]:
        if self._open:
            self._pack()
        return self._values

    def _pack(self) -> None:
        self._values += encode_body(Body(None, tuple(self._open), ()))
        self._open, self._open_bytes = [], 0
