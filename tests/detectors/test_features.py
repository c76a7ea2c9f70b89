"""From events to numbers, against what the numbers mean by definition."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.cancel_burst import UNKNOWN_AGE_COST, cancel_cost
from detectors.events import BookSnapshot, Cancel, Event, Level, Trade
from detectors.features.book import BANDS_BP, book_features
from detectors.features.market import MarketTick

MID = 1_000.0
amounts = st.floats(1e-3, 1e4)


def sides(sign: int) -> st.SearchStrategy[list[Level]]:
    """Levels that go away from the mid price, best first."""

    def levels(drawn: list[tuple[int, float]]) -> list[Level]:
        distance_bp, made = 0, []
        for step_bp, amount in drawn:
            distance_bp += step_bp
            # An eighth of a basis point off, so that no level lies on the edge of a band by rounding.
            made.append((MID * (1 + sign * (distance_bp - 0.125) * 1e-4), amount))
        return made

    return st.lists(st.tuples(st.integers(1, 15), amounts), max_size=12).map(levels)


def slippage_bp(levels: list[Level], mid: float, order_notional: float) -> float:
    """Average distance paid, filled in small pieces."""
    left, paid, distance_bp = order_notional, 0.0, 0.0
    for price, amount in levels:
        distance_bp = abs(price - mid) / mid * 1e4
        piece = min(left, price * amount)
        paid += piece * distance_bp
        left -= piece
    return (paid + left * 2.0 * max(distance_bp, 50.0)) / order_notional


@given(sides(-1), sides(1), st.floats(1.0, 1e8))
def test_book_features_are_what_they_are_called(bids: list[Level], asks: list[Level], order_notional: float) -> None:
    x = book_features(BookSnapshot(0, "X", bids, asks), order_notional)
    assert all(math.isfinite(value) for value in x.values())
    mid = (bids[0][0] + asks[0][0]) / 2 if bids and asks else (bids or asks or [(1.0, 1.0)])[0][0]
    assert x["mid"] == pytest.approx(mid)
    for side, levels in (("bid", bids), ("ask", asks)):
        for band in BANDS_BP:
            inside = [price * amount for price, amount in levels if abs(price - mid) <= band * 1e-4 * mid]
            assert x[f"{side}_depth_{band}bp"] == pytest.approx(sum(inside))
        assert x[f"{side}_slippage_bp"] == pytest.approx(slippage_bp(levels, mid, order_notional), rel=1e-6, abs=1e-6)
    if bids and asks:
        assert x["spread_bp"] == pytest.approx((asks[0][0] - bids[0][0]) / mid * 1e4)
    assert -1.0 <= x["imbalance"] <= 1.0


def test_an_empty_side_has_no_depth_and_the_worst_slippage() -> None:
    x = book_features(BookSnapshot(0, "X", [], [(100.0, 5.0)]), order_notional=1_000.0)
    assert [x[f"bid_depth_{band}bp"] for band in BANDS_BP] == [0.0] * 4
    assert x["bid_slippage_bp"] == 100.0
    assert x["imbalance"] == -1.0
    assert x["spread_bp"] == 100.0


def test_an_empty_book_is_all_zeros_and_still_finite() -> None:
    x = book_features(BookSnapshot(0, "X", [], []), order_notional=1_000.0)
    assert all(math.isfinite(value) for value in x.values())
    assert x["imbalance"] == 0.0


names = st.sampled_from(["A", "B"])
accounts = st.sampled_from(["a", "b", "c", ""])
times = st.integers(1_000_000_000, 1_000_099_999)
cancels = st.builds(
    Cancel,
    times,
    names,
    accounts.filter(bool),
    st.just("o"),
    st.just("buy"),
    st.floats(0.01, 1e5),
    st.floats(0.0, 1e3),
    st.one_of(st.just(0), st.integers(500_000_000, 1_001_000_000)),
)
trades = st.builds(
    Trade, times, names, st.floats(0.01, 1e5), st.just(1.0), st.just("sell"), st.just(""), accounts, accounts
)
books = st.builds(
    BookSnapshot,
    times,
    names,
    st.lists(st.tuples(amounts, amounts), max_size=2),
    st.lists(st.tuples(amounts, amounts), max_size=2),
)


def folded(events: list[Event], cut: int) -> dict[str, object]:
    """A tick of events that came in two batches, as plain values."""
    tick = MarketTick()
    for batch in (events[:cut], events[cut:]):
        tick.add_cancels([event for event in batch if isinstance(event, Cancel)])
        tick.add_trades([event for event in batch if isinstance(event, Trade)])
        tick.add_books([event for event in batch if isinstance(event, BookSnapshot)])
    return {
        name: (dict(sorted(state.accounts.items())), state.trades, state.book)
        for name, state in sorted(tick.symbols.items())
    }


@given(st.lists(st.one_of(cancels, trades, books), max_size=15), st.randoms(use_true_random=False), st.integers(0, 15))
def test_a_tick_does_not_depend_on_the_order_of_its_events(
    events: list[Event], chance: random.Random, cut: int
) -> None:
    shuffled = list(events)
    chance.shuffle(shuffled)
    assert folded(shuffled, cut) == folded(events, len(events))


@given(st.lists(st.one_of(cancels, trades), max_size=20))
def test_a_tick_counts_what_each_account_did(events: list[Event]) -> None:
    tick = MarketTick()
    tick.add_cancels([event for event in events if isinstance(event, Cancel)])
    tick.add_trades([event for event in events if isinstance(event, Trade)])
    for symbol in "AB":
        for account in "abc":
            own = [one for one in events if isinstance(one, Cancel) and (one.symbol, one.account) == (symbol, account)]
            pressure = sum(
                cancel_cost(max(one.timestamp - one.order_timestamp, 0)) if one.order_timestamp else UNKNOWN_AGE_COST
                for one in own
            )
            fills = sum(
                (one.taker_account == account) + (one.maker_account == account)
                for one in events
                if isinstance(one, Trade) and one.symbol == symbol
            )
            cents = sum(int(one.price * one.amount * 100.0) for one in own)
            found = tick.symbols[symbol].accounts.get(account, [0] * 4) if symbol in tick.symbols else [0] * 4
            assert found == [len(own), pressure, fills, cents]
