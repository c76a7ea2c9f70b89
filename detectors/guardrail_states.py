"""The state of one rule for each entity: untripped, soft or hard; how it trips, holds and clears."""

from collections import Counter
from decimal import Decimal
from itertools import islice
from typing import Any, TypeVar, get_args

from detectors.decisions import Level, Trip
from detectors.due_times import DueTimes
from detectors.entities import Entities
from detectors.errors import StateError
from detectors.guardrail_records import cleared, forgotten, tripped
from detectors.guardrail_rules import Bounds, GuardrailRule

T = TypeVar("T")
#: A symbol, a component, an account, or an account on a symbol.
Name = Any
_FORGOTTEN_AT_ONCE = 100


class _Standing:
    """A tripped entity: its level since when, what tripped it, what was last seen of it, and when to look again."""

    __slots__ = ("due_us", "level", "limit", "seen", "since_us", "turn", "value")

    def __init__(self, level: Level, since_us: int, value: Decimal, limit: Decimal, turn: int) -> None:
        self.level: Level = level
        self.since_us = since_us
        self.value = value
        self.limit = limit
        self.turn = turn
        self.due_us: int | None = None
        self.seen: Any = None

    def state(self) -> list[Any]:
        return [self.level, self.since_us, str(self.value), str(self.limit), self.turn, self.due_us, self.seen]

    @classmethod
    def of(cls, _name: Name, state: list[Any], _notes: list[str]) -> "_Standing":
        level, since_us, value, limit, turn, due_us, seen = state
        if level not in get_args(Level):
            raise StateError(f"expected soft or hard, found {level!r}, as the level of a tripped guardrail")
        standing = cls(level, since_us, Decimal(value), Decimal(limit), turn)
        standing.due_us, standing.seen = due_us, seen
        return standing


class GuardrailStates:
    """Trips and clears the entities of one rule; only tripped ones take memory.

    An entity trips when its value is beyond a limit, and rises from soft to hard. `min_hold_s` after it last tripped it
    may clear: when its value is within the clear bound of the soft limit. From hard, when it is within that of
    the hard limit only, it trips soft instead. Each transition gives one record; `limit` is what the value was compared
    with. A hold is counted in the time of the rule's input.

    Tripped entities are never silently forgotten: of more than `most`, the one whose level changed longest ago clears
    with the reason `forgotten`.

    Parameters
    ----------
    rule
        The rule.
    most
        Entities that may be tripped at a time, at least 1.
    counters
        Where it is counted that entities were forgotten, tripped or not.

    Examples
    --------
    >>> from detectors.guardrail_rules import MARK_INDEX, bounds_of
    >>> from detectors.guardrail_settings import Guardrails
    >>> bounds = bounds_of((Decimal("0.02"), Decimal("0.05")), Guardrails(min_hold_s=60))
    >>> states = GuardrailStates(MARK_INDEX, most=10, counters=Counter())
    >>> values = {0: "0.06", 30_000_000: "0.01", 60_000_000: "0.018", 120_000_000: "0.016"}
    >>> for clock_us, value in values.items():
    ...     for trip in states.settle("BTC-PERP", Decimal(value), bounds, clock_us):
    ...         print(clock_us, trip.state, trip.level, trip.value, trip.limit, trip.action)
    0 tripped hard 0.06 0.05 halt
    60000000 tripped soft 0.018 0.016 reduce_only
    120000000 cleared soft 0.016 0.016 none
    """

    def __init__(self, rule: GuardrailRule, most: int, counters: Counter[str]) -> None:
        self.rule = rule
        self._most = most
        self._counters = counters
        self._turn = 0
        self._due: DueTimes[Any] = DueTimes()
        #: What is saved.
        self.entities: Entities[_Standing] = Entities(
            None, save=_Standing.state, load=_Standing.of, turn=lambda standing: standing.turn
        )

    def __contains__(self, name: Name) -> bool:
        return name in self.entities

    @property
    def next_due_us(self) -> int:
        """No tripped entity has to be looked at before it."""
        return self._due.next_us

    def may_move(self, name: Name, approximate: float, bounds: Bounds, clock_us: int) -> bool:
        """Whether an exact value near this one could trip or clear the entity now; False is certain."""
        badness = -approximate if bounds.below else approximate
        standing = self.entities.get(name)
        if standing is None:
            return badness > bounds.near_soft
        if standing.level == "soft":
            if badness > bounds.near_hard:
                return True
            clear = bounds.near_soft_clear
        else:
            clear = bounds.near_hard_clear
        return badness <= clear and clock_us >= standing.since_us + bounds.hold_us

    def settle(self, name: Name, value: Decimal, bounds: Bounds, clock_us: int) -> list[Trip]:
        """What follows from an entity's exact value.

        Parameters
        ----------
        name, value
            The entity and its value.
        bounds
            Its limits.
        clock_us
            The time of the rule's input, never back.
        """
        standing = self.entities.get(name)
        if standing is None:
            level = bounds.level(value)
            return [] if level is None else self._trip(name, level, value, bounds, clock_us)
        if standing.level == "soft" and bounds.beyond(value, bounds.hard):
            return self._trip(name, "hard", value, bounds, clock_us)
        if clock_us < standing.since_us + bounds.hold_us:
            return []
        if not bounds.beyond(value, bounds.soft_clear):
            self._drop(name)
            return [cleared(self.rule, name, standing.level, value, bounds, clock_us)]
        if standing.level == "hard" and not bounds.beyond(value, bounds.hard_clear):
            return self._trip(name, "soft", value, bounds, clock_us)
        return []

    def note(self, name: Name, seen: object) -> None:
        """Remember of a tripped entity, as plain values, by what it can be judged again when its hold is over."""
        if name in self.entities:
            self.entities.change(name).seen = seen

    def seen_of(self, name: Name) -> Any:  # noqa: ANN401 - each rule has its own
        """What was last seen of a tripped entity."""
        standing = self.entities.get(name)
        return None if standing is None else standing.seen

    def is_unattended(self, name: Name) -> bool:
        """Whether an entity is tripped, and nothing but an event of its own would let it be looked at again."""
        standing = self.entities.get(name)
        return standing is not None and standing.due_us is None

    def wait(self, name: Name, due_us: int) -> None:
        """Let a tripped entity be looked at again at a time."""
        self.entities.change(name).due_us = due_us
        self._due.set(name, due_us)

    def take_due(self, clock_us: int) -> list[Name]:
        """The tripped entities to look at now, those due first before the others, each once."""
        names = self._due.take(clock_us)
        for name in names:
            self.entities.change(name).due_us = None
        return names

    def make_room(self, entities: Entities[T], most: int) -> list[Name]:
        """Forget a hundredth of a rule's entities when `most` of them are not tripped: those silent longest."""
        if len(entities) - len(self.entities) < most:
            return []
        many = max(most // _FORGOTTEN_AT_ONCE, 1)
        names = list(islice((name for name in entities if name not in self.entities), many))
        for name in names:
            entities.remove(name)
        self._counters["evicted_guardrail_entities"] += len(names)
        return names

    def resume(self) -> None:
        """Take up the times of the entities that were restored."""
        self._due = DueTimes()
        for name, standing in self.entities.items():
            self._turn = max(self._turn, standing.turn)
            if standing.due_us is not None:
                self._due.set(name, standing.due_us)

    def forget(self, name: Name, clock_us: int, why: str) -> Trip:
        """Clear a tripped entity that cannot be followed any longer, with the value and the limit it tripped with."""
        standing = self.entities.change(name)
        self._drop(name)
        self._counters["forgotten_trips"] += 1
        return forgotten(self.rule, name, standing.level, standing.value, standing.limit, clock_us, why)

    def _trip(self, name: Name, level: Level, value: Decimal, bounds: Bounds, clock_us: int) -> list[Trip]:
        trips: list[Trip] = []
        if name in self.entities:
            self.entities.remove(name)
        elif len(self.entities) >= self._most:
            trips.append(self.forget(next(iter(self.entities)), clock_us, f"{self._most} others are tripped"))
        trip = tripped(self.rule, name, level, value, bounds, clock_us)
        self._turn += 1
        self.entities.add(name, _Standing(level, clock_us, value, trip.limit, self._turn))
        self.wait(name, clock_us + bounds.hold_us)
        return [*trips, trip]

    def _drop(self, name: Name) -> None:
        self.entities.remove(name)
        self._due.drop(name)
