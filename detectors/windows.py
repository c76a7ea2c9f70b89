"""Counts over sliding windows of ticks, for any number of entities."""

from collections import deque
from typing import Any

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

    def state(self) -> list[list[Any]]:
        """The ticks in the window, with their counts."""
        return [[tick, counts] for tick, counts in self._ticks]

    def restore(self, state: list[list[Any]]) -> None:
        """Take up where `state()` was made."""
        self._ticks.clear()
        self._sums.clear()
        for tick, counts in state:
            self.add(tick, counts)

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


class ActivityWindows:
    """Cancels, pressure, fills and notional of accounts over two windows: the hot path of the account stage.

    As `SlidingCounts`, but for the four counts of an account, in a short and a long window, without loops over their
    places.

    Parameters
    ----------
    short, long
        Windows in ticks, `1 <= short < long`.

    Examples
    --------
    >>> windows = ActivityWindows(short=10, long=100)
    >>> windows.add(5, {"a": [1, 8, 0, 100]})
    >>> windows.add(20, {"a": [2, 10, 1, 50]})
    >>> windows.get("a")
    [2, 10, 1, 50, 3, 18, 1, 150]
    """

    __slots__ = ("_long_ticks", "_short_ticks", "_sums", "long", "short")

    def __init__(self, short: int, long: int) -> None:
        self.short = short
        self.long = long
        self._short_ticks: deque[tuple[int, dict[str, Counts]]] = deque()
        self._long_ticks: deque[tuple[int, dict[str, Counts]]] = deque()
        self._sums: dict[str, Counts] = {}

    def __len__(self) -> int:
        return len(self._sums)

    def add(self, tick: int, counts: dict[str, Counts]) -> None:
        """Let tick number `tick` (rising) enter, and what is older leave; the lists must not be changed afterwards."""
        self._expire(tick)
        self._short_ticks.append((tick, counts))
        self._long_ticks.append((tick, counts))
        sums = self._sums
        for entity, (cancels, pressure, fills, cents) in counts.items():
            total = sums.get(entity)
            if total is None:
                sums[entity] = [cancels, pressure, fills, cents, cancels, pressure, fills, cents]
            else:
                total[0] += cancels
                total[1] += pressure
                total[2] += fills
                total[3] += cents
                total[4] += cancels
                total[5] += pressure
                total[6] += fills
                total[7] += cents

    def get(self, entity: str) -> Counts:
        """Short window's counts, then the long one's; do not change the list."""
        return self._sums.get(entity, _EIGHT_ZEROS)

    def _expire(self, tick: int) -> None:
        sums = self._sums
        ticks = self._short_ticks
        while ticks and ticks[0][0] <= tick - self.short:
            for entity, (cancels, pressure, fills, cents) in ticks.popleft()[1].items():
                total = sums[entity]
                total[0] -= cancels
                total[1] -= pressure
                total[2] -= fills
                total[3] -= cents
        ticks = self._long_ticks
        while ticks and ticks[0][0] <= tick - self.long:
            for entity, (cancels, pressure, fills, cents) in ticks.popleft()[1].items():
                total = sums[entity]
                total[4] -= cancels
                total[5] -= pressure
                total[6] -= fills
                total[7] -= cents
                # Every entry of an account has a cancel or a fill: without either, none is left in the window.
                if not total[4] and not total[6]:
                    del sums[entity]


_EIGHT_ZEROS = [0] * 8
