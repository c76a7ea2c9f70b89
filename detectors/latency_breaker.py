"""Breaks on the latency of a component."""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

from detectors.breaker import Breaker
from detectors.config import CoreSettings
from detectors.decisions import Trip
from detectors.events import Latency
from detectors.exact import exact
from detectors.guardrail_rules import COMPONENT_LATENCY, Bounds, bounds_of
from detectors.guardrail_settings import Guardrails


class LatencyBreaker(Breaker):
    """Rule `component_latency`, on `latency`: the latency a component reported last, in microseconds.

    It fails where latency is reported seldom: one slow answer stands until the next report.

    Parameters
    ----------
    settings, counters
        The settings of the core (limits by component stand in `guardrails.symbols`); the stage's counters.

    Examples
    --------
    >>> breaker = LatencyBreaker(CoreSettings(), Counter())
    >>> [trip.level for trip in breaker.on_events([Latency(0, "matching", 250_000.0), Latency(1, "matching", 2e6)])]
    ['hard']
    >>> [trip.state for trip in breaker.on_events([Latency(9, "matching", 10.0), Latency(60_000_001, "gateway", 5.0)])]
    ['cleared']
    """

    def __init__(self, settings: CoreSettings, counters: Counter[str]) -> None:
        super().__init__(COMPONENT_LATENCY, settings, settings.memory.max_symbols, counters)

    def on_events(self, events: Sequence[Latency]) -> list[Trip]:
        """Judge the reports of one topic partition, in the order of their offsets."""
        trips: list[Trip] = []
        for event in events:
            trips += self.advance(event.timestamp, event.component)
            trips += self.weigh(event.component, event.latency_us, event.latency_us)
        return trips

    def limits_of(self, limits: Guardrails) -> Bounds:
        """The bounds of a component."""
        return bounds_of(limits.latency_us, limits)

    def value_of(self, name: str, seen: float) -> Decimal:
        """The latency reported last."""
        return exact(seen)
