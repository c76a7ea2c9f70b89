"""Several rules of one stage together."""

from collections.abc import Sequence
from typing import Any

from detectors.breaker import Breaker, Head
from detectors.entities import Entities


class Breakers:
    """What the guardrails of a stage remember, rule by rule.

    Parameters
    ----------
    breakers
        The rules, each of another name.
    """

    def __init__(self, breakers: Sequence[Breaker]) -> None:
        self._breakers = breakers

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
