"""The last ticks as they were folded: windows are counted anew from them when a stage takes up its state."""

from collections.abc import Iterator
from typing import Generic, TypeVar

from detectors.entities import Entities

Rows = TypeVar("Rows")


class RecentTicks(Generic[Rows]):
    """What the last `length` ticks brought; each is saved once, and forgotten when it leaves the window.

    Parameters
    ----------
    length
        Ticks kept, at least 1.

    Examples
    --------
    >>> recent = RecentTicks(length=10)
    >>> recent.add(3, {"a": 1})
    >>> recent.add(12, {"b": 2})
    >>> recent.add(13, {})
    >>> list(recent.items())
    [(12, {'b': 2})]
    """

    __slots__ = ("_length", "ticks")

    def __init__(self, length: int) -> None:
        self._length = length
        self.ticks: Entities[tuple[int, Rows]] = Entities(
            None, save=lambda kept: kept[1], load=lambda tick, rows, _: (tick, rows), turn=lambda kept: kept[0]
        )

    def add(self, tick: int, rows: Rows) -> None:
        """Let a tick enter (they rise), and what is older leave; the rows must not be changed afterwards."""
        while len(self.ticks) and (oldest := next(iter(self.ticks))) <= tick - self._length:
            self.ticks.remove(oldest)
        if rows:
            self.ticks.add(tick, (tick, rows))

    def items(self) -> Iterator[tuple[int, Rows]]:
        """Ticks and what they brought, oldest first."""
        return iter([kept for _, kept in self.ticks.items()])
