"""When something falls due, by name: cheap to move, and cheap to ask."""

import heapq
from typing import Generic, TypeVar

Key = TypeVar("Key", str, tuple[str, ...])

#: Later than any event.
NEVER_US = 2**63 - 1


class DueTimes(Generic[Key]):
    """One time for each name; what is due comes in order of time, then of name.

    A name that is put off keeps its place in the heap until it comes up there: putting off costs no more than a dict.

    Examples
    --------
    >>> due = DueTimes[str]()
    >>> due.set("b", 10); due.set("a", 10); due.set("c", 5); due.set("c", 20)
    >>> due.next_us, due.take(12), due.take(12), due.take(20), due.next_us == NEVER_US
    (5, ['a', 'b'], [], ['c'], True)
    """

    __slots__ = ("_at", "_heap", "_queued", "next_us")

    def __init__(self) -> None:
        self._at: dict[Key, int] = {}
        #: Of each name in the heap, the earliest time it stands there with.
        self._queued: dict[Key, int] = {}
        self._heap: list[tuple[int, Key]] = []
        #: Nothing is due before it.
        self.next_us = NEVER_US

    def set(self, name: Key, due_us: int) -> None:
        """Let a name fall due at a time, in place of the time it had."""
        self._at[name] = due_us
        if due_us < self._queued.get(name, NEVER_US):
            self._queue(name, due_us)

    def drop(self, name: Key) -> None:
        """Let a name not fall due."""
        self._at.pop(name, None)

    def take(self, now_us: int) -> list[Key]:
        """The names that are due by now; they have no time any more."""
        found: list[tuple[int, Key]] = []
        heap = self._heap
        while heap and heap[0][0] <= now_us:
            queued_us, name = heapq.heappop(heap)
            if self._queued.get(name) != queued_us:
                continue
            del self._queued[name]
            due_us = self._at.get(name)
            if due_us is None:
                continue
            if due_us > now_us:
                self._queue(name, due_us)
            else:
                del self._at[name]
                found.append((due_us, name))
        self.next_us = heap[0][0] if heap else NEVER_US
        return [name for _, name in sorted(found)]

    def _queue(self, name: Key, due_us: int) -> None:
        self._queued[name] = due_us
        heapq.heappush(self._heap, (due_us, name))
        self.next_us = self._heap[0][0]
