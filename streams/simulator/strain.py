"""How planted incidents of mark, trades, layers and liquidations happen: through orders and positions."""

import math
from random import Random

from streams.simulator.clearing import Clearing
from streams.simulator.happening import Happening
from streams.simulator.incidents import Incident
from streams.simulator.settings import ExchangeSettings

#: How far the mark leaves, and in how many steps it gets there and back.
_MARK_GAP, _MARK_STEPS, _MARK_STEP_US = 0.004, 4, 500_000
#: Orders a second of those that trade on one side, and how many come in the same instant.
_RUSH_PER_S, _RUSH = 15.0, (1, 3)
#: Levels of layers, how far behind the fair price, how large in ordinary orders, how long they stand.
_LAYERS, _LAYER_TICKS, _LAYER_SIZE, _LAYER_HELD_US = (4, 6), (1, 10), 30.0, (3_000_000, 8_000_000)
_LAYER_JITTER_US, _LAYER_PAUSE_US = 60_000, (1_000_000, 3_000_000)
#: First liquidations a second, how many each brings about, and after what time.
_FORCED_PER_S, _BRANCHING, _OFFSPRING_S = 0.5, 0.8, 2.0


class Strain(Happening):
    """One incident of a family that `Trouble` does not have."""

    def __init__(self, incident: Incident, clearing: Clearing, settings: ExchangeSettings, rng: Random) -> None:
        super().__init__(incident, clearing, settings, rng)
        agenda = self._market.agenda
        self._shifting = agenda.action(self._shift_mark)
        self._rushing = agenda.action(self._rush)
        self._closing = agenda.action(clearing.close_account)

    def begin(self, now_us: int, _: None) -> None:
        """Put all of the incident on the agenda; called when it starts."""
        match self._incident.family:
            case "mark_divergence":
                self._diverge(now_us)
            case "trade_burst":
                self._ignite(now_us, self._accounts)
            case "layering":
                self._layer(now_us, self._accounts[0])
            case "liquidation_wave":
                self._force(now_us, self._accounts)

    def _diverge(self, now_us: int) -> None:
        """Have the mark leave the index within seconds, and come back at the end."""
        gap = self._rng.choice((-1, 1)) * _MARK_GAP * self._incident.intensity
        for step in range(1, _MARK_STEPS + 1):
            there, back = gap * step / _MARK_STEPS, gap * (1 - step / _MARK_STEPS)
            self._market.agenda.add(now_us + (step - 1) * _MARK_STEP_US, self._shifting, there)
            self._market.agenda.add(self._incident.end_us + (step - 1) * _MARK_STEP_US, self._shifting, back)

    def _shift_mark(self, now_us: int, share: float) -> None:
        self._clearing.mark_fault = share

    def _ignite(self, now_us: int, accounts: list[int]) -> None:
        """Trade on one side at a high rate, now and then several times in the same instant."""
        rng, is_buy = self._rng, self._rng.random() < 0.5
        at_us = now_us
        while True:
            at_us += round(rng.expovariate(_RUSH_PER_S * self._scale) * 1e6)
            if at_us >= self._incident.end_us:
                return
            for _ in range(rng.choice(_RUSH)):
                lots = max(1, round(self._market.contract.order_lots * math.exp(rng.gauss(0, 0.5))))
                self._market.agenda.add(at_us, self._rushing, (rng.choice(accounts), lots if is_buy else -lots))

    def _rush(self, now_us: int, order: tuple[int, int]) -> None:
        self._market.trade_at_once(now_us, *order)

    def _layer(self, now_us: int, account: int) -> None:
        """Place levels on one side, trade a little on the other, take all levels back together; again and again."""
        rng, agenda, end_us = self._rng, self._market.agenda, self._incident.end_us
        order_lots = self._market.contract.order_lots
        is_buy = rng.random() < 0.5
        at_us = now_us
        while at_us + _LAYER_HELD_US[0] < end_us:
            gone_us = min(at_us + rng.randint(*_LAYER_HELD_US), end_us)
            lots = max(1, round(order_lots * _LAYER_SIZE * self._incident.intensity))
            for offset in rng.sample(range(*_LAYER_TICKS), rng.randint(*_LAYERS)):
                placed_us = at_us + rng.randrange(_LAYER_JITTER_US)
                life_us = gone_us - rng.randrange(_LAYER_JITTER_US) - placed_us
                agenda.add(placed_us, self._market.placing, (account, is_buy, offset, lots, life_us))
            traded_us = rng.randrange(at_us + _LAYER_JITTER_US, gone_us - _LAYER_JITTER_US)
            agenda.add(traded_us, self._rushing, (account, -order_lots if is_buy else order_lots))
            at_us = gone_us + rng.randint(*_LAYER_PAUSE_US)

    def _force(self, now_us: int, accounts: list[int]) -> None:
        """Close accounts out: some by themselves, each of them followed by others."""
        rng, end_us = self._rng, self._incident.end_us
        first_per_us = _FORCED_PER_S * self._incident.intensity / 1e6
        waiting, at_us = [], now_us + round(rng.expovariate(first_per_us))
        while at_us < end_us:
            waiting.append(at_us)
            at_us += round(rng.expovariate(first_per_us))
        held = [account for account in accounts if self._clearing.holdings.lots[account]]
        for account in held:
            if not waiting:
                break
            at_us = waiting.pop(0)
            self._market.agenda.add(at_us, self._closing, account)
            if rng.random() < _BRANCHING:
                child_us = at_us + round(rng.expovariate(1 / _OFFSPRING_S) * 1e6)
                if child_us < end_us:
                    waiting.append(child_us)
