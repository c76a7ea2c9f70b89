"""The stressed flow with every optional input beside it, and trouble of every further kind planted in it."""

import random

import msgspec

from detectors.events import DerivativeTicker, Latency, Liquidation, Trade
from tests.detectors.further_flows import layers
from tests.helpers import MID, SYMBOLS, Arrival, at_us, stressed_flow

_STRESS_S, _END_S = 125.0, 150.0


def full_flow(seed: int = 1) -> list[Arrival]:
    """Tickers, liquidations and latencies beside trades, cancels, books and leverage; trouble begins at 125 s."""
    chance = random.Random(seed)
    flow = [one for one in stressed_flow(seed) if not _is_missing(one)]
    for symbol in SYMBOLS:
        flow += _tickers(chance, symbol)
    for component in ("matching", "gateway"):
        for number in range(int(_END_S * 2)):
            slow = 30.0 if component == "matching" and number > _STRESS_S * 2 else 1.0
            latency_us = 4_000.0 * slow * chance.lognormvariate(0.0, 0.2)
            flow.append(("latency", Latency(at_us(number / 2), component, latency_us)))
    for number in range(40):
        time_s = 3.0 * number if number < 8 else _STRESS_S + 0.3 * (number - 8)
        flow.append(("liquidations", Liquidation(at_us(time_s), "ETH-PERP", "sell", MID["ETH-PERP"], 1.0)))
    for number in range(200):
        time_s = _STRESS_S + 5.0 + number / 80
        flow.append(("trades", Trade(at_us(time_s), "SOL-PERP", MID["SOL-PERP"], 9.0, "buy", number, "acct-09", "x")))
    for number in range(4):
        flow += layers(number, _STRESS_S + 3.0 * number, "spoofer", levels=12)
    # Some are told twice.
    flow += [
        (topic, msgspec.structs.replace(event))
        for topic, event in flow
        if topic == "books" and at_us(_STRESS_S) < event.timestamp < at_us(_STRESS_S + 8.0)
    ]
    return sorted(flow, key=lambda arrival: arrival[1].timestamp)


def _is_missing(arrival: Arrival) -> bool:
    """Books of one symbol stall for a while."""
    topic, event = arrival
    stalled = at_us(_STRESS_S + 10.0) < event.timestamp < at_us(_STRESS_S + 20.0)
    return topic == "books" and stalled and getattr(event, "symbol", "") == "ETH-PERP"


def _tickers(chance: random.Random, symbol: str) -> list[Arrival]:
    found: list[Arrival] = []
    for second in range(int(_END_S)):
        price = MID[symbol] * (1.0 + chance.gauss(0.0, 1e-4))
        apart = 1.03 if symbol == "BTC-PERP" and second > _STRESS_S else 1.0
        fields = {
            "mark_price": price * apart,
            "index_price": price if second % 2 else None,
            "open_interest": 1e4 * chance.lognormvariate(0.0, 0.01),
            "funding_rate": chance.gauss(1e-4, 1e-5),
        }
        found.append(("tickers", DerivativeTicker(at_us(second + chance.random()), symbol, None, **fields)))
    return found
