"""Where the mean of a stream has been lately."""

from collections import deque

from detectors.base import State


class RecentLevels:
    """The lowest and the highest mean over stretches of a stream's recent past.

    Parameters
    ----------
    length
        Values of a stretch, >= 1.
    kept
        Stretches that are remembered, >= 1.

    Examples
    --------
    >>> levels = RecentLevels(length=2, kept=3)
    >>> for value in (1.0, 3.0, 5.0, 5.0, 9.0, 9.0, 0.0):
    ...     levels.learn(value)
    >>> levels.range(without=0), levels.range(without=1), levels.range(without=2), levels.range(without=6)
    ((2.0, 9.0), (2.0, 9.0), (2.0, 5.0), None)
    """

    __slots__ = ("_means", "_now", "kept", "length")

    def __init__(self, length: int, kept: int) -> None:
        self.length = length
        self.kept = kept
        self._means: deque[float] = deque(maxlen=kept)
        #: Values of the stretch under way, and their sum.
        self._now = [0.0, 0.0]

    def learn(self, value: float) -> None:
        """Take a value in."""
        now = self._now
        now[0] += 1.0
        now[1] += value
        if now[0] >= self.length:
            self._means.append(now[1] / now[0])
            self._now = [0.0, 0.0]

    def range(self, without: int) -> tuple[float, float] | None:
        """The lowest and highest of all stretches that hold none of the last `without` values; None: there are none."""
        newer = -int((self._now[0] - without) // self.length)
        older = [mean for number, mean in enumerate(reversed(self._means)) if number >= newer]
        return (min(older), max(older)) if older else None

    def state(self) -> State:
        """All stretches; as many places as there can be, so that it does not grow."""
        free = [None] * (self.kept - len(self._means))
        return {"means": [*self._means, *free], "now": list(self._now)}

    def restore(self, state: State) -> None:
        """Take up where `state()` was made."""
        self._means = deque((mean for mean in state["means"] if mean is not None), maxlen=self.kept)
        self._now = list(state["now"])
