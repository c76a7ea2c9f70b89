"""A simulated derivatives exchange: a seeded stream of events with planted, labelled incidents.

It feeds the demo and the throughput benchmark. It is no yardstick of detection: it knows nothing of the detectors,
and real markets are stranger than it.

>>> settings = ExchangeSettings(seed=1, events_per_s=200, duration_s=120)
>>> exchange = Exchange(settings, plant(1, settings))
>>> topic, event = next(exchange.events())
"""

from streams.simulator.clearing import Forced
from streams.simulator.exchange import Exchange
from streams.simulator.incidents import ALL_FAMILIES, FAMILIES, Family, Incident, families_of, labels_json, plant
from streams.simulator.market import Admission
from streams.simulator.settings import COMPONENTS, Cascades, Contract, ExchangeSettings

__all__ = [
    "ALL_FAMILIES",
    "COMPONENTS",
    "FAMILIES",
    "Admission",
    "Cascades",
    "Contract",
    "Exchange",
    "ExchangeSettings",
    "Family",
    "Forced",
    "Incident",
    "families_of",
    "labels_json",
    "plant",
]
