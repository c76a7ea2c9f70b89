"""How a demo goes: processes up, feed on, watch until all has gone through, then the verdict."""

import asyncio
import contextlib
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Awaitable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import uvloop
from aiokafka import AIOKafkaConsumer
from rich.console import Console

from detectors.errors import BrokerError, SquallError
from streams.broker import EMBEDDED_SESSION_TIMEOUT_S, EmbeddedBroker
from streams.demo.board import Scene
from streams.demo.children import Child, Children
from streams.demo.feed import FeedOrder, feed_command
from streams.demo.plan import DemoPlan
from streams.demo.scoring import false_alarms, match
from streams.demo.settling import settle
from streams.demo.show import Picture, Show, show_on
from streams.demo.sources import ProgressFile, WorkerPage, follow_alerts, reading_alerts
from streams.demo.verdict import Verdict
from streams.demo.watch import Watch
from streams.settings import Settings
from streams.topics import ensure_topics

DONE, FAILED = 0, 1

_WORKERS = 2
_READY_TIMEOUT_S = 60.0
_SETTLE_TIMEOUT_S = 60.0
_LOOK_EVERY_S = 0.25
_PAGE_TIMEOUT_S = 5.0


def run_demo(settings: Settings, plan: DemoPlan, *, record: Path | None = None, console: Console | None = None) -> int:
    """Run everything on this machine and show it; gives the exit status: 0 only if every planted incident was found.

    Whatever ends it, no process that it started outlives it.

    Parameters
    ----------
    settings
        Partitions, group, and the file that the workers read too; the broker is always the embedded one.
    plan
        What is played.
    record
        An SVG file for a picture of the board and the verdict.
    console
        Where it is shown; stdout unless given.

    Raises
    ------
    SquallError
        A process could not start or ended before its time, or what was sent has not gone through in time.
    """
    shown_on = console or Console()
    picture = Picture(record)
    verdict = uvloop.run(_until_told(_Demo(settings, plan, show_on(shown_on), picture).play()))
    shown_on.print(verdict.to_table())
    picture.save(verdict.to_table())
    return FAILED if verdict.missed else DONE


async def _until_told(play: Awaitable[Verdict]) -> Verdict:
    """Let SIGTERM and SIGHUP end the demo as Ctrl-C does: with everything that it started."""
    playing = asyncio.ensure_future(play)
    told: list[signal.Signals] = []

    def end(number: signal.Signals) -> None:
        told.append(number)
        playing.cancel()

    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, end, number)
    try:
        return await playing
    except asyncio.CancelledError:
        if told:
            raise SquallError(f"the demo was ended by {told[0].name}") from None
        raise


class _Demo:
    """One run."""

    def __init__(self, settings: Settings, plan: DemoPlan, show: Show, picture: Picture) -> None:
        self._settings = settings
        self._plan = plan
        self._show = show
        self._picture = picture
        self._watch = Watch(_WORKERS)
        self._incidents = plan.incidents()
        self._began_s = time.monotonic()

    async def play(self) -> Verdict:
        with (
            tempfile.TemporaryDirectory(prefix="squall-demo-") as directory,
            EmbeddedBroker() as broker,
            Children(Path(directory)) as children,
            self._show,
        ):
            self._tell("starting")
            await ensure_topics(broker.url, self._settings.partitions)
            ports = _free_ports(_WORKERS)
            workers = [
                children.start(f"worker-{number}", self._worker_command(broker.url, port), _ENVIRONMENT)
                for number, port in enumerate(ports, 1)
            ]
            timeout = aiohttp.ClientTimeout(total=_PAGE_TIMEOUT_S)
            async with aiohttp.ClientSession(timeout=timeout) as session, reading_alerts(broker.url) as reader:
                pages = [WorkerPage(session, port) for port in ports]
                await self._until_ready(workers, pages)
                order = FeedOrder(broker.url, self._settings.partitions, self._config(), self._plan)
                feed = children.start("feed", feed_command(order))
                with _running(follow_alerts(reader, self._watch.see_alert)) as following:
                    return await self._follow(workers, pages, feed, reader, following, broker.url)

    async def _until_ready(self, workers: list[Child], pages: list[WorkerPage]) -> None:
        deadline_s = time.monotonic() + _READY_TIMEOUT_S
        while True:
            for worker in workers:
                worker.must_run()
            if all([await page.is_ready() for page in pages]):
                shares = [(await page.state()).partitions for page in pages]
                if sum(shares) == self._settings.partitions and (min(shares) or self._settings.partitions < _WORKERS):
                    return
            if time.monotonic() > deadline_s:
                said = "\n".join(worker.last_words() for worker in workers)
                raise BrokerError(
                    f"expected {_WORKERS} workers to share {self._settings.partitions} partitions "
                    f"within {_READY_TIMEOUT_S:.0f} s, they did not; their logs end with:\n{said}"
                )
            self._tell("workers start")
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _follow(
        self,
        workers: list[Child],
        pages: list[WorkerPage],
        feed: Child,
        reader: AIOKafkaConsumer,
        following: "asyncio.Task[None]",
        url: str,
    ) -> Verdict:
        """Watch until the feed has ended, then until everything has gone through."""
        progress = ProgressFile(feed.output)
        while not feed.has_ended():
            await self._look(workers, pages, progress, following)
        with _running(settle(url, self._settings.app_id, self._settings.partitions, reader)) as settling:
            deadline_s = time.monotonic() + _SETTLE_TIMEOUT_S
            taken_s = None
            while not settling.done() or taken_s is None:
                await self._look(workers, pages, progress, following, "finishing")
                if taken_s is None and self._watch.processed >= self._watch.sent:
                    taken_s = time.monotonic()
                if time.monotonic() > deadline_s:
                    raise BrokerError(
                        f"expected all {self._watch.sent:,} events to have gone through within "
                        f"{_SETTLE_TIMEOUT_S:.0f} s after the last was sent, found {self._watch.processed:,} taken"
                    )
            settling.result()
        await self._look(workers, pages, progress, following, "done")
        return self._verdict(taken_s, time.monotonic())

    async def _look(
        self,
        workers: list[Child],
        pages: list[WorkerPage],
        progress: ProgressFile,
        following: "asyncio.Task[None]",
        phase: str | None = None,
    ) -> None:
        """See how all of them stand, and show it."""
        await asyncio.sleep(_LOOK_EVERY_S)
        if following.done():
            following.result()
        for worker in workers:
            worker.must_run()
        for one in progress.read():
            self._watch.see_progress(one)
        self._watch.see_workers(list(await asyncio.gather(*(page.state() for page in pages))), time.monotonic())
        now_us = self._watch.now_us
        warm = now_us is not None and now_us >= min(incident.start_us for incident in self._incidents)
        self._tell(phase or ("incidents" if warm else "models warm up"))

    def _tell(self, phase: str) -> None:
        found = match(self._incidents, self._watch.revisions)
        scene = Scene(self._plan, self._watch, found, phase, time.monotonic() - self._began_s)
        self._show.show(scene)
        self._picture.take(scene)

    def _verdict(self, taken_s: float, settled_s: float) -> Verdict:
        watch = self._watch
        began_s = watch.began_s or self._began_s
        return Verdict(
            found=match(self._incidents, watch.revisions),
            false_alarms=false_alarms(self._incidents, watch.revisions),
            alerts=len({alert.alert_id for alert in watch.revisions}),
            events=watch.sent,
            through_s=taken_s - began_s,
            settled_s=settled_s - began_s,
            late=watch.late,
            latency=watch.latency(),
            start_us=self._plan.exchange().start_us,
        )

    def _worker_command(self, url: str, port: int) -> list[str]:
        command = [sys.executable, "-m", "streams", "worker", "--broker", url, "--web-port", str(port)]
        command += ["--partitions", str(self._settings.partitions)]
        config = self._config()
        return command if config is None else [*command, "--config", config]

    def _config(self) -> str | None:
        """Name the settings file where there is one: the default need not exist."""
        return self._settings.config if Path(self._settings.config).exists() else None


#: What the embedded broker needs, whatever else is configured.
_ENVIRONMENT = {
    "SQUALL_WORKER__SESSION_TIMEOUT_S": f"{EMBEDDED_SESSION_TIMEOUT_S:.0f}",
    "SQUALL_WORKER__REBALANCE_TIMEOUT_S": f"{EMBEDDED_SESSION_TIMEOUT_S:.0f}",
    "SQUALL_WORKER__IDEMPOTENT_PRODUCER": "false",
    "SQUALL_WORKER__GROUP_INSTANCE_ID": "",
}


@contextlib.contextmanager
def _running(work: Coroutine[Any, Any, None]) -> Iterator["asyncio.Task[None]"]:
    """A task for the block."""
    task = asyncio.ensure_future(work)
    try:
        yield task
    finally:
        task.cancel()


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
