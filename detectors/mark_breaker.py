"""Breaks on the distance of the mark price from the index price."""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from detectors.breaker import Breaker
from detectors.config import CoreSettings
from detectors.decisions import Trip
from detectors.entities import Entities
from detectors.events import DerivativeTicker
from detectors.exact import exact, share
from detectors.guardrail_rules import MARK_INDEX, Bounds, bounds_of
from detectors.guardrail_settings import Guardrails


class _Prices:
    """Mark and index of a symbol, 0 where not yet known."""

    __slots__ = ("index", "mark", "turn")

    def __init__(self, mark: float = 0.0, index: float = 0.0, turn: int = 0) -> None:
        self.mark = mark
        self.index = index
        self.turn = turn

    def state(self) -> list[Any]:
        return [self.mark, self.index, self.turn]


class MarkBreaker(Breaker):
    """Rule `mark_index`, on `tickers`: `|mark - index| / index`, each as last known of the symbol.

    It fails where one of the two stands still: that is for the rules `stale_mark` and `stale_index`.

    Parameters
    ----------
    settings, counters
        The settings of the core; the stage's counters.

    Examples
    --------
    >>> breaker = MarkBreaker(CoreSettings(), Counter())
    >>> trips = breaker.on_events([
    ...     DerivativeTicker(0, "BTC-PERP", mark_price=102.0, index_price=100.0),
    ...     DerivativeTicker(1, "BTC-PERP", mark_price=102.1),
    ... ])
    >>> [(trip.timestamp, trip.value, trip.limit) for trip in trips]
    [(1, Decimal('0.021'), Decimal('0.02'))]
    """

    def __init__(self, settings: CoreSettings, counters: Counter[str]) -> None:
        super().__init__(MARK_INDEX, settings, settings.memory.max_symbols, counters)
        self._prices: Entities[_Prices] = Entities(
            None, save=_Prices.state, load=lambda _, state, __: _Prices(*state), turn=lambda prices: prices.turn
        )

    def on_events(self, events: Sequence[DerivativeTicker]) -> list[Trip]:
        """Judge the tickers of one topic partition, in the order of their offsets."""
        trips: list[Trip] = []
        for event in events:
            symbol = event.symbol
            trips += self.advance(event.timestamp, symbol)
            if event.mark_price is None and event.index_price is None:
                if symbol in self.states:
                    trips += self.judge(symbol, None)
                continue
            prices = self._take_up(symbol)
            prices.mark = event.mark_price or prices.mark
            prices.index = event.index_price or prices.index
            if prices.mark and prices.index:
                trips += self.weigh(symbol, abs(prices.mark - prices.index) / prices.index)
        return trips

    def limits_of(self, limits: Guardrails) -> Bounds:
        """The bounds of a symbol."""
        return bounds_of(limits.mark_index, limits)

    def value_of(self, name: str, seen: object) -> Decimal | None:
        """The distance, as a share of index."""
        prices = self._prices.get(name)
        if prices is None or not (prices.mark and prices.index):
            return None
        index = exact(prices.index)
        return share(abs(exact(prices.mark) - index), index)

    def kept(self) -> dict[str, Entities[Any]]:
        """Tripped symbols, and the prices of all."""
        return super().kept() | {"mark_index_prices": self._prices}

    def _take_up(self, symbol: str) -> _Prices:
        prices = self._prices.touch(symbol)
        if prices is None:
            self.states.make_room(self._prices, self.most)
            prices = self._prices.add(symbol, _Prices())
        prices.turn = self.next_turn()
        return prices
