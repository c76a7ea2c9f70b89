"""Lines into order of time, in bounded memory."""

import heapq
from collections.abc import Iterator

from streams.adapters.rows import RowFault
from streams.files import Line
from streams.times import clock_text, span_text

#: Lines that wait for earlier ones, at most: files have thousands of rows a second.
_MOST_WAITING = 100_000


class Reorder:
    """Puts lines into order of time; those of the same time stay as they came.

    A line is given out when the latest one seen is `tolerance_us` later, or when too many wait. One that is earlier
    than what was given out before comes too late.

    Parameters
    ----------
    tolerance_us
        How far behind the latest line one may be, in microseconds, >= 0.

    Examples
    --------
    >>> reorder = Reorder(10)
    >>> for time in (100, 95, 112):
    ...     reorder.push(Line(time, "trades", "BTC", b""))
    >>> [line.timestamp for line in reorder.ready()], [line.timestamp for line in reorder.rest()]
    ([95, 100], [112])
    """

    def __init__(self, tolerance_us: int) -> None:
        self._tolerance_us = tolerance_us
        self._waiting: list[tuple[int, int, Line]] = []
        self._number = 0
        self._latest = self._given = -1

    def push(self, line: Line) -> None:
        """Take a line.

        Raises
        ------
        RowFault
            It comes too late.
        """
        if line.timestamp < self._given:
            raise RowFault(
                f"expected times at most {span_text(self._tolerance_us)} behind those before (--reorder), "
                f"found {clock_text(line.timestamp)} after {clock_text(self._latest)}"
            )
        self._number += 1
        heapq.heappush(self._waiting, (line.timestamp, self._number, line))
        self._latest = max(self._latest, line.timestamp)

    def ready(self) -> Iterator[Line]:
        """Give what nothing can come before any more."""
        waiting, bound = self._waiting, self._latest - self._tolerance_us
        while waiting and (waiting[0][0] <= bound or len(waiting) > _MOST_WAITING):
            self._given, _, line = heapq.heappop(waiting)
            yield line

    def rest(self) -> Iterator[Line]:
        """Give all that waits."""
        while self._waiting:
            self._given, _, line = heapq.heappop(self._waiting)
            yield line
