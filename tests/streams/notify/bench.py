"""What tests of delivery are made of: a receiver that speaks HTTP, alerts, a notifier's process."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self

import aiohttp
import msgspec
from aiohttp import web
from aiokafka import AIOKafkaProducer
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook

from detectors.results import Alert, Pattern, Severity, Status
from streams.demo.ports import free_port
from streams.notify.database import open_database
from streams.notify.endpoint import Endpoint
from streams.notify.intake import Batch, Intake
from streams.notify.notify_metrics import NotifyMetrics
from streams.notify.outbox import Outbox
from streams.notify.samples import sample_alert
from streams.notify.sink_settings import SinkSettings
from streams.notify.sink_task import SinkTask
from streams.times import now_us
from streams.topics import ALERTS
from tests.streams.worker_bench import ROOT, probe, until

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"  # noqa: S105 - one of tests
PAGER_KEY = "R0123456789ABCDEF0123456789ABCDE"
SECOND_US = 1_000_000
#: Settings of a sink that hears of everything, and waits for nothing.
AT_ONCE: dict[str, Any] = {"group_wait_s": 0.0, "group_interval_s": 0.0, "min_severity": "info"}


def alert(
    alert_id: str = "a1",
    revision: int = 1,
    status: Status = "open",
    severity: Severity = "warning",
    *,
    pattern: Pattern = "cancel_burst",
    symbol: str = "BTC-PERP",
    score: float = 10.0,
    timestamp: int = 1_767_225_600_000_000,
) -> Alert:
    """One revision of an alert."""
    one = sample_alert(alert_id=alert_id, revision=revision, severity=severity, symbol=symbol, timestamp=timestamp)
    return msgspec.structs.replace(one, status=status, pattern=pattern, score=score)


def webhook(url: str = "http://127.0.0.1:1/", **settings: Any) -> SinkSettings:  # noqa: ANN401 - of any setting
    """A webhook that waits for nothing, unless told to."""
    return SinkSettings("webhook", url=url, **({"secret": SecretStr(SECRET)} | AT_ONCE | settings))


class Got(NamedTuple):
    """A request as it came."""

    headers: Mapping[str, str]
    body: Any
    raw: bytes

    @property
    def id(self) -> str:
        """The webhook's id."""
        return self.headers["webhook-id"]


@dataclass
class Receiver:
    """Takes what is posted. `answers` are given one after the other, then `otherwise`; each is a status and headers."""

    url: str = ""
    got: list[Got] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    otherwise: tuple[int, dict[str, str]] = (200, {})
    body: str = "ok"
    delay_s: float = 0.0

    async def take(self, request: web.Request) -> web.Response:
        """Answer a request."""
        raw = await request.read()
        self.got.append(Got(dict(request.headers), json.loads(raw), raw))
        status, headers = self.answers.pop(0) if self.answers else self.otherwise
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        return web.Response(status=status, headers=headers, text=self.body)

    def first_of_each(self) -> dict[str, Got]:
        """What a receiver that knows messages by their ids takes."""
        taken: dict[str, Got] = {}
        for one in self.got:
            taken.setdefault(one.id, one)
        return taken

    def told(self, kind: str) -> Counter[str]:
        """How often each alert was told with a type of message, copies of a message left out."""
        return Counter(
            one["alert_id"]
            for got in self.first_of_each().values()
            if got.body["type"] == kind
            for one in got.body["data"]["alerts"]
        )

    def all_signed(self, secret: str = SECRET) -> bool:
        """Whether each request proves that it comes from us."""
        for got in self.got:
            Webhook(secret).verify(got.raw, dict(got.headers))
        return True


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver on a port of its own, for the block."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/{rest:.*}", receiver.take)
    runner = web.AppRunner(app, shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()


async def send_alerts(producer: AIOKafkaProducer, *alerts: Alert) -> None:
    """Put alerts into their topic."""
    for one in alerts:
        await producer.send(ALERTS, msgspec.json.encode(one), key=one.alert_id.encode())
    await producer.flush()


class Notifier:
    """A `squall notify` process; killed when the block is left."""

    def __init__(self, broker: str, state_dir: Path, sinks: Mapping[str, Mapping[str, Any]]) -> None:
        self.port = free_port()
        self._config = state_dir.parent / f"{state_dir.name}.toml"
        lines = [
            f"broker = {json.dumps(broker)}",
            f"[notify]\nstate_dir = {json.dumps(str(state_dir))}\nweb_port = {self.port}\nstop_timeout_s = 0.5",
        ]
        for name, sink in sinks.items():
            lines += [f"[notify.sinks.{name}]", *(f"{key} = {json.dumps(value)}" for key, value in sink.items())]
        self._config.write_text("\n".join(lines))
        self.process = self._start()

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(),
            cwd=ROOT,
            env=os.environ | {"PYTHONWARNINGS": "error"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def command(self, *options: str) -> Sequence[str]:
        """The command line, as this notifier's."""
        return [sys.executable, "-m", "streams", "notify", "--config", str(self._config), *options]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.communicate()

    def start_again(self) -> None:
        """Start it on what the one before has left."""
        self.process = self._start()

    async def stopped(self) -> tuple[int, str]:
        """Ask it to stop; gives the exit status and what it said."""
        self.process.send_signal(signal.SIGTERM)
        said, _ = await asyncio.to_thread(self.process.communicate, None, 15.0)
        return self.process.returncode, said

    async def probe(self, page: str) -> tuple[int, Any]:
        """Ask one of its pages."""
        return await asyncio.to_thread(probe, self.port, page)

    async def ready(self) -> None:
        """Wait until it has read all that there is."""

        async def is_ready() -> bool:
            assert self.process.poll() is None, self.process.communicate()[0]
            return (await self.probe("/readyz"))[0] == 200

        await until(is_ready, 30.0)


class Bench:
    """Sinks that deliver from one database, each by a task of its own."""

    def __init__(
        self, directory: Path, session: aiohttp.ClientSession, sinks: Mapping[str, SinkSettings], proxy: str
    ) -> None:
        self.registry = CollectorRegistry()
        self.metrics = NotifyMetrics.create(self.registry, sinks)
        self.db: sqlite3.Connection = open_database(directory)
        self.intake = Intake(self.db, sinks)
        self.intake.begin(now_us())
        self.tasks = {
            name: SinkTask(
                Endpoint(name, sink, tuple(sink.secret.get_secret_value().split())),
                Outbox(self.db, name, sink),
                session,
                self.metrics,
                frozenset,
                proxy,
            )
            for name, sink in sinks.items()
        }
        self.running = [asyncio.create_task(task.run()) for task in self.tasks.values()]

    def take(self, *alerts: Alert) -> None:
        """Alerts come, as from the topic."""
        self.intake.take(Batch(alerts, [], [], {}), now_us())
        for task in self.tasks.values():
            task.wake()

    def count(self, name: str, **labels: str) -> float:
        """Tell a metric."""
        return self.registry.get_sample_value(name, labels) or 0.0

    async def counted(self, name: str, least: float, **labels: str) -> None:
        """Wait until a metric has come so far."""

        async def enough() -> bool:
            return self.count(name, **labels) >= least

        await until(enough, 15.0)


@asynccontextmanager
async def delivering(directory: Path, sinks: Mapping[str, SinkSettings], proxy: str = "") -> AsyncIterator[Bench]:
    """Sinks that deliver while the block runs."""
    async with aiohttp.ClientSession() as session:
        bench = Bench(directory, session, sinks, proxy)
        try:
            yield bench
        finally:
            for task in bench.tasks.values():
                task.stop()
            await asyncio.gather(*bench.running)
            bench.db.close()
