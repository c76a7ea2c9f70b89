"""Recorded events in files: NDJSON, plain or gzipped, several files merged by time."""

import gzip
import heapq
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import msgspec

from detectors.errors import DecodeError
from detectors.events import KEY_FIELD, LATEST_TIMESTAMP_US, TOPIC_OF_TYPE, Event, key_of
from streams.codecs import WHOLE_RECORD, RefusedElement, encode_event

_GZIP_MAGIC = b"\x1f\x8b"
#: Stands for the partition of a line that has none.
NO_PARTITION = -1


class Line(NamedTuple):
    """An event that can be routed, not decoded yet: it may still be refused by whoever reads its topic.

    `timestamp` orders lines; a line without a usable one has that of the line before it.
    """

    timestamp: int
    topic: str
    key: str
    raw: bytes


class UnroutableLine(NamedTuple):
    """A line that belongs to no topic; the offset of `refused` is its number in the file, the first being 1."""

    timestamp: int
    file: str
    refused: RefusedElement


Router = Callable[[bytes, str, int, int], Line | UnroutableLine]


class _Route(msgspec.Struct):
    """What routing needs of a line; whatever is found there, so that all else is judged in one place."""

    type: Any = None
    timestamp: Any = None
    symbol: Any = None
    account: Any = None
    component: Any = None


_decode_route = msgspec.json.Decoder(_Route).decode


class EventFiles:
    """Files of events as one sequence of lines, merged by time; lines of the same time come in the order of the files.

    A file is expected in order of time; where it is not, its lines come as they stand, and those that are too late are
    counted by the core. Blank lines are passed over.

    Parameters
    ----------
    paths
        The files. Whether one is gzipped is seen from its first bytes.
    router
        Tells where a line belongs, as `route` does; another one where lines are not of our own contract.

    Raises
    ------
    DecodeError
        While reading: a file cannot be read, or its compression is broken.
    """

    def __init__(self, paths: Sequence[Path], router: Router | None = None) -> None:
        self._paths = paths
        self._route = router or route
        self._open: list[BinaryIO] = []
        self._closed_bytes = 0
        self.total_bytes = sum(path.stat().st_size for path in paths if path.is_file())

    @property
    def read_bytes(self) -> int:
        """How much of `total_bytes` has been read, compressed as it is."""
        return self._closed_bytes + sum(file.tell() for file in self._open)

    def __iter__(self) -> Iterator[Line | UnroutableLine]:
        """Read all files from the beginning."""
        self._closed_bytes = 0
        if len(self._paths) == 1:
            return self._read(self._paths[0])
        return heapq.merge(*map(self._read, self._paths), key=lambda line: line.timestamp)

    def _read(self, path: Path) -> Iterator[Line | UnroutableLine]:
        number, timestamp = 0, 0
        try:
            with path.open("rb") as file:
                self._open.append(file)
                try:
                    for number, text in enumerate(_lines_of(file), 1):
                        raw = text.strip(b" \t\r\n")
                        if raw:
                            line = self._route(raw, path.name, number, timestamp)
                            timestamp = line.timestamp
                            yield line
                finally:
                    self._open.remove(file)
                    self._closed_bytes += file.tell()
        except (OSError, EOFError, zlib.error) as error:
            raise DecodeError(f"{path}, after line {number}: expected a readable file, found: {error}") from error


def route(raw: bytes, file: str, number: int, previous_timestamp: int = 0) -> Line | UnroutableLine:
    """Tell where a line belongs.

    Parameters
    ----------
    raw
        The line, without its end.
    file, number
        Where it stands.
    previous_timestamp
        Taken when the line has no usable time of its own.

    Examples
    --------
    >>> route(b'{"type":"trade","timestamp":7,"symbol":"BTC"}', "a.ndjson", 1)[:3]
    (7, 'trades', 'BTC')
    >>> route(b'{"type":"quote"}', "a.ndjson", 2).refused.message
    "Expected one of the known event types, got 'quote' - at `$.type`"
    """
    try:
        found = _decode_route(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        reason = "schema" if isinstance(error, msgspec.ValidationError) else "malformed"
        return _unroutable(raw, file, number, previous_timestamp, reason, str(error))
    timestamp = _usable_time(found.timestamp, previous_timestamp)
    topic = TOPIC_OF_TYPE.get(found.type) if isinstance(found.type, str) else None
    if topic is None:
        message = f"Expected one of the known event types, got {found.type!r} - at `$.type`"
        return _unroutable(raw, file, number, timestamp, "schema", message)
    field = KEY_FIELD[topic]
    key = getattr(found, field)
    if not isinstance(key, str) or not key:
        message = f"Expected a name to route by, got {key!r} - at `$.{field}`"
        return _unroutable(raw, file, number, timestamp, "schema", message)
    return Line(timestamp, topic, key, raw)


def line_of(topic: str, event: Event) -> Line:
    """Make the line of an event that is at hand already."""
    return Line(event.timestamp, topic, key_of(topic, event), encode_event(event))


def _unroutable(raw: bytes, file: str, number: int, timestamp: int, reason: str, message: str) -> UnroutableLine:
    return UnroutableLine(timestamp, file, RefusedElement(number, WHOLE_RECORD, reason, message[:500], raw))


def _usable_time(found: object, otherwise: int) -> int:
    if isinstance(found, str) and found.isdecimal() and len(found) < 20:
        found = int(found)
    if isinstance(found, int) and 0 <= found <= LATEST_TIMESTAMP_US:
        return int(found)
    return otherwise


def _lines_of(file: BinaryIO) -> Iterator[bytes]:
    magic = file.read(len(_GZIP_MAGIC))
    file.seek(0)
    return iter(cast("BinaryIO", gzip.GzipFile(fileobj=file)) if magic == _GZIP_MAGIC else file)
