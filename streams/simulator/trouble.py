"""How a planted incident happens: through the same orders as everything else."""

import math
from random import Random

from streams.simulator.book import Order
from streams.simulator.clearing import Clearing
from streams.simulator.happening import Happening
from streams.simulator.incidents import Incident
from streams.simulator.settings import ExchangeSettings

#: Cancels in a second of a burst, at usual intensity and the default flow.
_BURST_PER_S = 40.0
_BURST_LIFE_US = (20_000, 200_000)
#: A ring acts in pulses: each account places about this many orders, and all are taken back together.
_RING_ORDERS = 1.2
_RING_PULSE_US = (400_000, 600_000)
_RING_HELD_US, _RING_JITTER_US = 250_000, 10_000
_RING_SIZE = 8
#: Share of the depth that makers withdraw, how fast (median), and how long they take to come back.
_WITHDRAWN_SHARE, _MOST_WITHDRAWN = 0.8, 0.95
_WITHDRAW_MEDIAN_US, _RETURN_US, _RETURNED_LIFE_US = 300_000, 6_000_000, 30_000_000


class Trouble(Happening):
    """Bursts and rings of cancels, raised leverage, and makers that withdraw."""

    def __init__(self, incident: Incident, clearing: Clearing, settings: ExchangeSettings, rng: Random) -> None:
        super().__init__(incident, clearing, settings, rng)
        self._raising = self._market.agenda.action(self._raise_leverage)
        self._returning = self._market.agenda.action(self._return)

    def begin(self, now_us: int, _: None) -> None:
        """Put all of the incident on the agenda; called when it starts."""
        accounts = self._accounts
        match self._incident.family:
            case "cancel_burst":
                self._burst(now_us, accounts)
            case "cancel_ring":
                self._ring(now_us, accounts)
            case "leverage_spike":
                self._spike(now_us, accounts)
            case "thin_book":
                self._withdraw(now_us)
            case "correlated":
                others = [account for account in accounts if account >= self._market.makers]
                self._burst(now_us, others[:1])
                self._ring(now_us, others[1 : 1 + _RING_SIZE])
                self._spike(now_us, others[1 + _RING_SIZE :])
                self._withdraw(now_us)

    def _burst(self, now_us: int, accounts: list[int]) -> None:
        """Place and take back at a high rate."""
        rng, end_us = self._rng, self._incident.end_us
        mean_gap_us = 1e6 / (_BURST_PER_S * self._scale)
        for account in accounts:
            at_us = now_us + round(rng.expovariate(1 / mean_gap_us))
            while at_us < end_us:
                life_us = min(rng.randint(*_BURST_LIFE_US), end_us - at_us)
                self._place(at_us, account, rng.randrange(1, 9), life_us)
                at_us += round(rng.expovariate(1 / mean_gap_us))

    def _ring(self, now_us: int, accounts: list[int]) -> None:
        """Place and take back in step."""
        rng, end_us = self._rng, self._incident.end_us
        pulse_us = now_us
        held_us = _RING_HELD_US + _RING_JITTER_US
        while pulse_us + held_us < end_us:
            for account in accounts:
                for _ in range(_rounded(rng, _RING_ORDERS * self._scale)):
                    early_us = rng.randint(0, 2 * _RING_JITTER_US)
                    life_us = held_us - early_us - rng.randint(0, 2 * _RING_JITTER_US)
                    self._place(pulse_us + early_us, account, rng.randrange(1, 9), life_us)
            pulse_us += rng.randint(*_RING_PULSE_US)

    def _place(self, at_us: int, account: int, offset: int, life_us: int) -> None:
        market, rng = self._market, self._rng
        lots = max(1, round(market.contract.order_lots * math.exp(rng.gauss(0, 0.5))))
        market.agenda.add(at_us, market.placing, (account, rng.random() < 0.5, offset, lots, life_us))

    def _spike(self, now_us: int, accounts: list[int]) -> None:
        """Raise leverage, each account once and some once more."""
        for account in accounts:
            for _ in range(_rounded(self._rng, 1.3)):
                at_us = self._rng.randrange(now_us, self._incident.end_us)
                self._market.agenda.add(at_us, self._raising, account)

    def _raise_leverage(self, now_us: int, account: int) -> None:
        wanted = self._clearing.holdings.raised(account, self._rng.randint(2, 4))
        self._clearing.change_leverage(now_us, (account, wanted))

    def _withdraw(self, now_us: int) -> None:
        """Have the makers take back a share of each level, their largest orders first, and stay away."""
        market = self._market
        share = min(_MOST_WITHDRAWN, _WITHDRAWN_SHARE * self._incident.intensity)
        withdrawn: list[tuple[Order, int]] = []
        for side in (market.bids, market.asks):
            for level in side.by_level():
                wanted = share * sum(order.lots for order in level)
                makers = (order for order in level if order.account < market.makers and not order.leaving)
                for order in sorted(makers, key=lambda order: (-order.lots, order.number)):
                    if wanted < order.lots / 2:
                        continue
                    wanted -= order.lots
                    withdrawn.append((order, order.key - side.best))
                    market.pull(now_us, order, _WITHDRAW_MEDIAN_US)
        market.withdrawn_share = share
        market.agenda.add(self._incident.end_us, self._returning, [(*_shape(order), back) for order, back in withdrawn])

    def _return(self, now_us: int, quotes: list[tuple[int, bool, int, int]]) -> None:
        """Let the makers come back, at the distances at which they stood."""
        market, rng = self._market, self._rng
        market.withdrawn_share = 0.0
        for account, is_buy, lots, offset in quotes:
            life_us = round(rng.expovariate(1 / _RETURNED_LIFE_US))
            at_us = now_us + rng.randrange(_RETURN_US)
            market.agenda.add(at_us, market.placing, (account, is_buy, offset, lots, life_us))


def _shape(order: Order) -> tuple[int, bool, int]:
    return order.account, order.is_buy, order.lots


def _rounded(rng: Random, value: float) -> int:
    """Return a whole number with this mean."""
    return int(value + rng.random())
