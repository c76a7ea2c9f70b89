"""Breaks on the rate of liquidations."""

from collections import Counter, deque
from collections.abc import Sequence
from decimal import Decimal
from itertools import chain
from typing import Any

from detectors.breaker import Breaker
from detectors.config import CoreSettings
from detectors.decisions import Trip
from detectors.entities import Entities
from detectors.events import Liquidation
from detectors.exact import money, notional_cents
from detectors.guardrail_rules import LIQUIDATIONS, Bounds, bounds_of
from detectors.guardrail_settings import Guardrails
from detectors.limits_by_entity import LimitsByEntity

_SECOND_US = 1_000_000


class _Window:
    """Notional liquidated by second, in hundredths, and its sum."""

    __slots__ = ("cents", "seconds", "turn")

    def __init__(self, turn: int) -> None:
        self.seconds: deque[tuple[int, int]] = deque()
        self.cents = 0
        self.turn = turn

    def add(self, second: int, cents: int) -> None:
        if self.seconds and self.seconds[-1][0] == second:
            cents_before = self.seconds.pop()[1]
            self.seconds.append((second, cents_before + cents))
        else:
            self.seconds.append((second, cents))
        self.cents += cents

    def roll(self, first_second: int) -> None:
        while self.seconds and self.seconds[0][0] < first_second:
            self.cents -= self.seconds.popleft()[1]

    def state(self) -> list[Any]:
        # As text: sums may have more digits than a packed number holds.
        return [list(chain.from_iterable((second, str(cents)) for second, cents in self.seconds)), self.turn]

    @classmethod
    def of(cls, _symbol: str, state: list[Any], _notes: list[str]) -> "_Window":
        flat, turn = state
        window = cls(turn)
        for second, cents in zip(flat[::2], flat[1::2], strict=True):
            window.add(second, int(cents))
        return window


class LiquidationBreaker(Breaker):
    """Rule `liquidations`, on `liquidations`: notional liquidated on a symbol in a window, in the quote currency.

    The window is the current second and the `liquidation_window_s` seconds before it, by the time of the partition's
    liquidations. Each counts with price times amount in whole hundredths; one that stands further behind that time than
    the window is long does not count. Since only liquidations move that time on, a symbol stays tripped until one more
    comes, be it on another symbol.

    Parameters
    ----------
    settings, counters
        The settings of the core; the stage's counters.

    Examples
    --------
    >>> breaker = LiquidationBreaker(CoreSettings(), Counter())
    >>> wave = [Liquidation(second * 1_000_000, "BTC-PERP", "sell", 50_000.0, 40.0) for second in range(4)]
    >>> [(trip.timestamp, trip.value) for trip in breaker.on_events(wave)]
    [(2000000, Decimal('6000000.00'))]
    >>> [trip.state for trip in breaker.on_events([Liquidation(70_000_000, "ETH-PERP", "sell", 3_000.0, 1.0)])]
    ['cleared']
    """

    def __init__(self, settings: CoreSettings, counters: Counter[str]) -> None:
        super().__init__(LIQUIDATIONS, settings, settings.memory.max_symbols, counters)
        self._length_s = LimitsByEntity(settings.guardrails, lambda limits: limits.liquidation_window_s)
        self._windows: Entities[_Window] = Entities(
            None, save=_Window.state, load=_Window.of, turn=lambda window: window.turn
        )

    def on_events(self, events: Sequence[Liquidation]) -> list[Trip]:
        """Judge the liquidations of one topic partition, in the order of their offsets."""
        trips: list[Trip] = []
        for event in events:
            symbol = event.symbol
            trips += self.advance(event.timestamp, symbol)
            if event.timestamp < self.clock_us - self._length_s.of(symbol) * _SECOND_US:
                continue
            window = self._take_up(symbol)
            window.add(self._second, notional_cents(event.amount, event.price))
            window.roll(self._second - self._length_s.of(symbol))
            trips += self.weigh(symbol, window.cents / 100)
        return trips

    def limits_of(self, limits: Guardrails) -> Bounds:
        """The bounds of a symbol."""
        return bounds_of(limits.liquidations, limits)

    def value_of(self, name: str, seen: object) -> Decimal:
        """The sum of the window."""
        if name not in self._windows:
            return Decimal(0)
        window = self._windows.change(name)
        window.roll(self._second - self._length_s.of(name))
        return money(window.cents)

    def changes_us(self, name: str) -> int | None:
        """When the oldest second leaves the window."""
        window = self._windows.get(name)
        if window is None or not window.seconds:
            return None
        return (window.seconds[0][0] + self._length_s.of(name) + 1) * _SECOND_US

    def kept(self) -> dict[str, Entities[Any]]:
        """Tripped symbols, and the windows of all."""
        return super().kept() | {"liquidation_window": self._windows}

    @property
    def _second(self) -> int:
        return self.clock_us // _SECOND_US

    def _take_up(self, symbol: str) -> _Window:
        window = self._windows.touch(symbol)
        if window is None:
            self.states.make_room(self._windows, self.most)
            window = self._windows.add(symbol, _Window(0))
        window.turn = self.next_turn()
        return window
