"""What is remembered of many entities, up to a cap: who was silent longest goes first."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Generic, TypeVar

from detectors.errors import MISSHAPEN

T = TypeVar("T")

#: What msgpack carries as a key: a symbol, an account, a tick, or several of them.
Name = str | int | tuple[str, ...]
#: At the cap, this part of all is forgotten at once.
_FORGOTTEN_AT_ONCE = 100


class Entities(Generic[T]):
    """Entities by name in the order of their last touch, with a note of which changed since they were last saved.

    Parameters
    ----------
    most
        Entities remembered; at that number a hundredth of them, those touched longest ago, are forgotten for a new one.
        None: as many as are added.
    save, load
        An entity as plain values, and back. `load` also takes the list to which it adds what could not be taken up.
    turn
        When an entity was last touched, as a number or a tuple that rises: what `restore` sorts by. Those touched in
        the same turn must have been touched in the order of their names.
    counters, evicted
        Where, and under which name, it is counted that one was forgotten.

    Examples
    --------
    >>> counters: Counter[str] = Counter()
    >>> levels = Entities[list[int]](2, save=list, load=lambda name, state, notes: list(state), turn=lambda one: one[0],
    ...                              counters=counters, evicted="evicted")
    >>> for turn, name in enumerate(["a", "b", "a", "c"]):
    ...     _ = levels.touch(name) or levels.add(name, [turn])
    >>> list(levels), counters["evicted"], levels.take_changes()
    (['a', 'c'], 1, (['a', 'c'], []))
    >>> _ = levels.touch("a")
    >>> levels.remove("c")
    >>> levels.take_changes(), levels.state_of("a"), levels.state_of("b")
    ((['a'], ['c']), [0], None)
    """

    __slots__ = ("_changed", "_counters", "_entities", "_evicted", "_gone", "_load", "_most", "_save", "_turn")

    def __init__(
        self,
        most: int | None,
        *,
        save: Callable[[T], object],
        load: Callable[[Any, Any, list[str]], T],
        turn: Callable[[T], Any],
        counters: Counter[str] | None = None,
        evicted: str = "",
    ) -> None:
        self._most = most
        self._save = save
        self._load = load
        self._turn = turn
        self._counters = counters
        self._evicted = evicted
        self._entities: dict[Any, T] = {}
        # None until changes are first asked for: nobody may ever do so. Dicts, not sets: their order is that of events.
        self._changed: dict[Any, None] | None = None
        self._gone: dict[Any, None] = {}

    @property
    def most(self) -> int | None:
        """How many are remembered at most; None: as many as are added."""
        return self._most

    def __len__(self) -> int:
        return len(self._entities)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._entities)

    def __contains__(self, name: Name) -> bool:
        return name in self._entities

    def get(self, name: Name) -> T | None:
        """Look at an entity without touching it."""
        return self._entities.get(name)

    def items(self) -> Iterable[tuple[Any, T]]:
        """Names and entities, the longest silent first."""
        return self._entities.items()

    def touch(self, name: Name) -> T | None:
        """Take an entity up to change it; None when it is not known."""
        found = self._entities.pop(name, None)
        if found is not None:
            # Put back at the end: the order of the dict is the order of forgetting.
            self._entities[name] = found
            if self._changed is not None:
                self._changed[name] = None
        return found

    def change(self, name: Name) -> T:
        """Take an entity up to change it, without touching it: it stays as old as it is; KeyError when not known."""
        if self._changed is not None:
            self._changed[name] = None
        return self._entities[name]

    def add(self, name: Name, entity: T) -> T:
        """Remember a new entity."""
        if self._most is not None and len(self._entities) >= self._most:
            self._forget(max(self._most // _FORGOTTEN_AT_ONCE, 1))
        self._entities[name] = entity
        if self._changed is not None:
            self._changed[name] = None
            self._gone.pop(name, None)
        return entity

    def remove(self, name: Name) -> None:
        """Forget an entity."""
        del self._entities[name]
        if self._changed is not None:
            self._changed.pop(name, None)
            self._gone[name] = None

    def _forget(self, many: int) -> None:
        """Forget the longest silent; some at once, since finding the first of a dict takes long after many moves."""
        for name in list(islice(self._entities, many)):
            self.remove(name)
            if self._counters is not None:
                self._counters[self._evicted] += 1

    def take_changes(self) -> tuple[list[Any], list[Any]]:
        """Which were added or touched, and which forgotten, since this was last asked; at first, all there are."""
        changed, gone = list(self._entities if self._changed is None else self._changed), list(self._gone)
        self._changed, self._gone = {}, {}
        return changed, gone

    def state_of(self, name: Name) -> object | None:
        """One entity as plain values; None when it is not known."""
        entity = self._entities.get(name)
        return None if entity is None else self._save(entity)

    def restore(self, states: Iterable[tuple[Any, Any]], notes: list[str]) -> None:
        """Take up what `state_of` gave for every name, in place of what is there; what cannot be is forgotten."""
        self._entities, self._changed, self._gone = {}, {}, {}
        loaded: list[tuple[Any, T]] = []
        for name, state in states:
            try:
                loaded.append((name, self._load(name, state, notes)))
            except MISSHAPEN as error:
                self._gone[name] = None
                notes.append(f"{name} is forgotten: {type(error).__name__}: {error}")
        loaded.sort(key=lambda one: one[0])
        loaded.sort(key=lambda one: self._turn(one[1]))
        for name, entity in loaded:
            self.add(name, entity)
        # Saved as they are; those above the cap are gone.
        self._changed = {}
