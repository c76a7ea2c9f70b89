"""Ours: one real worker process in front of a backlog, watched from outside."""

import re
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from streams.demo.ports import free_port
from streams.topics import INPUT_TOPICS
from tests.benchmarks.processes import cpu_s, start

#: Each look costs the worker some two milliseconds.
_LOOK_EVERY_S = 0.2
#: Topics that are silent hold ticks open for a while; the gauge of open ticks is brought up to date each second.
_TAIL_LEAST_S = 3.0
_TAIL_MOST_S = 30.0
#: A worker without work still asks the broker for some: so long is measured what that costs.
_IDLE_S = 1.5
_RECORDS = re.compile(r'^squall_records_total\{topic="([a-z-]+)"\} (\S+)$', re.MULTILINE)

_CHECKPOINTS = re.compile(r'^squall_snapshot_seconds_sum\{stage="[a-z]+"\} (\S+)$', re.MULTILINE)
_OPEN_TICKS = re.compile(r'^squall_open_ticks\{partition="\d+",stage="(?:market|account)"\} (\S+)$', re.MULTILINE)


class Look(NamedTuple):
    """What a worker had done at a time."""

    at_s: float
    cpu_s: float
    events: int
    checkpoints_s: float


class Worker:
    """A running worker process."""

    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self.process = process
        self._url = f"http://127.0.0.1:{port}"

    def page(self, name: str) -> str | None:
        """One of its pages; None while it does not answer, or not with 200."""
        if self.process.poll() is not None:
            said = self.process.communicate()[0]
            raise RuntimeError(f"expected the worker to run, it ended with {self.process.returncode}: {said[-2000:]}")
        try:
            with urllib.request.urlopen(self._url + name, timeout=10) as answer:  # noqa: S310 - our own http address
                return str(answer.read().decode())
        except (urllib.error.URLError, TimeoutError):
            return None

    def wait_until_ready(self, deadline_s: float = 60.0) -> None:
        """Wait until it has its partitions."""
        end_s = time.monotonic() + deadline_s
        while self.page("/readyz") is None:
            if time.monotonic() > end_s:
                raise RuntimeError(f"expected the worker to be ready within {deadline_s:.0f} s, it was not")
            time.sleep(0.01)

    def wait_until_closed(self, not_before_s: float) -> None:
        """Wait until market and account stages have closed all their ticks."""
        time.sleep(max(not_before_s - time.perf_counter(), 0.0))
        while any(float(ticks) for ticks in _OPEN_TICKS.findall(self.page("/metrics") or "")):
            if time.perf_counter() > not_before_s + _TAIL_MOST_S:
                raise RuntimeError(f"expected all ticks closed {_TAIL_MOST_S:.0f} s after the last event, they are not")
            time.sleep(_LOOK_EVERY_S)

    def look(self) -> Look:
        """Events taken so far."""
        page = self.page("/metrics") or ""
        events = sum(int(float(value)) for topic, value in _RECORDS.findall(page) if topic in INPUT_TOPICS)
        checkpoints_s = sum(float(value) for value in _CHECKPOINTS.findall(page))
        return Look(time.perf_counter(), cpu_s(self.process.pid), events, checkpoints_s)


@contextmanager
def working(broker: str, group: str, cores: set[int], **environment: str) -> Iterator[Worker]:
    """Run `squall worker` for the block, with its default settings unless the environment says otherwise."""
    port = free_port()
    process = start(
        ["-m", "streams", "worker", "--broker", broker, "--web-port", str(port)],
        cores,
        SQUALL_APP_ID=group,
        SQUALL_WORKER__SESSION_TIMEOUT_S="6",
        SQUALL_WORKER__REBALANCE_TIMEOUT_S="6",
        # All of the work is measured, however large the backlog.
        SQUALL_WORKER__DEGRADE_LAG_S="0",
        **environment,
    )
    try:
        yield Worker(process, port)
    finally:
        process.kill()
        process.communicate()


def measure(broker: str, group: str, events: int, cores: set[int], **environment: str) -> dict[str, float]:
    """Work through a backlog of so many events, from the first taken to the last.

    What is left to do once the last event is taken (ticks that are open, frames between stages) is added to the time as
    the processor time it takes.
    """
    with working(broker, group, cores, **environment) as worker:
        first = last = Look(0.0, 0.0, 0, 0.0)
        while last.events < events:
            time.sleep(_LOOK_EVERY_S if first.events else 0.02)
            last = worker.look()
            first = first if first.events else last
        worker.wait_until_closed(last.at_s + _TAIL_LEAST_S)
        done = worker.look()
        time.sleep(_IDLE_S)
        idle = worker.look()
    idle_share = (idle.cpu_s - done.cpu_s) / (idle.at_s - done.at_s)
    tail_s = max(done.cpu_s - last.cpu_s - idle_share * (done.at_s - last.at_s), 0.0)
    return {
        "events": events - first.events,
        "wall_s": last.at_s - first.at_s + tail_s,
        "cpu_s": last.cpu_s - first.cpu_s + tail_s,
        "tail_s": tail_s,
        "checkpoints_s": done.checkpoints_s,
        "idle_cpu_share": idle_share,
    }
