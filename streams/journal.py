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
        self._live = dict.fromkeys((part.number for part in self._chain), 0)
        self._written = {}
        for kind, cells in found.cells.items():
            written = self._written[kind] = {}
            for name, (number, _) in cells.items():
                written[name] = number
                self._live[number] += 1
        self._cells = dict(self._live)
        self._retired = deque((self._number, key) for key in found.leftover)

    def write(self, stage: StageState, offsets: Mapping[str, int]) -> Checkpoint:
        """Take a checkpoint of a stage whose outputs have all been handed over, to be read on from `offsets`."""
        self._number += 1
        number = self._number
        self._live[number] = 0
        cells, gone = self._changed(stage)
        cells += self._rewritten(stage, most=max(len(cells), _LEAST_REWRITTEN))
        self._cells[number] = len(cells)
        bodies = list(_cut(cells))
        part = Part(number, self.writer, max(len(bodies), 1))
        self._drop_outdated()
        self._chain.append(part)
        header = Header(self.partitions, stage.tick_us, dict(offsets), tuple(self._chain), stage.head())
        records: list[tuple[bytes, bytes | None]] = []
        for index, body in enumerate(bodies or [()]):
            first = index == 0
            value = encode_body(Body(header if first else None, body, tuple(gone) if first else ()))
            records.append((part.key(self.stage, index), value))
        records += self._tombstones()
        return Checkpoint(number, dict(offsets), records)

    def _changed(self, stage: StageState) -> tuple[list[Cell], list[tuple[str, Any]]]:
        cells: list[Cell] = []
        gone: list[tuple[str, Any]] = []
        for kind, entities in stage.kept().items():
            changed, forgotten = entities.take_changes()
            written = self._written.setdefault(kind, {})
            for name in forgotten:
                self._outdate(written.pop(name, None))
                gone.append((kind, name))
            for name in changed:
                self._outdate(written.get(name))
                cells.append(self._cell(kind, name, entities, written))
        return cells, gone

    def _rewritten(self, stage: StageState, most: int) -> list[Cell]:
        """Cells of the oldest checkpoint that nothing newer holds, when the chain should become shorter."""
        found: list[Cell] = []
        while self._chain and self._is_too_long() and len(found) < most:
            oldest = self._chain[0].number
            for kind, entities in stage.kept().items():
                written = self._written.setdefault(kind, {})
                names = [name for name, number in written.items() if number == oldest] if self._live[oldest] else []
                for name in names[: most - len(found)]:
                    self._outdate(oldest)
                    found.append(self._cell(kind, name, entities, written))
            if self._live[oldest]:
                break
            self._drop_outdated()
        return found

    def _is_too_long(self) -> bool:
        live = sum(self._live.values())
        return len(self._chain) > _LONGEST_CHAIN or sum(self._cells.values()) > (
            _MOST_CELLS_PER_ENTITY * live + _FREE_CELLS
        )

    def _cell(self, kind: str, name: Any, entities: Entities[Any], written: dict[Any, int]) -> Cell:  # noqa: ANN401
        written[name] = self._number
        self._live[self._number] += 1
        return Cell(kind, name, msgspec.Raw(encode_state(entities.state_of(name))))

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


def _cut(cells: list[Cell]) -> Iterator[tuple[Cell, ...]]:
    size, first = 0, 0
    for index, cell in enumerate(cells):
        size += len(cell.state)
        if size >= _RECORD_BYTES or index == len(cells) - 1:
            yield tuple(cells[first : index + 1])
            size, first = 0, index + 1
