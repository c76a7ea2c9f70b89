"""Gaps in ids that go up by one: events that never came."""

from bisect import bisect_right
from operator import itemgetter
from typing import Any

#: Ids go up by one when so large a share of steps does; they no longer do when a smaller one does.
_SHARE_BEGINS, _SHARE_ENDS = 0.98, 0.9
_LEAST_STEPS = 100.0
#: What is behind in time may be ahead in ids: a gap has so long to be filled.
_HELD_US = 1_000_000
#: A longer jump is another numbering.
_LONGEST_JUMP = 1_000_000
#: After so many ids in a row that are not above the highest it is another numbering too.
_LOW_ENOUGH = 100
_MOST_GAPS = 1_000
_LARGEST_ID = 2**62


class IdGaps:
    """Whether ids go up by one, and how many are missing where they do.

    A step leads from the highest id so far to the next higher one. Ids that are no numbers, that go up by other steps
    than one, or that come in any order, are never missing. It fails where the numbering itself leaves numbers out now
    and then: that is a habit, which whoever judges the count has to learn.

    Parameters
    ----------
    half_life_s
        Memory of the share of steps by one, in seconds, > 0.

    Examples
    --------
    >>> gaps = IdGaps(half_life_s=600.0)
    >>> [gaps.take(number * 1_000_000, {number}) for number in range(200)][-1]
    0
    >>> gaps.take(200_000_000, {205, 206}), gaps.take(200_500_000, {203}), gaps.take(202_000_000, {207})
    (0, 0, 4)
    """

    __slots__ = ("_by_one", "_gaps", "_half_life_s", "_highest", "_low", "_steps", "_time_us", "_usual")

    def __init__(self, half_life_s: float) -> None:
        self._half_life_s = half_life_s
        self._highest = -1
        self._by_one = self._steps = 0.0
        self._usual = False
        self._time_us = 0
        #: Ids in a row that were not above the highest.
        self._low = 0
        #: First and last id that lack, and since when, in order.
        self._gaps: list[tuple[int, int, int]] = []

    def take(self, time_us: int, ids: set[int]) -> int:
        """Take the ids of a tick, from 0 on; how many that lack are given up now. Times rise."""
        fade = 0.5 ** (max(time_us - self._time_us, 0) / 1e6 / self._half_life_s)
        self._by_one, self._steps, self._time_us = self._by_one * fade, self._steps * fade, time_us
        higher = sorted(number for number in ids if self._highest < number < _LARGEST_ID)
        for number in ids if self._gaps else ():
            self._fill(number)
        if higher:
            self._low = 0
        elif ids:
            self._fall(ids)
        for number in higher:
            self._step(time_us, number)
        share = self._by_one / self._steps if self._steps >= _LEAST_STEPS else 0.0
        self._usual = share >= (_SHARE_ENDS if self._usual else _SHARE_BEGINS)
        return self._give_up(time_us)

    def _step(self, time_us: int, number: int) -> None:
        step = number - self._highest if self._highest >= 0 else 0
        self._highest = number
        if 0 < step <= _LONGEST_JUMP:
            self._steps += 1.0
            self._by_one += step == 1
            if step > 1:
                self._gaps.append((number - step + 1, number - 1, time_us))

    def _fall(self, ids: set[int]) -> None:
        self._low += len(ids)
        if self._low >= _LOW_ENOUGH:
            self._highest, self._low = min(max(ids), _LARGEST_ID), 0
            self._gaps.clear()

    def _fill(self, number: int) -> None:
        """An id that lacked may have come after all."""
        place = bisect_right(self._gaps, number, key=itemgetter(0)) - 1
        if place < 0 or number > self._gaps[place][1]:
            return
        first, last, since_us = self._gaps[place]
        parts = (first, number - 1, since_us), (number + 1, last, since_us)
        self._gaps[place : place + 1] = [part for part in parts if part[0] <= part[1]]

    def _give_up(self, time_us: int) -> int:
        gaps = self._gaps
        many = max(bisect_right(gaps, time_us - _HELD_US, key=itemgetter(2)), len(gaps) - _MOST_GAPS)
        due, self._gaps = gaps[:many], gaps[many:]
        return sum(last - first + 1 for first, last, _ in due) if self._usual else 0

    def state(self) -> list[Any]:
        """Everything learned, and the gaps that are still open."""
        learned = [self._highest, self._by_one, self._steps, self._usual, self._time_us, self._low]
        return [learned, self._gaps]

    def restore(self, state: list[Any]) -> None:
        """Take up where `state()` was made."""
        learned, gaps = state
        self._gaps = [(first, last, since_us) for first, last, since_us in gaps]
        self._highest, self._by_one, self._steps, self._usual, self._time_us, self._low = learned


def number_of(name: str | int) -> int | None:
    """The number that an id is; None when it is none, or too large to be one that counts.

    Examples
    --------
    >>> number_of(7), number_of("0123"), number_of("a1"), number_of(""), number_of(-1), number_of("9" * 40)
    (7, 123, None, None, None, None)
    """
    if isinstance(name, str):
        if len(name) > 18 or not (name.isascii() and name.isdecimal()):
            return None
        return int(name)
    return name if 0 <= name < _LARGEST_ID else None
