"""When cascades really began: the product's own definition, applied to every book and liquidation.

The product sees a profile of each book every five seconds; this sees each book there is, in a way of its own.
"""

import math
from collections import deque

from detectors.cascade_settings import Cascade
from detectors.events import BookSnapshot, Liquidation
from tests.benchmarks.detection.flows import SECOND_US

_BAND = 0.005
#: What depth is usual is remembered so long by half, as in `detectors.cascade_watch`.
_HALF_LIFE_S = 3_600.0


class CascadeTruth:
    """One symbol's cascades, by the definition in `detectors.cascade_settings.Cascade`.

    Parameters
    ----------
    settings
        The definition.

    Examples
    --------
    >>> truth = CascadeTruth(Cascade())
    >>> for second, price in enumerate((100.0, 100.0, 98.0)):
    ...     book = BookSnapshot(second * SECOND_US, "X", [(price - 0.1, 10.0)], [(price + 0.1, 10.0)])
    ...     truth.take_liquidation(Liquidation(second * SECOND_US, "X", "sell", price, 4.0))
    ...     truth.take_book(book)
    >>> [onset_us // SECOND_US for onset_us in truth.onsets_us]
    [2]
    """

    def __init__(self, settings: Cascade) -> None:
        self._settings = settings
        #: When each began, microseconds.
        self.onsets_us: list[int] = []
        self._usual = [0.0, 0.0]
        self._book_us = -1
        self._met_us = -(10**18)
        self._mids: deque[tuple[int, float]] = deque()
        #: Time, notional of longs and of shorts.
        self._forced: deque[tuple[int, float, float]] = deque()

    def take_liquidation(self, event: Liquidation) -> None:
        """Longs are closed by selling."""
        notional = event.price * event.amount
        pair = (notional, 0.0) if event.side == "sell" else (0.0, notional)
        self._forced.append((event.timestamp, *pair))

    def take_book(self, book: BookSnapshot) -> None:
        """Learn the depth, then see whether the definition is met."""
        if not book.bids or not book.asks:
            return
        mid = 0.5 * (book.bids[0][0] + book.asks[0][0])
        gap_s = (book.timestamp - self._book_us) / SECOND_US if self._book_us >= 0 else math.inf
        fade = 0.5 ** (min(gap_s, 1e6) / _HALF_LIFE_S)
        for side, levels in enumerate((book.bids, book.asks)):
            depth = math.fsum(price * amount for price, amount in levels if abs(price - mid) <= _BAND * mid)
            self._usual[side] = fade * self._usual[side] + (1.0 - fade) * depth
        self._book_us = book.timestamp
        self._mids.append((book.timestamp, mid))
        begin_us = book.timestamp - self._settings.window_s * SECOND_US
        for seen in (self._mids, self._forced):
            while seen and seen[0][0] <= begin_us:
                seen.popleft()
        if any(self._is_met(side, mid) for side in (0, 1)):
            if book.timestamp - self._met_us > self._settings.quiet_s * SECOND_US:
                self.onsets_us.append(book.timestamp)
            self._met_us = book.timestamp

    def _is_met(self, side: int, mid: float) -> bool:
        forced = math.fsum(one[1 + side] for one in self._forced)
        if forced <= 0.0 or forced < self._settings.depth_share * self._usual[side]:
            return False
        mids = [one for _, one in self._mids]
        moved = max(mids) / mid - 1.0 if side == 0 else mid / min(mids) - 1.0
        return moved >= self._settings.move
