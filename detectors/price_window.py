"""The lowest and highest price of the last seconds."""

from collections import deque
from decimal import Decimal
from itertools import chain
from typing import Any

from detectors.exact import exact, share

_NOWHERE = float("inf")


class PriceWindow:
    """Lowest and highest price of a symbol in the current second and the `length_s` before it.

    Of each second only what may still become the window's lowest or highest is kept, so that every price enters and
    leaves once. `safe_low` and `safe_high` bound the prices whose move is surely within a limit; `calm_low` and
    `calm_high`, among them, those that are no new extreme of the current second either, and change nothing.

    Examples
    --------
    >>> window = PriceWindow(turn=1)
    >>> for second, price in [(10, 100.0), (11, 90.0), (12, 99.0), (14, 95.0)]:
    ...     window.take(second, price, length_s=3)
    >>> window.move(), window.next_exit_s(3)
    (Decimal('0.05555555555555555555555555556'), 15)
    """

    __slots__ = (
        "_most_fall",
        "_most_rise",
        "calm_high",
        "calm_low",
        "highs",
        "last",
        "lows",
        "safe_high",
        "safe_low",
        "second",
        "turn",
    )

    def __init__(self, turn: int) -> None:
        self.lows: deque[tuple[int, float]] = deque()
        self.highs: deque[tuple[int, float]] = deque()
        self.last = 0.0
        self._most_rise = self._most_fall = 1.0
        self.second = -1
        self.turn = turn
        self.stir()

    def take(self, second: int, price: float, length_s: int) -> None:
        """Let a price enter; seconds do not fall."""
        lows, highs = self.lows, self.highs
        self.last = price
        while lows and lows[-1][1] >= price:
            lows.pop()
        if not lows or lows[-1][0] != second:
            lows.append((second, price))
        while highs and highs[-1][1] <= price:
            highs.pop()
        if not highs or highs[-1][0] != second:
            highs.append((second, price))
        self.roll(second, length_s)

    def roll(self, second: int, length_s: int) -> None:
        """Let what is older than the window leave; the last price stays its lowest and highest."""
        self.second = second
        for extremes in (self.lows, self.highs):
            while extremes and extremes[0][0] < second - length_s:
                extremes.popleft()

    def approximate_move(self) -> float:
        """Move of the last price as a float."""
        low = self.lows[0][1] if self.lows else self.last
        high = self.highs[0][1] if self.highs else self.last
        return max(self.last / low - 1.0, 1.0 - self.last / high)

    def move(self) -> Decimal:
        """Move of the last price: the larger of its rise from the lowest and its fall from the highest, as shares."""
        last = exact(self.last)
        low = exact(self.lows[0][1]) if self.lows else last
        high = exact(self.highs[0][1]) if self.highs else last
        return max(share(last - low, low), share(high - last, high))

    def next_exit_s(self, length_s: int) -> int | None:
        """The second in which the lowest or highest next leaves; None when the window is empty."""
        first = min((extremes[0][0] for extremes in (self.lows, self.highs) if extremes), default=None)
        return None if first is None else first + length_s + 1

    def settle(self, limit: float) -> None:
        """Find the safe and calm prices for a limit; prices of the current second have been taken."""
        doubt = 1e-9 * (1.0 + limit)
        self._most_rise, self._most_fall = 1.0 + limit - doubt, 1.0 - limit + doubt
        self.safe_high = self.lows[0][1] * self._most_rise
        self.safe_low = self.highs[0][1] * self._most_fall
        self.calm_low = max(self.lows[-1][1], self.safe_low)
        self.calm_high = min(self.highs[-1][1], self.safe_high)

    def widen(self, price: float) -> None:
        """Let a safe price enter that is not calm, in the second of the price before."""
        lows, highs = self.lows, self.highs
        if price < self.calm_low:
            while lows and lows[-1][1] >= price:
                lows.pop()
            lows.append((self.second, price))
            self.calm_low = price
            self.safe_high = lows[0][1] * self._most_rise
            self.calm_high = min(highs[-1][1], self.safe_high)
        else:
            while highs and highs[-1][1] <= price:
                highs.pop()
            highs.append((self.second, price))
            self.calm_high = price
            self.safe_low = highs[0][1] * self._most_fall
            self.calm_low = max(lows[-1][1], self.safe_low)

    def stir(self) -> None:
        """Let no price be safe."""
        self.calm_low = self.safe_low = _NOWHERE
        self.calm_high = self.safe_high = -_NOWHERE

    def state(self) -> list[Any]:
        """The window as plain values."""
        return [
            list(chain.from_iterable(self.lows)),
            list(chain.from_iterable(self.highs)),
            self.last,
            self.second,
            self.turn,
        ]

    @classmethod
    def of(cls, _symbol: str, state: list[Any], _notes: list[str]) -> "PriceWindow":
        """A window from what `state` gave."""
        lows, highs, last, second, turn = state
        window = cls(turn)
        window.lows.extend(zip(lows[::2], lows[1::2], strict=True))
        window.highs.extend(zip(highs[::2], highs[1::2], strict=True))
        window.last, window.second = last, second
        return window
