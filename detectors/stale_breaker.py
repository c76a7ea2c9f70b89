"""Breaks on the age of a mark or index price."""

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from detectors.breaker import Breaker, Head
from detectors.config import CoreSettings
from detectors.decisions import Trip
from detectors.due_times import DueTimes
from detectors.entities import Entities
from detectors.exact import EXACT
from detectors.guardrail_rules import Bounds, GuardrailRule, bounds_of
from detectors.guardrail_settings import Guardrails


class _Last:
    """When a price last came, and the turn of that."""

    __slots__ = ("last_us", "turn")

    def __init__(self, last_us: int, turn: int) -> None:
        self.last_us = last_us
        self.turn = turn

    def state(self) -> list[Any]:
        return [self.last_us, self.turn]


class StaleBreaker(Breaker):
    """Rules `stale_mark` and `stale_index`, at the end of each tick: how old the symbol's last price is, in seconds.

    The time is that of all inputs of the partition together; when all of them stand still, nothing gets older. A symbol
    is watched from its first such price on.

    Parameters
    ----------
    rule
        Which of the two.
    settings, counters
        The settings of the core; the stage's counters.

    Examples
    --------
    >>> from detectors.guardrail_rules import STALE_MARK
    >>> breaker = StaleBreaker(STALE_MARK, CoreSettings(), Counter())
    >>> breaker.close_tick(100_000, {"BTC-PERP": 50_000})
    []
    >>> [(trip.timestamp, trip.value) for end_us in (5_050_000, 5_100_000) for trip in breaker.close_tick(end_us, {})]
    [(5100000, Decimal('5.050000'))]
    """

    def __init__(self, rule: GuardrailRule, settings: CoreSettings, counters: Counter[str]) -> None:
        super().__init__(rule, settings, settings.memory.max_symbols, counters)
        self._last: Entities[_Last] = Entities(
            None, save=_Last.state, load=lambda _, state, __: _Last(*state), turn=lambda last: last.turn
        )
        self._ages: DueTimes[str] = DueTimes()

    def close_tick(self, tick_end_us: int, newest: Mapping[str, int]) -> list[Trip]:
        """Judge what has come of age at the end of a tick, in the order of the symbols' names.

        Parameters
        ----------
        tick_end_us
            The end of the tick; ticks come in order.
        newest
            When the newest price of a symbol in that tick came, a time in the tick.
        """
        self.clock_us = max(self.clock_us, tick_end_us)
        due: set[str] = set(self.states.take_due(self.clock_us))
        for symbol in sorted(newest):
            self._take_up(symbol, newest[symbol])
            if not self._watch(symbol) or symbol in self.states:
                due.add(symbol)
        due.update(self._ages.take(self.clock_us))
        trips: list[Trip] = []
        for symbol in sorted(due):
            trips += self.judge(symbol, None)
            self._watch(symbol)
        return trips

    def limits_of(self, limits: Guardrails) -> Bounds:
        """The bounds of a symbol."""
        return bounds_of(limits.stale_s, limits)

    def value_of(self, name: str, seen: object) -> Decimal | None:
        """The age of the price, in seconds."""
        last = self._last.get(name)
        return None if last is None else EXACT.scaleb(Decimal(max(self.clock_us - last.last_us, 0)), -6)

    def kept(self) -> dict[str, Entities[Any]]:
        """Tripped symbols, and when the prices of all came."""
        return super().kept() | {f"{self.rule.name}_last": self._last}

    def resume(self, head: Head, notes: list[str]) -> None:
        """Take up what all symbols share, and when each comes of age."""
        super().resume(head, notes)
        self._ages = DueTimes()
        for symbol in self._last:
            self._watch(symbol)

    def _take_up(self, symbol: str, newest_us: int) -> None:
        last = self._last.touch(symbol)
        if last is None:
            self.states.make_room(self._last, self.most)
            last = self._last.add(symbol, _Last(newest_us, 0))
        last.last_us = newest_us
        last.turn = self.next_turn()

    def _watch(self, symbol: str) -> bool:
        """Look at a symbol again when its price is older than the next limit; False: it is so already."""
        last, bounds = self._last.get(symbol), self.bounds.of(symbol)
        limit = bounds.hard if symbol in self.states else bounds.soft
        age_us = int(limit * 1_000_000) + 1
        if last is None or last.last_us + age_us <= self.clock_us:
            self._ages.drop(symbol)
            return False
        self._ages.set(symbol, last.last_us + age_us)
        return True
