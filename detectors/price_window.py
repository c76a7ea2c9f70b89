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
    leaves once. `calm_low` and `calm_high` bound the prices that change nothing: within them neither an extreme of the
    current second is new nor a move can be near a limit.

    Examples
    --------
    >>> window = PriceWindow(turn=1)
    >>> for second, price in [(10, 100.0), (11, 90.0), (12, 99.0), (14, 95.0)]:
    ...     window.take(second, price, length_s=3)
    >>> window.move(), window.next_exit_s(3)
    (Decimal('0.05555555555555555555555555556'), 15)
    """

    __slots__ = ("calm_high", "calm_low", "highs", "last", "lows", "second", "turn")

    def __init__(self, turn: int) -> None:
        self.lows: deque[tuple[int, float]] = deque()
        self.highs: deque[tuple[int, float]] = deque()
        self.last = 0.0
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
        """Find the calm prices, when moves above a limit matter."""
        doubt = 1e-9 * (1.0 + limit)
        self.calm_low = max(self.lows[-1][1], self.highs[0][1] * (1.0 - limit + doubt))
        self.calm_high = min(self.highs[-1][1], self.lows[0][1] * (1.0 + limit - doubt))

    def stir(self) -> None:
        """Let no price be calm."""
        self.calm_low, self.calm_high = _NOWHERE, -_NOWHERE

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
