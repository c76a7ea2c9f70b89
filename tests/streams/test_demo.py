"""The demo as it is run: real broker, real workers; nothing outlives it, whatever ends it."""

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.broker]

ROOT = Path(__file__).parents[2]
LINUX = sys.platform.startswith("linux")


class Demo:
    """`squall demo` as a process; its children carry its mark in their environment."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self._mark = f"SQUALL_TEST_MARK={uuid.uuid4()}"
        name, _, value = self._mark.partition("=")
        # A name that is not a setting is none of the product's: it only marks the processes.
        environment = os.environ | {f"_{name}": value, "PYTHONPATH": str(ROOT), "COLUMNS": "118"}
        self._said = directory / "said"
        with self._said.open("wb") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streams", "demo", "--console-port", "0", *arguments],
                cwd=directory,
                env=environment,
                stdout=said,
                stderr=subprocess.STDOUT,
            )

    def said(self) -> str:
        return self._said.read_text(encoding="utf-8")

    def processes(self) -> dict[int, str]:
        """Its living processes and what they run, itself included."""
        found = {}
        for directory in Path("/proc").glob("[0-9]*"):
            try:
                marked = self._mark.encode() in (directory / "environ").read_bytes()
                command = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            # The command line of a process that has ended and waits for its parent is empty.
            if marked and command:
                found[int(directory.name)] = command
        return found

    def running(self, what: str) -> list[int]:
        return [pid for pid, command in self.processes().items() if what in command]

    def ended(self, deadline_s: float) -> int:
        return self.process.wait(deadline_s)


def until(true: Callable[[], bool], deadline_s: float, about: Callable[[], object]) -> None:
    end_s = time.monotonic() + deadline_s
    while not true():
        assert time.monotonic() < end_s, about()
        time.sleep(0.05)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    begun: list[Demo] = []

    def begin(*arguments: str) -> Demo:
        begun.append(Demo(tmp_path, *arguments))
        return begun[-1]

    yield begin
    for demo in begun:
        demo.process.kill()
        demo.process.wait()
        if LINUX:
            for pid in demo.processes():
                os.kill(pid, signal.SIGKILL)


def test_a_short_demo_takes_every_event_and_its_status_says_whether_all_was_found(
    start: Callable[..., Demo], tmp_path: Path
) -> None:
    # How to log in to a broker of others; the demo's own asks for nothing.
    security = '[security]\nprotocol = "SASL_SSL"\nusername = "squall"\npassword = "never used"\n'
    (tmp_path / "squall.toml").write_text(security, encoding="utf-8")
    demo = start("--duration", "60", "--pace", "6000", "--record", "board.svg")
    status = demo.ended(100.0)
    said = demo.said()
    assert "\x1b" not in said
    assert re.search(r"late events +0 *\n", said), said
    counted = re.search(r"events +([\d,]+) in", said)
    assert counted is not None, said
    assert int(counted[1].replace(",", "")) > 20_000
    assert re.search(
        r"rate limits +(nobody was limited|[\d,]+ accounts at the worst moment, \d\d:\d\d; of them)", said
    ), said
    assert re.search(r"guardrails +\w", said), said
    delivered = re.search(r"of (\d+) alerts: signed webhook (\d+), console (\d+)", said)
    assert delivered is not None, said
    assert delivered[1] == delivered[2] == delivered[3]
    assert status == (0 if "all 5 planted incidents were found" in said else 1), said
    assert "planted" in (tmp_path / "board.svg").read_text(encoding="utf-8")
    if LINUX:
        assert demo.processes() == {}


@pytest.mark.skipif(not LINUX, reason="reads /proc, and only Linux tells a child that its parent died")
@pytest.mark.parametrize(
    ("number", "deadline_s"), [(signal.SIGINT, 10.0), (signal.SIGTERM, 10.0), (signal.SIGKILL, 30.0)]
)
def test_no_process_outlives_a_demo_that_is_ended(
    start: Callable[..., Demo], number: signal.Signals, deadline_s: float
) -> None:
    demo = start()
    until(lambda: bool(demo.running("streams.demo.feed")), 60.0, demo.said)
    assert len(demo.running("streams worker")) == 2
    assert len(demo.running("tansu")) == 1
    assert len(demo.running("streams notify")) == len(demo.running("streams console")) == 1
    demo.process.send_signal(number)
    assert demo.ended(10.0) != 0
    until(lambda: not demo.processes(), deadline_s, demo.processes)
    assert "Traceback" not in demo.said()


@pytest.mark.skipif(not LINUX, reason="finds the worker in /proc")
def test_a_worker_that_dies_ends_the_demo_with_its_last_words(start: Callable[..., Demo]) -> None:
    demo = start()
    until(lambda: bool(demo.running("streams.demo.feed")), 60.0, demo.said)
    os.kill(demo.running("streams worker")[0], signal.SIGKILL)
    assert demo.ended(15.0) == 1
    assert re.search(r"error: worker-[12] ended with status -9; its log ends with:\n.*INFO", demo.said())
    assert demo.processes() == {}
