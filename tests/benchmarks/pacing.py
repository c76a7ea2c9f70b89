"""A producer that keeps its pace whatever others do; event time is the time of day, and more is planted."""

import asyncio
import bisect
import itertools
import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import uvloop
from aiokafka import AIOKafkaProducer

from detectors.events import Cancel
from streams.codecs import encode_event
from streams.topics import bootstrap_servers, partition_of
from tests.benchmarks.backlog import PARTITIONS, Item, density_per_s

#: Events due within a slot are sent together at its end; in smaller batches the embedded broker falls behind.
SLOT_US = 20_000
BURST_CANCELS = 100
#: Symbols of the bursts.
BURST_SYMBOLS = 150
#: A burst for each symbol in so many seconds: the alert before is over by then.
BURST_ROUND_S = 15.0
_CALM_PER_S = 4

Place = tuple[str, int]
#: Topic, symbol and value of a record.
Planting = tuple[str, str, bytes]


class Form(NamedTuple):
    """An event of a loop: where it goes, its bytes with the times left open, and the times within the loop."""

    place: Place
    key: bytes
    pattern: bytes
    times_us: tuple[int, ...]


class Pace:
    """A stretch of the simulated exchange, played again and again at a rate.

    Parameters
    ----------
    items
        The stretch.
    events_per_s
        The rate; event time is stretched to it, so that density and rate agree.

    Attributes
    ----------
    start_us
        When it begins, microseconds since the epoch.
    """

    def __init__(self, items: Sequence[Item], events_per_s: float) -> None:
        self.start_us = 0
        first_us = items[0].event.timestamp
        stretch = density_per_s(items) / events_per_s
        self.forms = [_form(item, first_us, stretch) for item in items]
        self.due_us = [form.times_us[0] for form in self.forms]
        self.span_us = round(len(items) / events_per_s * 1e6)

    def newest_before(self, time_us: int) -> int:
        """The time of the newest event before `time_us`: when the last event of a tick that ends there was due."""
        loop, inside_us = divmod(time_us - self.start_us, self.span_us)
        index = bisect.bisect_left(self.due_us, inside_us) - 1
        base_us = self.start_us + loop * self.span_us
        return base_us + self.due_us[index] if index >= 0 else base_us - self.span_us + self.due_us[-1]


class Paced(NamedTuple):
    """What the producer did."""

    events: int
    seconds: float
    most_late_ms: float
    cpu_s: float


def _form(item: Item, first_us: int, stretch: float) -> Form:
    event, pattern = item.event, item.value.replace(b"%", b"%%")
    stamps = [event.timestamp]
    if isinstance(event, Cancel) and event.order_timestamp:
        stamps.append(event.order_timestamp)
    for name, stamp in zip((b'"timestamp":', b'"order_timestamp":'), stamps, strict=False):
        pattern = pattern.replace(name + b"%d" % stamp, name + b"%d", 1)
    times = tuple(round((stamp - first_us) * stretch) for stamp in stamps)
    return Form((item.topic, item.partition), item.key, pattern, times)


def symbols_in_use(prefix: str, many: int, topic: str, taken: Iterable[Item]) -> list[str]:
    """Names of symbols that fall into the partitions in use: an input that is nearly silent would hold time back."""
    partitions = {item.partition for item in taken if item.topic == topic}
    names = (f"{prefix}-{number:05d}" for number in itertools.count())
    fitting = (name for name in names if partition_of(name, PARTITIONS) in partitions)
    return list(itertools.islice(fitting, many))


class Planted(Protocol):
    """What is sent besides the stretch."""

    def due(self, end_us: int) -> Iterable[Planting]:
        """What is due before `end_us` and was not given before."""
        ...


def pace(broker: str, path: Pace, planted: Planted, seconds: float) -> Paced:
    """Send for so many seconds, and what is planted in between; what came of it."""
    return uvloop.run(_pace(broker, path, planted, seconds))


async def _pace(broker: str, path: Pace, planted: Planted, seconds: float) -> Paced:
    sending = _Sending(AIOKafkaProducer(bootstrap_servers=bootstrap_servers(broker), max_batch_size=1_048_576))
    await sending.producer.start()
    began_cpu_s = time.process_time()
    most_late_us, index, base_us = 0, 0, path.start_us
    try:
        for end_us in range(path.start_us + SLOT_US, path.start_us + round(seconds * 1e6), SLOT_US):
            while base_us + path.due_us[index] < end_us:
                place, key, pattern, times_us = path.forms[index]
                sending.add(place, key, pattern % tuple([base_us + at_us for at_us in times_us]))
                index += 1
                if index == len(path.forms):
                    index, base_us = 0, base_us + path.span_us
            for topic, symbol, value in planted.due(end_us):
                sending.add((topic, partition_of(symbol, PARTITIONS)), symbol.encode(), value)
            wait_us = end_us - time.time_ns() // 1_000
            most_late_us = max(most_late_us, -wait_us)
            await asyncio.sleep(max(wait_us, 0) / 1e6)
            await sending.send()
        await sending.producer.flush()
    finally:
        await sending.producer.stop()
    return Paced(sending.added, seconds, most_late_us / 1e3, time.process_time() - began_cpu_s)


class _Sending:
    """One batch under way for each topic partition; what comes meanwhile goes with the next."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self.producer = producer
        self.added = 0
        self._waiting: dict[Place, list[Any]] = {}
        self._under_way: dict[Place, asyncio.Future[Any]] = {}

    def add(self, place: Place, key: bytes, value: bytes) -> None:
        waiting = self._waiting.setdefault(place, [])
        # None: the batch is full, since the broker does not keep pace; what waits then grows, and so does the latency.
        if not waiting or waiting[-1].append(timestamp=None, key=key, value=value) is None:
            waiting.append(self.producer.create_batch())
            waiting[-1].append(timestamp=None, key=key, value=value)
        self.added += 1

    async def send(self) -> None:
        for place, waiting in self._waiting.items():
            before = self._under_way.get(place)
            if waiting and (before is None or before.done()):
                batch = waiting.pop(0)
                batch.close()
                self._under_way[place] = await self.producer.send_batch(batch, place[0], partition=place[1])


class Bursts:
    """Cancels on symbols of their own: four a second each, and after a warm-up in turn a burst of one account."""

    def __init__(self, symbols: Sequence[str], start_us: int, warm_up_s: float) -> None:
        self._symbols = symbols
        self._calm_every_us = 1_000_000 // (_CALM_PER_S * len(symbols))
        self._burst_every_us = round(BURST_ROUND_S * 1e6 / len(symbols))
        self._next_calm_us = start_us
        self._next_burst_us = start_us + round(warm_up_s * 1e6)
        self._number = 0

    def due(self, end_us: int) -> list[Planting]:
        """What is due before `end_us` and was not given before."""
        found: list[Planting] = []
        while self._next_calm_us < end_us:
            found.append(self._cancel("calm", self._next_calm_us))
            self._next_calm_us += self._calm_every_us
        while self._next_burst_us < end_us:
            found += [self._cancel("burst", self._next_burst_us)] * BURST_CANCELS
            self._next_burst_us += self._burst_every_us
        return found

    def _cancel(self, account: str, at_us: int) -> Planting:
        self._number += 1
        symbol = self._symbols[self._number % len(self._symbols)]
        cancel = Cancel(at_us, symbol, account, self._number, "buy", 100.0, 1.0, at_us - 100_000)
        return "cancels", symbol, encode_event(cancel)
