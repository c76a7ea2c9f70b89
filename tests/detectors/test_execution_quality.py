"""Execution quality: what is paid beyond what volatility explains is told; a lively market alone is not."""

import math
import random
from functools import cache

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.events import BookSnapshot, Side, Trade
from detectors.execution_quality import COSTS, ExecutionQuality
from detectors.execution_watch import ExecutionWatch
from detectors.results import Signal
from tests.detectors.further_flows import PRICE, SYMBOL, in_order, results_of
from tests.detectors.test_drift_watch import a_watch_of, feed, ticks_of
from tests.helpers import Arrival, at_us

END_S, STRESS_S = 900.0, 860.0
#: Basis points of volatility a minute.
CALM_BP, LIVELY_BP = 4.0, 24.0


def market(
    seed: int, seconds: float, worse: tuple[float, float] = (1.0, 1e9), lively: tuple[float, float] = (1e9, 1e9)
) -> list[Arrival]:
    """Books twice a second whose spread goes with the root of volatility, and trades at the touch.

    `worse` is a factor of the spread and when it begins, `lively` when volatility is high.
    """
    chance, found, log_price = random.Random(seed), list[Arrival](), math.log(PRICE)
    for number in range(int(2 * seconds)):
        time_s = number / 2.0
        volatility_bp = LIVELY_BP if lively[0] <= time_s < lively[1] else CALM_BP * (1.5 + math.sin(time_s / 60.0))
        log_price += chance.gauss(0.0, 1e-4 * volatility_bp / math.sqrt(120.0))
        mid = math.exp(log_price)
        half = 0.5e-4 * mid * math.sqrt(volatility_bp) * chance.lognormvariate(0.0, 0.15)
        half *= worse[0] if time_s >= worse[1] else 1.0
        sides = [[(mid + sign * half * level, 5.0) for level in range(1, 8)] for sign in (-1, 1)]
        found.append(("books", BookSnapshot(at_us(time_s), SYMBOL, *sides)))
        side: Side = chance.choice(("buy", "sell"))
        price = mid + (half if side == "buy" else -half)
        found.append(("trades", Trade(at_us(time_s + 0.2), SYMBOL, price, chance.lognormvariate(-3.0, 1.0), side)))
    return found


def signals_of(arrivals: list[Arrival]) -> list[Signal]:
    return feed(a_watch_of(ExecutionWatch), ticks_of(arrivals))


def test_fills_that_get_worse_without_volatility_are_told_as_a_thin_book_by_their_own_detector() -> None:
    found = signals_of(market(1, END_S, worse=(8.0, STRESS_S)))
    rare = [signal for signal in found if signal.per_day < 1.0]
    assert {(signal.pattern, signal.detector) for signal in rare} == {("thin_book", "execution_quality")}
    assert at_us(STRESS_S) <= rare[0].timestamp <= at_us(STRESS_S + 3.0)
    part = rare[0].contributions[0]
    assert part.signal.endswith("at this volatility")
    assert 4.0 < part.observed / part.expected < 16.0


def test_a_lively_market_whose_costs_follow_is_not_told() -> None:
    found = signals_of(market(2, END_S, lively=(STRESS_S, END_S)))
    assert [signal for signal in found if signal.per_day < 1.0] == []


def test_fills_that_get_worse_are_alerts_of_the_pattern_thin_book_and_nothing_before_is() -> None:
    alerts = results_of(in_order(market(3, END_S, worse=(8.0, STRESS_S)))).alerts
    assert {alert.pattern for alert in alerts} == {"thin_book"}
    assert all(alert.timestamp >= at_us(STRESS_S) for alert in alerts)


def test_effective_spread_is_twice_what_takers_paid_beyond_the_mid_before_by_notional() -> None:
    watch = a_watch_of(ExecutionWatch)
    books = [BookSnapshot(at_us(second), SYMBOL, [(99.0, 50.0)], [(101.0, 50.0)]) for second in (0.0, 1.0)]
    fills = [
        Trade(at_us(0.5), SYMBOL, 101.0, 3.0, "buy"),
        Trade(at_us(0.5), SYMBOL, 99.5, 1.0, "sell"),
    ]
    feed(watch, ticks_of([("books", books[0]), *(("trades", fill) for fill in fills), ("books", books[1])]))
    shown = {one.quantity: one.value for one in watch.measures()}
    paid = 2e4 * (303.0 * 0.01 + 99.5 * 0.005) / (303.0 + 99.5)
    assert shown["effective_spread_bp"] == pytest.approx(paid)
    assert shown["fill_degradation"] == 1.0


@given(st.floats(0.0, 1.2), st.integers(0, 1_000))
@settings(max_examples=20)
def test_degradation_is_the_factor_by_which_a_cost_grows_when_volatility_doubles(slope: float, seed: int) -> None:
    chance, quality = random.Random(seed), ExecutionQuality()
    for second in range(3_000):
        volatility_bp = 5.0 * math.exp(math.sin(second / 150.0))
        cost = 2.0 * volatility_bp**slope * chance.lognormvariate(0.0, 0.1)
        quality.learn_one({"time_s": float(second), "volatility_bp": volatility_bp, "slippage_bp": cost})
    assert quality.degradation("slippage_bp") == pytest.approx(2.0**slope, rel=0.1)


@cache
def taught() -> ExecutionQuality:
    """One that knows costs that go with the root of volatility."""
    chance, quality = random.Random(8), ExecutionQuality()
    for second in range(3_000):
        volatility_bp = 5.0 + 4.0 * math.sin(second / 100.0)
        costs = {name: math.sqrt(volatility_bp) * chance.lognormvariate(0.0, 0.1) for name in COSTS}
        quality.learn_one(costs | {"time_s": float(second), "volatility_bp": volatility_bp})
    return quality


@given(st.sampled_from(sorted(COSTS)), st.floats(1.0, 60.0))
def test_a_cost_is_judged_by_what_is_usual_at_the_volatility_there_is(name: str, volatility_bp: float) -> None:
    x = {"time_s": 3_000.0, "volatility_bp": volatility_bp}
    assert taught().score_one(x | {name: math.sqrt(volatility_bp)}) < 2.0
    assert taught().score_one(x | {name: 3.0 * math.sqrt(volatility_bp)}) > 5.0


@given(
    st.sampled_from(sorted(COSTS)), st.floats(0.1, 100.0), st.floats(0.1, 500.0), st.floats(0.1, 500.0),
)  # fmt: skip
def test_a_cost_that_is_higher_at_the_same_volatility_is_at_least_as_strange(
    name: str, volatility_bp: float, one: float, other: float
) -> None:
    quality, chance = ExecutionQuality(), random.Random(7)
    for second in range(300):
        costs = {cost: 3.0 * chance.lognormvariate(0.0, 0.2) for cost in COSTS}
        quality.learn_one(costs | {"time_s": float(second), "volatility_bp": 5.0 * chance.lognormvariate(0.0, 0.3)})
    x = {"time_s": 300.0, "volatility_bp": volatility_bp}
    low, high = sorted((one, other))
    assert quality.score_one(x | {name: low}) <= quality.score_one(x | {name: high})


@settings(max_examples=15)
@given(st.lists(st.integers(0, 600), max_size=6), st.integers(0, 1_000))
def test_it_is_taken_up_at_any_tick_as_if_nothing_had_been(cuts: list[int], seed: int) -> None:
    through, taken_up = a_watch_of(ExecutionWatch), a_watch_of(ExecutionWatch)
    for number, (tick, state) in enumerate(ticks_of(in_order(market(seed, 150.0))).items()):
        if number in cuts:
            saved, notes = msgspec.msgpack.decode(msgspec.msgpack.encode(taken_up.state())), list[str]()
            taken_up = a_watch_of(ExecutionWatch)
            taken_up.restore(saved, notes)
            assert notes == []
        assert feed(through, {tick: state}) == feed(taken_up, {tick: state})
    assert msgspec.msgpack.encode(through.state()) == msgspec.msgpack.encode(taken_up.state())
