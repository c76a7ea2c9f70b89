"""Crowds that build up leverage on one symbol, makers that step back, and news: what a cascade is made of."""

import math
from random import Random

from streams.simulator.build_ups import UNWIND_S, BuildUp, Shock
from streams.simulator.clearing import Clearing
from streams.simulator.dislocation import Dislocation
from streams.simulator.settings import VOLATILITY_PER_SQRT_S, ExchangeSettings

#: A crowd is a share of the traders, out of those that are not busy anyway.
_CROWD_SHARE, _BUSY_SHARE = (0.1, 0.25), 0.25
_SIZE_SIGMA = 0.8
#: Leverage with which one enters, and the one it is raised to, with the weights of the latter.
_ENTERS_AT = (3.0, 5.0, 10.0)
_RAISED_TO, _RAISED_WEIGHTS = (10.0, 20.0, 25.0, 50.0, 75.0), (10, 25, 25, 30, 10)
#: A position is bought in at most so many orders, each of at least so many ordinary ones, so far apart.
_ORDERS, _LEAST_ORDER, _ORDER_GAP_US = 8, 10, 20_000_000
#: How much makers step back for a dislocated price, a unit of its logarithm, and the most that they do.
_RETREAT, _MOST_RETREAT = 25.0, 0.85
#: How far a liquidation may go through the book at once, as a share of the price.
_LIQUIDATION_REACH = 0.004
#: How much dearer it is to be on the side of a crowd: funding a period.
_FUNDING = 5e-4

#: Account, signed lots still to trade, orders left for it, leverage to enter with, when it ends.
Entry = tuple[int, int, int, float, int]


class Crowd:
    """The build-ups of one symbol, on its market.

    Members enter with little leverage, one after the other until the build-up is ripe, by orders to trade at once; each
    raises its leverage later, which moves its liquidation price to `1 / leverage - maintenance` from its entry. The
    exchange tells of both by leverage changes. Meanwhile a growing share of makers' orders stays away, and the price
    becomes more volatile: its shift `news` wanders with `sigma * sqrt(factor ** 2 - 1)`. News moves it along a
    straight line. Whom the mark price leaves without margin the clearing house closes by market orders, and these move
    the price (`Dislocation`), and with it the mark of others: nothing else makes a cascade. While the price is
    dislocated still more makers stay away.

    Parameters
    ----------
    clearing
        Of the symbol.
    settings
        Of the exchange.
    usual_lots
        What usually rests on one side of the book.
    plan
        Build-ups, which do not overlap, and news.
    rng
        Where its chance comes from.
    """

    def __init__(
        self,
        clearing: Clearing,
        settings: ExchangeSettings,
        usual_lots: float,
        plan: tuple[list[BuildUp], list[Shock]],
        rng: Random,
    ) -> None:
        self._clearing = clearing
        self._market = clearing.market
        self._traders = range(settings.makers, settings.accounts)
        self._usual_lots = usual_lots
        self._build_ups, self._shocks = plan
        self._rng = rng
        self._now_us = settings.start_us
        self._sigma = VOLATILITY_PER_SQRT_S * clearing.market.contract.volatility
        self._dislocation = clearing.dislocation = Dislocation()
        contract = clearing.market.contract
        clearing.market.liquidation_ticks = round(_LIQUIDATION_REACH * contract.price / contract.tick_size)
        agenda = clearing.market.agenda
        self._gathering = agenda.action(self.gather)
        self._entering = agenda.action(self.enter)
        self._leaving = agenda.action(self.leave)
        for one in self._build_ups:
            agenda.add(one.start_us, self._gathering, one)

    def step(self, now_us: int, outside: float) -> float:
        """Move on to a time; the fair price, for a price that the weather gives."""
        seconds = (now_us - self._now_us) / 1e6
        found, clearing = self._dislocation, self._clearing
        found.pass_time(seconds)
        found.news += sum(_moved(shock, self._now_us, now_us) for shock in self._shocks)
        one = self._present(now_us)
        progress = one.progress(now_us) if one is not None else 0.0
        wilder = 1.0 + ((one.volatility if one is not None else 1.0) - 1.0) * progress
        found.news += self._sigma * math.sqrt((wilder * wilder - 1.0) * seconds) * self._rng.gauss(0.0, 1.0)
        away = one.thinning * progress if one is not None else 0.0
        self._market.retreat = min(away + _RETREAT * abs(found.own), _MOST_RETREAT)
        clearing.lean = one.sign * _FUNDING * progress if one is not None else 0.0
        clearing.outside = outside
        self._now_us = now_us
        return found.fair(outside)

    def _present(self, now_us: int) -> BuildUp | None:
        unwind_us = UNWIND_S * 1e6
        return next((one for one in self._build_ups if one.start_us <= now_us < one.end_us + unwind_us), None)

    def gather(self, now_us: int, one: BuildUp) -> None:
        """Choose who takes part, and put what each does on the agenda."""
        rng, agenda = self._rng, self._market.agenda
        quiet = self._traders[round(len(self._traders) * _BUSY_SHARE) :]
        members = rng.sample(quiet, max(10, round(len(self._traders) * rng.uniform(*_CROWD_SHARE))))
        weights = [math.exp(rng.gauss(0.0, _SIZE_SIGMA)) for _ in members]
        lots_a_weight = one.size * self._usual_lots / math.fsum(weights)
        least = _LEAST_ORDER * self._market.contract.order_lots
        for member, weight in zip(members, weights, strict=True):
            lots = max(1, round(weight * lots_a_weight))
            enters_us = now_us + round((one.ripe_us - now_us) * rng.random())
            raises_us = rng.randint(enters_us, one.ripe_us)
            raised_to = rng.choices(_RAISED_TO, _RAISED_WEIGHTS)[0]
            leaves_us = one.end_us + round(UNWIND_S * 1e6 * rng.random())
            orders = min(_ORDERS, -(-lots // least))
            if enters_us >= one.end_us:
                continue
            entry = (member, one.sign * lots, orders, rng.choice(_ENTERS_AT), one.end_us)
            agenda.add(enters_us, self._entering, entry)
            if raises_us < one.end_us:
                agenda.add(raises_us, self._clearing.changing, (member, raised_to))
            agenda.add(leaves_us, self._leaving, (member, float(self._clearing.holdings.leverage[member])))

    def enter(self, now_us: int, entry: Entry) -> None:
        """Trade a part of what a member wants to hold; the last part, and its leverage, is told."""
        account, lots, orders, leverage, end_us = entry
        part = round(lots / orders)
        self._market.trade_at_once(now_us, account, part)
        if orders > 1 and now_us + _ORDER_GAP_US < end_us:
            later_us = now_us + self._rng.randrange(_ORDER_GAP_US)
            self._market.agenda.add(later_us, self._entering, (account, lots - part, orders - 1, leverage, end_us))
        else:
            self._clearing.tell_position(now_us, account, leverage)

    def leave(self, now_us: int, member: tuple[int, float]) -> None:
        """Close a member's position, as far as the book takes it, and set its leverage back."""
        account, leverage = member
        lots = int(self._clearing.holdings.lots[account])
        if lots:
            self._market.trade_at_once(now_us, account, -lots)
        self._clearing.tell_position(now_us, account, leverage)


def _moved(shock: Shock, from_us: int, to_us: int) -> float:
    """How far news moves the price between two times."""
    within_us = min(to_us, shock.end_us) - max(from_us, shock.start_us)
    return shock.move * max(within_us, 0) / (shock.end_us - shock.start_us)
