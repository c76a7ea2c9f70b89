"""What the correlation stage is told of each symbol's book, now and then."""

from collections import Counter
from typing import Any

from detectors.config import CoreSettings
from detectors.entities import Entities
from detectors.features.book import book_features
from detectors.features.market import SymbolTick
from detectors.results import BookProfile

#: A symbol's book is told of at most so often.
PROFILE_EVERY_S = 5


class _Since:
    """What happened to one symbol since its last profile: when that was, in periods, and what was liquidated."""

    __slots__ = ("forced", "liquidated", "period", "turn")

    def __init__(self) -> None:
        self.period = -1
        self.turn = -1
        self.liquidated = (0, 0)
        self.forced = (0, 0)

    def state(self) -> list[Any]:
        return [self.period, self.turn, *self.liquidated, *self.forced]

    @classmethod
    def of(cls, _symbol: str, state: list[Any], _notes: list[str]) -> "_Since":
        since = cls()
        since.period, since.turn, *cents = state
        since.liquidated, since.forced = (cents[0], cents[1]), (cents[2], cents[3])
        return since


class BookProfiles:
    """The first book of each symbol in every five seconds, as a profile, with what was liquidated since the last.

    Venues tell of liquidations as events, as flags of trades, or both: the larger of both sums is taken.

    Parameters
    ----------
    settings
        The settings of the core.
    counters
        The stage's counters.
    """

    def __init__(self, settings: CoreSettings, counters: Counter[str]) -> None:
        self._order_notional = settings.market.order_notional
        self._period_ticks = PROFILE_EVERY_S * 1_000_000 // settings.timing.tick_us
        self._symbols: Entities[_Since] = Entities(
            settings.memory.max_symbols,
            save=_Since.state,
            load=_Since.of,
            turn=lambda since: since.turn,
            counters=counters,
            evicted="evicted_symbols",
        )

    def close_tick(self, tick: int, symbol: str, state: SymbolTick) -> BookProfile | None:
        """Take one symbol's tick in; its profile, if one is due."""
        period = tick // self._period_ticks
        known = self._symbols.get(symbol)
        is_due = state.book is not None and (known is None or known.period != period)
        if not is_due and state.liquidated_sides == state.flagged_sides == (0, 0):
            return None
        since = self._symbols.touch(symbol) or self._symbols.add(symbol, _Since())
        since.turn = tick
        since.liquidated = _sum(since.liquidated, state.liquidated_sides)
        since.forced = _sum(since.forced, state.flagged_sides)
        if state.book is None or not is_due:
            return None
        x = book_features(state.book, self._order_notional)
        longs, shorts = (max(pair) for pair in zip(since.liquidated, since.forced, strict=True))
        since.period, since.liquidated, since.forced = period, (0, 0), (0, 0)
        return BookProfile(
            symbol,
            x["mid"],
            x["bid_slope"],
            x["ask_slope"],
            x["bid_depth_50bp"],
            x["ask_depth_50bp"],
            longs,
            shorts,
        )

    def kept(self) -> dict[str, Entities[Any]]:
        """Symbols."""
        return {"profile": self._symbols}


def _sum(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return one[0] + other[0], one[1] + other[1]
