"""What is still to happen, in order of time."""

from bisect import insort
from collections import defaultdict
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
_Entry = tuple[int, int, Callable[[int, Any], None], Any]


class Agenda:
    """A calendar of actions: kept in slots, put in order only when their slot comes, so that far-off actions cost little.

    Actions at the same time run in the order in which they were added.

    Parameters
    ----------
    slot_us
        Length of a slot in microseconds; > 0.

    Examples
    --------
    >>> agenda, seen = Agenda(slot_us=100), []
    >>> agenda.add(150, lambda now_us, what: seen.append((now_us, what)), "late")
    >>> agenda.add(20, lambda now_us, what: agenda.add(now_us + 5, lambda *then: seen.append(then), what), "soon")
    >>> agenda.run(0), agenda.run(1), seen
    (None, None, [(25, 'soon'), (150, 'late')])
    """

    def __init__(self, slot_us: int) -> None:
        self.slot_us = slot_us
        self._later: defaultdict[int, list[_Entry]] = defaultdict(list)
        self._open_slot = -1
        self._open: list[_Entry] = []
        self._added = 0

    def add(self, time_us: int, action: Callable[[int, T], None], detail: T) -> None:
        """Have `action(time_us, detail)` called at `time_us`, which must not lie in the past."""
        self._added += 1
        slot = time_us // self.slot_us
        if slot <= self._open_slot:
            insort(self._open, (time_us, self._added, action, detail))
        else:
            self._later[slot].append((time_us, self._added, action, detail))

    def run(self, slot: int) -> None:
        """Run everything in `slot`, also what is added to it meanwhile; slots are run in order, each once."""
        self._open_slot = slot
        self._open = self._later.pop(slot, [])
        self._open.sort()
        # An action may add to the open slot: that lands behind the present one, where this loop will find it.
        for time_us, _, action, detail in self._open:
            action(time_us, detail)
