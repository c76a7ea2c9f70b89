"""Follows the topics that the console shows, outside every consumer group, and begins again when the broker is away."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from detectors.errors import BrokerError, DecodeError
from detectors.results import Alert
from streams.console.console_metrics import FOLLOWED, ConsoleMetrics
from streams.console.pulse import Pulse
from streams.console.view import ConsoleView
from streams.settings import Settings
from streams.times import now_us
from streams.topic_reading import existing_partitions, is_at_end, lone_consumer
from streams.topics import AUDIT, LIMIT_ACKS, SIGNALS

_POLL_MS = 200
#: A page must be answered meanwhile: some milliseconds of work.
_MOST_AT_ONCE = 200
#: A broker answers every fetch within a second, records or not.
_SILENCE_S = 5.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 10.0
#: Of topics that grow for ever, reading begins so many records before their end.
_TAIL = {SIGNALS: 20_000, AUDIT: 20_000, LIMIT_ACKS: 2_000}

_Found = TypeVar("_Found")

_log = logging.getLogger(__name__)


class Feed:
    """Feeds a view, from the beginning of what it has to know, then on.

    Parameters
    ----------
    settings
        Where the broker is.
    view
        What to feed.
    metrics
        What counts.
    changed
        Called after each batch with the alerts that were opened in it; none while the past is still read.
    """

    def __init__(
        self,
        settings: Settings,
        view: ConsoleView,
        metrics: ConsoleMetrics,
        changed: Callable[[Sequence[Alert]], None],
    ) -> None:
        self.pulses = {topic: Pulse() for topic in FOLLOWED}
        self.caught_up = False
        self.connected = False
        self.heard_us: int | None = None
        self.fault = ""
        self._settings = settings
        self._view = view
        self._metrics = metrics
        self._changed = changed
        self._positions: dict[TopicPartition, int] = {}
        self._polled_ms: int | None = None

    async def run(self) -> None:
        """Follow until cancelled."""
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                await self._read()
            except (KafkaError, OSError, BrokerError) as error:
                self.fault = str(error) or type(error).__name__
                _log.warning("expected to follow %s, found: %s", self._settings.broker, self.fault)
            pause_s = _FIRST_PAUSE_S if self.connected else min(2 * pause_s, _LONGEST_PAUSE_S)
            self._set_connected(False)
            await asyncio.sleep(pause_s)

    async def _read(self) -> None:
        places = await _to_its_end(self._places())
        async with lone_consumer(self._settings, "console", fetch_wait_ms=_POLL_MS) as consumer:
            consumer.assign(places)
            await self._begin(consumer, places)
            self._polled_ms = None
            alive_s = time.monotonic()
            while True:
                batches = await consumer.getmany(*places, timeout_ms=_POLL_MS, max_records=_MOST_AT_ONCE)
                self._take(batches)
                now_s = time.monotonic()
                if batches or self._answered(consumer, places):
                    alive_s = now_s
                    self._set_connected(True)
                    self.caught_up = self.caught_up or await _all_read(consumer, places)
                elif now_s - alive_s > _SILENCE_S:
                    raise ConnectionError(f"expected an answer within {_SILENCE_S:g} s, found none")
                # A full buffer is handed out without a pause.
                await asyncio.sleep(0)

    async def _places(self) -> list[TopicPartition]:
        return [
            TopicPartition(topic, number)
            for topic in FOLLOWED
            for number in await existing_partitions(self._settings, topic)
        ]

    async def _begin(self, consumer: AIOKafkaConsumer, places: Sequence[TopicPartition]) -> None:
        await consumer.seek_to_beginning(*places)
        tails = [place for place in places if place.topic in _TAIL and place not in self._positions]
        if tails:
            ends = await consumer.end_offsets(tails)
            for place in tails:
                begin = await consumer.position(place)
                consumer.seek(place, max(begin, ends[place] - _TAIL[place.topic]))
        for place, offset in self._positions.items():
            if place in places:
                consumer.seek(place, offset)

    def _take(self, batches: dict[TopicPartition, list[Any]]) -> None:
        opened: list[Alert] = []
        for place, records in batches.items():
            pulse = self.pulses[place.topic]
            pulse.see(len(records), max(record.timestamp for record in records), time.monotonic())
            self._metrics.records.labels(place.topic).inc(len(records))
            for record in records:
                self._take_record(record, opened)
            self._positions[place] = records[-1].offset + 1
        if batches:
            self._changed(opened if self.caught_up else ())

    def _take_record(self, record: ConsumerRecord, opened: list[Alert]) -> None:
        try:
            seen = self._view.take(record.topic, record.offset, record.key, record.value)
        except DecodeError:
            # What it says may name accounts: where it stands is enough to look it up.
            _log.warning("expected a record of %s at %d:%d", record.topic, record.partition, record.offset)
            self.pulses[record.topic].unreadable += 1
            self._metrics.unreadable.labels(record.topic).inc()
            return
        if seen.opened is not None:
            opened.append(seen.opened)
        if seen.ack is not None and self.caught_up:
            self._metrics.limit_acks.labels(seen.ack.status).inc()
            if seen.ack_s is not None:
                self._metrics.limit_ack_seconds.observe(seen.ack_s)

    def _answered(self, consumer: AIOKafkaConsumer, places: Sequence[TopicPartition]) -> bool:
        """Whether all partitions were polled since it last was so."""
        polled_ms = [consumer.last_poll_timestamp(place) for place in places]
        if None in polled_ms or min(polled_ms) == self._polled_ms:
            return False
        self._polled_ms = min(polled_ms)
        return True

    def _set_connected(self, connected: bool) -> None:
        if connected:
            self.heard_us = now_us()
            self.fault = ""
        if connected != self.connected:
            self.connected = connected
            self._metrics.feed_connected.set(connected)
            self._changed(())


async def _to_its_end(work: Coroutine[Any, Any, _Found]) -> _Found:
    """Await something that must not be cut off: a client that is cancelled while it closes never closes."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


async def _all_read(consumer: AIOKafkaConsumer, places: Sequence[TopicPartition]) -> bool:
    for place in places:
        if not await is_at_end(consumer, place):
            return False
    return True
