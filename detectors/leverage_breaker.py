"""Breaks on leverage above the cap of a position's notional."""

from collections import Counter
from decimal import Decimal

from detectors.breaker import Breaker
from detectors.config import CoreSettings
from detectors.decisions import Trip
from detectors.events import LeverageChange
from detectors.exact import EXACT, exact
from detectors.guardrail_rules import LEVERAGE_CAP, Bounds, bounds_of
from detectors.guardrail_settings import Guardrails
from detectors.limits_by_entity import LimitsByEntity

#: Above what an event may hold.
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
        self._tiers = LimitsByEntity(settings.guardrails, _tiers_of)

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

    def limits_of(self, limits: Guardrails) -> Bounds:
        """The bounds of a position below the first tier: none."""
        return bounds_of((_NO_CAP, _NO_CAP), limits)

    def bounds_of(self, name: tuple[str, str], seen: tuple[float, str]) -> Bounds:
        """The bounds by the tier of the position's notional."""
        notional_cents = int(seen[1])
        for from_cents, bounds in self._tiers.of(name[1]):
            if notional_cents >= from_cents:
                return bounds
        return self.bounds.of(name[1])

    def value_of(self, name: tuple[str, str], seen: tuple[float, str]) -> Decimal:
        """The leverage that was set last."""
        return exact(seen[0])


def _tiers_of(limits: Guardrails) -> list[tuple[Decimal, Bounds]]:
    """Bounds by notional in hundredths, the highest first."""
    tiers = [(EXACT.scaleb(start, 2), bounds_of((cap, cap), limits)) for start, cap in limits.leverage_caps]
    return tiers[::-1]
