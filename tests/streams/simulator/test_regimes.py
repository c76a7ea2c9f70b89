"""The weather of the market."""

import numpy as np
import pytest

from streams.simulator.regimes import BUSY, CALM, Weather
from streams.simulator.settings import contract_of

STEP_S = 0.1


def weather_of(seed: int) -> Weather:
    contracts = [contract_of(symbol) for symbol in ("BTC-PERP", "ETH-PERP")]
    return Weather(contracts, STEP_S, np.random.default_rng(seed))


def test_activity_is_one_on_average_over_calm_and_busy_spells() -> None:
    weather = weather_of(1)
    rates, busy = [], []
    for _ in range(40_000):
        weather.step()
        rates.append(weather.rates)
        busy.append([regime is BUSY for regime in weather.regimes])
    assert np.mean(rates) == pytest.approx(1, abs=0.08)
    assert 0.1 < np.mean(busy) < 0.25


def test_the_market_begins_calm_and_spells_last() -> None:
    weather = weather_of(2)
    assert weather.regimes == [CALM, CALM]
    changes, before = 0, weather.regimes
    for _ in range(20_000):
        weather.step()
        changes += before != weather.regimes
        before = weather.regimes
    assert 20 < changes < 200


def test_prices_move_more_in_busy_spells() -> None:
    weather = weather_of(3)
    moves: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(20_000):
        before = weather.fair_prices[0]
        weather.step()
        moves[weather.regimes[0] is BUSY].append(weather.fair_prices[0] / before - 1)
    assert np.std(moves[True]) > 1.6 * np.std(moves[False])
