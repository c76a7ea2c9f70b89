"""Follows `alerts` and `feedback`, and takes what comes into the deliveries together with its offsets."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Set
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata

from detectors.decisions import Feedback
from detectors.errors import BrokerError, DecodeError
from detectors.results import Alert
from streams.client.stopping import stop_consumer
from streams.codecs import decode_alert
from streams.notify.alert_faults import alert_fault
from streams.notify.intake import Batch, Intake, Refused
from streams.notify.notify_metrics import NotifyMetrics
from streams.security import client_security
from streams.settings import Settings
from streams.times import now_us
from streams.topic_reading import TopicRecord, decoder_of, existing_partitions, is_at_end, read_topic
from streams.topics import ALERTS, FEEDBACK, bootstrap_servers

_log = logging.getLogger(__name__)
_decode_feedback = decoder_of(Feedback, FEEDBACK)

_POLL_MS = 500
#: Some brokers answer a waiting fetch at its end alone: it bounds how late a lone alert is.
_FETCH_WAIT_MS = 50
_MOST_AT_ONCE = 500
_COMMIT_EVERY_US = 2_000_000
_FORGET_EVERY_US = 600_000_000
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0


class AlertReader:
    """Reads in a consumer group of its own, for lag to be seen; where it goes on is kept with the deliveries.

    It is no member of the group: a notifier that was killed must not wait for the end of its own session. While the
    broker is away it tries again for ever; what is queued is delivered meanwhile.

    Parameters
    ----------
    settings
        Where the broker is.
    intake
        What takes the records.
    metrics
        What is counted.
    silenced
        Tells the patterns that operators have silenced.
    taken
        Called when there is something new.
    """

    def __init__(
        self,
        settings: Settings,
        intake: Intake,
        metrics: NotifyMetrics,
        silenced: Callable[[], Set[str]],
        taken: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._intake = intake
        self._metrics = metrics
        self._silenced = silenced
        self._taken = taken
        self._committed: dict[TopicPartition, int] = {}
        self._commit_us = self._forgot_us = 0
        #: Why nothing is read now; empty: all that there is was read.
        self.problem = "alerts are not read yet"

    async def run(self) -> None:
        """Read until cancelled."""
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                await self._follow()
            except (KafkaError, OSError, BrokerError) as error:
                pause_s = _FIRST_PAUSE_S if not self.problem else min(2 * pause_s, _LONGEST_PAUSE_S)
                self.problem = f"alerts cannot be read: {str(error) or type(error).__name__}"
                _log.warning("%s; trying again in %.1f s", self.problem, pause_s)
            await asyncio.sleep(pause_s)

    async def _follow(self) -> None:
        places = [
            TopicPartition(topic, partition)
            for topic in (ALERTS, FEEDBACK)
            for partition in await existing_partitions(self._settings, topic)
        ]
        consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap_servers(self._settings.broker),
            client_id=notify_group(self._settings),
            group_id=notify_group(self._settings),
            enable_auto_commit=False,
            # Where a topic was made anew, or its oldest records are gone: begin with what it has.
            auto_offset_reset="earliest",
            fetch_max_wait_ms=_FETCH_WAIT_MS,
            **client_security(self._settings.security),
        )
        try:
            await consumer.start()
            consumer.assign(places)
            for place in places:
                consumer.seek(place, await self._beginning(consumer, place))
            await self._read_on(consumer, places)
        finally:
            await stop_consumer(consumer)

    async def _read_on(self, consumer: AIOKafkaConsumer, places: list[TopicPartition]) -> None:
        while True:
            fetched: dict[TopicPartition, list[Any]] = await consumer.getmany(
                timeout_ms=_POLL_MS, max_records=_MOST_AT_ONCE
            )
            if any(fetched.values()):
                self._take(fetched)
            if self.problem and all([await is_at_end(consumer, place) for place in places]):
                self.problem = ""
            await self._commit(consumer, places)
            if now_us() >= self._forgot_us + _FORGET_EVERY_US:
                self._forgot_us = now_us()
                self._intake.forget(self._forgot_us)

    async def _beginning(self, consumer: AIOKafkaConsumer, place: TopicPartition) -> int:
        """Where to go on: by what was kept, else by what the group has committed, else with what is open now."""
        kept = self._intake.offset(*place)
        if kept is not None:
            return kept
        # Small, and what was acknowledged before must not be said again.
        if place.topic == FEEDBACK:
            return 0
        committed: int | None = await consumer.committed(place)
        if committed is not None:
            _log.warning("nothing is kept of earlier deliveries: going on with %s from %d", place.topic, committed)
            return committed
        return await self._take_open(place)

    async def _take_open(self, place: TopicPartition) -> int:
        """Take, on the very first start, what is open; history is not sent to anybody."""
        opened: dict[str, Alert] = {}
        following = 0

        def take(record: TopicRecord) -> None:
            nonlocal following
            following = record.offset + 1
            alert = _alert_of(record.value)
            if isinstance(alert, Alert):
                before = opened.get(alert.alert_id)
                if before is None or alert.revision > before.revision:
                    opened[alert.alert_id] = alert

        await read_topic(self._settings, place.topic, take, partitions=[place.partition])
        oldest_us = now_us() - round(self._settings.notify.first_start_s * 1e6)
        still = [one for one in opened.values() if one.status != "resolved" and one.timestamp >= oldest_us]
        self._intake.take(Batch(still, [], [], {(place.topic, place.partition): following}), now_us())
        self._taken()
        _log.info("first start: of %d alerts in %s, %d are open and sent", len(opened), place.topic, len(still))
        return following

    def _take(self, fetched: dict[TopicPartition, list[ConsumerRecord]]) -> None:
        alerts: list[Alert] = []
        feedback: list[Feedback] = []
        refused: list[Refused] = []
        offsets = {}
        for place, records in fetched.items():
            for record in records:
                said = _alert_of(record.value) if place.topic == ALERTS else _feedback_of(record.value)
                match said:
                    case Alert():
                        alerts.append(said)
                    case Feedback():
                        feedback.append(said)
                    case DecodeError():
                        refused.append(Refused(place.topic, place.partition, record.offset, str(said), record.value))
                        _log.warning("%s[%d]@%d is passed over: %s", *place, record.offset, said)
                offsets[tuple(place)] = record.offset + 1
        dropped = self._intake.take(Batch(alerts, feedback, refused, offsets), now_us(), self._silenced())
        self._metrics.add_dropped(dropped)
        for place, records in fetched.items():
            self._metrics.records.labels(place.topic).inc(len(records))
        for topic, many in Counter(one.topic for one in refused).items():
            self._metrics.refused.labels(topic).inc(many)
        self._taken()

    async def _commit(self, consumer: AIOKafkaConsumer, places: list[TopicPartition]) -> None:
        """Tell the group how far we are: behind what is kept, for lag to be seen, and for a lost state."""
        if now_us() < self._commit_us + _COMMIT_EVERY_US:
            return
        self._commit_us = now_us()
        offsets = {place: self._intake.offset(*place) for place in places}
        news = {place: at for place, at in offsets.items() if at is not None and at != self._committed.get(place)}
        if news:
            await consumer.commit({place: OffsetAndMetadata(at, "") for place, at in news.items()})
            self._committed |= news


def notify_group(settings: Settings) -> str:
    """Name the consumer group of the notifier."""
    return f"{settings.app_id}-notify"


def _alert_of(value: bytes | None) -> Alert | DecodeError | None:
    if value is None:
        return None
    try:
        alert = decode_alert(value)
    except DecodeError as error:
        return error
    fault = alert_fault(alert)
    return alert if fault is None else DecodeError(f"record of {ALERTS}: {fault}")


def _feedback_of(value: bytes | None) -> Feedback | DecodeError | None:
    if value is None:
        return None
    try:
        return _decode_feedback(value)
    except DecodeError as error:
        return error
