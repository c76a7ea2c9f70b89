"""Liquidation wave: a wave is told from the first seconds on, single liquidations and usual clusters are not."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.liquidation_wave import MOST_BRANCHING, LiquidationWave
from tests.detectors.further_flows import SYMBOL, grave, liquidations, results_of, tickers
from tests.helpers import at_us

END_S, STRESS_S = 1_230.0, 1_200.0


@pytest.mark.parametrize("flagged", [False, True])
def test_a_wave_is_told_whether_by_its_own_topic_or_by_flags_on_trades(flagged: bool) -> None:
    wave = liquidations(1, END_S, lambda time_s: 4.0 if time_s >= STRESS_S else 0.02, flagged)
    # What else is known of the symbol is how long it has been without liquidations.
    found = grave(results_of(wave, tickers(1, END_S)).alerts, "liquidation_wave")
    assert {alert.symbol for alert in found} == {SYMBOL}
    first = found[0]
    assert at_us(STRESS_S) <= first.timestamp <= at_us(STRESS_S + 8.0)
    assert "each brought about 0." in first.explanation[0].signal
    assert first.notional_at_risk > 0.0
    assert first.runbook.endswith("#liquidation_wave")


def test_the_very_first_wave_after_a_quiet_time_is_told() -> None:
    wave = liquidations(2, END_S, lambda time_s: 4.0 if time_s >= STRESS_S else 0.0)
    assert grave(results_of(wave, tickers(2, END_S)).alerts, "liquidation_wave")


def test_single_liquidations_give_no_alert_above_info() -> None:
    assert grave(results_of(liquidations(3, END_S, lambda _: 0.05), tickers(3, END_S)).alerts) == []


def a_hawkes(seed: int, branching: float, seconds: float = 6_000.0) -> LiquidationWave:
    """A detector that has learned a Hawkes process, by its family trees."""
    chance, times = random.Random(seed), list[float]()
    time_s = 0.0
    while (time_s := time_s + chance.expovariate(0.2 * (1.0 - branching))) < seconds:
        born = [time_s]
        while born:
            parent = born.pop()
            times.append(parent)
            if chance.random() < branching:
                born.append(parent + chance.expovariate(0.5))
    wave = LiquidationWave(half_life_s=3_000.0)
    for event_s in sorted(times):
        wave.learn_one({"time_s": event_s, "events_tick": 1.0, "notional_tick": 1e4})
    return wave


def test_clusters_that_are_usual_are_known_as_such_and_alarm_less() -> None:
    lone, clustered = a_hawkes(1, 0.0), a_hawkes(1, 0.8)
    assert lone.branching < 0.25
    assert clustered.branching > 0.4
    x = {"time_s": 6_000.0, "events_tick": 2.0, "events_10s": 15.0, "events_60s": 40.0}
    assert clustered.score_one(x) < 0.5 * lone.score_one(x)


@given(st.lists(st.tuples(st.floats(0.0, 500.0), st.integers(0, 10**6)), max_size=60))
def test_branching_stays_below_one_and_intensity_above_the_baseline(steps: list[tuple[float, int]]) -> None:
    wave, time_s = LiquidationWave(), 0.0
    for gap_s, events in steps:
        time_s += gap_s
        wave.learn_one({"time_s": time_s, "events_tick": events, "notional_tick": 1e4 * events})
        assert 0.0 <= wave.branching <= MOST_BRANCHING
        assert wave.intensity(time_s) >= wave.baseline(time_s) > 0.0
        assert wave.intensity(time_s + 1e6) <= wave.intensity(time_s) + 1e-9


def test_excitement_decays_from_event_to_event_as_the_sum_over_all_events_does() -> None:
    chance, wave, times = random.Random(5), LiquidationWave(), list[float]()
    time_s = 0.0
    for _ in range(200):
        time_s += chance.expovariate(0.5)
        times.append(time_s)
        wave.learn_one({"time_s": time_s, "events_tick": 1.0})
    now_s = time_s + 3.0
    kernel = sum(2.718281828459045 ** (-(now_s - event_s) / wave.decay_s) for event_s in times) / wave.decay_s
    assert wave.intensity(now_s) == pytest.approx(wave.baseline(now_s) + wave.branching * kernel)
