"""Breaks on the move of the last price within a rolling window."""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from detectors.breaker import Breaker, Head
from detectors.config import CoreSettings
from detectors.decisions import Trip
from detectors.entities import Entities
from detectors.events import Trade
from detectors.guardrail_rules import PRICE_MOVE, Bounds, bounds_of
from detectors.guardrail_settings import Guardrails
from detectors.limits_by_entity import LimitsByEntity
from detectors.price_window import PriceWindow

_SECOND_US = 1_000_000


class PriceBreaker(Breaker):
    """Rule `price_move`, on `trades`: `max(last / low - 1, 1 - last / high)`.

    Low and high are those of the symbol in the current second and the `price_window_s` seconds before it, by the time
    of the partition's trades, which is that of the newest trade of any symbol. A trade that stands further behind that
    time than the window is long does not count.

    A slow slide below the limit in every window is not seen.

    Parameters
    ----------
    settings, counters
        The settings of the core; the stage's counters.

    Examples
    --------
    >>> breaker = PriceBreaker(CoreSettings(), Counter())
    >>> prices = {0: 100.0, 1_000_000: 104.0, 2_000_000: 98.7}
    >>> trades = [Trade(at_us, "BTC-PERP", price, 1.0, "buy") for at_us, price in prices.items()]
    >>> [(trip.timestamp, trip.level, f"{trip.value:.4f}") for trip in breaker.on_events(trades)]
    [(2000000, 'soft', '0.0510')]
    """

    def __init__(self, settings: CoreSettings, counters: Counter[str]) -> None:
        super().__init__(PRICE_MOVE, settings, settings.memory.max_symbols, counters)
        self._windows: Entities[PriceWindow] = Entities(
            None, save=PriceWindow.state, load=PriceWindow.of, turn=lambda window: window.turn
        )
        self._length_s = LimitsByEntity(settings.guardrails, lambda limits: limits.price_window_s)
        #: The windows of the symbols that traded in the current second.
        self._current: dict[str, PriceWindow] = {}
        self._second = -1
        self._wake_us = 0

    def on_events(self, events: Sequence[Trade]) -> list[Trip]:
        """Judge the trades of one topic partition, in the order of their offsets."""
        trips: list[Trip] = []
        clock_us, wake_us, current = self.clock_us, self._wake_us, self._current
        for trade in events:
            if trade.timestamp > clock_us:
                self.clock_us = clock_us = trade.timestamp
                if clock_us >= wake_us:
                    trips += self._come_on(trade.symbol)
                    wake_us = self._wake_us
            window, price = current.get(trade.symbol), trade.price
            if window is not None and window.safe_low <= price <= window.safe_high:
                if not window.calm_low <= price <= window.calm_high and (
                    trade.timestamp == clock_us or self._counts(trade)
                ):
                    self._windows.change(trade.symbol).widen(price)
            elif self._counts(trade):
                trips += self._take(trade)
                wake_us = self._wake_us
        return trips

    def limits_of(self, limits: Guardrails) -> Bounds:
        """The bounds of a symbol."""
        return bounds_of(limits.price_move, limits)

    def value_of(self, name: str, seen: object) -> Decimal:
        """The move of the last price; 0 when the window is empty."""
        window = self._windows.get(name)
        if window is None:
            return Decimal(0)
        self._windows.change(name).roll(self._second, self._length_s.of(name))
        return window.move()

    def changes_us(self, name: str) -> int | None:
        """When the lowest or highest price leaves the window."""
        window = self._windows.get(name)
        exit_s = None if window is None else window.next_exit_s(self._length_s.of(name))
        return None if exit_s is None else exit_s * _SECOND_US

    def kept(self) -> dict[str, Entities[Any]]:
        """Tripped symbols, and the windows of all."""
        return super().kept() | {"price_window": self._windows}

    def resume(self, head: Head, notes: list[str]) -> None:
        """Take up what all symbols share."""
        super().resume(head, notes)
        self._second = self.clock_us // _SECOND_US
        self._wake_us = 0

    def _come_on(self, symbol: str) -> list[Trip]:
        """Begin another second, or look again at who is due."""
        if self.clock_us // _SECOND_US != self._second:
            self._second = self.clock_us // _SECOND_US
            self._current.clear()
        trips = self.look_again(but_not=symbol) if self.clock_us >= self.states.next_due_us else []
        self._set_alarm()
        return trips

    def _take(self, trade: Trade) -> list[Trip]:
        symbol = trade.symbol
        window = self._take_up(symbol)
        window.take(self._second, trade.price, self._length_s.of(symbol))
        trips = self.weigh(symbol, window.approximate_move())
        if symbol in self.states:
            window.stir()
        else:
            window.settle(float(self.bounds.of(symbol).soft))
        self._set_alarm()
        return trips

    def _counts(self, trade: Trade) -> bool:
        return trade.timestamp >= self.clock_us - self._length_s.of(trade.symbol) * _SECOND_US

    def _take_up(self, symbol: str) -> PriceWindow:
        window = self._windows.get(symbol)
        if window is None:
            for forgotten in self.states.make_room(self._windows, self.most):
                self._current.pop(forgotten, None)
            window = self._windows.add(symbol, PriceWindow(self.next_turn()))
        elif window.second != self._second:
            # Once a second: the order of forgetting must not depend on which prices were calm.
            self._windows.touch(symbol)
            window.turn = self.next_turn()
        else:
            self._windows.change(symbol)
        self._current[symbol] = window
        return window

    def _set_alarm(self) -> None:
        self._wake_us = min((self._second + 1) * _SECOND_US, self.states.next_due_us)
