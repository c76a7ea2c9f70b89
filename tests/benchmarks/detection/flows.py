"""The flows that are watched: a simulated exchange, and recordings."""

import gzip
import heapq
import json
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import msgspec

from detectors.errors import ConfigError
from detectors.events import TOPIC_OF_TYPE, Event, Latency
from streams.simulator import Exchange, ExchangeSettings

SECOND_US = 1_000_000
#: A topic with one of its events, in the order in which the events come.
Arrival = tuple[str, Event]
RECORDINGS = Path(__file__).parents[4] / "shared" / "data"
COMPONENTS = ("gateway", "matching-engine")
SYMBOLS = ("BTC-PERP", "ETH-PERP", "SOL-PERP", "XRP-PERP")
_EVENTS_PER_S = 90.0
#: One of the exchange's ten books a second in so many: a feed of two a second, and so many times the hours.
_BOOKS_EVERY = 5
_LATENCIES_PER_S = 2
_LATENCY_MEDIAN_US, _LATENCY_MEMORY, _LATENCY_SIGMA = 20_000.0, 0.95, 0.25

_decode = msgspec.json.Decoder(Event).decode


class Flow(msgspec.Struct, frozen=True):
    """One run's input.

    Parameters
    ----------
    name
        Shown in reports; runs of one name are halves of each other.
    symbols
        What is traded.
    topics
        What it can hold: incidents that need more are not planted.
    start_us, seconds
        When it begins, and how long it lasts.
    seed
        Of the simulated exchange.
    file
        The recording; empty: a simulated exchange.
    """

    name: str
    symbols: tuple[str, ...]
    topics: frozenset[str]
    start_us: int
    seconds: int
    seed: int = 0
    file: str = ""

    def arrivals(self) -> Iterator[Arrival]:
        """Everything, in order of time."""
        return recorded(Path(self.file)) if self.file else simulated(self)


def simulated_flow(seed: int, seconds: int, symbols: tuple[str, ...] = SYMBOLS) -> Flow:
    """An exchange of a thousand accounts, two books a second and symbol, the latencies of two components."""
    topics = frozenset(("trades", "cancels", "books", "leverage", "tickers", "liquidations", "latency"))
    return Flow("simulated", symbols, topics, ExchangeSettings().start_us, seconds, seed)


def recorded_flow(path: Path) -> Flow:
    """A recording, whole; raises ConfigError when it is empty."""
    symbols: Counter[str] = Counter()
    topics: Counter[str] = Counter()
    times = []
    for topic, event in recorded(path):
        topics[topic] += 1
        if not isinstance(event, Latency):
            symbols[event.symbol] += 1
        times.append(event.timestamp)
    if not times:
        raise ConfigError(f"{path}: expected events, found none")
    # Whole seconds that hold everything.
    start_us = times[0] // SECOND_US * SECOND_US
    seconds = (times[-1] - start_us) // SECOND_US + 1
    return Flow("recorded", tuple(sorted(symbols)), frozenset(topics), start_us, seconds, file=str(path))


def recorded(path: Path) -> Iterator[Arrival]:
    """The events of a recording."""
    with gzip.open(path, "rb") as lines:
        for line in lines:
            yield TOPIC_OF_TYPE[json.loads(line)["type"]], _decode(line)


def simulated(flow: Flow) -> Iterator[Arrival]:
    """The events of a simulated exchange without incidents, its books thinned out, with latencies."""
    settings = ExchangeSettings(
        seed=flow.seed,
        symbols=flow.symbols,
        accounts=1_000,
        makers=12,
        events_per_s=_EVENTS_PER_S,
        duration_s=flow.seconds,
        start_us=flow.start_us,
    )
    return heapq.merge(_thinned(Exchange(settings).events()), latencies(flow), key=lambda one: one[1].timestamp)


def _thinned(arrivals: Iterator[Arrival]) -> Iterator[Arrival]:
    books: Counter[str] = Counter()
    for topic, event in arrivals:
        if topic == "books" and not isinstance(event, Latency):
            books[event.symbol] += 1
            if books[event.symbol] % _BOOKS_EVERY:
                continue
        yield topic, event


def latencies(flow: Flow) -> Iterator[Arrival]:
    """How long components take: log-normal around 20 ms with a memory, and now and then (1 in 200) thrice as long."""
    rng = Random(f"latencies of {flow.seed}")
    wander = dict.fromkeys(COMPONENTS, 0.0)
    step_us = SECOND_US // _LATENCIES_PER_S
    for step in range(flow.seconds * _LATENCIES_PER_S):
        for number, component in enumerate(COMPONENTS):
            own = rng.gauss(0.0, _LATENCY_SIGMA * math.sqrt(1.0 - _LATENCY_MEMORY**2))
            wander[component] = _LATENCY_MEMORY * wander[component] + own
            log_factor = wander[component] + rng.gauss(0.0, _LATENCY_SIGMA)
            spike = 3.0 if rng.random() < 0.005 else 1.0
            at_us = flow.start_us + step * step_us + (number + 1) * step_us // (len(COMPONENTS) + 1)
            yield "latency", Latency(at_us, component, round(_LATENCY_MEDIAN_US * math.exp(log_factor) * spike, 1))
