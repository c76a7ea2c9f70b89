"""What the drift watch takes of seconds and minutes, what it says of models, and that it can be taken up anywhere."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.config import CoreSettings
from detectors.drift_watch import DriftWatch
from detectors.features.market import MarketTick, SymbolTick
from detectors.ledger import EvidenceWindow
from detectors.results import Signal
from detectors.symbol_watch import SymbolWatch
from detectors.watch import Spot, SymbolTickWatch
from tests.detectors.further_flows import SYMBOL, books, cancels, in_order, trades
from tests.helpers import Arrival, at_us

W = TypeVar("W", bound=SymbolTickWatch[Any])

TICK_US = 100_000
NOTHING = EvidenceWindow(100)


def unguarded(_name: str, work: object, _nothing: list[Signal]) -> list[Signal]:
    return work()  # type: ignore[operator, no-any-return]


def ticks_of(arrivals: Iterable[Arrival]) -> dict[int, SymbolTick]:
    markets: dict[int, MarketTick] = {}
    for topic, event in arrivals:
        state = markets.setdefault(event.timestamp // TICK_US, MarketTick())
        getattr(state, f"add_{topic}")([event])
    return {tick: markets[tick].symbols[SYMBOL] for tick in sorted(markets)}


def minutes_of(arrivals: Iterable[Arrival]) -> Iterator[tuple[int, set[str]]]:
    """After each minute, what has moved."""
    watch, last = SymbolWatch(SYMBOL, CoreSettings(), Counter()), -1
    for tick, state in ticks_of(arrivals).items():
        watch.close_tick(tick, state, NOTHING, unguarded)
        minute = (tick * TICK_US - at_us(0.0)) // 60_000_000
        if minute > last:
            last = minute
            measures = [one for one in watch.measures() if one.quantity == "ground_moved"]
            assert {one.labels[0] for one in measures} <= {SYMBOL}
            yield minute, {one.labels[1] for one in measures if one.value}


def test_a_model_says_for_half_an_hour_that_its_ground_has_moved() -> None:
    begin = 100
    seconds = 60.0 * (begin + 60)
    flow = in_order(
        trades(2, seconds, lambda time_s: 0.3 if time_s < 60.0 * begin else 3.0), cancels(3, seconds, per_s=0.3)
    )
    moved = dict(minutes_of(flow))
    first = next(minute for minute, names in moved.items() if "trades" in names)
    assert begin + 5 <= first <= begin + 30
    assert all(not names for minute, names in moved.items() if minute < first)
    assert moved[first] >= {"trade_burst", "layering"}
    assert not {"cancels", "lockstep", "cancel_burst"} & moved[first]
    assert "trades" in moved[first + 29]
    assert "trades" not in moved[first + 31]


def a_watch_of(kind: type[W]) -> W:
    return kind(Spot.of_symbol(SYMBOL, CoreSettings(), Counter()))


def a_watch() -> DriftWatch:
    return a_watch_of(DriftWatch)


def feed(watch: SymbolTickWatch[Any], ticks: dict[int, SymbolTick]) -> list[Signal]:
    signals = []
    for tick, state in ticks.items():
        if state.accounts or state.trades:
            watch.spot.activity.count(tick, state.accounts, state.trades)
        signals += watch.close_tick(tick, state, NOTHING)
    return signals


def learned(watch: DriftWatch) -> dict[str, tuple[int, float]]:
    """By series, the blocks in its window and their mean."""
    state = watch.detector.state()["series"]
    return {name: (window["sums"][1], window["sums"][2] / window["sums"][1]) for name, (window, *_) in state.items()}


def a_trade_each(seconds: Iterable[float]) -> dict[int, SymbolTick]:
    return ticks_of(arrival for second in seconds for arrival in one_trade(second))


def one_trade(second: float) -> list[Arrival]:
    event = trades(1, 3.0)[0][1]
    return [("trades", msgspec.structs.replace(event, timestamp=60_000_000 * 1_000 + int(1e6 * second)))]


def test_silent_seconds_count_and_the_first_part_of_a_minute_does_not() -> None:
    watch = a_watch()
    # Half of the seconds of the second and third minute have a trade; the first is heard from its middle on.
    feed(watch, a_trade_each([30.0, 45.0, *range(60, 180, 2), 180.0]))
    blocks, mean = learned(watch)["trades"]
    assert blocks == 2
    assert abs(mean - 0.5 * 0.6931) < 1e-3


def test_minutes_without_any_event_are_passed_over() -> None:
    watch = a_watch()
    minutes = [0, 1, 2, 50, 51, 52]
    feed(watch, a_trade_each(60.0 * minute + second for minute in minutes for second in range(60)))
    blocks, mean = learned(watch)["trades"]
    assert blocks == 4
    assert abs(mean - 0.6931) < 1e-3


def test_depth_and_spread_are_those_of_the_first_book_of_a_second() -> None:
    watch = a_watch()
    feed(watch, ticks_of(books(1, 200.0, per_s=4.0)))
    found = learned(watch)
    assert set(found) == {"depth", "spread"}
    assert {blocks for blocks, _ in found.values()} == {2}


@settings(max_examples=20)
@given(st.lists(st.integers(0, 900), max_size=6), st.integers(0, 1_000))
def test_it_is_taken_up_at_any_tick_as_if_nothing_had_been(cuts: list[int], seed: int) -> None:
    flow = in_order(trades(seed, 300.0, lambda _: 1.0), cancels(seed, 300.0, per_s=1.0), books(seed, 300.0, per_s=1.0))
    ticks = ticks_of(flow)
    through, taken_up = a_watch(), a_watch()
    for number, (tick, state) in enumerate(ticks.items()):
        if number in cuts:
            saved = msgspec.msgpack.decode(msgspec.msgpack.encode(taken_up.state()))
            notes: list[str] = []
            taken_up = a_watch()
            taken_up.restore(saved, notes)
            assert notes == []
        assert feed(through, {tick: state}) == feed(taken_up, {tick: state})
    assert msgspec.msgpack.encode(through.state()) == msgspec.msgpack.encode(taken_up.state())
