"""Checkpoints: what a stage knew at one moment, as records of the compacted topic `snapshots`, and how one is found.

A checkpoint holds the stage's head, the entities that changed since the checkpoint before, and the input offsets that
its successor reads from. Together with the older ones in its chain it is everything. Each record has a key of its own,
`stage/number/writer/index`, so that nobody overwrites what somebody else may need; a checkpoint counts when all of its
records, and those of its chain, are there. It is written only after everything that came of its input was acknowledged:
any complete one that reaches as far as the committed offsets is right to begin from, whoever wrote it.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from detectors.errors import StateError
from detectors.revival import STATE_VERSION

#: First byte of every value: a reader of another version takes nothing for what it is not.
_VERSION = bytes([STATE_VERSION])

Record = tuple[bytes | None, bytes | None]


class Part(msgspec.Struct, frozen=True, array_like=True):
    """One checkpoint of a chain: its number, who wrote it, and of how many records it is made."""

    number: int
    writer: str
    records: int

    def key(self, stage: str, index: int) -> bytes:
        """The key of one of its records."""
        return f"{stage}/{self.number}/{self.writer}/{index}".encode()


class Header(msgspec.Struct, frozen=True):
    """What the first record of a checkpoint says; the others hold its cells.

    `chain` is itself and the older checkpoints that hold entities not written since, oldest first.
    """

    partitions: int
    tick_us: int
    offsets: dict[str, int]
    chain: tuple[Part, ...]
    head: Any


class Cell(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One entity: its kind, its name, its state in msgpack."""

    kind: str
    name: Any
    state: msgspec.Raw


class Body(msgspec.Struct, frozen=True, array_like=True):
    """One record of a checkpoint."""

    header: Header | None
    cells: tuple[Cell, ...]
    gone: tuple[tuple[str, Any], ...]


class Found(NamedTuple):
    """A checkpoint with its chain merged: state -> where to go on from.

    `cells` has, by kind and name, the entity's state and the number of the checkpoint that it stands in; `leftover` are
    keys that nobody needs any more.
    """

    header: Header
    cells: dict[str, dict[Any, tuple[int, msgspec.Raw]]]
    leftover: tuple[bytes, ...]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Body).decode
_decode_any = msgspec.msgpack.Decoder().decode


def encode_body(body: Body) -> bytes:
    """Bytes of one record."""
    return _VERSION + _encode(body)


def encode_state(state: object) -> bytes:
    """Bytes of one entity's state."""
    return _encode(state)


def decode_state(state: msgspec.Raw) -> Any:  # noqa: ANN401 - plain values of any shape
    """One entity's state."""
    return _decode_any(state)


def name_of(decoded: Any) -> Any:  # noqa: ANN401 - msgpack has no tuples
    """A name as the core knows it."""
    return tuple(decoded) if isinstance(decoded, list) else decoded


class Log:
    """The checkpoints of one stage in one partition of `snapshots`, as compaction would leave them.

    Parameters
    ----------
    records
        Keys and values in the order of the log; other stages' are passed over.
    stage
        Name of the stage.

    Raises
    ------
    StateError
        A key is not one of ours.
    """

    def __init__(self, records: Iterable[Record], stage: str) -> None:
        self.stage = stage
        self._values: dict[tuple[int, str, int], bytes] = {}
        prefix = f"{stage}/".encode()
        for key, value in records:
            if key is None or not key.startswith(prefix):
                continue
            place = _place(key)
            if value is None:
                self._values.pop(place, None)
            else:
                self._values[place] = value

    @property
    def highest(self) -> int:
        """The highest number of a checkpoint, complete or not; 0 without any."""
        return max((number for number, _, _ in self._values), default=0)

    def find(self, committed: Mapping[str, int | None], notes: list[str]) -> Found | None:
        """The newest complete checkpoint that reaches as far as what is committed; None: there is nothing to take up.

        Parameters
        ----------
        committed
            Input topic -> committed offset: what lies below has been processed.
        notes
            Where it is noted why a checkpoint was passed over.
        """
        for number, writer in sorted({place[:2] for place in self._values}, reverse=True):
            header = self._header(number, writer, notes)
            if header is None:
                continue
            behind = [topic for topic, offset in committed.items() if (offset or 0) > header.offsets.get(topic, 0)]
            if behind:
                name, found = f"checkpoint {self.stage}/{number}", f"that of {', '.join(sorted(behind))} beyond its end"
                notes.append(f"{name}: expected to reach the committed offsets, found {found}")
                continue
            return self._merged(header)
        return None

    def _header(self, number: int, writer: str, notes: list[str]) -> Header | None:
        """The header of a checkpoint that is there with all of its chain."""
        body = self._body(number, writer, 0, notes)
        if body is None or body.header is None:
            return None
        for part in body.header.chain:
            if any(self._body(part.number, part.writer, index, notes) is None for index in range(part.records)):
                return None
        return body.header

    def _body(self, number: int, writer: str, index: int, notes: list[str]) -> Body | None:
        value = self._values.get((number, writer, index))
        if value is None:
            return None
        found = f"version {value[0]}" if value else "nothing"
        if value[:1] == _VERSION:
            try:
                return _decode(value[1:])
            except msgspec.DecodeError as error:
                found = f"other bytes ({error})"
        notes.append(f"checkpoint {self.stage}/{number}: expected state of version {STATE_VERSION}, found {found}")
        return None

    def _merged(self, header: Header) -> Found:
        cells: dict[str, dict[Any, tuple[int, msgspec.Raw]]] = {}
        for part in header.chain:
            for index in range(part.records):
                body = _decode(self._values[part.number, part.writer, index][1:])
                for kind, name in body.gone:
                    cells.get(kind, {}).pop(name_of(name), None)
                for cell in body.cells:
                    cells.setdefault(cell.kind, {})[name_of(cell.name)] = (part.number, cell.state)
        oldest = header.chain[0].number
        # Newer ones that are not of this chain may be somebody's who goes on from them.
        leftover = (Part(n, writer, 0).key(self.stage, index) for n, writer, index in self._values if n < oldest)
        return Found(header, cells, tuple(leftover))


def _place(key: bytes) -> tuple[int, str, int]:
    try:
        _, number, writer, index = key.decode().split("/")
        return int(number), writer, int(index)
    except ValueError as error:
        raise StateError(f"snapshots: expected a key like `market/12/ab12cd34/0`, found {key!r}") from error
