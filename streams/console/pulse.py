"""How much comes in of each topic, and since when nothing has."""

from collections import deque

_WINDOW_S = 10.0


class Pulse:
    """Records of one topic: how many, how fast over the last ten seconds, and the time of the newest.

    Examples
    --------
    >>> pulse = Pulse()
    >>> pulse.see(20, 1_767_225_600_000, at_s=100.0)
    >>> pulse.rate(105.0), pulse.rate(111.0)
    (2.0, 0.0)
    """

    def __init__(self) -> None:
        self.records = 0
        self.unreadable = 0
        self.newest_ms: int | None = None
        self._seen: deque[tuple[float, int]] = deque()

    def see(self, records: int, newest_ms: int, at_s: float) -> None:
        """Note a batch: how many, the newest of the broker's record timestamps, and when it came (monotonic)."""
        self.records += records
        self.newest_ms = newest_ms if self.newest_ms is None else max(self.newest_ms, newest_ms)
        self._seen.append((at_s, records))
        self._forget(at_s)

    def rate(self, now_s: float) -> float:
        """Records a second."""
        self._forget(now_s)
        return sum(records for _, records in self._seen) / _WINDOW_S

    def _forget(self, now_s: float) -> None:
        while self._seen and self._seen[0][0] < now_s - _WINDOW_S:
            self._seen.popleft()
