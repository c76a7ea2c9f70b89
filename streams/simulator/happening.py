"""One planted incident on its market."""

import abc
from random import Random

from streams.simulator.clearing import Clearing
from streams.simulator.incidents import Incident
from streams.simulator.settings import ExchangeSettings


class Happening(abc.ABC):
    """One incident on its market.

    Parameters
    ----------
    incident
        What to do.
    clearing
        Of the incident's symbol, and so its market.
    settings
        Of the exchange.
    rng
        Where its chance comes from.
    """

    def __init__(self, incident: Incident, clearing: Clearing, settings: ExchangeSettings, rng: Random) -> None:
        self._incident = incident
        self._market = clearing.market
        self._clearing = clearing
        self._scale = settings.flow_scale * incident.intensity
        self._rng = rng
        numbers = {name: number for number, name in enumerate(settings.account_names())}
        self._accounts = [numbers[name] for name in incident.accounts]
        self.beginning = self._market.agenda.action(self.begin)

    @abc.abstractmethod
    def begin(self, now_us: int, _: None) -> None:
        """Put all of the incident on the agenda; called when it starts."""
