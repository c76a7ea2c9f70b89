"""Positions, leverage and bankruptcy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.simulator.holdings import LEVERAGES, Holdings
from streams.simulator.settings import ExchangeSettings, contract_of

MAKER, TRADER = 0, 99


def holdings_of(seed: int = 1) -> Holdings:
    small = ExchangeSettings(accounts=100, makers=4)
    return Holdings(contract_of("BTC-PERP"), small, np.random.default_rng(seed))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(-50, 50).filter(bool), st.integers(50_000, 70_000)), min_size=1, max_size=30))
def test_position_is_the_sum_of_fills_and_entry_lies_between_their_prices(fills: list[tuple[int, int]]) -> None:
    holdings = holdings_of()
    for lots, price in fills:
        holdings.fill(MAKER, lots, price)
    assert holdings.position(MAKER) == sum(lots for lots, _ in fills) / 1_000
    if holdings.position(MAKER):
        prices = [price for _, price in fills]
        assert min(prices) * 0.999999 <= holdings.entry[MAKER] <= max(prices) * 1.000001


def test_closing_keeps_the_entry_and_turning_around_renews_it() -> None:
    holdings = holdings_of()
    holdings.fill(MAKER, 10, 60_000)
    holdings.fill(MAKER, 10, 62_000)
    holdings.fill(MAKER, -5, 90_000)
    assert holdings.entry[MAKER] == 61_000
    holdings.fill(MAKER, -20, 63_000)
    assert holdings.entry[MAKER] == 63_000


@settings(deadline=None)
@given(seed=st.integers(0, 1_000))
def test_nobody_is_bankrupt_at_the_start(seed: int) -> None:
    assert holdings_of(seed).bankrupt(60_000) == []


@settings(deadline=None)
@given(seed=st.integers(0, 10_000))
def test_every_position_was_entered_at_a_price_above_zero(seed: int) -> None:
    entries = holdings_of(seed).entry
    assert entries.min() > 0.0
    assert entries.max() < 60_000 * 20


def test_a_long_is_bankrupt_when_the_mark_has_eaten_its_margin() -> None:
    holdings = holdings_of()
    holdings.lots[:] = 0
    holdings.leverage[TRADER] = 10
    holdings.fill(TRADER, 10, 60_000)
    assert holdings.bankrupt(60_000 * 0.905) == []
    assert holdings.bankrupt(60_000 * 0.903) == [TRADER]


def test_makers_are_never_bankrupt() -> None:
    holdings = holdings_of()
    holdings.lots[:] = 0
    holdings.fill(MAKER, 10, 60_000)
    assert holdings.bankrupt(1) == []


def test_leverage_is_raised_only_as_far_as_losses_allow() -> None:
    holdings = holdings_of()
    holdings.lots[:] = 0
    holdings.leverage[TRADER] = 5
    assert holdings.change_leverage(TRADER, 100.0, 60_000) == (5.0, 100.0)
    assert holdings.change_leverage(TRADER, 5.0, 60_000) == (100.0, 5.0)
    holdings.fill(TRADER, 10, 60_000)
    changed = holdings.change_leverage(TRADER, 100.0, 60_000 * 0.95)
    assert changed == (5.0, 10.0)
    assert holdings.bankrupt(60_000 * 0.95) == []


def test_leverage_that_does_not_change_is_no_change() -> None:
    holdings = holdings_of()
    holdings.leverage[TRADER] = LEVERAGES[-1]
    assert holdings.change_leverage(TRADER, holdings.raised(TRADER, 3), 60_000) is None


def test_open_interest_is_half_of_all_positions() -> None:
    holdings = holdings_of()
    holdings.lots[:] = 0
    holdings.fill(TRADER, 3_000, 60_000)
    holdings.fill(MAKER, -3_000, 60_000)
    assert holdings.open_interest() == pytest.approx(3.0)
