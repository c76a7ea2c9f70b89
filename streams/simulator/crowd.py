"""Crowds that build up leverage on one symbol, makers that step back, and news: what a cascade is made of."""

import math
from random import Random

import msgspec

from streams.simulator.build_ups import UNWIND_S, BuildUp, Shock
from streams.simulator.clearing import Clearing
from streams.simulator.dislocation import Dislocation
from streams.simulator.settings import VOLATILITY_PER_SQRT_S, ExchangeSettings

#: A crowd is a share of the traders, out of those that are not busy anyway.
_CROWD_SHARE, _BUSY_SHARE = (0.1, 0.25), 0.25
_SIZE_SIGMA = 0.8
#: Leverage with which one enters, and the one it is raised to, with the weights of the latter.
_ENTERS_AT = (3.0, 5.0, 10.0)
_RAISED_TO, _RAISED_WEIGHTS = (20.0, 25.0, 50.0, 75.0, 100.0), (15, 20, 30, 20, 15)
#: A position is bought in at most so many orders, each of at least so many ordinary ones, so far apart.
_ORDERS, _LEAST_ORDER, _ORDER_GAP_US = 8, 10, 20_000_000
#: How much makers step back for a dislocated price, a unit of its logarithm, and the most that they do.
_RETREAT, _MOST_RETREAT = 25.0, 0.85
#: A price dislocated this far breaks a crowd: nobody enters any more, and those who are left go home.
_BROKEN = 0.01
#: How far a liquidation may go through the book at once, as a share of the price.
_LIQUIDATION_REACH = 0.004
#: How much dearer it is to be on the side of a crowd: funding a period.
_FUNDING = 5e-4

#: Account, signed lots still to trade, orders left for it, leverage to enter with.
Entry = tuple[int, int, int, float]


class Crowd:
    """The build-ups of one symbol, on its market.

    Members enter with little leverage, one after the other until the build-up is ripe, by orders to trade at once; each
    raises its leverage later, which moves its liquidation price to `1 / leverage - maintenance` from its entry. The
    exchange tells of both by leverage changes. Meanwhile a growing share `a` of makers' orders stays away, so that what
    comes by moves the price further: its shift `news` wanders with `sigma * sqrt(f ** 2 - 1)` and `f = 1 / (1 - a)`.
    News moves it along a straight line.

    Whom the mark price leaves without margin the clearing house closes by market orders; these move the price
    (`Dislocation`), and with it the mark of others: nothing else makes a cascade. While the price is dislocated still
    more makers stay away. A crowd whose price is dislocated by a per cent is broken.

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
        #: The build-up that is under way or fades, and the members that have not left, with their leverage before.
        self._one: BuildUp | None = None
        self._members: dict[int, float] = {}
        self._now_us = settings.start_us
        self._sigma = VOLATILITY_PER_SQRT_S * clearing.market.contract.volatility
        self._dislocation = clearing.dislocation = Dislocation()
        contract = clearing.market.contract
        clearing.market.liquidation_ticks = round(_LIQUIDATION_REACH * contract.price / contract.tick_size)
        agenda = clearing.market.agenda
        self._gathering = agenda.action(self.gather)
        self._entering = agenda.action(self.enter)
        self._raising = agenda.action(self.raise_leverage)
        self._dispersing = agenda.action(self.disperse)
        self._leaving = agenda.action(self.leave)
        for one in self._build_ups:
            agenda.add(one.start_us, self._gathering, one)

    def step(self, now_us: int, outside: float) -> float:
        """Move on to a time; the fair price, for a price that the weather gives."""
        seconds = (now_us - self._now_us) / 1e6
        found, clearing = self._dislocation, self._clearing
        found.pass_time(seconds)
        if self._one is not None and abs(found.own) > _BROKEN:
            self.disperse(now_us, self._one)
        one = self._one
        progress = one.progress(now_us) if one is not None else 0.0
        away = one.thinning * progress if one is not None else 0.0
        wilder = 1.0 / (1.0 - away)
        moved = sum(_moved(shock, self._now_us, now_us) for shock in self._shocks)
        wanders = self._sigma * math.sqrt((wilder * wilder - 1.0) * seconds) * self._rng.gauss(0.0, 1.0)
        found.news += moved + wanders
        self._market.retreat = min(away + _RETREAT * abs(found.own), _MOST_RETREAT)
        clearing.lean = one.sign * _FUNDING * progress if one is not None else 0.0
        clearing.outside = outside
        self._now_us = now_us
        return found.fair(outside)

    def gather(self, now_us: int, one: BuildUp) -> None:
        """Choose who takes part, and put what each does on the agenda."""
        self._one = one
        rng, agenda = self._rng, self._market.agenda
        quiet = self._traders[round(len(self._traders) * _BUSY_SHARE) :]
        members = rng.sample(quiet, max(10, round(len(self._traders) * rng.uniform(*_CROWD_SHARE))))
        self._members = {member: float(self._clearing.holdings.leverage[member]) for member in members}
        weights = [math.exp(rng.gauss(0.0, _SIZE_SIGMA)) for _ in members]
        lots_a_weight = one.size * self._usual_lots / math.fsum(weights)
        least = _LEAST_ORDER * self._market.contract.order_lots
        for member, weight in zip(members, weights, strict=True):
            lots = max(1, round(weight * lots_a_weight))
            enters_us = now_us + round((one.ripe_us - now_us) * rng.random())
            raises_us = rng.randint(enters_us, one.ripe_us)
            orders = min(_ORDERS, -(-lots // least))
            agenda.add(enters_us, self._entering, (member, one.sign * lots, orders, rng.choice(_ENTERS_AT)))
            agenda.add(raises_us, self._raising, (member, rng.choices(_RAISED_TO, _RAISED_WEIGHTS)[0]))
        agenda.add(one.end_us, self._dispersing, one)

    def enter(self, now_us: int, entry: Entry) -> None:
        """Trade a part of what a member wants to hold; the last part, and its leverage, is told."""
        account, lots, orders, leverage = entry
        is_gathering = self._is_gathering(now_us)
        part = round(lots / orders) if is_gathering else 0
        self._market.trade_at_once(now_us, account, part)
        if orders > 1 and is_gathering:
            later_us = now_us + self._rng.randrange(_ORDER_GAP_US)
            self._market.agenda.add(later_us, self._entering, (account, lots - part, orders - 1, leverage))
        elif account in self._members:
            self._clearing.tell_position(now_us, account, leverage)

    def raise_leverage(self, now_us: int, change: tuple[int, float]) -> None:
        """Raise a member's leverage, if the crowd still stands."""
        if self._is_gathering(now_us):
            self._clearing.change_leverage(now_us, change)

    def disperse(self, now_us: int, one: BuildUp) -> None:
        """Have the crowd go home, once: when it loses heart, or is broken."""
        if self._one is None or self._one.start_us != one.start_us or self._one.end_us < now_us:
            return
        self._one = msgspec.structs.replace(one, end_us=now_us)
        for member in self._members:
            self._market.agenda.add(now_us + round(UNWIND_S * 1e6 * self._rng.random()), self._leaving, member)

    def leave(self, now_us: int, account: int) -> None:
        """Close a member's position, as far as the book takes it, and set its leverage back."""
        lots = int(self._clearing.holdings.lots[account])
        if lots:
            self._market.trade_at_once(now_us, account, -lots)
        self._clearing.tell_position(now_us, account, self._members.pop(account))

    def _is_gathering(self, now_us: int) -> bool:
        return self._one is not None and now_us < self._one.end_us


def _moved(shock: Shock, from_us: int, to_us: int) -> float:
    """How far news moves the price between two times."""
    within_us = min(to_us, shock.end_us) - max(from_us, shock.start_us)
    return shock.move * max(within_us, 0) / (shock.end_us - shock.start_us)
