"""Events that are sent twice are handed on once, in whatever order they come within the lateness."""

import random
from functools import cache

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.events import Event, Liquidation, Trade
from detectors.market_stage import MarketOutput, MarketStage
from tests.detectors.further_flows import PRICE, SYMBOL, cancels, in_order, trades
from tests.helpers import Arrival, at_us, quick_settings

SETTINGS = quick_settings()
END_S = 20.0


@cache
def flow() -> tuple[Arrival, ...]:
    """Trades with ids, cancels, and liquidations of accounts that are named."""
    found: list[Arrival] = list(cancels(1, END_S))
    for number, (topic, one) in enumerate(trades(1, END_S)):
        assert isinstance(one, Trade)
        found.append((topic, msgspec.structs.replace(one, trade_id=number, liquidation=number % 9 == 0)))
        if number % 5 == 0:
            found.append(("liquidations", Liquidation(one.timestamp, SYMBOL, "sell", PRICE, 1.0, f"acct-{number}")))
    return tuple(in_order(found))


def output_of(arrivals: list[Arrival]) -> MarketOutput:
    """What a market stage hands on."""
    stage = MarketStage(0, 2, SETTINGS, lambda account: int(account[-1]) % 2)
    offsets: dict[str, int] = {}
    for topic, event in arrivals:
        offset = offsets[topic] = offsets.get(topic, -1) + 1
        stage.push(topic, [offset], [event], 0)
    return stage.flush()


def activity(output: MarketOutput) -> list[list[tuple[int, list[object]]]]:
    return [[(tick, sorted(rows, key=repr)) for tick, _, rows in frame.ticks] for frame in output.activity]


def fills(output: MarketOutput) -> list[int]:
    """Of each account, over all ticks."""
    return [row.fills for frame in output.activity for _, _, rows in frame.ticks for row in rows]


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_accounts_and_symbols_did_once_what_was_sent_twice(seed: int) -> None:
    chance = random.Random(seed)
    both = [(topic, copy(event)) for topic, event in flow() if chance.random() < 0.6]
    lateness_us = SETTINGS.timing.lateness_us
    arrivals = sorted([*flow(), *both], key=lambda one: one[1].timestamp + chance.randrange(lateness_us))
    assert activity(output_of(arrivals)) == activity(output_of(list(flow())))


def test_an_event_without_an_id_may_be_another_one_and_counts() -> None:
    once = Trade(at_us(1.0), SYMBOL, PRICE, 1.0, "buy", "", "acct-1", "acct-2")
    assert fills(output_of([("trades", once)] * 3)) == [3, 3]


def test_events_of_one_id_that_say_different_things_all_count() -> None:
    first = Trade(at_us(1.0), SYMBOL, PRICE, 1.0, "buy", 7, "acct-1", "acct-3")
    second = msgspec.structs.replace(first, amount=2.0)
    assert fills(output_of([("trades", first), ("trades", second), ("trades", copy(first))])) == [2, 2]


def copy(event: Event) -> Event:
    return msgspec.structs.replace(event)
