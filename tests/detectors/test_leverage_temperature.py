"""Leverage temperature: what is built up together is told, noise is not; regimes of volatility do not flutter."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from detectors.base import Features
from detectors.leverage_temperature import LeverageTemperature
from tests.detectors.further_flows import SYMBOL, contract, grave, results_of
from tests.helpers import at_us

END_S, STRESS_S = 7_600.0, 7_200.0


def test_leverage_that_is_built_up_within_minutes_is_told() -> None:
    def ramp(time_s: float) -> float:
        return min(max(time_s - STRESS_S, 0.0) / 60.0, 5.0)

    found = [one for one in results_of(contract(1, END_S, ramp)).alerts if one.pattern == "leverage_temperature"]
    assert {alert.symbol for alert in found} == {SYMBOL}
    first = found[0]
    assert at_us(STRESS_S) <= first.timestamp <= at_us(STRESS_S + 180.0)
    assert first.title.startswith(f"Leverage temperature on {SYMBOL}: ")
    assert {part.signal for part in first.explanation} >= {"funding rate", "open interest"}
    assert first.notional_at_risk > 1e8
    assert first.runbook.endswith("#leverage_temperature")


def test_a_calm_contract_gives_no_alert_above_info() -> None:
    assert grave(results_of(contract(2, END_S)).alerts) == []


def features(number: int, volatility: float) -> Features:
    return {"time_s": 5.0 * number, "funding": 1e-4, "interest": 9.0, "basis": 0.0, "volatility": volatility}


@given(st.lists(st.floats(-20.0, 20.0), min_size=1, max_size=80))
def test_a_regime_lasts_its_dwell_time_at_least(volatilities: list[float]) -> None:
    heat, changes, regime = LeverageTemperature(dwell_s=60.0), list[float](), 0
    for number, volatility in enumerate([0.0] * 20 + volatilities):
        heat.learn_one(features(number, volatility))
        if heat.regime != regime:
            changes.append(5.0 * number)
            regime = heat.regime
    assert all(later - sooner >= 60.0 for sooner, later in pairwise(changes))


@given(st.floats(0.0, 5.0), st.floats(0.0, 5.0), st.sampled_from(["interest", "volatility"]))
def test_more_of_anything_is_never_cooler(one: float, other: float, name: str) -> None:
    heat = LeverageTemperature()
    for number in range(50):
        heat.learn_one(features(number, 0.0))
    usual = features(50, 0.0)
    low, high = (heat.temperature(usual | {name: usual[name] + more}) for more in sorted((one, other)))
    assert 0.0 < low <= high < 1.0


def test_storms_begin_and_end_at_different_marks() -> None:
    heat = LeverageTemperature(dwell_s=0.0)
    for number in range(200):
        heat.learn_one(features(number, 0.0))
    regimes = []
    for number, deviations in enumerate((0.7, 1.2, 0.7, 0.3, 3.5, 2.5, 1.5)):
        heat.learn_one(features(200 + number, 0.2 * deviations + heat._levels[-1].mean))
        regimes.append(heat.regime)
    assert regimes == [0, 1, 1, 0, 2, 2, 1]
