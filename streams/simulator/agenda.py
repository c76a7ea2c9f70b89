"""What is still to happen, in order of time."""

from bisect import insort
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")


class Action(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """Something an agenda can be asked to do, by its number there; it is done with a detail of type `T`.

    A number and not the function itself, so that entries refer to nothing the garbage collector follows: there are
    hundreds of thousands of them, and it would walk through them again and again.
    """

    number: int


_Entry = tuple[int, int, int, Any]


class Agenda:
    """A calendar of actions, kept in slots and put in order only when their slot comes: far-off actions cost little.

    Actions at the same time run in the order in which they were added.

    Parameters
    ----------
    slot_us
        Length of a slot in microseconds; > 0.

    Examples
    --------
    >>> agenda, seen = Agenda(slot_us=100), []
    >>> note = agenda.action(lambda now_us, what: seen.append((now_us, what)))
    >>> later = agenda.action(lambda now_us, what: agenda.add(now_us + 5, note, what))
    >>> agenda.add(150, note, "late")
    >>> agenda.add(20, later, "soon")
    >>> agenda.run(0), agenda.run(1), seen
    (None, None, [(25, 'soon'), (150, 'late')])
    """

    def __init__(self, slot_us: int) -> None:
        self.slot_us = slot_us
        self._actions: list[Callable[[int, Any], None]] = []
        self._later: defaultdict[int, list[_Entry]] = defaultdict(list)
        self._open_slot = -1
        self._open: list[_Entry] = []
        self._added = 0

    def action(self, do: Callable[[int, T], None]) -> Action[T]:
        """Make known what can be done: `do(time_us, detail)`."""
        self._actions.append(do)
        return Action(len(self._actions) - 1)

    def add(self, time_us: int, action: Action[T], detail: T) -> None:
        """Have `action` done with `detail` at `time_us`, which must not lie in the past."""
        self._added += 1
        slot = time_us // self.slot_us
        if slot <= self._open_slot:
            insort(self._open, (time_us, self._added, action.number, detail))
        else:
            self._later[slot].append((time_us, self._added, action.number, detail))

    def run(self, slot: int) -> None:
        """Do everything in `slot`, also what is added to it meanwhile; slots are run in order, each once."""
        self._open_slot = slot
        self._open = self._later.pop(slot, [])
        self._open.sort()
        actions = self._actions
        # An action may add to the open slot: that lands behind the present one, where this loop will find it.
        for time_us, _, number, detail in self._open:
            actions[number](time_us, detail)
