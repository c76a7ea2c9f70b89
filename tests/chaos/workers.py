"""Real `squall worker` processes, and the supervisor that starts them again as an orchestrator would."""

import asyncio
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from prometheus_client.parser import text_string_to_metric_families

from streams.broker import end_with_parent
from streams.demo.ports import free_port
from tests.benchmarks.processes import ROOT

_RESTART_AFTER_S = 0.5
_LOOK_EVERY_S = 0.1
_PAGE_TIMEOUT_S = 1.0
_STOP_TIMEOUT_S = 25.0
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_LAST_LINES = 25


@dataclass(slots=True)
class Life:
    """One process, from its start to its end."""

    name: str
    port: int
    process: "subprocess.Popen[bytes]"
    began_s: float
    #: Resident memory over time: (monotonic seconds, bytes).
    memory: list[tuple[float, int]] = field(default_factory=list)
    #: What it said last of events that came too late, by stage.
    late: float = 0.0
    #: Whether we ended it.
    ended_by_us: bool = False
    paused: bool = False
    ended_s: float | None = None
    #: Whether it was seen to work on a partition.
    has_worked: bool = False

    @property
    def running(self) -> bool:
        """Whether it lives, paused or not."""
        return self.process.poll() is None

    def resident_bytes(self) -> int:
        """Resident memory; 0 when it has gone."""
        try:
            return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * _PAGE_BYTES
        except (OSError, IndexError):
            return 0


class Fleet:
    """Workers in numbered places; a process that ends is replaced, unless its place was given up.

    Parameters
    ----------
    broker
        Its address.
    settings
        The settings file of all workers.
    directory
        Where their logs go.
    environment
        Added to our own.
    static_members
        Whether each place has a stable name in the consumer group.
    """

    def __init__(
        self,
        broker: str,
        settings: Path,
        directory: Path,
        environment: Mapping[str, str],
        *,
        static_members: bool = False,
    ) -> None:
        self._broker = broker
        self._settings = settings
        self._directory = directory
        self._environment = dict(environment)
        self._static_members = static_members
        self._places: dict[int, Life | None] = {}
        self._task: asyncio.Task[None] | None = None
        #: Every process there ever was.
        self.lives: list[Life] = []
        self.kills = 0

    async def __aenter__(self) -> Self:
        """Begin to watch over the places."""
        self._task = asyncio.create_task(self._supervise())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all of them."""
        if self._task is not None:
            self._task.cancel()
        for life in self.lives:
            if life.running:
                life.ended_by_us = True
                life.process.kill()
                life.process.wait()

    def open_place(self, number: int) -> Life:
        """Start a worker, and replace it from now on whenever it ends."""
        life = self._start(number)
        self._places[number] = life
        return life

    async def close_place(self, number: int) -> None:
        """Ask the worker of a place to stop, and replace it no more.

        Raises
        ------
        TimeoutError
            It did not end in the time that `worker.stop_timeout_s` gives it.
        """
        life = self._places.pop(number)
        if life is None:
            return
        life.ended_by_us = True
        self.resume(life)
        life.process.terminate()
        async with asyncio.timeout(_STOP_TIMEOUT_S):
            while life.running:  # noqa: ASYNC110 - a process tells no-one
                await asyncio.sleep(_LOOK_EVERY_S)

    def workers(self) -> list[Life]:
        """Those that run and are not paused."""
        return [life for life in self._places.values() if life is not None and life.running and not life.paused]

    def kill(self, life: Life) -> None:
        """SIGKILL."""
        life.ended_by_us = True
        life.process.kill()
        self.kills += 1

    def pause(self, life: Life) -> None:
        """SIGSTOP: it becomes a zombie to its consumer group."""
        life.paused = True
        life.process.send_signal(signal.SIGSTOP)

    def resume(self, life: Life) -> None:
        """SIGCONT."""
        if life.paused:
            life.paused = False
            life.process.send_signal(signal.SIGCONT)

    @property
    def fallen(self) -> list[Life]:
        """Processes that ended without being asked to."""
        return [life for life in self.lives if not life.running and not life.ended_by_us]

    async def ready(self, deadline_s: float = 60.0) -> None:
        """Wait until all of them have joined."""
        async with asyncio.timeout(deadline_s):
            for life in self.workers():
                while not (await asyncio.to_thread(_page, life.port, "readyz"))[0]:
                    if not life.running:
                        raise RuntimeError(f"{life.name} ended early:\n{self.last_words(life)}")
                    await asyncio.sleep(_LOOK_EVERY_S)

    async def look(self) -> dict[str, float]:
        """Note memory and late events of every worker; gives records that wait, by topic, as their owners say."""
        now_s = time.monotonic()
        workers = self.workers()
        for life in workers:
            life.memory.append((now_s, life.resident_bytes()))
        pages = await asyncio.gather(*(asyncio.to_thread(_page, life.port, "metrics") for life in workers))
        waiting: dict[str, float] = {}
        for life, (_, text) in zip(workers, pages, strict=True):
            late = 0.0
            for sample in (sample for family in text_string_to_metric_families(text) for sample in family.samples):
                if sample.name == "squall_consumer_lag_records":
                    topic = sample.labels["topic"]
                    waiting[topic] = waiting.get(topic, 0.0) + sample.value
                elif sample.name == "squall_assigned_partitions" and sample.value > 0:
                    life.has_worked = True
                elif sample.name == "squall_stage_outcomes_total" and sample.labels["outcome"] == "late":
                    late += sample.value
            life.late = max(life.late, late)
        return waiting

    def last_words(self, life: Life) -> str:
        """The end of a worker's log."""
        lines = (self._directory / f"{life.name}.log").read_text(errors="replace").splitlines()
        return "\n".join(lines[-_LAST_LINES:])

    def _start(self, number: int) -> Life:
        port = free_port()
        name = f"worker-{number}-{len(self.lives):03d}"
        own = {"SQUALL_WORKER__GROUP_INSTANCE_ID": f"place-{number}"} if self._static_members else {}
        command = [sys.executable, "-m", "streams", "worker", "--broker", self._broker, "--web-port", str(port)]
        with (self._directory / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [*command, "--config", str(self._settings)],
                cwd=ROOT,
                env=os.environ | self._environment | own,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=end_with_parent(),  # noqa: PLW1509 - one prepared system call, no Python locks taken
            )
        life = Life(name, port, process, time.monotonic())
        self.lives.append(life)
        return life

    async def _supervise(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            for number, life in list(self._places.items()):
                if life is not None and not life.running:
                    life.ended_s = time.monotonic()
                    self._places[number] = None
                    asyncio.get_running_loop().call_later(_RESTART_AFTER_S, self._replace, number)

    def _replace(self, number: int) -> None:
        if number in self._places and self._places[number] is None and self._task and not self._task.done():
            self._places[number] = self._start(number)


def _page(port: int, page: str) -> tuple[bool, str]:
    """Ask a page; whether it said 200, and its text."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{page}", timeout=_PAGE_TIMEOUT_S) as answer:
            return True, answer.read().decode()
    except OSError:
        return False, ""
