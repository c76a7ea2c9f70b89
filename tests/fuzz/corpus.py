"""Valid records to start from: those of the simulated exchange, and what the stages made of them."""

import json
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from detectors.account_stage import AccountStage
from detectors.correlation_stage import CorrelationStage
from detectors.events import EVENT_TYPES, Event, Latency
from detectors.market_stage import MarketStage
from detectors.pipeline import source_names
from streams.codecs import encode_alert, encode_event, encode_frame
from streams.simulator import Exchange, ExchangeSettings, plant
from tests.helpers import quick_settings

#: Fields of an element as JSON, name and value, in the order in which they stand.
Fields = tuple[tuple[bytes, bytes], ...]


class Corpus(NamedTuple):
    """Valid elements by topic, and valid records of the topics between stages and of alerts."""

    elements: dict[str, list[Fields]]
    frames: dict[str, list[bytes]]


def exchange(seed: int, duration_s: float = 100.0) -> list[tuple[str, Event]]:
    """Events of two symbols, some 70 a second, with incidents after the first third."""
    settings = ExchangeSettings(
        seed=seed,
        symbols=("BTC-PERP", "ETH-PERP"),
        accounts=100,
        makers=4,
        events_per_s=60.0,
        duration_s=duration_s,
    )
    return list(Exchange(settings, plant(seed, settings, warmup_s=duration_s / 3)).events())


@cache
def corpus(seed: int = 1) -> Corpus:
    """Make it once; the same seed gives the same records."""
    events = exchange(seed)
    elements: dict[str, list[Fields]] = {topic: [] for topic in EVENT_TYPES}
    for topic, event in [*events, *_latencies(events)]:
        if len(elements[topic]) < 400:
            elements[topic].append(fields_of(encode_event(event)))
    if not elements["liquidations"]:
        elements["liquidations"] = [as_liquidation(fields) for fields in elements["trades"]]
    return Corpus(elements, _frames_of(events))


def fields_of(raw: bytes) -> Fields:
    """Take an object apart."""
    return tuple((encoded(name), encoded(value)) for name, value in json.loads(raw).items())


def encoded(value: object) -> bytes:
    """A value as JSON."""
    return json.dumps(value, separators=(",", ":")).encode()


def rendered(fields: Fields) -> bytes:
    """Put an object together again."""
    return b"{" + b",".join(name + b":" + value for name, value in fields) + b"}"


def as_liquidation(trade: Fields) -> Fields:
    """The trade as a position closed by force."""
    kept = [field for field in trade if field[0] in (b'"timestamp"', b'"symbol"', b'"side"', b'"price"', b'"amount"')]
    return ((b'"type"', b'"liquidation"'), *kept, (b'"account"', b'"trader-00001"'))


def _latencies(events: list[tuple[str, Event]]) -> Iterator[tuple[str, Event]]:
    for number, (_, event) in enumerate(events[:400]):
        yield "latency", Latency(event.timestamp, f"gateway-{number % 3}", 40.0 + number)


def _frames_of(events: list[tuple[str, Event]]) -> dict[str, list[bytes]]:
    """Run the stages over the events, and keep what passes between them."""
    settings = quick_settings()
    market = MarketStage(0, 1, settings, lambda _: 0)
    account, correlation = AccountStage(0, 1, settings), CorrelationStage(source_names(1), settings)
    found: dict[str, list[bytes]] = {"account-activity": [], "signals": [], "alerts": []}
    for offset, (topic, event) in enumerate(events):
        (account if topic == "leverage" else market).push(topic, (offset,), (event,), 0)
        if offset % 100:
            continue
        for stage in (market, account):
            stage.complete(event.timestamp - settings.timing.lateness_us)
        output, said = market.poll(0), []
        if output is not None:
            found["account-activity"] += [encode_frame(frame) for frame in output.activity]
            account.push_frame(output.activity[0], offset, 0)
            said.append(output.signals)
        said += [found.signals for found in (account.poll(0),) if found is not None]
        for frame in said:
            found["signals"].append(encode_frame(frame))
            correlation.push_frame(frame, offset, 0)
        judged = correlation.poll(0)
        found["alerts"] += [encode_alert(alert) for alert in judged.alerts]
    return found
