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

from detectors.revival import STATE_VERSION

#: First byte of every value: a reader of another version takes nothing for what it is not. The second says whether the
#: next record goes on with the same body: brokers take records of 1 MiB unless told otherwise.
_VERSION = bytes([STATE_VERSION])
_MORE, _LAST = b"\x01", b"\x00"
_PIECE_BYTES = 524_288

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

    A successor reads from `offsets` on; up to `positions` all was read before, and what was refused has been told.
    `chain` is itself and the older checkpoints that hold entities not written since, oldest first.
    """

    partitions: int
    tick_us: int
    offsets: dict[str, int]
    positions: dict[str, int]
    chain: tuple[Part, ...]
    head: Any


class Cell(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One entity: its kind, its name, its state in msgpack."""

    kind: str
    name: Any
    state: msgspec.Raw


class Body(msgspec.Struct, frozen=True, array_like=True):
    """A part of a checkpoint: one record, or several where it is long."""

    header: Header | None
    cells: tuple[Cell, ...]
    gone: tuple[tuple[str, Any], ...]


class Found(NamedTuple):
    """A checkpoint with its chain merged: state -> where to go on from.

    `cells` has, by kind and name, the entity's state and the number of the checkpoint that it stands in; `written` how
    many cells each checkpoint holds, outdated ones too; `leftover` are keys that nobody needs any more.
    """

    header: Header
    cells: dict[str, dict[Any, tuple[int, msgspec.Raw]]]
    written: dict[int, int]
    leftover: tuple[bytes, ...]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Body).decode
_decode_any = msgspec.msgpack.Decoder().decode


def encode_body(body: Body) -> list[bytes]:
    """Values of the records that a body is."""
    value = _encode(body)
    pieces = [value[begin : begin + _PIECE_BYTES] for begin in range(0, len(value), _PIECE_BYTES)]
    return [_VERSION + (_LAST if piece is pieces[-1] else _MORE) + piece for piece in pieces]


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

    Notes
    -----
        Where it is noted that a key is not one of ours.
    """

    def __init__(self, records: Iterable[Record], stage: str, notes: list[str]) -> None:
        self.stage = stage
        self._notes = notes
        self._values: dict[tuple[int, str, int], bytes] = {}
        prefix = f"{stage}/".encode()
        for key, value in records:
            if key is None or not key.startswith(prefix):
                continue
            place = _place(key)
            if place is None:
                notes.append(f"snapshots: expected a key like `{stage}/12/ab12cd34/0`, found {key!r}")
            elif value is None:
                self._values.pop(place, None)
            else:
                self._values[place] = value

    @property
    def highest(self) -> int:
        """The highest number of a checkpoint, complete or not; 0 without any."""
        return max((number for number, _, _ in self._values), default=0)

    def find(self, committed: Mapping[str, int | None]) -> Found | None:
        """The newest complete checkpoint that reaches as far as what is committed; None: there is nothing to take up.

        Parameters
        ----------
        committed
            Input topic -> committed offset: what lies below has been processed.
        """
        for number, writer in sorted({place[:2] for place in self._values}, reverse=True):
            first = self._bodies(Part(number, writer, 1))
            header = first[0].header if first else None
            if header is None:
                continue
            behind = [topic for topic, offset in committed.items() if (offset or 0) > header.offsets.get(topic, 0)]
            if behind:
                name, found = f"checkpoint {self.stage}/{number}", f"that of {', '.join(sorted(behind))} beyond its end"
                self._notes.append(f"{name}: expected to reach the committed offsets, found {found}")
                continue
            merged = self._merged(header)
            if merged is not None:
                return merged
        return None

    def _bodies(self, part: Part) -> list[Body] | None:
        """The bodies in the first records of a checkpoint; None when one is missing, or cannot be read."""
        bodies: list[Body] = []
        pieces: list[bytes] = []
        index = 0
        while index < part.records or pieces:
            value = self._values.get((part.number, part.writer, index))
            if value is None:
                return None
            found = f"version {value[0]}" if value else "nothing"
            if value[:1] == _VERSION:
                pieces.append(value[2:])
                index += 1
                if value[1:2] == _MORE:
                    continue
                try:
                    bodies.append(_decode(b"".join(pieces)))
                    pieces = []
                    continue
                except msgspec.DecodeError as error:
                    found = f"other bytes ({error})"
            name = f"checkpoint {self.stage}/{part.number}"
            self._notes.append(f"{name}: expected state of version {STATE_VERSION}, found {found}")
            return None
        return bodies

    def _merged(self, header: Header) -> Found | None:
        """A checkpoint with all of its chain; None when some of it is missing."""
        cells: dict[str, dict[Any, tuple[int, msgspec.Raw]]] = {}
        written: dict[int, int] = {}
        for part in header.chain:
            bodies = self._bodies(part)
            if bodies is None:
                return None
            written[part.number] = sum(len(body.cells) for body in bodies)
            for body in bodies:
                for kind, name in body.gone:
                    cells.get(kind, {}).pop(name_of(name), None)
                for cell in body.cells:
                    cells.setdefault(cell.kind, {})[name_of(cell.name)] = (part.number, cell.state)
        oldest = min(written, default=0)
        # Newer ones that are not of this chain may be somebody's who goes on from them.
        leftover = (Part(n, writer, 0).key(self.stage, index) for n, writer, index in self._values if n < oldest)
        return Found(header, cells, written, tuple(leftover))


def _place(key: bytes) -> tuple[int, str, int] | None:
    try:
        _, number, writer, index = key.decode().split("/")
        return int(number), writer, int(index)
    except ValueError:
        return None
