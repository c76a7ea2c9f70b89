"""The guardrails of a market partition: every rule on what is keyed by symbol or component."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from detectors.breakers import Breakers
from detectors.config import CoreSettings
from detectors.decisions import Trip
from detectors.depth_breaker import DepthBreaker
from detectors.events import Event
from detectors.guardrail_rules import STALE_INDEX, STALE_MARK
from detectors.latency_breaker import LatencyBreaker
from detectors.liquidation_breaker import LiquidationBreaker
from detectors.mark_breaker import MarkBreaker
from detectors.price_breaker import PriceBreaker
from detectors.stale_breaker import StaleBreaker


class MarketGuardrails(Breakers):
    """Plain rules on raw values of one partition; no model has a say in them, or keeps them from acting.

    Each rule that trips on the event reads one topic, in the order of its offsets: that order is the same for
    everybody, the interleaving of topics is not. The ages of mark and index need more than one topic, and are judged
    tick by tick.

    Parameters
    ----------
    settings
        The settings of the core.
    counters
        The stage's counters.

    Examples
    --------
    >>> from detectors.events import Latency
    >>> guardrails = MarketGuardrails(CoreSettings(), Counter())
    >>> for trip in guardrails.on_events("latency", [Latency(1_000, "matching", 300_000.0)]):
    ...     print(trip.reason)
    latency of the component: 300,000 us, above the soft limit 250,000
    """

    def __init__(self, settings: CoreSettings, counters: Counter[str]) -> None:
        price, mark = PriceBreaker(settings, counters), MarkBreaker(settings, counters)
        depth, latency = DepthBreaker(settings, counters), LatencyBreaker(settings, counters)
        liquidations = LiquidationBreaker(settings, counters)
        self._stale_mark = StaleBreaker(STALE_MARK, settings, counters)
        self._stale_index = StaleBreaker(STALE_INDEX, settings, counters)
        super().__init__((price, mark, depth, latency, liquidations, self._stale_mark, self._stale_index))
        self._on: dict[str, Callable[[Any], list[Trip]]] = {
            "trades": price.on_events,
            "tickers": mark.on_events,
            "books": depth.on_events,
            "latency": latency.on_events,
            "liquidations": liquidations.on_events,
        }

    def on_events(self, topic: str, events: Sequence[Event]) -> list[Trip]:
        """Judge events of one topic, in the order of their offsets, each handed in once; other topics have no rule."""
        judge = self._on.get(topic)
        return [] if judge is None else judge(events)

    def close_tick(self, tick_end_us: int, newest: Mapping[str, tuple[int | None, int | None]]) -> list[Trip]:
        """Judge how old mark and index have become.

        Parameters
        ----------
        tick_end_us
            The end of the tick; ticks come in order.
        newest
            By symbol, the times of the newest mark and of the newest index in that tick; None: none came.
        """
        marks = {symbol: mark_us for symbol, (mark_us, _) in newest.items() if mark_us is not None}
        indices = {symbol: index_us for symbol, (_, index_us) in newest.items() if index_us is not None}
        return self._stale_mark.close_tick(tick_end_us, marks) + self._stale_index.close_tick(tick_end_us, indices)
