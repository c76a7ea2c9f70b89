"""Input that is refused does not look calm: it is told of its symbol and topic, and what rests on it is held back."""

import random
from functools import cache

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.config import CoreSettings
from detectors.events import BookSnapshot, Trade
from detectors.pipeline import Pipeline, Results
from detectors.results import RefusedRecord
from tests.detectors.full_flow import full_flow
from tests.detectors.further_flows import SYMBOL, books, grave, in_order, trades
from tests.detectors.killed import KilledWorkers
from tests.detectors.test_killed import WITHOUT_SHRINKING, once, seeds
from tests.detectors.workers import Workers, alerts_of_pipeline, results_of_pipeline
from tests.helpers import Arrival, Log, at_us, quick_settings, shuffled_within

END_S, FAULT_S = 330.0, 300.0


def found_of(*flows: list[Arrival], topic: str, reason: str, share: float = 1.0, since_s: float = FAULT_S) -> Results:
    """What is said of flows of which a share of a topic is refused from some time on."""
    chance = random.Random(1)

    def refuse(arrival: Arrival) -> str | None:
        is_bad = arrival[0] == topic and arrival[1].timestamp >= at_us(since_s) and chance.random() < share
        return reason if is_bad else None

    return results_of_pipeline(Log(in_order(*flows), 1, refuse), CoreSettings())


def test_crossed_books_are_told_as_such_and_where_they_lie() -> None:
    flow = books(1, END_S)
    first_bad = sum(event.timestamp < at_us(FAULT_S) for _, event in flow)
    alerts = grave(found_of(flow, trades(1, END_S), topic="books", reason="crossed_book").alerts)
    assert {(alert.pattern, alert.symbol) for alert in alerts} == {("feed_fault", SYMBOL)}
    assert alerts[0].title.startswith(f"Feed fault on {SYMBOL}: books, refused: crossed book ")
    assert at_us(FAULT_S) < alerts[0].timestamp < at_us(FAULT_S + 8.0)
    (evidence,) = (one for one in alerts[0].evidence if one.topic == "books")
    assert evidence.last_offset > first_bad


def test_what_rests_on_an_input_of_which_half_is_refused_is_held_back() -> None:
    thinner = books(2, END_S, scale=lambda time_s: 0.001 if time_s > FAULT_S + 5.0 else 1.0)
    chance = random.Random(1)
    log = Log(
        in_order(thinner, trades(2, END_S)),
        1,
        lambda one: (
            "schema" if one[0] == "books" and one[1].timestamp >= at_us(FAULT_S) and chance.random() < 0.5 else None
        ),
    )
    pipeline = Pipeline(CoreSettings(), 1, log.partition_of)
    for topic, offset, event in log.records:
        refused = log.refused.get((topic, 0, offset))
        if refused is None:
            pipeline.push(topic, offset, event)
        else:
            pipeline.refuse(topic, 0, refused)
    pipeline.flush()
    assert {alert.pattern for alert in grave(pipeline.results().alerts)} == {"feed_fault"}
    assert pipeline.counters["held_back"] > 10


def test_refused_records_that_say_nothing_are_told_of_topic_and_partition() -> None:
    flows = books(3, END_S), trades(3, END_S, per_s=lambda _: 12.0)
    alerts = grave(found_of(*flows, topic="trades", reason="malformed", share=0.8).alerts)
    assert {(alert.pattern, alert.symbol) for alert in alerts} == {("feed_fault", "*")}
    assert alerts[0].title.startswith("Feed fault of trades[0]: trades, refused: malformed ")


def test_trades_that_are_all_refused_are_told_though_trades_may_pause() -> None:
    flows = books(4, END_S), trades(4, END_S)
    alerts = grave(found_of(*flows, topic="trades", reason="schema").alerts)
    assert {(alert.pattern, alert.symbol) for alert in alerts} == {("feed_fault", SYMBOL)}
    assert "trades, refused: schema" in alerts[0].title


def test_a_share_that_was_always_refused_is_a_habit() -> None:
    flows = books(5, END_S), trades(5, END_S)
    assert grave(found_of(*flows, topic="books", reason="crossed_book", share=0.1, since_s=0.0).alerts) == []


def test_events_too_far_ahead_are_refused_and_told() -> None:
    flow = in_order(books(6, END_S), trades(6, END_S))
    wild = [
        (topic, msgspec.structs.replace(one, timestamp=one.timestamp + 10**11) if _is_wild(number, one) else one)
        for number, (topic, one) in enumerate(flow)
    ]
    log = Log(wild, 1)
    pipeline = Pipeline(CoreSettings(), 1, log.partition_of)
    refusals = [pipeline.push(topic, offset, event) for topic, offset, event in log.records]
    pipeline.flush()
    assert sum(one is not None for one in refusals) > 20
    reasons = {part.signal for signal in pipeline.results().signals for part in signal.contributions}
    assert "books, refused: future" in reasons


def _is_wild(number: int, event: object) -> bool:
    return isinstance(event, BookSnapshot) and event.timestamp >= at_us(FAULT_S) and number % 2 == 0


def test_made_up_symbols_take_no_memory() -> None:
    log = Log(in_order(books(7, 30.0)), 1)
    pipeline = Pipeline(CoreSettings(), 1, log.partition_of)
    for topic, offset, event in log.records:
        pipeline.push(topic, 200 * offset, event)
        for number in range(1, 200):
            offset_of = 200 * offset + number
            pipeline.refuse(topic, 0, RefusedRecord(offset_of, "schema", event.timestamp + number, f"S{offset_of}"))
    pipeline.flush()
    (market,) = pipeline._market
    assert set(market.kept()["feed"]) == {SYMBOL, ""}


def _refuse(arrival: Arrival) -> str | None:
    """Some of everything, and a while of crossed books."""
    topic, event = arrival
    if topic == "leverage" or event.timestamp % 20:
        is_crossed = topic == "books" and at_us(112.0) < event.timestamp < at_us(122.0)
        return "crossed_book" if is_crossed else None
    return ("malformed", "schema")[event.timestamp // 20 % 2]


@cache
def the_log() -> Log:
    return Log(full_flow(), 2, _refuse)


@cache
def expected() -> list[bytes]:
    alerts = alerts_of_pipeline(the_log(), quick_settings())
    assert any("refused: crossed book" in alert.title for alert in alerts)
    return [msgspec.json.encode(alert) for alert in alerts]


@pytest.mark.slow
@settings(max_examples=2, phases=WITHOUT_SHRINKING)
@given(seeds, st.sampled_from([60, 400]))
def test_what_was_refused_counts_once_whatever_the_batches_and_the_kills(seed: int, batch: int) -> None:
    workers = KilledWorkers(quick_settings(), the_log(), seed, batch)
    assert once(workers.run()) == expected()
    assert workers.happened["taken up"] > 0
    assert workers.notes == []


@settings(max_examples=2, phases=WITHOUT_SHRINKING)
@given(seeds)
def test_crossed_books_in_another_order_within_the_lateness_say_the_same(seed: int) -> None:
    lateness_us = quick_settings().timing.lateness_us
    flow = [one for one in full_flow() if one[0] in ("books", "trades")]
    calm = [one for one in flow if not isinstance(one[1], Trade) or one[1].trade_id == ""]

    def said(arrivals: list[Arrival]) -> list[tuple[str, int]]:
        log = Log(arrivals, 1, lambda one: _refuse(one) and "crossed_book")
        return [(alert.title, alert.timestamp) for alert in Workers(quick_settings(), log, seed).run()]

    assert said(shuffled_within(calm, lateness_us, seed)) == said(calm)
