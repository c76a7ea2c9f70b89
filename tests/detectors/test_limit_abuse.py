"""What accounts that know every threshold can and cannot do to the limits, and what limits can never be."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.account_limits import AccountLimits
from detectors.account_watch import totals_of
from detectors.config import CoreSettings, Memory
from detectors.decisions import EXEMPT, AlertMention, AuditRecord, OrderAction, Override, RateLimit, StressFrame
from detectors.limit_settings import Limits
from detectors.pressure import Pressure
from detectors.results import Activity, Signal

TICK_US = 100_000
SYMBOL = "BTC-PERP"
DEFAULT = Limits().tiers["default"]
SOFT_COST = Limits().soft_pressure * DEFAULT.pressure_cap
CREDIT = Limits().fill_credit
ENFORCED = Limits(mode="enforce", newcomer_watch_s=0.0)
#: Nobody is a newcomer: each has its own counter and no other.
ALONE = replace(ENFORCED, newcomer_fills=0.0)
#: In a tick: account -> cost of its cancels, and its fills.
Tick = dict[str, tuple[int, int]]


class Partition:
    """The limits of one partition, fed tick by tick with what accounts did."""

    def __init__(self, limits: Limits = ENFORCED, accounts: int = 200_000) -> None:
        self.settings = replace(CoreSettings(), limits=limits, memory=Memory(max_accounts=accounts))
        self.counters: Counter[str] = Counter()
        self.limits = AccountLimits(self.settings, 0, 1, self.counters, lambda _: 0)
        self.said: list[RateLimit] = []
        self.audit: list[AuditRecord] = []
        self.tick = 0

    def pass_tick(self, did: Tick, signals: Sequence[Signal] = (), ticks: int = 1) -> list[RateLimit]:
        """Close a tick in which this happened, the last of so many; give what was decided."""
        self.tick += ticks - 1
        rows = [
            Activity(account, SYMBOL, cancels=1, pressure=cost, fills=fills, notional_cents=0)
            for account, (cost, fills) in did.items()
        ]
        self.limits.close_tick(self.tick, rows, totals_of(rows), signals)
        self.tick += 1
        limits, audit = self.limits.decide(self.now_us, None)
        self.said += limits
        self.audit += audit
        return list(limits)

    @property
    def now_us(self) -> int:
        """The end of the last tick."""
        return self.tick * TICK_US

    def hear(self, *mentions: AlertMention) -> None:
        """Take what the correlation stage says of alerts of the last tick."""
        frame = StressFrame("correlation/0", self.now_us, at_rest=False, ticks=((self.tick, mentions),))
        self.limits.hear(frame)

    def tightened(self) -> set[str]:
        """Who was ever below the baseline."""
        return {limit.account for limit in self.said if limit.multiplier < 1.0}


def leaked(ticks: int) -> float:
    return DEFAULT.pressure_leak_per_s * ticks * TICK_US / 1e6


def allowance(history: Sequence[tuple[int, int, int]], begin: int) -> float:
    """What one may have cost in the ticks from the `begin`-th of a history on, and never have been limited.

    Half of the cap at once, the leak of the time, the credit of its fills, and a sixtieth of that of all fills before.
    A history is rows of (tick, cost, fills).
    """
    before = sum(fills for _, _, fills in history[:begin])
    during = sum(fills for _, _, fills in history[begin:])
    ticks = history[-1][0] - history[begin][0]
    return SOFT_COST + leaked(ticks) + CREDIT * during + CREDIT * (before + during) / 60


def is_over(history: Sequence[tuple[int, int, int]]) -> bool:
    """Whether one has cost more than allowed in any time that ends now."""
    return any(
        sum(cost for _, cost, _ in history[begin:]) > allowance(history, begin) + 1e-6 for begin in range(len(history))
    )


rows = st.tuples(st.integers(1, 40), st.integers(0, 60), st.integers(0, 4) | st.just(0))


@settings(max_examples=150)
@given(st.lists(rows, max_size=40))
def test_who_is_never_tightened_has_cost_no_more_than_cap_leak_and_fills_allow(
    steps: list[tuple[int, int, int]],
) -> None:
    partition = Partition(ALONE)
    history: list[tuple[int, int, int]] = []
    for ticks, cost, fills in steps:
        partition.pass_tick({"a": (cost, fills)}, ticks=ticks)
        history.append((partition.tick, cost, fills))
        assert partition.tightened() or not is_over(history)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(1, 100), st.integers(1, 8)), min_size=1, max_size=150))
def test_who_knows_the_threshold_stays_below_it_and_gains_the_leak_alone(steps: list[tuple[int, int]]) -> None:
    partition = Partition(ALONE)
    value, whole, begin = 0.0, 0, 0
    for ticks, cost in steps:
        value = max(value - leaked(ticks), 0.0)
        spent = cost * int(max(SOFT_COST - 1e-6 - value, 0.0) // cost)
        partition.pass_tick({"a": (spent, 0)} if spent else {}, ticks=ticks)
        begin = begin or partition.tick
        value += spent
        whole += spent
    assert not partition.tightened()
    assert whole <= SOFT_COST + leaked(partition.tick - begin)
    # A cancel more than that, and it is limited at once.
    partition.pass_tick({"a": (int(SOFT_COST - value) + 1 + int(leaked(1)) + 1, 0)})
    assert partition.tightened() == {"a"}


@settings(max_examples=40)
@given(st.integers(60, 3_000), st.floats(0.5, 20.0))
def test_a_rate_that_grows_slowly_is_limited_like_one_that_jumps(seconds: int, last_per_s: float) -> None:
    partition = Partition(ALONE)
    owed, value = 0.0, 0.0
    for second in range(seconds):
        owed += last_per_s * second / seconds
        cost, owed = int(owed), owed % 1.0
        partition.pass_tick({"a": (cost, 0)} if cost else {}, ticks=10)
        value = max(value - leaked(10), 0.0) + cost
        assert bool(partition.tightened()) == (value >= SOFT_COST + 1e-6), second
        if partition.tightened():
            break


@settings(max_examples=40)
@given(st.integers(1, 600), st.integers(0, 3))
def test_what_was_tolerated_for_long_does_not_make_a_burst_tolerated(seconds: int, per_s: int) -> None:
    partition = Partition(ALONE)
    for _ in range(seconds):
        partition.pass_tick({"a": (per_s, 0)}, ticks=10)
    assert not partition.tightened()
    (limit,) = partition.pass_tick({"a": (int(SOFT_COST) + 1, 0)})
    assert limit.multiplier < 1.0
    assert limit.indicator == "pressure"


@settings(max_examples=40)
@given(
    st.integers(20, 150),
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 150), st.integers(1, 8)), min_size=1, max_size=60),
)
def test_new_accounts_together_cost_no_more_than_their_cap_and_its_leak_allow(
    accounts: int, steps: list[tuple[int, int, int]]
) -> None:
    limits = Limits()
    partition = Partition()
    leak_per_tick = limits.collective_cap / DEFAULT.pressure_cap * leaked(1)
    most_at_once = limits.soft_pressure * limits.collective_cap
    spent: list[tuple[int, int]] = []
    turn = 0
    for ticks, pressing, cost in steps:
        chosen = {f"new-{(turn + number) % accounts}" for number in range(min(pressing, accounts))}
        turn += pressing
        partition.pass_tick(dict.fromkeys(chosen, (cost, 0)), ticks=ticks)
        spent.append((partition.tick, cost * len(chosen)))
        for begin, (since, _) in enumerate(spent):
            allowed = most_at_once + leak_per_tick * (partition.tick - since)
            assert partition.tightened() or sum(one for _, one in spent[begin:]) <= allowed + 1e-6


def test_a_hundred_new_accounts_far_below_their_own_caps_are_limited_when_they_press_together() -> None:
    partition = Partition()
    for _ in range(30):
        # One young cancel in three seconds from each: less than the leak of one account, never a tenth of its cap.
        for first in range(30):
            partition.pass_tick({f"new-{number:03d}": (8, 0) for number in range(first, 100, 30)})
    assert len(partition.tightened()) == 100
    assert {limit.indicator for limit in partition.said if limit.multiplier < 1.0} <= {
        "collective_pressure",
        "recovery",
    }


def test_one_that_is_limited_alone_brings_no_limit_on_new_accounts() -> None:
    partition = Partition()
    for tick in range(600):
        did = {"abuser": (100, 0)}
        if tick % 50 == 0:
            did[f"new-{tick}"] = (8, 0)
        partition.pass_tick(did)
    assert partition.tightened() == {"abuser"}


def test_when_nobody_is_known_yet_nobody_is_a_newcomer() -> None:
    partition = Partition(replace(ENFORCED, newcomer_watch_s=600.0))
    partition.pass_tick({f"a-{number:04d}": (4, 0) for number in range(2_000)})
    assert not partition.tightened()


def flood(partition: Partition, accounts: int, at_once: int) -> None:
    for begin in range(0, accounts, at_once):
        partition.pass_tick({f"made-up-{begin + number}": (8, 0) for number in range(at_once)} | {"abuser": (8, 0)})


def test_a_flood_of_made_up_accounts_is_evicted_and_hides_nobody() -> None:
    partition = Partition(ALONE, accounts=1_000)
    flood(partition, 20_000, 500)
    kept = partition.limits.kept()
    assert len(kept["pressure"]) <= 1_000
    assert partition.counters["evicted_pressures"] == 20_001 - len(kept["pressure"])
    assert partition.tightened() == {"abuser"}


def test_accounts_that_are_limited_are_bounded_too() -> None:
    partition = Partition(replace(ALONE, max_new_per_minute=1_000_000), accounts=100)
    for begin in range(0, 1_000, 50):
        partition.pass_tick({f"made-up-{begin + number}": (200, 0) for number in range(50)})
    assert len(partition.tightened()) == 1_000
    assert len(partition.limits.kept()["limited"]) <= 100


@pytest.mark.slow
def test_a_million_made_up_accounts_are_not_remembered() -> None:
    counters: Counter[str] = Counter()
    pressure = Pressure(replace(CoreSettings(), limits=ALONE), 1, counters)
    for begin in range(0, 1_000_000, 5_000):
        totals = {f"made-up-{begin + number}": [1, 8, 0, 0] for number in range(5_000)}
        pressing, _ = pressure.add({"abuser": [1, 8, 0, 0], **totals}, begin)
        assert len(pressure) <= 200_000
    assert counters["evicted_pressures"] == 1_000_001 - len(pressure)
    assert [(one.account, one.ratio > 1.0) for one in pressing] == [("abuser", True)]


@settings(max_examples=60)
@given(st.integers(1, 50), st.integers(1, 35), st.sampled_from([1e-300, 1e-12, 0.0]))
def test_a_model_that_is_sure_of_everybody_tightens_nobody_who_does_not_press(
    accounts: int, cost: int, p_value: float
) -> None:
    partition = Partition(ALONE)
    names = [f"a-{number}" for number in range(accounts)]
    everybody = AlertMention("1", "cancel_burst", "critical", "open", "ETH-PERP", tuple(names))
    partition.hear(everybody)
    for _ in range(10):
        signals = [sure(name, p_value, partition.now_us) for name in names]
        partition.pass_tick(dict.fromkeys(names, (cost, 0)), signals, ticks=110)
    assert not partition.tightened()


def sure(account: str, p_value: float, now_us: int) -> Signal:
    return Signal(now_us, "model", "cancel_burst", "account", account, "", p_value, p_value * 1e5, 9.9, ())


NAMES = ("a", "b", "c", "d", "exempt-1")
ticks = st.tuples(
    st.just("tick"),
    st.dictionaries(st.sampled_from(NAMES), st.tuples(st.integers(0, 120), st.integers(0, 5)), max_size=5),
    st.sampled_from([1, 1, 2, 5, 100, 700]),
)
alerts = st.tuples(
    st.just("alert"),
    st.sampled_from(["info", "warning", "critical"]),
    st.sampled_from(["open", "resolved"]),
    st.lists(st.sampled_from(NAMES), max_size=3),
)
signals = st.tuples(st.just("signal"), st.sampled_from(NAMES), st.sampled_from([1e-300, 1e-9, 1e-3]))
orders = st.tuples(
    st.just("order"),
    st.sampled_from([f"account:{name}" for name in NAMES]) | st.just("controller"),
    st.sampled_from(["throttle", "block", "reduce_only"]),
    st.integers(1, 60),
)


def play(partition: Partition, steps: Sequence[tuple[Any, ...]]) -> None:
    """Do all of it."""
    rare: list[Signal] = []
    for number, step in enumerate(steps):
        match step:
            case ("tick", did, length):
                partition.pass_tick(did, rare, ticks=length)
                rare = []
            case ("alert", severity, status, accounts):
                said = AlertMention("1", "cancel_burst", severity, status, SYMBOL, tuple(accounts))
                partition.hear(said)
            case ("signal", account, p_value):
                rare.append(sure(account, p_value, partition.now_us))
            case ("order", scope, limit, seconds):
                action: OrderAction = "pin" if scope != "controller" else "kill"
                begin_us = partition.now_us
                end_us = begin_us + int(seconds) * 1_000_000
                order = Override(str(number), scope, action, "ann", "why", begin_us, end_us, limit, 0.5)
                partition.limits.obey(order)
    partition.pass_tick({}, ticks=1_000)


@settings(max_examples=200)
@given(st.lists(ticks | ticks | alerts | signals | orders, max_size=50))
def test_no_input_makes_a_limit_that_must_not_be(steps: list[tuple[Any, ...]]) -> None:
    partition = Partition(replace(ENFORCED, exempt_accounts=("exempt-*",)))
    play(partition, steps)
    newest: dict[str, int] = {}
    floor = partition.settings.limits.floor
    for limit in partition.said:
        assert limit.version > newest.get(limit.account, -1)
        newest[limit.account] = limit.version
        assert floor <= limit.multiplier <= 1.0
        assert limit.orders_per_second <= DEFAULT.orders_per_second
        assert limit.burst <= DEFAULT.burst
        assert limit.exempt == EXEMPT == ("cancel", "reduce_only")
        assert limit.reason
        assert limit.issued_at <= limit.expires_at
        if not limit.override_id:
            assert not limit.account.startswith("exempt-") or limit.action == "none"
            assert limit.action == ("throttle" if limit.multiplier < 1.0 else "none")
    written = {record.audit_id for record in partition.audit}
    assert len(written) == len(partition.audit)


@settings(max_examples=40)
@given(
    st.integers(1, 20),
    st.lists(st.tuples(st.integers(1, 80), st.sampled_from([1, 50, 200, 500])), min_size=1, max_size=30),
)
def test_no_minute_sees_more_accounts_newly_tightened_than_allowed(most: int, steps: list[tuple[int, int]]) -> None:
    partition = Partition(replace(ALONE, max_new_per_minute=most))
    made = 0
    for count, length in steps:
        partition.pass_tick({f"a-{made + number}": (200, 0) for number in range(count)}, ticks=length)
        made += count
    first: dict[str, int] = {}
    for limit in partition.said:
        if limit.multiplier < 1.0:
            first.setdefault(limit.account, limit.issued_at)
    begun = sorted(first.values())
    assert begun
    for number, begin_us in enumerate(begun):
        assert sum(time_us < begin_us + 60_000_000 for time_us in begun[number:]) <= most


def test_the_worst_are_tightened_first_when_not_all_may_be() -> None:
    partition = Partition(replace(ALONE, max_new_per_minute=2))
    partition.pass_tick({"a": (100, 0), "b": (150, 0), "c": (120, 0), "d": (95, 0)})
    assert partition.tightened() == {"b", "c"}
    assert partition.counters["limits_over_budget"] == 2
