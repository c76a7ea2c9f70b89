"""A recorded run of a simulated exchange."""

from dataclasses import dataclass

from detectors.events import Event
from streams.simulator import ExchangeSettings, Incident


@dataclass(frozen=True)
class Recording:
    settings: ExchangeSettings
    incidents: list[Incident]
    events: list[tuple[str, Event]]

    def incident(self, family: str) -> Incident:
        return next(found for found in self.incidents if found.family == family)

    def between(self, topic: str, symbol: str, start_us: int, end_us: int) -> list[Event]:
        return [
            event
            for found, event in self.events
            if found == topic and start_us <= event.timestamp < end_us and getattr(event, "symbol", "") == symbol
        ]
