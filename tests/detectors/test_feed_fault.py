"""Feed fault: a broken input is told as one, raises no alarm about the market, and a quiet symbol is not broken."""

import random

import msgspec
import pytest

from detectors.config import CoreSettings
from detectors.events import BookSnapshot
from detectors.pipeline import Pipeline
from detectors.results import Alert
from tests.detectors.further_flows import SYMBOL, books, grave, in_order, results_of, trades
from tests.helpers import Arrival, Log, at_us

END_S, FAULT_S = 330.0, 300.0


def between(arrivals: list[Arrival], begin_s: float, end_s: float) -> list[Arrival]:
    return [one for one in arrivals if at_us(begin_s) <= one[1].timestamp < at_us(end_s)]


def only_feed_fault(alerts: list[Alert], topic: str) -> Alert:
    """The first alert above info, of those that are all about a feed."""
    found = grave(alerts)
    assert {(alert.pattern, alert.symbol) for alert in found} == {("feed_fault", SYMBOL)}
    assert found[0].title.startswith(f"Feed fault on {SYMBOL}: {topic}, ")
    assert found[0].runbook.endswith("#feed_fault")
    return found[0]


def test_books_that_stall_while_trades_go_on_are_told_while_they_stall() -> None:
    flow = books(1, END_S)
    stalled = between(flow, 0.0, FAULT_S) + between(flow, FAULT_S + 15.0, END_S)
    alert = only_feed_fault(results_of(stalled, trades(1, END_S)).alerts, "books")
    assert "seconds of silence" in alert.title
    assert at_us(FAULT_S) < alert.timestamp < at_us(FAULT_S + 10.0)


def test_a_symbol_on_which_everything_falls_silent_is_quiet_and_not_broken() -> None:
    calm = in_order(books(2, END_S), trades(2, END_S))
    other = [("trades", msgspec.structs.replace(one, symbol="ETH-PERP")) for _, one in trades(3, END_S)]
    quiet = between(calm, 0.0, FAULT_S) + between(calm, FAULT_S + 15.0, END_S)
    assert [one for one in results_of(quiet, other).alerts if one.pattern == "feed_fault"] == []


def test_trades_that_pause_while_books_go_on_are_not_broken() -> None:
    flow = trades(4, END_S)
    assert grave(results_of(between(flow, 0.0, FAULT_S), books(4, END_S)).alerts) == []


def test_books_that_stand_still_are_told_and_what_they_show_is_held_back() -> None:
    def frozen(arrivals: list[Arrival]) -> list[Arrival]:
        last = next(one for _, one in reversed(between(arrivals, 0.0, FAULT_S)) if isinstance(one, BookSnapshot))
        shown = last
        found = between(arrivals, 0.0, FAULT_S)
        for _, one in between(arrivals, FAULT_S, END_S):
            if one.timestamp >= at_us(FAULT_S + 4.0):
                # The same prices still, and nearly nothing there.
                shown = msgspec.structs.replace(last, bids=last.bids[::14], asks=last.asks[::14])
            found.append(("books", msgspec.structs.replace(shown, timestamp=one.timestamp)))
        return found

    log = Log(in_order(frozen(books(5, END_S)), trades(5, END_S)), 1)
    pipeline = Pipeline(CoreSettings(), 1, log.partition_of)
    for topic, offset, event in log.records:
        pipeline.push(topic, offset, event)
    pipeline.flush()
    alert = only_feed_fault(pipeline.results().alerts, "books")
    assert "snapshots without a change" in alert.title
    assert pipeline.counters["held_back"] > 10


@pytest.mark.parametrize("topic", ["trades", "books"])
def test_events_sent_twice_are_told(topic: str) -> None:
    flow = books(6, END_S) + [
        ("trades", msgspec.structs.replace(one, trade_id=number)) for number, (_, one) in enumerate(trades(6, END_S))
    ]
    twice = [one for one in flow if one[0] == topic and at_us(FAULT_S) <= one[1].timestamp < at_us(FAULT_S + 10.0)]
    alert = only_feed_fault(results_of(flow, twice).alerts, topic)
    assert "repeated events" in alert.title


def test_events_out_of_order_beyond_the_lateness_are_told() -> None:
    chance = random.Random(7)
    calm = in_order(books(7, END_S), trades(7, END_S))
    delayed = [
        (one.timestamp + (3_000_000 if one.timestamp >= at_us(FAULT_S) and chance.random() < 0.5 else 0), number)
        for number, (_, one) in enumerate(calm)
    ]
    log = Log([calm[number] for _, number in sorted(delayed)], 1)
    pipeline = Pipeline(CoreSettings(), 1, log.partition_of)
    for topic, offset, event in log.records:
        pipeline.push(topic, offset, event)
    pipeline.flush()
    found = grave(pipeline.results().alerts, "feed_fault")
    assert any("out of order" in alert.title for alert in found)


def test_a_calm_market_has_no_faults() -> None:
    assert [one for one in results_of(books(8, END_S), trades(8, END_S)).alerts if one.pattern == "feed_fault"] == []
