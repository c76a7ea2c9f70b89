"""What a stage has read of a topic, by tick: where the evidence lies, and which offsets are done with."""

from bisect import bisect_left
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from detectors.config import Timing
from detectors.events import Event
from detectors.results import Evidence
from detectors.timing import BEGINNING_US, ClockGuard

#: Refused events that are remembered; of more, the first are forgotten.
_MOST_REFUSED = 10_000


class InputLedger:
    """Offsets of one topic partition by tick.

    It answers three questions: which records were seen already, where the records of a tick lie, and below which offset
    every record is in a closed tick (so that a restart may begin there).

    Examples
    --------
    >>> ledger = InputLedger("trades", 0, Timing())
    >>> ledger.note(7, 100, 103)
    >>> ledger.note(8, 104, 104)
    >>> ledger.safe_offset, ledger.close(7), ledger.safe_offset
    (100, Evidence(topic='trades', partition=0, first_offset=100, last_offset=103), 104)
    >>> ledger.seen_of([103, 104, 105])
    2
    """

    __slots__ = ("_again_us", "_next_offset", "_open", "_refused", "guard", "known_below", "partition", "topic")

    def __init__(self, topic: str, partition: int, timing: Timing) -> None:
        self.topic = topic
        self.partition = partition
        self.guard = ClockGuard(timing)
        self._open: dict[int, list[int]] = {}
        self._next_offset: int | None = None
        #: Records below it were read before by whom this stage took over from.
        self.known_below = 0
        self._again_us = BEGINNING_US
        #: Refused events that may be read again: offset, and place among the events of that record.
        self._refused: list[tuple[int, int]] = []

    def state(self) -> list[Any]:
        """What the guard knows, the offset below which it has seen everything, and what it has refused."""
        self._forget_refused()
        return [self.guard.state(), self.read_below, self._refused]

    @property
    def read_below(self) -> int:
        """Records below this offset were read, by this stage or by whom it took over from."""
        return max(self.known_below, self._next_offset or 0)

    def resume(self, state: list[Any]) -> None:
        """Take up where `state()` was made; reading begins at the safe offset, so that open ticks are folded again."""
        guard, self.known_below, refused = state
        self.guard.restore(guard)
        self._refused = [(offset, place) for offset, place in refused]

    def refuse(self, offsets: Sequence[int], index: int) -> None:
        """Note that an event was refused, so that it is when it is read again: time may have moved since."""
        self._refused.append((offsets[index], index - bisect_left(offsets, offsets[index])))
        if len(self._refused) > _MOST_REFUSED:
            self._forget_refused()
            del self._refused[:-_MOST_REFUSED]

    def refused_before(self, offsets: Sequence[int]) -> frozenset[int]:
        """Which of these events, by index, were refused when they were first read."""
        if not self._refused or offsets[0] >= self.known_below:
            return frozenset()
        found = set()
        for offset, place in self._refused:
            index = bisect_left(offsets, offset) + place
            if offset < self.known_below and index < len(offsets) and offsets[index] == offset:
                found.add(index)
        return frozenset(found)

    def _forget_refused(self) -> None:
        safe_offset = self.safe_offset
        if safe_offset is not None:
            self._refused = [one for one in self._refused if one[0] >= safe_offset]

    def newest_us(self, events: Sequence[Event]) -> int:
        """How far the input has come with these events, the last ones read.

        The guard knows what was read before this stage took over. What is read again only goes as far as it goes.
        """
        if self._next_offset is None or self._next_offset >= self.known_below:
            return self.guard.newest_us
        times = (event.timestamp for event in events if event.timestamp <= self.guard.newest_us)
        self._again_us = max(self._again_us, max(times, default=BEGINNING_US))
        return self._again_us

    @property
    def safe_offset(self) -> int | None:
        """Every record below this offset is in a closed tick; None when nothing was read."""
        if not self._open:
            return self._next_offset
        return min(span[0] for span in self._open.values())

    def seen_of(self, offsets: Sequence[int]) -> int:
        """How many of these rising offsets were read before."""
        if self._next_offset is None or not offsets or offsets[0] >= self._next_offset:
            return 0
        seen = 0
        while seen < len(offsets) and offsets[seen] < self._next_offset:
            seen += 1
        return seen

    def note(self, tick: int, first_offset: int, last_offset: int) -> None:
        """Records from `first_offset` to `last_offset` belong (among others) to an open tick."""
        span = self._open.get(tick)
        if span is None:
            self._open[tick] = [first_offset, last_offset]
        else:
            span[1] = last_offset
        self.read(last_offset)

    def read(self, last_offset: int) -> None:
        """Everything up to `last_offset` was read, whether or not it belongs to a tick."""
        if self._next_offset is None or last_offset >= self._next_offset:
            self._next_offset = last_offset + 1

    def close(self, tick: int) -> Evidence | None:
        """Close a tick; where its records lie, None when it had none here."""
        span = self._open.pop(tick, None)
        return Evidence(self.topic, self.partition, span[0], span[1]) if span is not None else None


def merge_evidence(parts: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """One stretch a topic partition, from its first record to its last, sorted.

    Examples
    --------
    >>> merge_evidence([Evidence("cancels", 0, 5, 9), Evidence("books", 0, 1, 2), Evidence("cancels", 0, 4, 7)])[1]
    Evidence(topic='cancels', partition=0, first_offset=4, last_offset=9)
    """
    spans: dict[tuple[str, int], list[int]] = {}
    for part in parts:
        span = spans.setdefault((part.topic, part.partition), [part.first_offset, part.last_offset])
        span[0], span[1] = min(span[0], part.first_offset), max(span[1], part.last_offset)
    return tuple(Evidence(topic, partition, *span) for (topic, partition), span in sorted(spans.items()))


class EvidenceWindow:
    """Where the input of the last `length` ticks lies.

    Examples
    --------
    >>> window = EvidenceWindow(length=10)
    >>> window.add(1, (Evidence("cancels", 0, 5, 9),))
    >>> window.add(4, (Evidence("cancels", 0, 10, 10), Evidence("trades", 0, 3, 3)))
    >>> [(e.topic, e.first_offset, e.last_offset) for e in window.merged()]
    [('cancels', 5, 10), ('trades', 3, 3)]
    """

    __slots__ = ("_merged", "_spans", "_tick", "length")

    def __init__(self, length: int) -> None:
        self.length = length
        self._tick = -1
        self._spans: dict[tuple[str, int], deque[tuple[int, int, int]]] = {}
        self._merged: tuple[Evidence, ...] | None = None

    def add(self, tick: int, evidence: tuple[Evidence, ...]) -> None:
        """Let a tick enter, or more of the newest one; ticks do not fall."""
        self._tick = tick
        self._merged = None
        for part in evidence:
            spans = self._spans.get((part.topic, part.partition))
            if spans is None:
                spans = self._spans[part.topic, part.partition] = deque()
            while spans and spans[0][0] <= tick - self.length:
                spans.popleft()
            first, last = part.first_offset, part.last_offset
            if spans and spans[-1][0] == tick:
                _, other_first, other_last = spans.pop()
                first, last = min(first, other_first), max(last, other_last)
            spans.append((tick, first, last))

    def state(self) -> list[Any]:
        """The newest tick, and the stretches of each topic partition."""
        return [self._tick, [[topic, partition, list(spans)] for (topic, partition), spans in self._spans.items()]]

    def restore(self, state: list[Any]) -> None:
        """Take up where `state()` was made."""
        self._tick, every = state
        self._spans = {
            (topic, partition): deque((tick, first, last) for tick, first, last in spans)
            for topic, partition, spans in every
        }
        self._merged = None

    def of(self, topics: Collection[str], partition: int | None = None) -> tuple[Evidence, ...]:
        """The stretches of some topics, and of one partition if it is given; of all topics when none is named.

        Examples
        --------
        >>> window = EvidenceWindow(length=10)
        >>> window.add(1, (Evidence("books", 0, 1, 2), Evidence("cancels", 0, 5, 9), Evidence("cancels", 1, 3, 4)))
        >>> [(e.topic, e.partition) for e in window.of(("cancels",))], len(window.of(("cancels",), 1))
        ([('cancels', 0), ('cancels', 1)], 1)
        """
        return tuple(
            part
            for part in self.merged()
            if (not topics or part.topic in topics) and partition in (None, part.partition)
        )

    def merged(self) -> tuple[Evidence, ...]:
        """One stretch a topic partition, sorted: from the first record of all its ticks to the last."""
        if self._merged is None:
            found = []
            for (topic, partition), spans in sorted(self._spans.items()):
                while spans and spans[0][0] <= self._tick - self.length:
                    spans.popleft()
                if spans:
                    # Records that came out of order lie before those of earlier ticks.
                    first, last = min(span[1] for span in spans), max(span[2] for span in spans)
                    found.append(Evidence(topic, partition, first, last))
            self._merged = tuple(found)
        return self._merged
