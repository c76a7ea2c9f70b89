"""An import: rows of several files to lines of events, checked, counted, and in order of time."""

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence

from detectors.events import EVENT_TYPES, BookSnapshot, Event
from streams.adapters.ordering import Reorder
from streams.adapters.rejects import Rejects
from streams.adapters.rows import Row, RowFault
from streams.adapters.source import Adapter, Source
from streams.codecs import RecordDecoder
from streams.files import Line

#: Far more than a book of a thousand levels takes.
_LONGEST_EVENT_BYTES = 1_048_576


class Import:
    """Files as one sequence of lines, merged by time; lines of the same time come in the order of the files.

    Every line has been decoded as whoever reads it will, and its book looked through: what comes out is taken.

    Parameters
    ----------
    sources
        The files, with what they are.
    rejects
        Takes bad rows, or ends the import.
    tolerance_us
        How far the time may go back within a file, in microseconds, >= 0.

    Raises
    ------
    DecodeError
        While reading: a file cannot be read, has other columns than its kind, or has more bad rows than are allowed.
    """

    def __init__(self, sources: Sequence[Source], rejects: Rejects, tolerance_us: int = 5_000_000) -> None:
        self._sources = sources
        self._rejects = rejects
        self._tolerance_us = tolerance_us
        self._decoders = {topic: RecordDecoder(topic, _LONGEST_EVENT_BYTES) for topic in EVENT_TYPES}
        self.rows = 0
        self.events: Counter[str] = Counter()
        self.passed_over: Counter[str] = Counter()
        self.first_us: int | None = None
        self.last_us: int | None = None

    @property
    def total_bytes(self) -> int:
        """How long the files are, packed as they are."""
        return sum(source.rows.total_bytes for source in self._sources)

    @property
    def read_bytes(self) -> int:
        """How much of `total_bytes` has been read."""
        return sum(source.rows.read_bytes for source in self._sources)

    @property
    def rejected(self) -> int:
        """How many bad rows there were."""
        return self._rejects.count

    def __iter__(self) -> Iterator[Line]:
        """Read all files; once."""
        lines = [self._lines_of(source) for source in self._sources]
        for line in lines[0] if len(lines) == 1 else heapq.merge(*lines, key=lambda line: line.timestamp):
            self.events[line.topic] += 1
            if self.first_us is None:
                self.first_us = line.timestamp
            self.last_us = line.timestamp
            yield line

    def _lines_of(self, source: Source) -> Iterator[Line]:
        adapter: Adapter | None = None
        reorder = Reorder(self._tolerance_us)
        last: Row | None = None
        for row in source.rows.rows():
            if adapter is None:
                adapter = source.make(row)
                if adapter.has_header:
                    continue
            self.rows += 1
            last = row
            try:
                lines = adapter.take(row)
                if not lines:
                    continue
                self._push(lines, reorder)
            except RowFault as fault:
                self._rejects.take(source.rows.path, fault.rows or (row,), str(fault))
            yield from reorder.ready()
        if adapter is not None and last is not None:
            try:
                self._push(adapter.finish(), reorder)
            except RowFault as fault:
                self._rejects.take(source.rows.path, fault.rows or (last,), str(fault))
            self.passed_over.update(adapter.passed_over)
        yield from reorder.rest()

    def _push(self, lines: Sequence[Line], reorder: Reorder) -> None:
        """All lines of a row, or none."""
        for line in lines:
            decoded = self._decoders[line.topic].decode([line.raw], [0])
            if decoded.refused:
                raise RowFault(_found_instead(decoded.refused[0].message, line.raw))
            _check_order(decoded.events[0])
        for line in lines:
            reorder.push(line)


def _check_order(event: Event) -> None:
    if type(event) is not BookSnapshot:
        return
    for name, side, sign in (("bids", event.bids, -1.0), ("asks", event.asks, 1.0)):
        before = sign * side[0][0] if side else 0.0
        for price, _ in side[1:]:
            if sign * price <= before:
                raise RowFault(f"expected {name} from the best price on, found {price} behind {sign * before}")
            before = sign * price


def _found_instead(message: str, raw: bytes) -> str:
    shown = raw.decode("utf-8", "backslashreplace")
    return f"{message}, in {shown if len(shown) <= 200 else shown[:200] + '...'}"
