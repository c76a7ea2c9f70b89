"""The weather of the market: calm and busy spells, the drift of activity, and the fair price."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from streams.simulator.settings import VOLATILITY_PER_SQRT_S, Contract


@dataclass(frozen=True, slots=True)
class Regime:
    """How a spell differs: factors on rates, lifetimes, makers' sizes and volatility, half the spread in ticks.

    `pulled_share` of the makers' quotes are taken back when it begins.
    """

    rate: float
    lifetime: float
    size: float
    volatility: float
    half_spread_ticks: float
    pulled_share: float


#: A busy spell is what naive detectors take for an attack: more of everything, quotes short-lived, smaller and wider.
BUSY = Regime(rate=2.0, lifetime=0.6, size=0.6, volatility=2.0, half_spread_ticks=1.2, pulled_share=0.1)
#: Mean length of spells: of a symbol's own, and (in the last place) of the whole market's.
_OWN_CALM_S, _MARKET_CALM_S, _BUSY_S = 120.0, 240.0, 15.0
#: Lengths follow a gamma distribution of this shape: neither clockwork nor without memory.
_SPELL_SHAPE = 4.0
_CALM_SHARE = _OWN_CALM_S / (_OWN_CALM_S + _BUSY_S) * _MARKET_CALM_S / (_MARKET_CALM_S + _BUSY_S)
#: The calm rate makes up for the busy one, so that the average over spells is one.
CALM = Regime((1 - (1 - _CALM_SHARE) * BUSY.rate) / _CALM_SHARE, 1.0, 1.0, 1.0, 0.5, 0.0)
#: Volatility over spells of both kinds, against the calm one.
AVERAGE_VOLATILITY = math.sqrt(_CALM_SHARE + (1 - _CALM_SHARE) * BUSY.volatility**2)

_COMMON_SHARE = 0.6
_ACTIVITY_SIGMA, _ACTIVITY_MEMORY_S = 0.2, 10.0


class Weather:
    """The state of all symbols, moved on in equal steps.

    A symbol is busy in its own spells and in those of the whole market. Returns have a common part and heavy tails.

    Parameters
    ----------
    contracts
        The contracts, in the order in which all lists here are kept.
    step_s
        Length of a step in seconds; > 0.
    rng
        Where all its chance comes from.
    """

    def __init__(self, contracts: list[Contract], step_s: float, rng: Generator) -> None:
        self._rng = rng
        self._step_s = step_s
        # One chain of spells a symbol; the last chain is the whole market's.
        self._busy = np.zeros(len(contracts) + 1, dtype=bool)
        self._calm_s = np.array([_OWN_CALM_S] * len(contracts) + [_MARKET_CALM_S])
        self._left_s = self._draw_spells_s() * rng.random(len(contracts) + 1)
        self._activity = np.zeros(len(contracts))
        self._log_price = np.log([contract.price for contract in contracts])
        self._volatility = np.array([contract.volatility for contract in contracts])
        self.regimes = [CALM] * len(contracts)
        self.fair_prices: list[float] = [contract.price for contract in contracts]
        self.rates: list[float] = [CALM.rate] * len(contracts)

    def _draw_spells_s(self) -> NDArray[np.float64]:
        mean_s = np.where(self._busy, _BUSY_S, self._calm_s)
        return self._rng.gamma(_SPELL_SHAPE, mean_s / _SPELL_SHAPE)

    def step(self) -> None:
        """Move on by one step."""
        rng, count = self._rng, len(self.regimes)
        self._left_s -= self._step_s
        over = self._left_s <= 0
        if over.any():
            self._busy ^= over
            self._left_s = np.where(over, self._draw_spells_s(), self._left_s)
        self.regimes = [BUSY if busy else CALM for busy in (self._busy[:-1] | self._busy[-1]).tolist()]

        memory = math.exp(-self._step_s / _ACTIVITY_MEMORY_S)
        self._activity *= memory
        self._activity += _ACTIVITY_SIGMA * math.sqrt(1 - memory * memory) * rng.standard_normal(count)
        wander = np.exp(self._activity - _ACTIVITY_SIGMA**2 / 2).tolist()
        self.rates = [regime.rate * factor for regime, factor in zip(self.regimes, wander, strict=True)]

        # Student's t with 6 degrees of freedom, of variance one; cut, so that no single step is an incident by itself.
        draws = (rng.standard_t(6, count + 1) / math.sqrt(1.5)).clip(-4, 4)
        draws = math.sqrt(1 - _COMMON_SHARE) * draws[:-1] + math.sqrt(_COMMON_SHARE) * draws[-1]
        spell = np.array([regime.volatility for regime in self.regimes])
        self._log_price += VOLATILITY_PER_SQRT_S * math.sqrt(self._step_s) * self._volatility * spell * draws
        self.fair_prices = np.exp(self._log_price).tolist()
