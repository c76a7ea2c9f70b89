"""The guardrails of an account partition: every rule on what is keyed by account."""

from collections import Counter
from collections.abc import Mapping, Sequence

from detectors.breakers import Breakers
from detectors.config import CoreSettings
from detectors.decisions import Trip
from detectors.events import LeverageChange
from detectors.exposure_breaker import ExposureBreaker
from detectors.interest_breaker import InterestBreaker
from detectors.leverage_breaker import LeverageBreaker


class AccountGuardrails(Breakers):
    """Plain rules on the positions of one partition's accounts; no model has a say in them, or keeps them from acting.

    Leverage caps and exposure are judged change by change; shares of open interest, which comes from elsewhere, tick by
    tick.

    Parameters
    ----------
    settings
        The settings of the core.
    counters
        The stage's counters.

    Examples
    --------
    >>> guardrails = AccountGuardrails(CoreSettings(), Counter())
    >>> change = LeverageChange(0, "desk-7", "BTC-PERP", leverage=60.0, position=20.0, entry_price=60_000.0)
    >>> for trip in guardrails.on_events([change]):
    ...     print(trip.entity, trip.reason)
    desk-7/BTC-PERP leverage of the position: 60 x, above the hard limit 50
    """

    def __init__(self, settings: CoreSettings, counters: Counter[str]) -> None:
        self._exposure = ExposureBreaker(settings, counters)
        self._leverage = LeverageBreaker(settings, counters)
        self._interest = InterestBreaker(settings, counters)
        super().__init__((self._exposure, self._leverage, self._interest))

    def on_events(self, changes: Sequence[LeverageChange]) -> list[Trip]:
        """Judge leverage changes in the order of their offsets, each handed in once."""
        trips: list[Trip] = []
        for change in changes:
            notional_cents = self._exposure.notional_cents(change)
            trips += self._leverage.on_change(change, notional_cents)
            trips += self._exposure.on_change(change, notional_cents)
        return trips

    def close_tick(
        self, tick_end_us: int, changes: Sequence[LeverageChange], open_interest: Mapping[str, float]
    ) -> list[Trip]:
        """Judge shares of open interest as of the end of a tick.

        Parameters
        ----------
        tick_end_us
            The end of the tick; ticks come in order.
        changes
            Those of the tick, in order of time.
        open_interest
            By symbol, what has become known since the tick before.
        """
        return self._interest.close_tick(tick_end_us, changes, open_interest)
