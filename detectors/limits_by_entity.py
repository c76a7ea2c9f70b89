"""What is made of the limits of each entity, once."""

from collections.abc import Callable
from typing import Generic, TypeVar

from detectors.guardrail_settings import Guardrails, limits_of

Made = TypeVar("Made")


class LimitsByEntity(Generic[Made]):
    """Something made of the limits of an entity: of its own table where it has one, else of those of all.

    Parameters
    ----------
    guardrails
        The settings of the guardrails.
    make
        Makes it of limits.

    Examples
    --------
    >>> guardrails = Guardrails(symbols={"DOGE-PERP": {"price_window_s": 60}})
    >>> windows_us = LimitsByEntity(guardrails, lambda limits: limits.price_window_s * 1_000_000)
    >>> windows_us.of("DOGE-PERP"), windows_us.of("BTC-PERP")
    (60000000, 300000000)
    """

    __slots__ = ("_of_all", "_own")

    def __init__(self, guardrails: Guardrails, make: Callable[[Guardrails], Made]) -> None:
        self._of_all = make(guardrails)
        self._own = {entity: make(limits_of(guardrails, entity)) for entity in guardrails.symbols}

    def of(self, entity: str) -> Made:
        """What was made of the limits of one entity."""
        return self._own.get(entity, self._of_all)
