"""What goes wrong with the feeds of a simulated exchange raises no alert about its market."""

import random
from collections.abc import Callable
from functools import cache

import pytest

from detectors.config import CoreSettings
from detectors.results import Alert
from streams.simulator import Exchange, ExchangeSettings
from tests.detectors.workers import results_of_pipeline
from tests.helpers import Arrival, Log

SETTINGS = ExchangeSettings(seed=1, symbols=("BTC-PERP",), events_per_s=60, duration_s=345)
#: From when until when something is wrong: behind five minutes of history.
BEGIN_US, END_US = SETTINGS.start_us + 320_000_000, SETTINGS.start_us + 340_000_000
Fault = Callable[[list[Arrival]], list[Arrival]]


@cache
def flow() -> tuple[Arrival, ...]:
    return tuple(Exchange(SETTINGS).events())


def is_faulty(arrival: Arrival) -> bool:
    return BEGIN_US <= arrival[1].timestamp < END_US


def twice(arrivals: list[Arrival]) -> list[Arrival]:
    return [again for one in arrivals for again in ((one, one) if is_faulty(one) else (one,))]


def again_and_again(arrivals: list[Arrival]) -> list[Arrival]:
    return [again for one in arrivals for again in ((one,) * 6 if is_faulty(one) else (one,))]


def late(arrivals: list[Arrival]) -> list[Arrival]:
    """In any order within the lateness, whatever was sent twice apart from each other."""
    chance, lateness_us = random.Random(1), CoreSettings().timing.lateness_us
    return sorted(arrivals, key=lambda one: one[1].timestamp + (chance.randrange(lateness_us) if is_faulty(one) else 0))


def late_and_twice(arrivals: list[Arrival]) -> list[Arrival]:
    return late(twice(arrivals))


def half_missing(arrivals: list[Arrival]) -> list[Arrival]:
    chance = random.Random(2)
    return [one for one in arrivals if not is_faulty(one) or chance.random() < 0.5]


def without_books(arrivals: list[Arrival]) -> list[Arrival]:
    return [one for one in arrivals if one[0] != "books" or not is_faulty(one)]


@cache
def clean() -> frozenset[tuple[str, str]]:
    return frozenset((alert.pattern, alert.symbol) for alert in alerts_of(Log(flow(), 1)))


def alerts_of(log: Log) -> list[Alert]:
    return results_of_pipeline(log, CoreSettings()).alerts


def check(alerts: list[Alert], feeds: set[str]) -> None:
    """Nothing is said of the market that is not said anyway; the topics named are told to be faulty."""
    assert {(alert.pattern, alert.symbol) for alert in alerts if alert.pattern != "feed_fault"} <= clean()
    titles = [alert.title for alert in alerts if alert.pattern == "feed_fault"]
    assert all(any(f": {feed}" in title for title in titles) for feed in feeds), titles
    assert feeds or not titles


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "feeds"),
    [
        (late, set[str]()),
        (twice, {"cancels, repeated"}),
        (again_and_again, {"cancels, repeated"}),
        (late_and_twice, {"cancels, repeated"}),
        (half_missing, set[str]()),
        (without_books, {"books, seconds of silence"}),
    ],
)
def test_a_faulty_feed_raises_no_alert_about_the_market(fault: Fault, feeds: set[str]) -> None:
    check(alerts_of(Log(fault(list(flow())), 1)), feeds)


@pytest.mark.slow
def test_crossed_books_raise_no_alert_about_the_market() -> None:
    chance = random.Random(3)

    def refuse(one: Arrival) -> str | None:
        return "crossed_book" if one[0] == "books" and is_faulty(one) and chance.random() < 0.7 else None

    check(alerts_of(Log(flow(), 1, refuse)), {"books, refused: crossed book"})


@pytest.mark.slow
@pytest.mark.parametrize("topic", ["trades", "cancels", "tickers", "leverage", "liquidations"])
def test_one_topic_sent_twice_raises_no_alert_about_the_market(topic: str) -> None:
    both = [again for one in flow() for again in ((one, one) if one[0] == topic and is_faulty(one) else (one,))]
    alerts = alerts_of(Log(both, 1))
    assert {(alert.pattern, alert.symbol) for alert in alerts if alert.pattern != "feed_fault"} <= clean()
