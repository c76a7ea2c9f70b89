"""What waits for the broker's answers: marks, each behind everything that was sent before it."""

from collections import deque
from collections.abc import Sequence
from typing import Any, Generic, Protocol, TypeVar

Mark = TypeVar("Mark")


class Acknowledgement(Protocol):
    """What a producer gives for a record sent: done once the broker answered, and then an error or not."""

    def done(self) -> bool:
        """Whether the broker answered."""
        ...

    def result(self) -> Any:  # noqa: ANN401 - whatever the producer says on success
        """Raise what went wrong, if anything did."""
        ...


class Ledger(Generic[Mark]):
    """Records sent and marks among them, in order: a mark is reached when everything sent before it is acknowledged.

    A desk has two: a checkpoint may be sent when what came of its input has been acknowledged, and input offsets may be
    committed when the checkpoint has been.

    Examples
    --------
    >>> from concurrent.futures import Future
    >>> sent = Future()
    >>> ledger = Ledger()
    >>> ledger.note([sent], {"trades": 40})
    >>> ledger.take()
    []
    >>> sent.set_result(None)
    >>> ledger.take(), ledger.take()
    ([{'trades': 40}], [])
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[deque[Acknowledgement], Mark | None]] = deque()
        self._reached: list[Mark] = []

    @property
    def pending(self) -> int:
        """How many notes still wait for the broker."""
        return len(self._waiting)

    def note(self, sent: Sequence[Acknowledgement], mark: Mark | None = None) -> None:
        """Write down what was sent, and the mark that stands behind it, if one does."""
        if sent or self._waiting:
            self._waiting.append((deque(sent), mark))
        elif mark is not None:
            self._reached.append(mark)

    def take(self) -> list[Mark]:
        """The marks reached since this was last asked; raises what a producer could not send."""
        while self._waiting:
            sent, mark = self._waiting[0]
            while sent and sent[0].done():
                # It stays where it is when it failed: what stands behind it is never reached.
                sent[0].result()
                sent.popleft()
            if sent:
                break
            self._waiting.popleft()
            if mark is not None:
                self._reached.append(mark)
        reached, self._reached = self._reached, []
        return reached
