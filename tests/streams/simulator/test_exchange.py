"""The stream of events as a whole."""

import os
import subprocess
import sys
from collections import Counter
from itertools import islice, pairwise
from statistics import quantiles
from typing import cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.errors import ConfigError
from detectors.events import EVENT_TYPES, BookSnapshot, Cancel, Event, LeverageChange, Liquidation, Trade
from streams.simulator import Exchange, ExchangeSettings, plant
from tests.streams.simulator.recording import Recording

SYMBOL_SETS = (("BTC-PERP",), ("XRP-PERP", "NEW-PERP"), ("BTC-PERP", "ETH-PERP", "SOL-PERP", "XRP-PERP"))


def encoded(exchange: Exchange) -> bytes:
    return msgspec.json.Encoder().encode_lines([event for _, event in exchange.events()])


def test_the_same_seed_gives_the_same_bytes_and_another_one_others() -> None:
    small = ExchangeSettings(seed=1, events_per_s=300, duration_s=40)
    incidents = plant(1, small, warmup_s=5)
    assert encoded(Exchange(small, incidents)) == encoded(Exchange(small, incidents))
    assert encoded(Exchange(small)) != encoded(Exchange(ExchangeSettings(seed=2, events_per_s=300, duration_s=40)))


def test_the_order_of_hashing_does_not_matter() -> None:
    program = (
        "import msgspec; from streams.simulator import Exchange, ExchangeSettings, plant; "
        "s = ExchangeSettings(events_per_s=200, duration_s=20); e = Exchange(s, plant(1, s, warmup_s=1, "
        "families=('correlated', 'cancel_ring'))); print(msgspec.json.encode([event for _, event in e.events()]))"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    ]
    assert outputs[0] == outputs[1]
    assert len(outputs[0]) > 100_000


def test_an_exchange_can_be_run_again() -> None:
    exchange = Exchange(ExchangeSettings(events_per_s=300, duration_s=2))
    assert encoded(exchange) == encoded(exchange)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), symbols=st.sampled_from(SYMBOL_SETS), duration_s=st.floats(0.05, 3))
def test_any_seed_gives_valid_events_in_order_and_in_time(
    seed: int, symbols: tuple[str, ...], duration_s: float
) -> None:
    small = ExchangeSettings(
        seed=seed, symbols=symbols, accounts=120, makers=5, events_per_s=200, duration_s=duration_s, start_us=10**15 + 7
    )
    decoders = {topic: msgspec.json.Decoder(kind, strict=False) for topic, kind in EVENT_TYPES.items()}
    before_us = small.start_us
    for topic, event in Exchange(small).events():
        assert before_us <= event.timestamp < small.end_us
        before_us = event.timestamp
        assert decoders[topic].decode(msgspec.json.encode(event)) == event
        if isinstance(event, BookSnapshot):
            check_book(event)


def check_book(book: BookSnapshot) -> None:
    bids, asks = [price for price, _ in book.bids], [price for price, _ in book.asks]
    assert bids == sorted(set(bids), reverse=True)
    assert asks == sorted(set(asks))
    assert not bids or not asks or bids[0] < asks[0]
    assert all(amount > 0 for _, amount in book.bids + book.asks)


def test_a_long_run_is_valid_and_in_order(recording: Recording) -> None:
    times = [event.timestamp for _, event in recording.events]
    assert times == sorted(times)
    for topic, event in recording.events:
        assert type(event) is EVENT_TYPES[topic]
        if isinstance(event, BookSnapshot):
            check_book(event)
            assert len(event.bids) == len(event.asks) == 20
    order_ids = [event.order_id for _, event in recording.events if isinstance(event, Cancel)]
    assert len(order_ids) == len(set(order_ids))


def test_the_run_fills_its_time_and_keeps_to_the_rate(recording: Recording) -> None:
    wanted = recording.settings
    assert wanted.end_us - recording.events[-1][1].timestamp < 1_000_000
    assert len(recording.events) / wanted.duration_s == pytest.approx(wanted.events_per_s, rel=0.25)


@pytest.mark.parametrize("events_per_s", [100, 4_000])
def test_other_rates_are_kept_too(events_per_s: int) -> None:
    duration_s = 80_000 / events_per_s / 2 if events_per_s > 1_000 else 120
    wanted = ExchangeSettings(seed=3, events_per_s=events_per_s, duration_s=duration_s)
    count = sum(1 for _ in Exchange(wanted).events())
    assert count / duration_s == pytest.approx(events_per_s, rel=0.25)


def test_every_stream_has_its_share(recording: Recording) -> None:
    counts = Counter(topic for topic, _ in recording.events)
    shares = {topic: counts[topic] / counts.total() for topic in counts}
    assert 0.6 < shares["cancels"] < 0.8
    assert 0.15 < shares["trades"] < 0.35
    assert 0.002 < shares["leverage"] < 0.02
    assert counts["books"] == 10 * 4 * recording.settings.duration_s
    assert counts["tickers"] == 4 * recording.settings.duration_s
    assert counts["liquidations"] > 0


def test_cancelled_orders_lived_as_long_as_recorded_ones_do(recording: Recording) -> None:
    lives_s = [
        (event.timestamp - event.order_timestamp) / 1e6 for _, event in recording.events if isinstance(event, Cancel)
    ]
    assert min(lives_s) >= 0
    deciles = quantiles(lives_s, n=10)
    assert 0.05 < deciles[0] < 0.4
    assert 4 < deciles[4] < 16
    assert 40 < deciles[8] < 150


def test_makers_orders_are_shorter_lived(recording: Recording) -> None:
    lives: dict[bool, list[int]] = {False: [], True: []}
    for _, event in recording.events:
        if isinstance(event, Cancel):
            lives[event.account.startswith("maker")].append(event.timestamp - event.order_timestamp)
    assert 2 * quantiles(lives[True], n=2)[0] < quantiles(lives[False], n=2)[0]


def test_what_is_cancelled_stood_in_the_book(recording: Recording) -> None:
    shown: dict[tuple[str, str], tuple[int, dict[float, float]]] = {}
    checked = 0
    for _, event in islice(recording.events, 60_000):
        if isinstance(event, BookSnapshot):
            shown[event.symbol, "buy"] = event.timestamp, dict(event.bids)
            shown[event.symbol, "sell"] = event.timestamp, dict(event.asks)
        elif isinstance(event, Cancel) and (event.symbol, event.side) in shown:
            shown_us, levels = shown[event.symbol, event.side]
            if event.order_timestamp < shown_us and min(levels) <= event.price <= max(levels):
                assert levels[event.price] >= event.amount - 1e-6
                checked += 1
    assert checked > 5_000


def test_activity_is_heavy_tailed(recording: Recording) -> None:
    takers = Counter(event.taker_account for _, event in recording.events if isinstance(event, Trade))
    assert len(takers) > 1_000
    top = sum(count for _, count in takers.most_common(len(takers) // 100))
    assert top > 0.15 * takers.total()


def test_leverage_changes_follow_from_each_other(recording: Recording) -> None:
    leverage: dict[tuple[str, str], float] = {}
    for _, event in recording.events:
        if isinstance(event, LeverageChange):
            key = event.account, event.symbol
            assert event.prev_leverage is not None
            assert leverage.get(key, event.prev_leverage) == event.prev_leverage != event.leverage
            assert (event.entry_price is not None) == (event.position != 0)
            leverage[key] = event.leverage


def test_a_liquidation_is_told_right_after_its_trades(recording: Recording) -> None:
    for (_, before), (_, event) in pairwise(recording.events):
        if isinstance(event, Liquidation):
            trade = cast("Trade", before)
            assert (trade.timestamp, trade.symbol, trade.side) == (event.timestamp, event.symbol, event.side)
            assert trade.liquidation
            assert trade.taker_account == event.account


def test_an_account_that_is_not_admitted_places_no_more_orders() -> None:
    small = ExchangeSettings(events_per_s=500, duration_s=10)
    stop_us = small.start_us + 3_000_000

    def admission(account: str, symbol: str, now_us: int) -> bool:
        assert symbol in small.symbols
        return now_us < stop_us or not account.startswith("maker")

    events: list[Event] = [event for _, event in Exchange(small, admission=admission).events()]
    placed_us = [event.order_timestamp for event in events if isinstance(event, Cancel) and event.account[0] == "m"]
    assert stop_us - 500_000 < max(placed_us) < stop_us
    assert any(isinstance(event, Cancel) and event.account[0] == "m" and event.timestamp > stop_us for event in events)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"seed": -1}, "exchange.seed must be >= 0, was -1"),
        ({"symbols": ()}, r"exchange.symbols must name at least one, was \(\)"),
        ({"symbols": ("A", "A")}, "exchange.symbols must differ"),
        ({"accounts": 99, "makers": 2}, "exchange.accounts must be >= 100, was 99"),
        ({"makers": 1}, "exchange.makers must be in 2..accounts/4, was 1"),
        ({"events_per_s": 87.0}, "exchange.events_per_s must be >= 88 for these symbols, was 87"),
        ({"duration_s": 0.0}, "exchange.duration_s must be > 0, was 0.0"),
        ({"start_us": 5}, "exchange.start_us must be in 3600000000.."),
    ],
)
def test_settings_out_of_range_are_refused(changed: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ExchangeSettings(**changed)  # type: ignore[arg-type]
