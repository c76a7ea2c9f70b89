"""How the records of a topic that each worker follows get into a stage: at every step, from its own reading."""

from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from detectors.errors import DecodeError
from streams.codecs import WHOLE_RECORD, RefusedElement

#: Offset and value of the records of a topic from an offset on.
Since = Callable[[int], Sequence[tuple[int, bytes]]]
Said = TypeVar("Said")


class FollowingStage(Protocol):
    """A stage that takes such records, and remembers how far it has."""

    followed_below: int


class FollowedIntake(Generic[Said]):
    """Hands what operators say to one stage, each record once.

    Every stage of a kind sees every record, so that a refused one is told by one of them alone.

    Parameters
    ----------
    topic
        The topic.
    stage, hand_on
        Whose records these are, and what of it takes one.
    decode
        Makes what is handed on of a value, or raises DecodeError.
    since
        The worker's own reading.
    tells
        Whether this stage is the one that tells what was refused.
    """

    def __init__(
        self,
        topic: str,
        stage: FollowingStage,
        hand_on: Callable[[Said], None],
        *,
        decode: Callable[[bytes], Said],
        since: Since,
        tells: bool,
    ) -> None:
        self.topic = topic
        self._stage = stage
        self._hand_on = hand_on
        self._decode = decode
        self._since = since
        self._tells = tells

    def take(self) -> list[RefusedElement]:
        """Hand on what is new; what could not be read is given back, a deletion is nothing."""
        refused = []
        for offset, value in self._since(self._stage.followed_below):
            try:
                self._hand_on(self._decode(value))
            except DecodeError as error:
                if value and self._tells:
                    refused.append(RefusedElement(offset, WHOLE_RECORD, "schema", str(error), value))
            self._stage.followed_below = offset + 1
        return refused
