"""Where a demo's watch looks: the workers' pages, the topics of outputs, and the feed's own words."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from detectors.decisions import RateLimit, Trip
from detectors.events import EVENT_TYPES
from streams.codecs import decode_alert
from streams.demo.feed import Progress
from streams.demo.watch import Watch, WorkerState
from streams.topic_reading import decoder_of
from streams.topics import ALERTS, GUARDRAILS, RATE_LIMITS, TOPICS, bootstrap_servers

_decode_progress = msgspec.json.Decoder(Progress).decode
_decode_limit = decoder_of(RateLimit, RATE_LIMITS)
_decode_trip = decoder_of(Trip, GUARDRAILS)


class WorkerPage:
    """The `/readyz` and `/metrics` of one worker.

    Parameters
    ----------
    session
        Does the asking.
    port
        Where the worker answers.
    """

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self._session = session
        self._url = f"http://127.0.0.1:{port}"

    async def is_ready(self) -> bool:
        """Whether it works; also False while it does not answer yet."""
        try:
            async with self._session.get(f"{self._url}/readyz") as answer:
                return answer.status == 200
        except (aiohttp.ClientConnectionError, TimeoutError):
            return False

    async def state(self) -> WorkerState:
        """Read how far it has come."""
        async with self._session.get(f"{self._url}/metrics") as answer:
            return worker_state(await answer.text())


def worker_state(page: str) -> WorkerState:
    r"""Read a worker's state out of its metrics.

    Examples
    --------
    >>> worker_state('squall_events_total{topic="trades"} 5.0\nsquall_assigned_partitions{stage="market"} 2.0\n')
    WorkerState(partitions=2, events=5, late=0)
    """
    partitions = events = late = 0.0
    for sample in (sample for family in text_string_to_metric_families(page) for sample in family.samples):
        match sample.name:
            case "squall_assigned_partitions" if sample.labels["stage"] == "market":
                partitions = sample.value
            case "squall_events_total" if sample.labels["topic"] in EVENT_TYPES:
                events += sample.value
            case "squall_stage_outcomes_total" if sample.labels["outcome"] == "late":
                late += sample.value
    return WorkerState(int(partitions), int(events), int(late))


class ProgressFile:
    """What the feed says on its stdout, read on from where it was read last."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def read(self) -> list[Progress]:
        """Read what is new; a line that is still being written waits for the next time."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._offset += len(whole) + len(newline)
        return [_decode_progress(line) for line in whole.splitlines()]


@asynccontextmanager
async def reading_outputs(broker: str, partitions: int) -> AsyncIterator[AIOKafkaConsumer]:
    """Read `alerts`, `rate-limits` and `guardrails` from their beginning.

    Parameters
    ----------
    broker
        Its address.
    partitions
        Of the partitioned topics.
    """
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers(broker), fetch_max_wait_ms=20)
    await consumer.start()
    try:
        places = [
            TopicPartition(topic, partition)
            for topic in (ALERTS, RATE_LIMITS, GUARDRAILS)
            for partition in range(TOPICS[topic].partitions(partitions))
        ]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        yield consumer
    finally:
        await consumer.stop()


async def follow_outputs(consumer: AIOKafkaConsumer, watch: Watch) -> None:
    """Show the watch every alert, limit and trip as it arrives, until cancelled."""
    while True:
        batches = await consumer.getmany(timeout_ms=200)
        at_s = time.monotonic()
        for record in (record for records in batches.values() for record in records):
            if record.topic == ALERTS:
                watch.see_alert(decode_alert(record.value), at_s)
            elif record.topic == RATE_LIMITS:
                watch.decided.see_limit(_decode_limit(record.value))
            else:
                watch.decided.see_trip(_decode_trip(record.value))
