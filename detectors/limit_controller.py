"""The rate-limit controller: pressure, rarity, alerts and operators' orders to limits on leases."""

import heapq
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from detectors.base import State
from detectors.config import CoreSettings
from detectors.decisions import AlertMention, AuditRecord, NextLimit, Override, RateLimit
from detectors.entities import Entities
from detectors.limit_log import LimitLog
from detectors.limit_records import PIN_LEASE_US, audit_of_order
from detectors.limit_settings import Baselines
from detectors.limit_state import LimitState
from detectors.limit_targets import ORDINARY_PER_DAY, Reading, Target, target_of
from detectors.limited import Limited
from detectors.measures import Measure
from detectors.pressed_tick import Candidate, PressedTick
from detectors.standing_orders import StandingOrders
from detectors.stress import Stress

_MINUTE_US = 60_000_000


class LimitController:
    """Decides on the limits of the accounts of one partition.

    Decisions follow event time alone: ticks are noted when they close, alerts act `feedback_delay_ms` after theirs, and
    `advance` works all of it off in order of time, once it is told that nothing earlier can come. A limit is renewed at
    a third of its lease, so that it ends by itself when nobody renews it.

    Operators come first: a pinned account stays as pinned, a released one is not limited; `freeze` keeps all limits as
    they are, `kill` ends those that no operator ordered.

    Parameters
    ----------
    settings
        The settings of the core.
    partitions
        Account partitions: each has its part of `max_new_per_minute`.
    counters
        The stage's counters.
    owns, first
        Whether an account belongs to this partition; whether this partition writes down orders that concern all.
    """

    def __init__(
        self,
        settings: CoreSettings,
        partitions: int,
        counters: Counter[str],
        owns: Callable[[str], bool],
        *,
        first: bool,
    ) -> None:
        self._settings = settings.limits
        self._baselines = Baselines(settings.limits)
        self._most_new = max(settings.limits.max_new_per_minute // partitions, 1)
        self._delay_us = settings.limits.feedback_delay_ms * 1_000
        self._counters = counters
        self._owns = owns
        self._first = first
        self._limited: Entities[Limited] = Entities(
            settings.memory.max_accounts,
            save=Limited.saved,
            load=lambda _account, saved, _notes: Limited.of(saved, settings.limits),
            turn=lambda one: one.touched_us,
            counters=counters,
            evicted="evicted_limits",
        )
        self._orders = StandingOrders()
        self._stress = Stress()
        self._ticks: deque[PressedTick] = deque()
        self._heard: deque[tuple[int, tuple[AlertMention, ...]]] = deque()
        self._timers: list[tuple[int, str]] = []
        self._begun: deque[int] = deque()
        #: Pinned account -> when its lease is to be renewed.
        self._pinned_until: dict[str, int] = {}
        self._log = LimitLog(settings.limits, self._baselines)
        self.now_us = 0

    def note(self, tick: PressedTick) -> None:
        """Take note of who pressed in a tick; ticks come in order."""
        if tick.candidates:
            self._ticks.append(tick)

    def hear(self, time_us: int, mentions: Sequence[AlertMention]) -> None:
        """Take note of what was said of alerts at the end of a tick; in order."""
        self._heard.append((time_us + self._delay_us, tuple(mentions)))

    def obey(self, order: Override) -> None:
        """Let an operator's order be in force, at once."""
        now_us = max(self.now_us, order.timestamp)
        account = order.scope.removeprefix("account:") if order.scope.startswith("account:") else None
        if account is not None and not self._owns(account):
            return
        if not self._orders.take(order, now_us):
            self._counters["orders_expired"] += 1
            return
        self._counters["orders"] += 1
        if account is not None or self._first:
            self._log.note(audit_of_order(order, now_us))
        self._stress.silence(self._orders.silenced)
        if account is not None:
            self._end(account, now_us, order)
        elif order.action == "kill":
            for name in sorted(name for name, one in self._limited.items() if one.state.in_force):
                self._end(name, now_us, order)

    def advance(self, until_us: int) -> None:
        """Work off everything up to a time: nothing earlier can come."""
        while True:
            ends_us = self._orders.next_end_us
            due = [
                (self._heard[0][0], 0) if self._heard else None,
                (ends_us, 1) if ends_us is not None else None,
                (self._ticks[0].time_us, 2) if self._ticks else None,
                (self._timers[0][0], 3) if self._timers else None,
            ]
            time_us, what = min((one for one in due if one is not None), default=(until_us + 1, 4))
            if time_us > until_us:
                break
            self.now_us = max(self.now_us, time_us)
            if what == 0:
                self._stress.hear(self._heard.popleft()[1])
            elif what == 1:
                self._end_orders()
            elif what == 2:
                self._judge(self._ticks.popleft())
            else:
                self._tend(heapq.heappop(self._timers)[1])
        self.now_us = max(self.now_us, until_us)

    def take(self) -> tuple[tuple[RateLimit, ...], tuple[AuditRecord, ...]]:
        """What was decided since the last call."""
        return self._log.take()

    def _judge(self, tick: PressedTick) -> None:
        """Tighten who presses too much, the worst first."""
        if self._orders.controller is not None:
            return
        wanted: list[tuple[float, str, float, Target]] = []
        for candidate in tick.candidates:
            if self._orders.of_account(candidate.account) is not None:
                continue
            known = self._limited.get(candidate.account)
            if known is not None and known.state.in_force:
                known = self._limited.change(candidate.account)
                known.ratio, known.ratio_us = candidate.ratio, tick.time_us
            reading = self._read(candidate, tick.collective)
            target = target_of(reading, self._settings)
            if target is not None:
                wanted.append((target.multiplier, candidate.account, candidate.ratio, target))
        wanted.sort(key=lambda one: one[:2])
        for _, account, ratio, target in sorted(self._within_budget(wanted), key=lambda one: one[1]):
            self._tighten(account, ratio, target)

    def _read(self, candidate: Candidate, collective: float) -> Reading:
        rare = candidate.pattern not in self._orders.silenced
        return Reading(
            ratio=candidate.ratio,
            collective=collective if candidate.is_newcomer else 0.0,
            stress=self._stress.level(candidate.symbol),
            blame=self._stress.blame(candidate.account)[0],
            per_day=candidate.per_day if rare else ORDINARY_PER_DAY,
            p_value=candidate.p_value if rare else 1.0,
        )

    def _tighten(self, account: str, ratio: float, target: Target) -> None:
        one = self._limited.touch(account) or self._limited.add(account, Limited(LimitState(self._settings)))
        one.ratio, one.ratio_us, one.touched_us = ratio, self.now_us, self.now_us
        before, begins = one.state.multiplier, not one.state.in_force
        if not one.state.tighten(target.multiplier, self.now_us):
            return
        if begins:
            self._begun.append(self.now_us)
        self._counters["limits_begun" if begins else "limits_tightened"] += 1
        one.target = target
        self._write_down(self._issue(account, one, target=target), before, one)

    def _within_budget(self, wanted: list[tuple[float, str, float, Target]]) -> list[tuple[float, str, float, Target]]:
        """Those who are limited already, and as many others, the worst first, as may be in this minute."""
        while self._begun and self._begun[0] <= self.now_us - _MINUTE_US:
            self._begun.popleft()
        left = self._most_new - len(self._begun)
        chosen = []
        for one in wanted:
            known = self._limited.get(one[1])
            if known is None or not known.state.in_force:
                if left <= 0:
                    self._counters["limits_over_budget"] += 1
                    continue
                left -= 1
            chosen.append(one)
        return chosen

    def _tend(self, account: str) -> None:
        """Ease or renew the limit of an account whose time has come."""
        order = self._orders.of_account(account)
        if order is not None:
            self._renew_pin(account, order)
            return
        one = self._limited.get(account)
        if one is None:
            return
        if not one.state.in_force:
            if one.state.is_forgotten(self.now_us):
                self._limited.remove(account)
            return
        if self.now_us < min(one.renew_us, one.state.ease_at_us):
            # It was put off since this timer was set; another stands for it.
            return
        one = self._limited.change(account)
        before = one.state.multiplier
        order = self._orders.controller
        if self.now_us >= one.state.ease_at_us:
            if order is not None or self._presses(account, one):
                one.state.postpone(self.now_us)
            elif one.state.ease(self.now_us):
                self._counters["limits_eased" if one.state.in_force else "limits_ended"] += 1
                self._write_down(self._issue(account, one, target=None), before, one)
                return
        if self.now_us >= one.renew_us:
            self._issue(account, one, target=one.target, order=order)
        else:
            self._set_timer(account, one)

    def _presses(self, account: str, one: Limited) -> bool:
        """Whether an account still presses, or is still blamed: then its limit is not eased."""
        tier = self._baselines.tier(account)
        leaked = tier.pressure_leak_per_s / tier.pressure_cap * (self.now_us - one.ratio_us) / 1e6
        return one.ratio - leaked >= self._settings.release_pressure or self._stress.blame(account)[0] > 0.0

    def _end(self, account: str, now_us: int, order: Override) -> None:
        """Let an order take the place of what was in force for an account."""
        one = self._limited.get(account)
        before = 1.0
        if one is not None and one.state.in_force:
            one = self._limited.change(account)
            before = one.state.multiplier
            one.state.release(now_us)
            self._set_timer(account, one)
        multiplier = order.multiplier if order.action == "pin" else 1.0
        limit = self._publish(account, multiplier, now_us, NextLimit(1.0, order.expires_at), order=order)
        self._log.write_down(limit, before, author=order.author)
        if order.action == "pin":
            self._await_pin(account, now_us)
        else:
            self._pinned_until.pop(account, None)

    def _renew_pin(self, account: str, order: Override) -> None:
        if order.action == "pin" and self.now_us >= self._pinned_until.get(account, 0):
            self._publish(account, order.multiplier, self.now_us, NextLimit(1.0, order.expires_at), order=order)
            self._await_pin(account, self.now_us)

    def _await_pin(self, account: str, now_us: int) -> None:
        """Look at a pin again when a third of its lease is over."""
        self._pinned_until[account] = now_us + PIN_LEASE_US // 3
        heapq.heappush(self._timers, (self._pinned_until[account], account))

    def _end_orders(self) -> None:
        for order in self._orders.ended(self.now_us):
            if order.scope.startswith("account:") or self._first:
                self._log.note(audit_of_order(order, order.expires_at, ended=True))
            if order.action == "pin":
                account = order.scope.removeprefix("account:")
                self._pinned_until.pop(account, None)
                self._publish(account, 1.0, self.now_us, NextLimit(1.0, self.now_us), reason="the order ended")
        self._stress.silence(self._orders.silenced)

    def _issue(self, account: str, one: Limited, target: Target | None, order: Override | None = None) -> RateLimit:
        """Publish the limit of an account on a new lease, and set the time of the next look at it."""
        following = NextLimit(one.state.next_multiplier, max(one.state.ease_at_us, self.now_us))
        limit = self._publish(account, one.state.multiplier, self.now_us, following, target=target, order=order)
        one.renew_us = self.now_us + round(self._settings.lease_s / 3 * 1e6)
        self._set_timer(account, one)
        return limit

    def _publish(
        self,
        account: str,
        multiplier: float,
        now_us: int,
        following: NextLimit,
        *,
        target: Target | None = None,
        order: Override | None = None,
        reason: str = "",
    ) -> RateLimit:
        alert_ids = self._stress.blame(account)[1]
        return self._log.publish(
            account, multiplier, now_us, following, target=target, order=order, alert_ids=alert_ids, reason=reason
        )

    def _write_down(self, limit: RateLimit, before: float, one: Limited) -> None:
        self._log.write_down(limit, before, one.target.contributions if one.target is not None else ())

    def _set_timer(self, account: str, one: Limited) -> None:
        if one.state.in_force:
            due_us = min(one.renew_us, one.state.ease_at_us)
        else:
            due_us = one.state.ended_us + round(self._settings.longest_hold_s * 1e6) + 1
        heapq.heappush(self._timers, (due_us, account))

    def measures(self) -> Iterator[Measure]:
        """Give the limits in force, and the operators' orders."""
        yield Measure("limits_in_force", ("throttle",), sum(one.state.in_force for _, one in self._limited.items()))
        for order in self._orders:
            # Orders about all accounts stand in every partition.
            if self._first or order.scope.startswith("account:"):
                yield Measure("orders_in_force", (order.action,), 1)
            if order.action == "pin":
                yield Measure("limits_in_force", (order.limit,), 1)

    def kept(self) -> dict[str, Entities[Any]]:
        """Accounts that are or were limited."""
        return {"limited": self._limited}

    def head(self) -> State:
        """What waits, what is open, and the orders in force."""
        return {
            "now_us": self.now_us,
            "version": self._log.version,
            "ticks": list(self._ticks),
            "heard": list(self._heard),
            "begun": list(self._begun),
            "pinned_until": list(self._pinned_until.items()),
            "stress": self._stress.state(),
            "orders": self._orders.state(),
        }

    def resume(self, head: State) -> None:
        """Take up where `head()` was made, after the accounts."""
        self.now_us, self._log.version = head["now_us"], head["version"]
        self._ticks = deque(msgspec.convert(head["ticks"], list[PressedTick]))
        self._heard = deque(msgspec.convert(head["heard"], list[tuple[int, tuple[AlertMention, ...]]]))
        self._begun = deque(head["begun"])
        self._stress.restore(head["stress"])
        self._orders.restore(head["orders"])
        self._stress.silence(self._orders.silenced)
        self._pinned_until = dict(head["pinned_until"])
        self._timers = [(due_us, account) for account, due_us in self._pinned_until.items()]
        heapq.heapify(self._timers)
        for account, one in self._limited.items():
            self._set_timer(account, one)
