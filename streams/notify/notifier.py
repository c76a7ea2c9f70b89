"""One notifier process: reads alerts, delivers them to every sink, and stops when it is asked to."""

import asyncio
import logging
import signal
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import aiohttp
import stamina.instrumentation
from prometheus_client import CollectorRegistry

from detectors.errors import ConfigError
from streams.health import STUCK_AFTER_S, HealthServer
from streams.notify.alert_reader import AlertReader
from streams.notify.database import alone_in, open_database
from streams.notify.endpoint import Endpoint, endpoints_of
from streams.notify.intake import Intake
from streams.notify.notify_metrics import NotifyMetrics
from streams.notify.outbox import Outbox
from streams.notify.posting import tls_context
from streams.notify.silences import Silences
from streams.notify.sink_task import SinkTask
from streams.orders import OrderLog
from streams.settings import Settings
from streams.times import now_us
from streams.topic_feed import TopicFeed
from streams.topics import OVERRIDES

_log = logging.getLogger(__name__)

DONE, FAILED = 0, 1
#: Without the broker nobody knows what is silenced; after so long what is queued is delivered all the same.
_ORDERS_DEADLINE_S = 5.0
_SHOW_EVERY_S = 1.0


def run_notifier(settings: Settings) -> int:
    """Deliver alerts until SIGTERM or SIGINT; gives the exit status.

    0: stopped when asked. 1: a part of it failed; what was not delivered is kept, and delivered by the next start.

    Parameters
    ----------
    settings
        All settings.

    Raises
    ------
    ConfigError
        There is no sink, a secret cannot be read, or the port is taken.
    StateError
        Deliveries cannot be kept in `notify.state_dir`, or another notifier uses it.
    """
    if not settings.notify.sinks:
        raise ConfigError("expected at least one sink, found no table [notify.sinks.NAME]; see README, Alert delivery")
    endpoints = endpoints_of(settings)
    # Its own would log what it retries, and count it in a registry that nobody sees.
    stamina.instrumentation.set_on_retry_hooks([])
    with alone_in(settings.notify.state_dir), asyncio.Runner() as runner:
        db = open_database(settings.notify.state_dir)
        try:
            return runner.run(_serve(settings, endpoints, db))
        finally:
            db.close()


async def _serve(settings: Settings, endpoints: Mapping[str, Endpoint], db: sqlite3.Connection) -> int:
    registry = CollectorRegistry()
    metrics = NotifyMetrics.create(registry, endpoints)
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    feed = TopicFeed(settings, OVERRIDES, OrderLog())
    silences = Silences(feed.since, now_us)
    intake = Intake(db, settings.notify.sinks)
    intake.begin(now_us())
    connector = aiohttp.TCPConnector(ssl=tls_context(settings.notify.ca_file))
    async with aiohttp.ClientSession(connector=connector) as session:
        sinks = [
            SinkTask(
                endpoint,
                Outbox(db, name, endpoint.sink),
                session,
                metrics,
                silences.patterns,
                settings.notify.proxy,
            )
            for name, endpoint in endpoints.items()
        ]

        def wake() -> None:
            for sink in sinks:
                sink.wake()

        reader = AlertReader(settings, intake, metrics, silences.patterns, wake)
        await feed.start()
        try:
            return await _work(settings, reader, feed, sinks, asked, registry)
        finally:
            await feed.stop()


async def _work(
    settings: Settings,
    reader: AlertReader,
    feed: TopicFeed,
    sinks: Sequence[SinkTask],
    asked: asyncio.Event,
    registry: CollectorRegistry,
) -> int:
    beat = _Beat(sinks)
    reading = asyncio.create_task(reader.run(), name="reader")
    beating = asyncio.create_task(beat.run(), name="gauges")
    stopping = asyncio.create_task(asked.wait(), name="stop")
    delivering: list[asyncio.Task[None]] = []

    def readiness() -> Sequence[str]:
        return [*beat.problems(), *([reader.problem] if reader.problem else [])]

    notify = settings.notify
    pages = (registry, beat.problems, readiness, "notify.web_port")
    with HealthServer(notify.web_host, notify.web_port, *pages) as server:
        _log.info("delivering to %s; /metrics on port %d", ", ".join(notify.sinks), server.port)
        await _orders_known(feed, asked)
        delivering += [asyncio.create_task(sink.run(), name="sink") for sink in sinks]
        broken = await _until_over({reading, beating, stopping}, delivering)
        for sink in sinks:
            sink.stop()
        _, late = await asyncio.wait(delivering, timeout=notify.stop_timeout_s)
        for task in {*late, reading, beating, stopping}:
            task.cancel()
        await asyncio.gather(*delivering, reading, beating, stopping, return_exceptions=True)
        if broken is not None:
            _log.critical("the notifier failed: %s", broken.get_name(), exc_info=broken.exception())
            return FAILED
        _log.info("stopped")
        return DONE


async def _until_over(
    whole: Iterable[asyncio.Task[Any]], delivering: Iterable[asyncio.Task[None]]
) -> asyncio.Task[Any] | None:
    """Wait for the order to stop, or for what has failed; a sink that is gone has ended, and not failed."""
    running: set[asyncio.Task[Any]] = {*whole, *delivering}
    while True:
        ended, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            if task.exception() is not None:
                return task
        if any(task.get_name() == "stop" for task in ended):
            return None


async def _orders_known(feed: TopicFeed, asked: asyncio.Event) -> None:
    deadline_s = time.monotonic() + _ORDERS_DEADLINE_S
    while not feed.caught_up and not asked.is_set():
        if time.monotonic() > deadline_s:
            _log.warning("operators' orders cannot be read: delivering what is silenced, too, until they can")
            return
        await asyncio.sleep(0.02)


class _Beat:
    """Shows that the event loop runs, and how long queues are."""

    def __init__(self, sinks: Sequence[SinkTask]) -> None:
        self._sinks = sinks
        self._beat_s = time.monotonic()

    async def run(self) -> None:
        while True:
            for sink in self._sinks:
                sink.show()
            self._beat_s = time.monotonic()
            await asyncio.sleep(_SHOW_EVERY_S)

    def problems(self) -> Sequence[str]:
        """Why this process should be replaced; called from another thread."""
        silent_s = time.monotonic() - self._beat_s
        return [f"event loop: stuck for {silent_s:.1f} s"] if silent_s > STUCK_AFTER_S else []
