"""Breaks on the share of a symbol's open interest that one account holds."""

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from detectors.breaker import Breaker, Head
from detectors.config import CoreSettings
from detectors.decisions import Trip
from detectors.entities import Entities
from detectors.events import LeverageChange
from detectors.exact import exact, share
from detectors.guardrail_rules import OPEN_INTEREST_SHARE, Bounds, bounds_of
from detectors.guardrail_settings import Guardrails

#: Holders remembered of a symbol; at that number some of the smallest are forgotten.
_MOST_HOLDERS = 1_000
_FORGOTTEN_AT_ONCE = 10
#: Holders of less than this part of the soft limit are not remembered.
_NOTABLE = 0.25


class _Amount:
    """A position, or the open interest of a symbol, and the turn in which it changed."""

    __slots__ = ("amount", "turn")

    def __init__(self, amount: float, turn: int) -> None:
        self.amount = amount
        self.turn = turn

    def state(self) -> list[Any]:
        return [self.amount, self.turn]

    @classmethod
    def of(cls, _name: object, state: list[Any], _notes: list[str]) -> "_Amount":
        amount, turn = state
        return cls(amount, turn)


class InterestBreaker(Breaker):
    """Rule `open_interest_share`, at the end of each tick: `|position| / open interest` of an account on a symbol.

    Positions come with leverage changes, open interest with tickers; both count as they stand at the end of the tick,
    in the venue's unit of amount. To notice that open interest falls, the holders of more than a quarter of the soft
    limit are remembered (all, while open interest is not known), at most 1,000 of a symbol, the largest, and at most
    `guardrails.max_entities` of all. A smaller holder is judged when its own position changes. An open interest of 0
    says nothing about shares and is passed over.

    Parameters
    ----------
    settings, counters
        The settings of the core; the stage's counters.

    Examples
    --------
    >>> breaker = InterestBreaker(CoreSettings(), Counter())
    >>> change = LeverageChange(50_000, "desk-7", "BTC-PERP", 5.0, position=-100.0)
    >>> breaker.close_tick(100_000, [change], {"BTC-PERP": 1_000.0})
    []
    >>> [(trip.entity, trip.level, trip.value) for trip in breaker.close_tick(200_000, [], {"BTC-PERP": 500.0})]
    [('desk-7/BTC-PERP', 'soft', Decimal('0.2'))]
    """

    def __init__(self, settings: CoreSettings, counters: Counter[str]) -> None:
        super().__init__(OPEN_INTEREST_SHARE, settings, settings.guardrails.max_entities, counters)
        self._holders: Entities[_Amount] = _amounts(None)
        self._interest: Entities[_Amount] = _amounts(settings.memory.max_symbols)
        self._accounts: dict[str, set[str]] = {}

    def close_tick(
        self, tick_end_us: int, changes: Iterable[LeverageChange], open_interest: Mapping[str, float]
    ) -> list[Trip]:
        """Judge the positions that a tick has changed, or whose symbol's open interest it has.

        Parameters
        ----------
        tick_end_us
            The end of the tick; ticks come in order.
        changes
            Those of the tick, in order of time.
        open_interest
            By symbol, what has become known.
        """
        self.clock_us = max(self.clock_us, tick_end_us)
        touched: set[tuple[str, str]] = set(self.states.take_due(self.clock_us))
        for symbol in sorted(open_interest):
            if open_interest[symbol] > 0.0:
                known = self._interest.touch(symbol) or self._interest.add(symbol, _Amount(0.0, 0))
                known.amount, known.turn = open_interest[symbol], self.next_turn()
                touched.update((account, symbol) for account in self._accounts.get(symbol, ()))
        trips: list[Trip] = []
        for change in changes:
            name = (change.account, change.symbol)
            self._hold(name, abs(change.position))
            touched.add(name)
        for name in sorted(touched):
            trips += self._weigh_holder(name)
        for symbol in sorted({symbol for _, symbol in touched}):
            trips += self._forget_smallest(symbol)
        return trips

    def limits_of(self, limits: Guardrails) -> Bounds:
        """The bounds of a symbol's holders."""
        return bounds_of(limits.open_interest_share, limits)

    def bounds_of(self, name: tuple[str, str], seen: object) -> Bounds:
        """The bounds of the position's symbol."""
        return self.bounds.of(name[1])

    def value_of(self, name: tuple[str, str], seen: object) -> Decimal | None:
        """The share; None while open interest is not known."""
        holder, interest = self._holders.get(name), self._interest.get(name[1])
        if interest is None:
            return None
        return share(exact(holder.amount if holder is not None else 0.0), exact(interest.amount))

    def kept(self) -> dict[str, Entities[Any]]:
        """Tripped positions, notable positions, and open interest."""
        return super().kept() | {"open_interest_holder": self._holders, "open_interest": self._interest}

    def resume(self, head: Head, notes: list[str]) -> None:
        """Take up what all positions share."""
        super().resume(head, notes)
        self._accounts = {}
        for account, symbol in self._holders:
            self._accounts.setdefault(symbol, set()).add(account)

    def _hold(self, name: tuple[str, str], amount: float) -> None:
        holder = self._holders.touch(name)
        if holder is None:
            for forgotten in self.states.make_room(self._holders, self.most):
                self._unlist(forgotten)
            holder = self._holders.add(name, _Amount(0.0, 0))
            self._accounts.setdefault(name[1], set()).add(name[0])
        holder.amount, holder.turn = amount, self.next_turn()

    def _weigh_holder(self, name: tuple[str, str]) -> list[Trip]:
        holder, interest = self._holders.get(name), self._interest.get(name[1])
        if holder is None:
            return self.judge(name, None)
        if interest is None:
            trips, notable = [], holder.amount > 0.0
        else:
            trips = self.weigh(name, holder.amount / interest.amount)
            notable = holder.amount > _NOTABLE * float(self.bounds.of(name[1]).soft) * interest.amount
        if not notable and name not in self.states:
            self._drop(name)
        return trips

    def _forget_smallest(self, symbol: str) -> list[Trip]:
        accounts = self._accounts.get(symbol, ())
        if len(accounts) <= _MOST_HOLDERS:
            return []
        many = max(len(accounts) - _MOST_HOLDERS, _FORGOTTEN_AT_ONCE)
        sizes = ((holder.amount, account) for account in accounts if (holder := self._holders.get((account, symbol))))
        trips: list[Trip] = []
        for _, account in heapq.nsmallest(many, sizes):
            name = (account, symbol)
            if name in self.states:
                trips.append(self.states.forget(name, self.clock_us, f"{_MOST_HOLDERS} others hold more of it"))
            self._drop(name)
            self.counters["evicted_guardrail_entities"] += 1
        return trips

    def _drop(self, name: tuple[str, str]) -> None:
        self._holders.remove(name)
        self._unlist(name)

    def _unlist(self, name: tuple[str, str]) -> None:
        account, symbol = name
        accounts = self._accounts[symbol]
        accounts.remove(account)
        if not accounts:
            del self._accounts[symbol]


def _amounts(most: int | None) -> Entities[_Amount]:
    return Entities(most, save=_Amount.state, load=_Amount.of, turn=lambda amount: amount.turn)
