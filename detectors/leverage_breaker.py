"""Breaks on leverage above the cap of a position's notional."""

from collections import Counter
from decimal import Decimal
from functools import lru_cache

from detectors.breaker import Breaker
from detectors.config import CoreSettings
from detectors.decisions import Trip
from detectors.events import LeverageChange
from detectors.exact import EXACT, exact
from detectors.guardrail_rules import LEVERAGE_CAP, Bounds, bounds_of

#: Above what an event may hold: below the first tier there is no cap.
_NO_CAP = Decimal(10_000_000)


class LeverageBreaker(Breaker):
    """Rule `leverage_cap`, on `leverage`: the leverage of a position against the cap of its notional's tier.

    There is one limit, and it is hard. The tier is that of the position as it stands with the event; a position clears
    when its leverage is within `clear_share` of the cap that then holds for it.

    Parameters
    ----------
    settings, counters
        The settings of the core; the stage's counters.

    Examples
    --------
    >>> breaker = LeverageBreaker(CoreSettings(), Counter())
    >>> change = LeverageChange(0, "desk-7", "BTC-PERP", leverage=60.0, position=10.0, entry_price=50_000.0)
    >>> [(trip.entity, trip.level, trip.value, trip.limit) for trip in breaker.on_change(change, 50_000_000)]
    [('desk-7/BTC-PERP', 'hard', Decimal('60.0'), Decimal('50'))]
    """

    def __init__(self, settings: CoreSettings, counters: Counter[str]) -> None:
        super().__init__(LEVERAGE_CAP, settings, settings.guardrails.max_entities, counters)
        self._tiers = lru_cache(maxsize=65_536)(self._tiers_of)

    def on_change(self, change: LeverageChange, notional_cents: int) -> list[Trip]:
        """Judge a position by its change; changes come in the order of their offsets.

        Parameters
        ----------
        change
            The change.
        notional_cents
            Notional of the position after it, in hundredths.
        """
        name = (change.account, change.symbol)
        trips = self.advance(change.timestamp, name)
        # As text: a sum may have more digits than a packed number holds.
        return trips + self.weigh(name, change.leverage, (change.leverage, str(notional_cents)))

    def bounds_of(self, name: tuple[str, str], seen: tuple[float, str]) -> Bounds:
        """The bounds by the tier of the position's notional."""
        notional_cents = int(seen[1])
        tiers = self._tiers(name[1])
        return next((bounds for from_cents, bounds in tiers if notional_cents >= from_cents), tiers[-1][1])

    def value_of(self, name: tuple[str, str], seen: tuple[float, str]) -> Decimal:
        """The leverage that was set last."""
        return exact(seen[0])

    def _tiers_of(self, symbol: str) -> list[tuple[Decimal, Bounds]]:
        """Caps by notional in hundredths, the highest first; at the end, that there is none."""
        limits = self.limits.of(symbol)
        caps = [(Decimal(0), _NO_CAP), *limits.leverage_caps]
        tiers = [(EXACT.scaleb(start, 2), bounds_of((cap, cap), limits)) for start, cap in caps]
        return tiers[::-1]
