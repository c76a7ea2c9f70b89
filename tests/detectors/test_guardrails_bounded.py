"""However many entities there are, memory is bounded, no trip is lost, and every record has its place."""

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from detectors.account_guardrails import AccountGuardrails
from detectors.config import CoreSettings, Memory
from detectors.decisions import Trip
from detectors.due_times import NEVER_US, DueTimes
from detectors.events import BookSnapshot, DerivativeTicker, Event, Latency, LeverageChange, Liquidation, Trade
from detectors.exact import money, notional_cents
from detectors.guardrail_rules import DEPTH_FLOOR, bounds_of
from detectors.guardrail_settings import Guardrails
from detectors.guardrail_states import GuardrailStates
from detectors.market_guardrails import MarketGuardrails
from tests.detectors.guardrail_savings import Lives

#: Some six entities at a time, where there are thirty.
SMALL = replace(
    CoreSettings(), memory=Memory(max_symbols=6), guardrails=Guardrails(max_entities=6, min_hold_s=3, price_window_s=2)
)
steps_us = st.sampled_from([0, 1_000, 500_000, 1_000_000, 4_000_000])
names = st.integers(0, 29).map(lambda number: f"name-{number:02}")
#: How bad an event is: harmless, beyond soft, beyond hard.
flows = st.lists(st.tuples(steps_us, names, st.sampled_from([0, 0, 1, 2])), max_size=80)
breaks = st.sets(st.integers(0, 80), max_size=8)


def event_of(topic: str, at_us: int, name: str, badness: int) -> Event:
    worse = (0.0, 0.07, 0.2)[badness]
    match topic:
        case "trades":
            return Trade(at_us, name, 100.0 * (1.0 + worse), 1.0, "buy")
        case "tickers":
            return DerivativeTicker(at_us, name, mark_price=100.0 * (1.0 + worse / 2), index_price=100.0)
        case "books":
            return BookSnapshot(at_us, name, [(99.9, (200.0, 50.0, 5.0)[badness])], [(100.1, 900.0)])
        case "liquidations":
            return Liquidation(at_us, name, "sell", 100.0, (1.0, 6e4, 3e5)[badness])
        case "latency":
            return Latency(at_us, name, (10.0, 3e5, 3e6)[badness])
    return LeverageChange(at_us, name, "BTC-PERP", (5.0, 60.0, 200.0)[badness], None, (1.0, 6e5, 2e6)[badness], 100.0)


TOPICS = ("trades", "tickers", "books", "liquidations", "latency", "leverage")


def told(topic: str, flow: list[tuple[int, str, int]], begin_again_at: set[int]) -> tuple[list[Trip], Lives]:
    """What is said of a flow, event by event; the tick of each closes after it."""
    on_market = topic != "leverage"
    lives, trips, at_us = Lives(MarketGuardrails if on_market else AccountGuardrails, SMALL), list[Trip](), 0
    for index, (step_us, name, badness) in enumerate(flow):
        at_us += step_us
        event = event_of(topic, at_us, name, badness)
        if on_market:
            trips += lives.now.on_events(topic, [event])
            trips += lives.now.close_tick(at_us, {name: (at_us, None)})
        else:
            trips += lives.now.on_events([event])
            trips += lives.now.close_tick(at_us, [event], {"BTC-PERP": 1e6} if index % 3 else {})
        if index in begin_again_at:
            lives.begin_again()
    return trips, lives


def check_order(trips: list[Trip]) -> dict[tuple[str, str], Trip]:
    """Check that each record follows from the one before it; what is tripped at the end."""
    open_trips: dict[tuple[str, str], Trip] = {}
    for trip in trips:
        before = open_trips.pop((trip.rule, trip.entity), None)
        worse = trip.value < trip.limit if trip.rule == "depth_floor" else trip.value > trip.limit
        if trip.state == "tripped":
            assert worse, trip
            assert before is None or before.level != trip.level, "said twice"
            open_trips[trip.rule, trip.entity] = trip
        else:
            assert before is not None, "nothing was tripped"
            assert before.level == trip.level
            assert trip.action == "none"
            assert trip.reason.startswith("forgotten") or not worse, trip
        if before is not None:
            rises = trip.level == "hard" and before.level == "soft"
            held = trip.timestamp >= before.timestamp + SMALL.guardrails.min_hold_s * 1_000_000
            assert rises or held or trip.reason.startswith("forgotten")
    return open_trips


@pytest.mark.parametrize("topic", TOPICS)
@given(flow=flows, begin_again_at=breaks)
def test_a_flood_is_bounded_and_no_trip_is_lost(
    topic: str, flow: list[tuple[int, str, int]], begin_again_at: set[int]
) -> None:
    trips, lives = told(topic, flow, begin_again_at)
    open_trips = check_order(trips)
    kept = lives.now.kept()
    tripped = {rule: set(kept[rule]) for rule, _ in open_trips}
    assert sum(map(len, tripped.values())) == len(open_trips)
    for kind, entities in kept.items():
        assert len(entities) <= 12, kind
    assert trips == told(topic, flow, set())[0]


def test_made_up_accounts_push_out_neither_trips_nor_the_positions_behind_them() -> None:
    counters: Counter[str] = Counter()
    guardrails = AccountGuardrails(SMALL, counters)

    def change(at_us: int, account: str, symbol: str, position: float) -> LeverageChange:
        return LeverageChange(at_us, account, symbol, 5.0, None, position, 100.0)

    large = [change(0, "whale", symbol, 3e5) for symbol in ("A", "B")]
    assert [one.level for one in guardrails.on_events(large)] == ["soft"]
    flood = [change(number, f"made-up-{number}", "A", 1.0) for number in range(5_000)]
    assert guardrails.on_events(flood) == []
    assert counters["evicted_guardrail_entities"] == 5_000 - 6
    # Half of it is closed: what is left is known, and still above what clears.
    assert guardrails.on_events([change(9_000_000, "whale", "A", 1.2e5)]) == []
    cleared = guardrails.on_events([change(9_000_001, "whale", "A", 0.0)])
    assert [(one.state, one.value) for one in cleared] == [("cleared", Decimal(30_000_000))]


def test_of_too_many_trips_the_one_that_stood_longest_is_cleared_as_forgotten() -> None:
    counters: Counter[str] = Counter()
    guardrails = MarketGuardrails(SMALL, counters)
    reports = [Latency(number, f"part-{number}", 2e6) for number in range(7)]
    trips = guardrails.on_events("latency", reports)
    assert [(one.entity, one.state) for one in trips[-2:]] == [("part-0", "cleared"), ("part-6", "tripped")]
    assert trips[-2].reason == "forgotten: 6 others are tripped"
    assert counters["forgotten_trips"] == 1


def test_an_account_without_positions_takes_no_memory() -> None:
    guardrails = AccountGuardrails(SMALL, Counter())
    opened, closed = (LeverageChange(0, "desk-7", "X", 5.0, None, position, 100.0) for position in (9.0, 0.0))
    guardrails.on_events([opened])
    assert list(guardrails.kept()["account_exposure_positions"]) == ["desk-7"]
    guardrails.on_events([closed])
    assert len(guardrails.kept()["account_exposure_positions"]) == 0


@pytest.mark.parametrize("begins_again", [False, True])
def test_the_order_of_forgetting_outlasts_lives(begins_again: bool) -> None:
    lives = Lives(MarketGuardrails, SMALL)
    for number in range(7):
        trips = lives.now.on_events("latency", [Latency(number, f"part-{6 - number}", 2e6)])
        if begins_again:
            lives.begin_again()
    assert trips[0].reason.startswith("forgotten")
    assert trips[0].entity == "part-6"


@pytest.mark.parametrize("begins_again", [False, True])
def test_the_symbol_that_traded_in_no_later_second_is_forgotten_first(begins_again: bool) -> None:
    lives = Lives(MarketGuardrails, SMALL)

    def trade(at_us: int, symbol: str) -> None:
        lives.now.on_events("trades", [Trade(at_us, symbol, 100.0, 1.0, "buy")])
        if begins_again:
            lives.begin_again()

    for symbol in "ABCDEF":
        trade(1, symbol)
    trade(2, "B")
    trade(1_000_000, "A")
    trade(1_000_001, "G")
    trade(1_000_002, "C")
    assert sorted(lives.now.kept()["price_window"]) == list("ACDEFG")
    trade(1_000_003, "H")
    assert sorted(lives.now.kept()["price_window"]) == list("ACEFGH")


def test_a_symbol_that_was_forgotten_begins_anew_in_the_same_second() -> None:
    guardrails = MarketGuardrails(SMALL, Counter())
    guardrails.on_events("trades", [Trade(1, symbol, 100.0, 1.0, "buy") for symbol in "ABCDEFG"])
    again = [Trade(2, "A", 101.0, 1.0, "buy"), Trade(3, "A", 104.0, 1.0, "buy"), Trade(4, "A", 105.5, 1.0, "buy")]
    assert guardrails.on_events("trades", again) == []


def test_of_more_holders_than_are_remembered_the_largest_stay() -> None:
    settings = CoreSettings()
    guardrails = AccountGuardrails(settings, Counter())
    holders = [LeverageChange(0, f"holder-{size:04}", "X", 5.0, None, float(size)) for size in range(1, 1_501)]
    assert guardrails.close_tick(100_000, holders, {}) == []
    remembered = guardrails.kept()["open_interest_holder"]
    assert len(remembered) == 1_000
    assert min(remembered) == ("holder-0501", "X")
    trips = guardrails.close_tick(200_000, [], {"X": 5_000.0})
    assert len(remembered) == 1_000
    guardrails.close_tick(300_000, [], {"X": 20_000.0})
    assert min(remembered) == ("holder-0751", "X"), (
        "less than a quarter of the limit is remembered of the tripped alone"
    )
    assert {one.entity for one in trips} == {f"holder-{size:04}/X" for size in range(751, 1_501)}


def test_state_that_fits_no_longer_is_forgotten_and_said() -> None:
    first, second = (MarketGuardrails(SMALL, Counter()) for _ in range(2))
    first.on_events("latency", [Latency(0, "good", 2e6), Latency(0, "bad", 2e6)])
    notes: list[str] = []
    states = first.kept()["component_latency"]
    saved = [("good", states.state_of("good")), ("bad", ["severe", 0, "1", "1", 1, None, None])]
    second.kept()["component_latency"].restore(saved, notes)
    second.resume(first.head(), notes)
    assert notes == [
        "bad is forgotten: StateError: expected soft or hard, found 'severe', as the level of a tripped guardrail"
    ]
    assert [one.entity for one in second.on_events("latency", [Latency(9_000_000, "good", 1.0)])] == ["good"]


values = st.integers(0, 40).map(lambda step: Decimal(step) / 10)


@given(st.lists(st.tuples(st.integers(0, 4), values, st.booleans()), max_size=60), st.booleans())
def test_when_nothing_may_move_nothing_does(rows: list[tuple[int, Decimal, bool]], below: bool) -> None:
    pair = (Decimal(2), Decimal(1)) if below else (Decimal(1), Decimal(2))
    bounds = bounds_of(pair, Guardrails(min_hold_s=5), below=below)
    states, clock_us = GuardrailStates(DEPTH_FLOOR, 10, Counter()), 0
    for step_s, value, blurred in rows:
        clock_us += step_s * 1_000_000
        approximate = float(value) * (1.0 + 1e-12 * blurred)
        may_move = states.may_move("X", approximate, bounds, clock_us)
        assert bool(states.settle("X", value, bounds, clock_us)) <= may_move


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 30) | st.none(), st.integers(0, 3)), max_size=60))
def test_due_times_are_those_of_a_dict(steps: list[tuple[str, int | None, int]]) -> None:
    due, expected, now = DueTimes[str](), dict[str, int](), 0
    for name, at, gap in steps:
        if at is None:
            due.drop(name)
            expected.pop(name, None)
        else:
            due.set(name, at)
            expected[name] = at
        assert due.next_us <= min(expected.values(), default=NEVER_US)
        now += gap
        ready = sorted((at, name) for name, at in expected.items() if at <= now)
        assert due.take(now) == [name for _, name in ready]
        for _, gone in ready:
            del expected[gone]


@given(st.floats(-1e15, 1e15), st.floats(5e-324, 1e15))
def test_notional_is_rounded_from_the_digits_of_both(amount: float, price: float) -> None:
    assert notional_cents(amount, price) == round(abs(Fraction(repr(amount))) * Fraction(repr(price)) * 100)


@example(1_015, 100)
@given(st.integers(0, 10**9), st.integers(0, 10**7))
def test_notional_of_what_venues_write_is_exact(lots: int, ticks: int) -> None:
    cents = notional_cents(lots / 1_000, ticks / 100)
    assert cents == round(Fraction(lots, 1_000) * Fraction(ticks, 100) * 100)
    assert Fraction(money(cents)) == Fraction(cents, 100)
