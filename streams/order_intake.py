"""How operators' orders get into an account stage: from the worker's own reading of their topic, at every step."""

from collections.abc import Callable, Sequence
from typing import Protocol

from detectors.decisions import Override
from detectors.errors import DecodeError
from streams.codecs import WHOLE_RECORD, RefusedElement
from streams.orders import decode_order

#: Offset and value of the records of `overrides` from an offset on.
Since = Callable[[int], Sequence[tuple[int, bytes]]]


class ObeyingStage(Protocol):
    """A stage that takes orders, and remembers how far it has."""

    orders_below: int

    def obey(self, order: Override) -> None:
        """Let an order be in force."""
        ...


class OrderIntake:
    """Hands orders to one stage, each once.

    Every stage sees every order, so that a refused one is told by one of them alone.

    Parameters
    ----------
    stage
        Who obeys.
    since
        The worker's own reading.
    tells
        Whether this stage is the one that tells what was refused.
    """

    def __init__(self, stage: ObeyingStage, since: Since, *, tells: bool) -> None:
        self._stage = stage
        self._since = since
        self._tells = tells

    def take(self) -> list[RefusedElement]:
        """Hand on what is new; what was no order is given back, a deletion is none and nothing."""
        refused = []
        for offset, value in self._since(self._stage.orders_below):
            try:
                self._stage.obey(decode_order(value))
            except DecodeError as error:
                if value and self._tells:
                    refused.append(RefusedElement(offset, WHOLE_RECORD, "schema", str(error), value))
            self._stage.orders_below = offset + 1
        return refused
