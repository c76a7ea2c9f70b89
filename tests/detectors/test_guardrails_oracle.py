"""Every guardrail says what brute force says, in whatever batches its events come and however often it begins again."""

from dataclasses import replace
from decimal import Decimal
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.account_guardrails import AccountGuardrails
from detectors.config import CoreSettings
from detectors.events import BookSnapshot, DerivativeTicker, Event, Latency, LeverageChange, Liquidation, Trade
from detectors.guardrail_settings import Guardrails
from detectors.market_guardrails import MarketGuardrails
from tests.detectors.guardrail_oracle import EventOracle, Said, TickOracle, said
from tests.detectors.guardrail_savings import Lives

GUARDRAILS = Guardrails(
    leverage_caps=((Decimal(0), Decimal(100)), (Decimal(1_000), Decimal(50)), (Decimal(5_000), Decimal(10))),
    account_exposure=(Decimal(6_000), Decimal(9_000)),
    price_window_s=3,
    liquidation_window_s=2,
    depth_floor=(Decimal(1_000), Decimal(200)),
    liquidations=(Decimal(1_000), Decimal(3_000)),
    min_hold_s=2,
    symbols={
        "C": {"price_move": ["0.02", "0.03"], "mark_index": ["0.03", "0.03"], "min_hold_s": 1, "price_window_s": 1},
        "c": {"latency_us": [1_000, 2_000], "account_exposure": [1_000, 2_000], "min_hold_s": 0},
    },
)
SETTINGS = replace(CoreSettings(), guardrails=GUARDRAILS)
SECOND_US = 1_000_000

symbols = st.sampled_from("ABC")
accounts = st.sampled_from("abc")
prices = st.one_of(
    st.sampled_from([100.0, 100.5, 99.5, 95.0, 105.0, 90.0, 110.0, 98.0, 102.0, 97.0, 103.0]),
    st.floats(88.0, 112.0).map(lambda price: round(price, 2)),
)
#: Time goes on, stands still, or goes back a little or a lot.
steps_us = st.sampled_from(
    [0, 1, 1_000, 300_000, 700_000, 999_999, SECOND_US, 2_500_000, 5_000_000, -400_000, -6_000_000]
)
amounts = st.sampled_from([0.0, 0.5, 1.0, 3.0, 7.5, 10.0, 30.0])


def timed(*parts: st.SearchStrategy[tuple[object, ...]]) -> st.SearchStrategy[list[tuple[int, tuple[object, ...]]]]:
    """Rows of some values, each with a time; one in some is behind the others."""

    def place(rows: list[tuple[int, tuple[object, ...]]]) -> list[tuple[int, tuple[object, ...]]]:
        times = accumulate((max(step, 0) for step, _ in rows), initial=20 * SECOND_US)
        return [(at + min(step, 0), row) for at, (step, row) in zip(times, rows, strict=False)]

    return st.lists(st.tuples(steps_us, st.one_of(*parts)), max_size=40).map(place)


def levels(draw_from: st.SearchStrategy[float]) -> st.SearchStrategy[list[tuple[float, float]]]:
    return st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.45, 0.5, 0.501, 0.9]), draw_from), max_size=4)


@st.composite
def books(draw: st.DrawFn) -> tuple[object, ...]:
    """Some levels on each side of 100: at, within and beyond the edge of the band."""
    bids = sorted({round(100.0 - off, 3): amount for off, amount in draw(levels(amounts))}.items(), reverse=True)
    asks = sorted({round(100.0 + off, 3): amount for off, amount in draw(levels(amounts))}.items())
    return draw(symbols), bids, asks


FLOWS: dict[str, st.SearchStrategy[list[Event]]] = {
    "trades": timed(st.tuples(symbols, prices, st.just(1.0), st.just("buy"))).map(
        lambda rows: [Trade(at, *row) for at, row in rows]  # type: ignore[arg-type]
    ),
    "liquidations": timed(st.tuples(symbols, st.just("sell"), prices, amounts)).map(
        lambda rows: [Liquidation(at, *row) for at, row in rows]  # type: ignore[arg-type]
    ),
    "tickers": timed(st.tuples(symbols, st.none(), st.none() | prices, st.none() | prices)).map(
        lambda rows: [DerivativeTicker(at, *row) for at, row in rows]  # type: ignore[arg-type]
    ),
    "books": timed(books()).map(
        lambda rows: [BookSnapshot(at, *row) for at, row in rows]  # type: ignore[arg-type]
    ),
    "latency": timed(st.tuples(accounts, st.sampled_from([0.0, 900.0, 1_500.0, 3e3, 2e5, 2.5e5, 3e5, 2e6]))).map(
        lambda rows: [Latency(at, *row) for at, row in rows]  # type: ignore[arg-type]
    ),
    "leverage": timed(
        st.tuples(
            accounts,
            symbols,
            st.sampled_from([1.0, 8.0, 9.0, 11.0, 45.0, 51.0, 101.0]),
            st.none(),
            st.sampled_from([0.0, -5.0, 9.99, 30.0, -49.9, 51.0, 80.0]),
            st.none() | prices,
        )
    ).map(lambda rows: [LeverageChange(at, *row) for at, row in rows]),  # type: ignore[arg-type]
}
#: After how many events (of one batch) it goes on, is saved, or begins again.
batches = st.lists(st.tuples(st.integers(1, 7), st.sampled_from(["go on", "save", "begin again"])), max_size=12)


def spoken(topic: str, events: list[Event], cuts: list[tuple[int, str]], core: CoreSettings) -> list[Said]:
    """What the guardrails say of events that come in batches, in many lives."""
    on_market = topic != "leverage"
    lives, out = Lives(MarketGuardrails if on_market else AccountGuardrails, core), list[Said]()
    for size, then in [*cuts, (len(events), "go on")]:
        batch, events = events[:size], events[size:]
        out += said(lives.now.on_events(topic, batch) if on_market else lives.now.on_events(batch))
        if then == "save":
            lives.save()
        elif then == "begin again":
            lives.begin_again()
    return out


@pytest.mark.parametrize("topic", FLOWS)
@given(data=st.data(), cuts=batches)
def test_rules_on_the_event_say_what_brute_force_says(
    topic: str, data: st.DataObject, cuts: list[tuple[int, str]]
) -> None:
    events = data.draw(FLOWS[topic])
    oracle = EventOracle(GUARDRAILS)
    for event in events:
        oracle.take(topic, event)
    expected = sorted(oracle.out, key=lambda one: (one.timestamp, one.rule, one.entity))
    found = spoken(topic, events, cuts, SETTINGS)
    assert sorted(found, key=lambda one: (one.timestamp, one.rule, one.entity)) == expected


CROWDED = replace(GUARDRAILS, price_move=(Decimal("0.02"), Decimal("0.03")), price_window_s=2, min_hold_s=1, symbols={})
crowds = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 1, 100_000, 350_000, 1_000_000]),
        st.sampled_from("AB"),
        st.sampled_from([99.0, 99.3, 99.6, 100.0, 100.3, 100.7, 101.1, 101.5, 102.0]),
    ),
    max_size=60,
)


@settings(max_examples=300)
@given(crowds, batches)
def test_prices_that_mostly_change_nothing_are_still_all_there(
    rows: list[tuple[int, str, float]], cuts: list[tuple[int, str]]
) -> None:
    times = accumulate((step for step, _, _ in rows), initial=0)
    trades: list[Event] = [
        Trade(at, symbol, price, 1.0, "buy") for at, (_, symbol, price) in zip(times, rows, strict=False)
    ]
    oracle = EventOracle(CROWDED)
    for trade in trades:
        oracle.take("trades", trade)
    expected = sorted(oracle.out, key=lambda one: (one.timestamp, one.rule, one.entity))
    found = spoken("trades", trades, cuts, replace(SETTINGS, guardrails=CROWDED))
    assert sorted(found, key=lambda one: (one.timestamp, one.rule, one.entity)) == expected


times_in_tick = st.none() | st.integers(0, 99_999)
market_ticks = st.lists(
    st.tuples(
        st.sampled_from([1, 1, 2, 9, 30, 49, 50, 51, 200, 310]),
        st.dictionaries(symbols, st.tuples(times_in_tick, times_in_tick), max_size=2),
        st.booleans(),
    ),
    max_size=40,
)


@given(market_ticks)
def test_staleness_is_what_brute_force_says(
    ticks: list[tuple[int, dict[str, tuple[int | None, int | None]], bool]],
) -> None:
    oracle, lives, out, tick = TickOracle(GUARDRAILS), Lives(MarketGuardrails, SETTINGS), list[Said](), 1_000
    for gap, offsets, begins_again in ticks:
        tick += gap
        newest = {
            symbol: tuple(None if offset is None else tick * 100_000 + offset for offset in pair)
            for symbol, pair in offsets.items()
        }
        end_us = (tick + 1) * 100_000
        oracle.close_market_tick(end_us, newest)  # type: ignore[arg-type]
        out += said(lives.now.close_tick(end_us, newest))
        if begins_again:
            lives.begin_again()
    assert out == sorted(oracle.out, key=lambda one: (one.timestamp, one.rule, one.entity))


account_ticks = st.lists(
    st.tuples(
        st.sampled_from([1, 1, 5, 10, 20, 21, 40]),
        # A position below a quarter of the soft limit of 250 cannot be beyond it at 100.
        st.lists(st.tuples(accounts, symbols, st.sampled_from([0.0, 9.0, -15.0, 16.0, -20.0, 31.0, 80.0])), max_size=3),
        st.dictionaries(symbols, st.sampled_from([0.0, 100.0, 150.0, 250.0]), max_size=2),
        st.booleans(),
    ),
    max_size=40,
)


@given(account_ticks)
def test_shares_of_open_interest_are_what_brute_force_says(
    ticks: list[tuple[int, list[tuple[str, str, float]], dict[str, float], bool]],
) -> None:
    oracle, lives, out, tick = TickOracle(GUARDRAILS), Lives(AccountGuardrails, SETTINGS), list[Said](), 0
    for gap, rows, open_interest, begins_again in ticks:
        tick += gap
        changes = [LeverageChange(tick * 100_000, account, symbol, 5.0, None, held) for account, symbol, held in rows]
        end_us = (tick + 1) * 100_000
        oracle.close_account_tick(end_us, changes, open_interest)
        out += said(lives.now.close_tick(end_us, changes, open_interest))
        if begins_again:
            lives.begin_again()
    assert out == sorted(oracle.out, key=lambda one: (one.timestamp, one.rule, one.entity))
