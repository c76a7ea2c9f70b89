"""Ids that usually go up by one show what is missing; all others show nothing, in whatever order they come."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.config import CoreSettings
from detectors.events import Trade
from detectors.id_gaps import IdGaps
from detectors.pipeline import Pipeline
from tests.detectors.further_flows import books, grave, in_order, results_of, trades
from tests.helpers import Arrival, Log, at_us

TICK_US = 100_000
END_S, FAULT_S = 330.0, 300.0


def taught(first: int = 0) -> IdGaps:
    """Has seen that ids go up by one, the last of them 999 above the first."""
    gaps = IdGaps(600.0)
    for number in range(1000):
        gaps.take(number * TICK_US, {first + number})
    return gaps


def given_up(gaps: IdGaps, ticks: list[set[int]]) -> int:
    """How many are missing of ids that come in these ticks, when time has passed over them."""
    found = sum(gaps.take((1000 + number) * TICK_US, ids) for number, ids in enumerate(ticks))
    return found + gaps.take((1020 + len(ticks)) * TICK_US, set())


@settings(max_examples=30)
@given(st.lists(st.sets(st.integers(1000, 1200), max_size=30), max_size=9), st.integers(0, 10**15))
def test_what_is_missing_is_what_came_neither_in_order_nor_within_a_second(ticks: list[set[int]], first: int) -> None:
    came = set().union(*ticks)
    missing = set(range(1000, max(came, default=1000))) - came
    assert given_up(taught(first), [{first + number for number in ids} for ids in ticks]) == len(missing)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_ids_of_no_order_are_never_missing(seed: int) -> None:
    chance = random.Random(seed)
    gaps = IdGaps(600.0)
    ticks = [{chance.randrange(10**12) for _ in range(chance.randrange(4))} for _ in range(1000)]
    assert given_up(gaps, ticks) == 0


def test_ids_that_many_symbols_share_are_never_missing() -> None:
    chance = random.Random(1)
    gaps, number = IdGaps(600.0), 0
    ticks = []
    for _ in range(2000):
        number += chance.randint(1, 5)
        ticks.append({number})
    assert given_up(gaps, ticks) == 0


def test_another_numbering_is_no_gap() -> None:
    assert given_up(taught(), [{10**12 + number} for number in range(300)]) == 0
    assert given_up(taught(10**6), [{number} for number in range(300)]) == 0


def test_a_numbering_that_begins_below_is_followed_again() -> None:
    ticks = [{number} for number in range(300)]
    assert given_up(taught(10**6), [*ticks, {305}]) == 5


def test_state_survives_a_round_trip() -> None:
    gaps, other = taught(), IdGaps(600.0)
    gaps.take(1000 * TICK_US, {1005})
    other.restore(gaps.state())
    assert other.state() == gaps.state()
    assert other.take(1020 * TICK_US, {1006}) == gaps.take(1020 * TICK_US, {1006}) == 5


def numbered(seed: int, of: type[int] | type[str] = int) -> list[Arrival]:
    """A crowd's trades, numbered without a gap."""
    flow = trades(seed, END_S, per_s=lambda _: 12.0)
    return [(topic, trade_with_id(one, of(number))) for number, (topic, one) in enumerate(flow, 10**6)]


def trade_with_id(one: object, trade_id: int | str) -> Trade:
    assert isinstance(one, Trade)
    return Trade(one.timestamp, one.symbol, one.price, one.amount, one.side, trade_id, one.taker_account, "x")


def half_missing(flow: list[Arrival], seed: int = 1) -> list[Arrival]:
    chance = random.Random(seed)
    return [one for one in flow if one[1].timestamp < at_us(FAULT_S) or chance.random() < 0.5]


@pytest.mark.parametrize("of", [int, str])
def test_trades_of_which_half_is_missing_are_told(of: type[int] | type[str]) -> None:
    found = grave(results_of(half_missing(numbered(1, of)), books(1, END_S)).alerts)
    assert {alert.pattern for alert in found} == {"feed_fault"}
    assert "trades, missing events in 10 s" in found[0].title
    assert at_us(FAULT_S) < found[0].timestamp < at_us(FAULT_S + 10.0)


def test_a_gap_without_a_pause_is_told() -> None:
    flow = [one for number, one in enumerate(numbered(4)) if not 3_500 <= number < 3_800]
    assert {alert.pattern for alert in grave(results_of(flow, books(4, END_S)).alerts)} == {"feed_fault"}


def test_ids_that_say_nothing_of_order_are_not_told_when_trades_are_missing() -> None:
    chance = random.Random(2)
    flow: list[Arrival] = [("trades", trade_with_id(one, f"{chance.getrandbits(64):x}")) for _, one in trades(2, END_S)]
    assert grave(results_of(half_missing(flow), books(2, END_S)).alerts) == []


def test_numbered_trades_in_any_order_within_the_lateness_are_not_missing() -> None:
    chance = random.Random(3)
    flow = in_order(numbered(3), books(3, END_S))
    late = sorted(flow, key=lambda one: one[1].timestamp + chance.randrange(CoreSettings().timing.lateness_us))
    pipeline = Pipeline(CoreSettings(), 1, lambda _: 0)
    for topic, offset, event in Log(late, 1).records:
        pipeline.push(topic, offset, event)
    pipeline.flush()
    assert grave(pipeline.results().alerts) == []
