"""Several rules of one stage together."""

from collections.abc import Iterator, Sequence
from typing import Any

from detectors.breaker import Breaker, Head
from detectors.entities import Entities
from detectors.guardrail_rules import ACCOUNT_EXPOSURE, COMPONENT_LATENCY
from detectors.measures import Measure

#: Rules whose entities are no symbols, and have none in their names.
_WITHOUT_SYMBOL = {COMPONENT_LATENCY.name, ACCOUNT_EXPOSURE.name}


class Breakers:
    """What the guardrails of a stage remember, rule by rule.

    Parameters
    ----------
    breakers
        The rules, each of another name.
    """

    def __init__(self, breakers: Sequence[Breaker]) -> None:
        self._breakers = breakers

    def measures(self) -> Iterator[Measure]:
        """Give the entities that are tripped, by rule, level and symbol."""
        for breaker in self._breakers:
            rule = breaker.rule.name
            for name, standing in breaker.states.entities.items():
                # The name of a position is its account and its symbol.
                symbol = "" if rule in _WITHOUT_SYMBOL else name[1] if isinstance(name, tuple) else name
                yield Measure("trips_in_force", (rule, standing.level, symbol), 1)

    def kept(self) -> dict[str, Entities[Any]]:
        """What is tripped, and what the rules remember of entities."""
        return {kind: entities for breaker in self._breakers for kind, entities in breaker.kept().items()}

    def head(self) -> Head:
        """The times of the rules."""
        return {breaker.rule.name: breaker.head() for breaker in self._breakers}

    def resume(self, head: Head, notes: list[str]) -> None:
        """Take up the times of the rules, after the entities."""
        for breaker in self._breakers:
            breaker.resume(head[breaker.rule.name], notes)
