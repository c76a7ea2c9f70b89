"""The rate-limit controller on ticks and orders made by hand: leases, versions, holds, budgets, operators first."""

from collections import Counter
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.config import CoreSettings
from detectors.decisions import AlertMention, AuditRecord, Override, RateLimit
from detectors.limit_controller import LimitController
from detectors.limit_settings import Limits, Tier
from detectors.pressed_tick import Candidate, PressedTick

SECOND_US = 1_000_000
START_US = 1_000 * SECOND_US
LIMITS = Limits(
    tiers={"default": Tier(orders_per_second=40.0, burst=80.0, pressure_cap=100.0, pressure_leak_per_s=1.0)},
    lease_s=30.0,
    hold_s=60.0,
    max_new_per_minute=3,
)


class Desk:
    """A controller with a clock in seconds after `START_US`."""

    def __init__(self, limits: Limits = LIMITS, *, partitions: int = 1) -> None:
        self.settings = CoreSettings(limits=limits)
        self.counters: Counter[str] = Counter()
        self.partitions = partitions
        self.controller = self.new()
        self.limits: list[RateLimit] = []
        self.audit: list[AuditRecord] = []

    def new(self) -> LimitController:
        """A controller that knows nothing."""
        return LimitController(self.settings, self.partitions, self.counters, lambda _: True, first=True)

    def press(self, at_s: float, *accounts: str, ratio: float = 2.0, **more: Any) -> None:  # noqa: ANN401
        """Let accounts press in a tick that ends then."""
        candidates = tuple(Candidate(account, ratio, False, "BTC-PERP", **more) for account in accounts)
        self.controller.note(PressedTick(at_us(at_s), 0.0, candidates))

    def until(self, at_s: float) -> list[RateLimit]:
        """Work everything off up to a time; the limits that came."""
        self.controller.advance(at_us(at_s))
        limits, audit = self.controller.take()
        self.limits += limits
        self.audit += audit
        return list(limits)

    def order(
        self,
        action: Any,  # noqa: ANN401
        scope: str = "controller",
        at_s: float = 0.0,
        for_s: float = 600.0,
        **more: Any,  # noqa: ANN401
    ) -> None:
        """An operator's order."""
        name = f"{action}-{scope}-{at_s}"
        made = Override(name, scope, action, "ann", "a drill", at_us(at_s), at_us(at_s + for_s), **more)
        self.controller.obey(made)

    def restart(self) -> None:
        """Go on from what was saved, as msgpack carries it."""
        kept = {
            kind: [(name, saved(entities.state_of(name))) for name in entities]
            for kind, entities in self.controller.kept().items()
        }
        head = saved(self.controller.head())
        self.controller = self.new()
        for kind, entities in self.controller.kept().items():
            entities.restore(kept[kind], [])
        self.controller.resume(head)


def at_us(at_s: float) -> int:
    return START_US + round(at_s * SECOND_US)


def saved(state: object) -> Any:  # noqa: ANN401 - plain values
    return msgspec.msgpack.decode(msgspec.msgpack.encode(state))


def test_a_limit_comes_with_its_reason_its_lease_and_what_follows() -> None:
    desk = Desk()
    desk.press(1.0, "a")
    (limit,) = desk.until(1.0)
    assert (limit.account, limit.action, limit.mode, limit.multiplier) == ("a", "throttle", "shadow", 0.5)
    assert (limit.orders_per_second, limit.burst) == (20.0, 40.0)
    assert (limit.issued_at, limit.expires_at) == (at_us(1.0), at_us(31.0))
    assert (limit.indicator, limit.value, limit.trigger) == ("pressure", 2.0, 0.5)
    assert "200%" in limit.reason
    assert limit.exempt == ("cancel", "reduce_only")
    assert (limit.next.multiplier, limit.next.at) == (0.6, at_us(61.0))
    (record,) = desk.audit
    assert (record.previous_multiplier, record.limit, record.author) == (1.0, limit, "squall")
    assert sum(part.share for part in record.explanation) == pytest.approx(1.0)


def test_a_limit_is_renewed_at_a_third_of_its_lease_and_ends_when_nobody_does() -> None:
    desk = Desk()
    desk.press(1.0, "a")
    limits = desk.until(50.0)
    assert [limit.issued_at for limit in limits] == [at_us(1.0 + 10.0 * n) for n in range(5)]
    assert {limit.multiplier for limit in limits} == {0.5}
    assert len(desk.audit) == 1, "a renewal is no change"


def test_multipliers_fall_by_halves_to_the_floor_and_rise_by_steps_after_the_hold() -> None:
    desk = Desk()
    for tick in range(60):
        desk.press(1.0 + tick / 10, "a")
    changed = [limit.multiplier for limit in desk.until(1_000.0) if limit.indicator != "recovery"]
    falling = list(dict.fromkeys(changed))
    assert falling == [0.5, 0.25, 0.125, 0.0625, 0.05]
    eased = [limit for limit in desk.limits if limit.indicator == "recovery"]
    assert eased[0].issued_at >= at_us(60.0 + 3.0)
    assert [limit.multiplier for limit in eased] == sorted(limit.multiplier for limit in eased)
    assert (eased[-1].multiplier, eased[-1].action) == (1.0, "none")


def test_who_returns_is_held_longer() -> None:
    desk = Desk()
    ends: list[float] = []
    at_s = 0.0
    for _ in range(3):
        desk.press(at_s + 1.0, "a", ratio=0.6)
        desk.until(at_s + 5_000.0 if len(ends) == 2 else at_s + 1_500.0)
        over = next(one for one in desk.limits if one.action == "none" and one.issued_at > at_us(at_s))
        ends.append((over.issued_at - at_us(at_s)) / SECOND_US)
        at_s = (desk.controller.now_us - START_US) / SECOND_US
    assert ends[0] < ends[1] < ends[2]
    assert ends[1] - ends[0] == pytest.approx(180.0)


def test_pressure_that_stays_keeps_the_limit() -> None:
    desk = Desk()
    for second in range(200):
        desk.press(1.0 + second, "a", ratio=0.6)
    assert not [limit for limit in desk.until(200.0) if limit.indicator == "recovery"]


def test_at_most_so_many_accounts_are_newly_limited_in_a_minute_the_worst_first() -> None:
    desk = Desk()
    desk.press(1.0, *"abc", ratio=0.8)
    desk.press(1.0, *"xyz", ratio=0.9)
    desk.controller.note(PressedTick(at_us(1.1), 0.0, (Candidate("w", 3.0, False, "BTC-PERP"),)))
    assert {limit.account for limit in desk.until(2.0)} == {"a", "b", "c"}
    assert desk.counters["limits_over_budget"] == 4
    desk.press(61.5, "m", "n", ratio=0.6)
    desk.press(61.6, "k", "l", ratio=0.9)
    assert [limit.account for limit in desk.until(61.7) if limit.issued_at > at_us(61.0)] == ["m", "n", "k"]


def test_a_model_tightens_nobody_who_does_not_press_and_never_below_its_own_floor() -> None:
    desk = Desk()
    for tick in range(100):
        desk.press(1.0 + tick / 10, "calm", ratio=0.1, pattern="cancel_burst", per_day=1e-300, p_value=0.0)
        desk.press(1.0 + tick / 10, "busy", ratio=0.3, pattern="cancel_burst", per_day=1e-300, p_value=0.0)
    limits = desk.until(11.0)
    assert {limit.account for limit in limits} == {"busy"}
    assert min(limit.multiplier for limit in limits) == LIMITS.model_floor
    assert limits[0].indicator == "p_value"


def test_an_alert_acts_a_feedback_delay_after_its_tick_on_those_it_blames() -> None:
    desk = Desk()
    mention = AlertMention("id-1", "cancel_burst", "critical", "open", "BTC-PERP", ("a",))
    desk.controller.hear(at_us(1.0), (mention,))
    for tick in range(20):
        desk.press(1.0 + tick / 10, "a", "b", ratio=0.22)
    limits = desk.until(3.0)
    assert limits[0].issued_at == at_us(2.0)
    assert {limit.account for limit in limits} == {"a"}
    assert (limits[0].indicator, limits[0].alert_ids) == ("alert", ("id-1",))


def test_under_market_stress_the_same_pressure_counts_for_more() -> None:
    calm, stressed = Desk(), Desk()
    stressed.controller.hear(at_us(0.0), (AlertMention("1", "thin_book", "critical", "open", "*", ()),))
    for desk in (calm, stressed):
        desk.press(5.0, "a", ratio=0.4)
        desk.until(5.0)
    assert calm.limits == []
    assert stressed.limits[0].indicator == "stress"


def test_a_silenced_pattern_counts_for_nothing() -> None:
    desk = Desk()
    desk.order("silence", "pattern:cancel_burst")
    desk.controller.hear(at_us(0.0), (AlertMention("1", "cancel_burst", "critical", "open", "BTC-PERP", ("a",)),))
    desk.press(5.0, "a", ratio=0.4, pattern="cancel_burst", per_day=1e-9, p_value=1e-12)
    assert desk.until(5.0) == []


def test_a_pin_takes_the_place_of_a_limit_is_renewed_and_ends_with_its_order() -> None:
    desk = Desk()
    desk.press(1.0, "a")
    desk.until(2.0)
    desk.order("pin", "account:a", at_s=2.0, for_s=5_000.0, limit="block", multiplier=0.1)
    for second in range(3, 100):
        desk.press(second, "a")
    pinned = desk.until(5_100.0)
    assert (pinned[0].action, pinned[0].orders_per_second, pinned[0].multiplier) == ("block", 0.0, 0.1)
    assert pinned[0].override_id
    assert [limit.issued_at for limit in pinned[:-1]] == [at_us(2.0 + 1_200.0 * n) for n in range(5)]
    assert max(limit.expires_at for limit in pinned[:-1]) == at_us(5_002.0)
    assert (pinned[-1].action, pinned[-1].issued_at) == ("none", at_us(5_002.0))
    assert [record.kind for record in desk.audit] == ["limit", "override", "limit", "override_ended"]


def test_a_released_account_is_not_limited_until_its_order_ends() -> None:
    desk = Desk()
    desk.press(1.0, "a")
    desk.until(2.0)
    desk.order("release", "account:a", at_s=2.0, for_s=100.0)
    desk.press(50.0, "a")
    released = desk.until(101.0)
    assert [(limit.action, limit.multiplier) for limit in released] == [("none", 1.0)]
    desk.press(103.0, "a")
    assert desk.until(103.0)[-1].action == "throttle"


def test_kill_ends_every_limit_but_pins_and_lets_none_begin_until_it_is_resumed() -> None:
    desk = Desk()
    desk.order("pin", "account:p", multiplier=0.2)
    desk.press(1.0, "a", "b")
    desk.until(2.0)
    desk.order("kill", at_s=2.0)
    desk.press(3.0, "a", "c")
    ended = desk.until(4.0)
    assert [(limit.account, limit.action) for limit in ended] == [("a", "none"), ("b", "none")]
    desk.order("resume", at_s=5.0)
    desk.press(6.0, "c")
    assert [limit.account for limit in desk.until(6.0)] == ["c"]


def test_freeze_neither_tightens_nor_eases_but_renews_and_says_by_whose_order() -> None:
    desk = Desk()
    desk.press(1.0, "a")
    desk.until(2.0)
    desk.order("freeze", at_s=2.0, for_s=300.0)
    desk.press(3.0, "b")
    desk.press(3.0, "a")
    frozen = desk.until(300.0)
    assert {(limit.account, limit.multiplier) for limit in frozen} == {("a", 0.5)}
    assert all(limit.override_id for limit in frozen)


def test_an_order_whose_time_is_over_changes_nothing() -> None:
    desk = Desk()
    desk.until(100.0)
    desk.order("kill", at_s=0.0, for_s=50.0)
    assert desk.until(101.0) == []
    assert desk.counters["orders_expired"] == 1


def test_an_order_of_another_partitions_account_changes_nothing() -> None:
    desk = Desk()
    desk.controller = LimitController(desk.settings, 2, desk.counters, lambda name: name == "ours", first=False)
    desk.order("pin", "account:theirs", multiplier=0.5)
    desk.order("pin", "account:ours", multiplier=0.5)
    desk.order("freeze")
    assert [limit.account for limit in desk.until(1.0)] == ["ours"]
    assert [record.entity for record in desk.audit] == ["account:ours", "ours"]


presses = st.lists(
    st.tuples(st.integers(1, 400), st.sampled_from("abcde"), st.sampled_from([0.06, 0.3, 0.6, 0.9, 3.0])), max_size=60
)


@given(presses, st.lists(st.integers(1, 400), max_size=5), st.randoms(use_true_random=False))
def test_restarts_and_the_size_of_steps_change_no_decision(
    pressed: list[tuple[int, str, float]],
    restarts: list[int],
    chance: Random,
) -> None:
    whole, parted = Desk(), Desk()
    for second, account, ratio in sorted(pressed):
        for desk in (whole, parted):
            desk.press(second, account, ratio=ratio)
    whole.until(2_000.0)
    moments = sorted({*restarts, *(chance.randint(1, 2_000) for _ in range(10)), 2_000})
    for moment in moments:
        parted.until(moment)
        if moment in restarts:
            parted.restart()
    assert parted.limits == whole.limits
    assert parted.audit == whole.audit


orders_given = st.lists(
    st.tuples(st.integers(1, 400), st.sampled_from(["kill", "resume", "freeze", "pin"])), max_size=6
)


@given(presses, orders_given)
def test_whatever_happens_limits_stay_in_bounds_and_versions_rise(
    pressed: list[tuple[int, str, float]], orders: list[tuple[int, str]]
) -> None:
    desk = Desk()
    for second in range(1, 401):
        for at_s, account, ratio in pressed:
            if at_s == second:
                desk.press(second, account, ratio=ratio)
        for at_s, action in orders:
            if at_s == second:
                desk.order(action, "account:a" if action == "pin" else "controller", at_s=second, for_s=50.0)
        desk.until(second)
    newest: dict[str, int] = {}
    for limit in desk.limits:
        assert LIMITS.floor <= limit.multiplier <= 1.0
        assert limit.exempt == ("cancel", "reduce_only")
        assert limit.reason
        assert limit.issued_at < limit.expires_at
        assert limit.action != "block"
        assert limit.version > newest.get(limit.account, 0)
        newest[limit.account] = limit.version
