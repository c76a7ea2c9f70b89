"""An exchange that obeys the limits throttles a ring, spares everybody else, and is free again when nobody renews."""

import statistics
from functools import cache

import pytest

from detectors.events import Event
from streams.simulator import Exchange, ExchangeSettings, Incident
from tests.scenarios.closed_loop import SECOND_US, ClosedLoop, loop_settings
from tests.scenarios.market_quality import Quality

pytestmark = pytest.mark.slow

SYMBOL = "BTC-PERP"
ONSET_S, KILLED_S, RING_ENDS_S, END_S = 30, 60, 105, 110
EXCHANGE = ExchangeSettings(
    seed=11, symbols=(SYMBOL, "ETH-PERP"), accounts=1_000, makers=12, events_per_s=120.0, duration_s=END_S
)
RING_ACCOUNTS = tuple(EXCHANGE.account_names()[60:68])
FLOOR_PER_S = 0.05 * 30.0
FLOOR_BURST = 0.05 * 60.0


def at_us(seconds: float) -> int:
    return EXCHANGE.start_us + round(seconds * SECOND_US)


RING = Incident("ring", "cancel_ring", SYMBOL, RING_ACCOUNTS, at_us(ONSET_S), at_us(RING_ENDS_S), intensity=5.0)


class Run:
    """A loop that has run, and what the market was like before the onset and from ten seconds before the kill on."""

    def __init__(self, mode: str, killed_s: float | None = None) -> None:
        killed_us = None if killed_s is None else at_us(killed_s)
        self.loop = ClosedLoop(EXCHANGE, [RING], loop_settings(mode), killed_us=killed_us)
        self.engine = self.loop.engine
        self.before = Quality(SYMBOL, at_us(0), at_us(ONSET_S))
        self.later = Quality(SYMBOL, at_us(KILLED_S - 10), at_us(RING_ENDS_S))
        #: Second -> accounts of the ring that are limited then.
        self.limited: dict[int, list[str]] = {}
        self.events: list[tuple[str, Event]] = []
        for topic, event in self.loop.events():
            self.events.append((topic, event))
            self.before.take(event)
            self.later.take(event)
            second = (event.timestamp - EXCHANGE.start_us) // SECOND_US
            if second not in self.limited:
                self.limited[second] = self.engine.limited(EXCHANGE.account_names(), event.timestamp)

    def sent(self, account: str, begin_s: int, end_s: int) -> int:
        """Orders of an account in a time."""
        seconds = range(at_us(begin_s) // SECOND_US, at_us(end_s) // SECOND_US)
        return sum(self.engine.sent[account, second] for second in seconds)

    def admitted(self, account: str, begin_s: int, end_s: int) -> int:
        """Those of them that were let in."""
        seconds = range(at_us(begin_s) // SECOND_US, at_us(end_s) // SECOND_US)
        return sum(self.engine.admitted[account, second] for second in seconds)


@cache
def enforced() -> Run:
    return Run("enforce")


@cache
def shadowed() -> Run:
    return Run("shadow")


@cache
def killed() -> Run:
    return Run("enforce", KILLED_S)


def test_a_ring_is_limited_within_two_seconds() -> None:
    first = enforced().engine.first_applied_us
    assert set(RING_ACCOUNTS) <= set(first)
    assert statistics.median((first[account] - RING.start_us) / 1e6 for account in RING_ACCOUNTS) <= 2.0


def test_a_throttled_ring_gets_no_more_in_than_its_limit() -> None:
    run = enforced()
    for account in RING_ACCOUNTS:
        sent, admitted = run.sent(account, 45, RING_ENDS_S), run.admitted(account, 45, RING_ENDS_S)
        assert sent > 5 * admitted
        assert admitted <= FLOOR_PER_S * (RING_ENDS_S - 45) + FLOOR_BURST


def test_the_market_recovers_while_the_ring_still_tries() -> None:
    free, tame = shadowed(), enforced()
    assert tame.before.figures() == free.before.figures()
    harm = free.later.cancels_per_trade - free.before.cancels_per_trade
    assert harm > free.before.cancels_per_trade
    assert tame.later.cancels_per_trade - tame.before.cancels_per_trade < harm / 4
    assert tame.later.flicker - tame.before.flicker < (free.later.flicker - free.before.flicker) / 4


def test_makers_keep_their_rates() -> None:
    run = enforced()
    makers = [account for account in EXCHANGE.account_names() if account.startswith("maker-")]
    assert not run.loop.tightened & set(makers)
    for maker in makers:
        assert run.admitted(maker, 0, END_S) == run.sent(maker, 0, END_S) > 0


def test_nobody_but_the_ring_is_ever_tightened() -> None:
    assert enforced().loop.tightened == set(RING_ACCOUNTS)


def test_orders_of_all_others_are_all_let_in() -> None:
    engine = enforced().engine
    assert {account for (account, _), sent in engine.sent.items() if sent} > set(RING_ACCOUNTS)
    refused = {place[0] for place, sent in engine.sent.items() if engine.admitted[place] < sent}
    assert refused == set(RING_ACCOUNTS)


def test_limits_are_renewed_as_long_as_the_ring_goes_on() -> None:
    run = enforced()
    assert all(set(run.limited[second]) == set(RING_ACCOUNTS) for second in range(ONSET_S + 15, RING_ENDS_S))


def test_without_the_controller_all_have_their_baselines_within_one_lease() -> None:
    run = killed()
    limits = loop_settings().limits
    tolerance_s = 2
    free_s = KILLED_S + int(limits.lease_s) + tolerance_s + 1
    assert set(run.limited[KILLED_S]) == set(RING_ACCOUNTS)
    assert max(limit.issued_at for limit in run.loop.limits) < at_us(KILLED_S)
    assert all(not run.limited[second] for second in range(free_s, END_S))
    for account in RING_ACCOUNTS:
        assert run.admitted(account, free_s, RING_ENDS_S) == run.sent(account, free_s, RING_ENDS_S) > 0


def test_in_shadow_limits_are_made_and_nobody_is_throttled() -> None:
    run = shadowed()
    assert set(RING_ACCOUNTS) <= run.loop.tightened
    assert run.engine.admitted == run.engine.sent
    assert not any(run.limited.values())


def test_in_shadow_the_exchange_does_what_it_does_alone() -> None:
    assert shadowed().events == list(Exchange(EXCHANGE, [RING]).events())
