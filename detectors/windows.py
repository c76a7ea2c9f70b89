"""Counts over sliding windows of ticks, for any number of entities."""

from collections import deque

Counts = list[int]


class SlidingCounts:
    """Integer counts of entities over the last `length` ticks; entities that did nothing in them take no memory.

    Sums are kept by adding what enters and taking away what leaves: exact, because the counts are integers.

    Parameters
    ----------
    length
        Window in ticks, at least 1.
    width
        Counts an entity has.

    Examples
    --------
    >>> window = SlidingCounts(length=10, width=2)
    >>> window.add(5, {"a": [1, 8]})
    >>> window.add(9, {"a": [2, 0], "b": [1, 1]})
    >>> window.get("a"), window.get("b")
    ([3, 8], [1, 1])
    >>> window.add(15, {})
    >>> window.get("a"), window.get("c")
    ([2, 0], [0, 0])
    """

    __slots__ = ("_nothing", "_sums", "_ticks", "length", "width")

    def __init__(self, length: int, width: int) -> None:
        self.length = length
        self.width = width
        self._ticks: deque[tuple[int, dict[str, Counts]]] = deque()
        self._sums: dict[str, Counts] = {}
        self._nothing = [0] * width

    def __len__(self) -> int:
        return len(self._sums)

    def add(self, tick: int, counts: dict[str, Counts]) -> None:
        """Let tick number `tick` (rising) enter with its counts, and what is older than the window leave.

        The lists are kept as they are: they must not be changed afterwards.
        """
        self._expire(tick - self.length)
        if not counts:
            return
        self._ticks.append((tick, counts))
        sums = self._sums
        for entity, entering in counts.items():
            total = sums.get(entity)
            if total is None:
                sums[entity] = entering.copy()
            else:
                for index, count in enumerate(entering):
                    total[index] += count

    def get(self, entity: str) -> Counts:
        """The sums of an entity; do not change the list."""
        return self._sums.get(entity, self._nothing)

    def most(self, number: int) -> tuple[str, ...]:
        """The entities with the largest first counts, at most `number`, largest first."""
        return tuple(sorted(self._sums, key=lambda entity: (-self._sums[entity][0], entity))[:number])

    def _expire(self, last: int) -> None:
        ticks, sums = self._ticks, self._sums
        while ticks and ticks[0][0] <= last:
            for entity, leaving in ticks.popleft()[1].items():
                total = sums.get(entity)
                if total is None:
                    continue
                for index, count in enumerate(leaving):
                    total[index] -= count
                if not any(total):
                    del sums[entity]
