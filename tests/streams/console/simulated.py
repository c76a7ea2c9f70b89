"""What a simulated exchange with planted incidents gives, up to a moment in its last one; and a console beside it."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from aiohttp import web
from prometheus_client import CollectorRegistry

from detectors.config import CoreSettings
from detectors.events import key_of
from detectors.limit_settings import Limits
from detectors.pipeline import Pipeline, Results
from detectors.results import SignalFrame, SignalTick
from streams.console.app import build_app
from streams.settings import Settings
from streams.simulator import Exchange, ExchangeSettings, Family, Incident, plant
from streams.topics import ALERTS, AUDIT, GUARDRAILS, RATE_LIMITS, SIGNALS, partition_of
from tests.streams.decided import Sent, sent

PARTITIONS = 2
_WARMUP_S = 240.0
_FRAME = 50
#: The defaults; and a venue knows its makers.
_CORE = replace(CoreSettings(), limits=Limits(accounts={"maker-*": "maker"}))


def simulate(seed: int, *, after_s: float, families: tuple[Family, ...]) -> tuple[Results, int, list[Incident]]:
    """Play incidents one after the other, and stop so long after the beginning of the last; gives where time stands."""
    settings = ExchangeSettings(seed=seed, duration_s=_WARMUP_S + 60.0 * len(families), events_per_s=300.0)
    incidents = plant(seed, settings, warmup_s=_WARMUP_S, families=families)
    end_us = round(max(incident.start_us for incident in incidents) + after_s * 1e6)
    of_key = partial(partition_of, partitions=PARTITIONS)
    pipeline = Pipeline(_CORE, PARTITIONS, of_key)
    offsets: dict[tuple[str, int], int] = {}
    for topic, event in Exchange(settings, incidents).events():
        if event.timestamp > end_us:
            break
        place = topic, of_key(key_of(topic, event))
        offsets[place] = offsets.get(place, -1) + 1
        pipeline.push(topic, offsets[place], event)
    pipeline.turn()
    return pipeline.results(), end_us, incidents


def records_of(results: Results) -> Iterator[Sent]:
    """The records that workers would have sent."""
    for first in range(0, len(results.signals), _FRAME):
        signals = tuple(results.signals[first : first + _FRAME])
        yield sent(SIGNALS, None, SignalFrame("market/0", signals[-1].timestamp, False, (SignalTick(0, signals),)))
    for alert in results.alerts:
        yield sent(ALERTS, alert.alert_id, alert)
    for limit in results.limits:
        yield sent(RATE_LIMITS, limit.account, limit)
    for trip in results.trips:
        yield sent(GUARDRAILS, f"{trip.rule}|{trip.entity}", trip)
    for record in results.audit:
        yield sent(AUDIT, record.entity, record)


@contextmanager
def console_beside(settings: Settings, clock_us: Callable[[], int]) -> Iterator[str]:
    """A console in a thread, with a clock of its own; gives its address."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> tuple[web.AppRunner, str]:
        runner = web.AppRunner(build_app(settings, CollectorRegistry(), clock_us), access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"

    runner, url = asyncio.run_coroutine_threadsafe(start(), loop).result(30)
    try:
        yield url
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
