"""How a demo goes: processes up, feed on, watch until all has gone through, then the verdict."""

import asyncio
import contextlib
import signal
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import uvloop
from aiokafka import AIOKafkaConsumer
from rich.console import Console

from detectors.errors import BrokerError, SquallError
from streams.broker import EmbeddedBroker
from streams.demo.board import Scene
from streams.demo.children import Child, Children
from streams.demo.delivery import CONSOLE_PORT, Delivered, Delivery, delivering
from streams.demo.feed import FeedOrder, feed_command
from streams.demo.plan import DemoPlan
from streams.demo.scoring import false_alarms, match
from streams.demo.settling import settle
from streams.demo.show import Picture, Show, show_on
from streams.demo.sources import ProgressFile, follow_outputs, reading_outputs
from streams.demo.verdict import Verdict
from streams.demo.watch import Watch
from streams.demo.workers import Workers, settings_file
from streams.settings import Settings
from streams.topics import ensure_topics

DONE, FAILED = 0, 1

_WORKERS = 2
_SETTLE_TIMEOUT_S = 60.0
_DELIVERY_TIMEOUT_S = 20.0
_LOOK_EVERY_S = 0.25
_PAGE_TIMEOUT_S = 15.0
#: What is no terminal has no width, and should not cut tables.
_PLAIN_COLUMNS = 118


def run_demo(
    settings: Settings,
    plan: DemoPlan,
    *,
    record: Path | None = None,
    stay: bool = False,
    console_port: int = CONSOLE_PORT,
    console: Console | None = None,
) -> int:
    """Run everything on this machine and show it.

    Gives the exit status: 0 only if every planted incident was found, and every alert was delivered.

    Whatever ends it, no process that it started outlives it.

    Parameters
    ----------
    settings
        Partitions, group, and the file that the workers read too; the broker is always the embedded one.
    plan
        What is played.
    record
        An SVG file for a picture of the board and the verdict.
    stay
        Whether everything stays up at the end, until it is interrupted, to be looked at on the console.
    console_port
        Where the ops console is served, if nobody else listens there; 0: on a free port.
    console
        Where it is shown; stdout unless given.

    Raises
    ------
    SquallError
        A process could not start or ended before its time, or what was sent has not gone through in time.
    """
    shown_on = console or Console()
    if not shown_on.is_terminal:
        shown_on.width = _PLAIN_COLUMNS
    picture = Picture(record)

    async def tell(verdict: Verdict, url: str) -> None:
        shown_on.print(verdict.to_table())
        picture.save(verdict.to_table())
        if stay:
            shown_on.print(f"The console stays at {url} until Ctrl-C.", style="bold", highlight=False)
            await asyncio.Event().wait()

    verdict = uvloop.run(_until_told(_Demo(settings, plan, show_on(shown_on), picture, console_port).play(tell)))
    return FAILED if verdict.missed or not verdict.delivered.is_whole else DONE


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


@dataclass(frozen=True, slots=True)
class _Sources:
    """Where to look while it runs."""

    workers: Workers
    feed: Child
    progress: ProgressFile
    delivery: Delivery
    outputs: "asyncio.Task[None]"


class _Demo:
    """One run."""

    def __init__(self, settings: Settings, plan: DemoPlan, show: Show, picture: Picture, console_port: int) -> None:
        self._console_port = console_port
        self._settings = settings
        self._plan = plan
        self._show = show
        self._picture = picture
        self._watch = Watch(_WORKERS)
        self._incidents = plan.incidents()
        self._first_us = min(incident.start_us for incident in self._incidents)
        self._began_s = time.monotonic()
        self._console_url = ""
        self._delivered = Delivered(0, 0, 0, None, 0)

    async def play(self, tell: Callable[[Verdict, str], Awaitable[None]]) -> Verdict:
        """Play it; `tell` is called with the verdict and the console's address while everything is still up."""
        timeout = aiohttp.ClientTimeout(total=_PAGE_TIMEOUT_S)
        with (
            tempfile.TemporaryDirectory(prefix="squall-demo-") as directory,
            EmbeddedBroker() as broker,
            Children(Path(directory)) as children,
        ):
            url, partitions = broker.url, self._settings.partitions
            file = settings_file(self._settings)
            async with aiohttp.ClientSession(timeout=timeout) as session, contextlib.AsyncExitStack() as stack:
                with self._show:
                    self._tell("starting")
                    await ensure_topics(url, partitions)
                    workers = Workers(children, session, self._settings, url, _WORKERS)
                    await workers.until_ready(lambda: self._tell("workers start"))
                    delivery = await stack.enter_async_context(
                        delivering(
                            children, session, file, url, Path(directory), workers.urls, self._console_port, self._tell
                        )
                    )
                    self._console_url = delivery.console_url
                    reader = await stack.enter_async_context(reading_outputs(url, partitions))
                    feed = children.start("feed", feed_command(FeedOrder(url, partitions, file, self._plan)))
                    verdict = await self._follow(url, reader, workers, feed, delivery)
                await tell(verdict, delivery.console_url)
                return verdict

    async def _follow(
        self, url: str, reader: AIOKafkaConsumer, workers: Workers, feed: Child, delivery: Delivery
    ) -> Verdict:
        with _running(follow_outputs(reader, self._watch)) as outputs:
            sources = _Sources(workers, feed, ProgressFile(feed.output), delivery, outputs)
            while not feed.has_ended():
                await self._look(sources)
            with _running(settle(url, self._settings.app_id, self._settings.partitions, reader)) as settling:
                return await self._finish(sources, settling)

    async def _finish(self, sources: _Sources, settling: "asyncio.Task[None]") -> Verdict:
        """Watch until all that the feed has sent has gone through."""
        deadline_s = time.monotonic() + _SETTLE_TIMEOUT_S
        taken_s = None
        while taken_s is None or not settling.done():
            await self._look(sources, "finishing")
            if taken_s is None and self._watch.processed >= self._watch.sent:
                taken_s = time.monotonic()
            if settling.done():
                settling.result()
            if time.monotonic() > deadline_s:
                raise BrokerError(
                    f"expected all {self._watch.sent:,} events to have gone through within "
                    f"{_SETTLE_TIMEOUT_S:.0f} s after the last was sent, found {self._watch.processed:,} taken"
                )
        settled_s = time.monotonic()
        await self._deliver(sources)
        return self._verdict(taken_s, settled_s)

    async def _deliver(self, sources: _Sources) -> None:
        """Wait until the last alerts have arrived, a while: what is missing then is told in the verdict."""
        deadline_s = time.monotonic() + _DELIVERY_TIMEOUT_S
        await self._look(sources, "alerts are delivered")
        while not self._delivered.is_whole and time.monotonic() < deadline_s:
            await self._look(sources, "alerts are delivered")
        self._tell("done")

    async def _look(self, sources: _Sources, phase: str | None = None) -> None:
        """See how all of them stand, and show it."""
        await asyncio.sleep(_LOOK_EVERY_S)
        if sources.outputs.done():
            sources.outputs.result()
        for one in sources.progress.read():
            self._watch.see_progress(one)
        self._watch.see_workers(await sources.workers.states(), time.monotonic())
        self._delivered = await sources.delivery.look({alert.alert_id for alert in self._watch.revisions})
        warm = (self._watch.now_us or 0) >= self._first_us
        self._tell(phase or ("incidents" if warm else "models warm up"))

    def _tell(self, phase: str) -> None:
        found = match(self._incidents, self._watch.revisions)
        scene = Scene(self._plan, self._watch, found, phase, time.monotonic() - self._began_s, self._console_url)
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
            decided=watch.decided,
            delivered=self._delivered,
        )


@contextlib.contextmanager
def _running(work: Coroutine[Any, Any, None]) -> Iterator["asyncio.Task[None]"]:
    """A task for the block."""
    task = asyncio.ensure_future(work)
    try:
        yield task
    finally:
        task.cancel()
