"""What rules that trip on the event have in common: the time of their input, and a second look when a hold is over."""

from collections import Counter
from decimal import Decimal
from typing import Any

from detectors.config import CoreSettings
from detectors.decisions import Trip
from detectors.entities import Entities
from detectors.guardrail_rules import Bounds, GuardrailRule
from detectors.guardrail_settings import Guardrails
from detectors.guardrail_states import GuardrailStates, Name
from detectors.limits_by_entity import LimitsByEntity
from detectors.timing import BEGINNING_US

#: What all entities of a rule share, as plain values.
Head = dict[str, Any]


class Breaker:
    """One rule over all entities of one topic partition, whose events come in the order of their offsets.

    Time is that of the newest event of the partition, of whatever entity; it never goes back, and an event that stands
    behind it counts when it comes. It also lets an entity clear that has fallen silent: by its last value, or, where
    the value is one of a window, by what is left in it.

    A subclass says which limits an entity has (`limits_of`), what its exact value is (`value_of`) and when that changes
    by itself (`changes_us`); it hands every event to `advance`, and then what it saw to `weigh`.

    Parameters
    ----------
    rule
        The rule.
    settings
        The settings of the core.
    most
        Entities that may be tripped at a time; where a rule remembers others, as many of those.
    counters
        The stage's counters.
    """

    def __init__(self, rule: GuardrailRule, settings: CoreSettings, most: int, counters: Counter[str]) -> None:
        self.rule = rule
        self.clock_us = BEGINNING_US
        self.states = GuardrailStates(rule, most, counters)
        self.most = most
        self.counters = counters
        self.bounds = LimitsByEntity(settings.guardrails, self.limits_of)
        self.turn = 0

    def limits_of(self, limits: Guardrails) -> Bounds:
        """The bounds of this rule among the limits of an entity."""
        raise NotImplementedError

    def value_of(self, name: Name, seen: Any) -> Decimal | None:  # noqa: ANN401 - each rule has its own
        """The exact value of an entity by what was last seen of it; None when it has none now."""
        raise NotImplementedError

    def bounds_of(self, name: Name, seen: Any) -> Bounds:  # noqa: ANN401 - as above
        """The bounds of an entity, from the limits of its own name unless a rule knows better."""
        return self.bounds.of(name)

    def changes_us(self, name: Name) -> int | None:
        """When the value of an entity next changes without an event of its own; None: never."""
        return None

    def advance(self, timestamp_us: int, name: Name) -> list[Trip]:
        """Let time come on to an event of one entity, and look again at the others whose hold is over."""
        if timestamp_us <= self.clock_us:
            return []
        self.clock_us = timestamp_us
        return self.look_again(name) if timestamp_us >= self.states.next_due_us else []

    def look_again(self, but_not: Name = None) -> list[Trip]:
        """Judge the tripped entities that are due, but for the one that is about to be judged by its own event."""
        trips: list[Trip] = []
        for name in self.states.take_due(self.clock_us):
            if name != but_not:
                trips += self.judge(name, self.states.seen_of(name))
        return trips

    def weigh(self, name: Name, approximate: float, seen: object = None) -> list[Trip]:
        """Judge an entity by what was seen now; exactly only if its approximate value may matter."""
        states, bounds = self.states, self.bounds_of(name, seen)
        if states.may_move(name, approximate, bounds, self.clock_us):
            return self.judge(name, seen)
        if name in states:
            states.note(name, seen)
            self._attend(name)
        return []

    def judge(self, name: Name, seen: object) -> list[Trip]:
        """Judge an entity by its exact value."""
        value = self.value_of(name, seen)
        if value is None:
            return []
        trips = self.states.settle(name, value, self.bounds_of(name, seen), self.clock_us)
        self.states.note(name, seen)
        self._attend(name)
        return trips

    def _attend(self, name: Name) -> None:
        if self.states.is_unattended(name):
            due_us = self.changes_us(name)
            if due_us is not None:
                self.states.wait(name, due_us)

    def next_turn(self) -> int:
        """A number for a touch of an entity, above all before it."""
        self.turn += 1
        return self.turn

    def kept(self) -> dict[str, Entities[Any]]:
        """The tripped entities, and whatever else the rule remembers of entities."""
        return {self.rule.name: self.states.entities}

    def head(self) -> Head:
        """What all entities share."""
        return {"clock_us": self.clock_us, "turn": self.turn}

    def resume(self, head: Head, notes: list[str]) -> None:
        """Take up what all entities share, after the entities themselves."""
        self.clock_us, self.turn = head["clock_us"], head["turn"]
        self.states.resume()
