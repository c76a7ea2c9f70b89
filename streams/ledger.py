"""Which input offsets may be committed: only those whose outputs the broker has acknowledged."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Acknowledgement(Protocol):
    """What a producer gives for a record sent: done once the broker answered, and then an error or not."""

    def done(self) -> bool:
        """Whether the broker answered."""
        ...

    def result(self) -> Any:  # noqa: ANN401 - whatever the producer says on success
        """Raise what went wrong, if anything did."""
        ...


class Ledger:
    """Outputs and the input offsets that wait for them, for one stage on one partition.

    After each step of the stage the shell writes down what was sent and, per topic, the offset below which nothing is
    needed any more. The offset becomes committable when everything sent up to then is acknowledged. It never goes back.

    Examples
    --------
    >>> from concurrent.futures import Future
    >>> sent = Future()
    >>> ledger = Ledger()
    >>> ledger.note([sent], {"trades": 40})
    >>> ledger.committable()
    {}
    >>> sent.set_result(None)
    >>> ledger.committable()
    {'trades': 40}
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[deque[Acknowledgement], dict[str, int]]] = deque()
        self._released: dict[str, int] = {}

    @property
    def pending(self) -> int:
        """How many steps still wait for the broker."""
        return len(self._waiting)

    def note(self, sent: Sequence[Acknowledgement], safe_offsets: Mapping[str, int]) -> None:
        """Write down one step: what it sent, and per topic the offset that is safe once that has arrived."""
        if sent or self._waiting:
            self._waiting.append((deque(sent), dict(safe_offsets)))
        else:
            self._release(safe_offsets)

    def committable(self) -> dict[str, int]:
        """Per topic, the offset that may be committed now; raises what a producer could not send."""
        while self._waiting:
            sent, safe_offsets = self._waiting[0]
            while sent and sent[0].done():
                sent.popleft().result()
            if sent:
                break
            self._waiting.popleft()
            self._release(safe_offsets)
        return dict(self._released)

    def _release(self, safe_offsets: Mapping[str, int]) -> None:
        for topic, offset in safe_offsets.items():
            self._released[topic] = max(offset, self._released.get(topic, 0))
