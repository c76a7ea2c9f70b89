"""Processes that are measured: each on a core of its own, the broker and the producer on another."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Cores(NamedTuple):
    """Who runs where; both the same on a machine of one core."""

    others: set[int]
    measured: set[int]


def split_cores() -> Cores:
    """Keep the last core for what is measured, and move this process, and what it starts from now on, to the others."""
    found = sorted(os.sched_getaffinity(0))
    cores = Cores(set(found[:-1]) or set(found), set(found[-1:]))
    os.sched_setaffinity(0, cores.others)
    return cores


def start(arguments: Sequence[str], cores: set[int], **environment: str) -> "subprocess.Popen[str]":
    """Start a Python process on some cores; `arguments` are those of the interpreter."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    os.sched_setaffinity(process.pid, cores)
    return process


def run(arguments: Sequence[str], cores: set[int], deadline_s: float, **environment: str) -> dict[str, Any]:
    """Run a Python process to its end; what it printed last, as JSON.

    Raises
    ------
    RuntimeError
        It failed, or did not end in time; with what it said.
    """
    process = start(arguments, cores, **environment)
    try:
        said, _ = process.communicate(timeout=deadline_s)
    finally:
        process.kill()
        process.wait()
    if process.returncode != 0:
        what = " ".join(arguments[:2])
        raise RuntimeError(f"expected {what} to measure, it ended with {process.returncode}: {said[-2000:]}")
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


def cpu_s(pid: int) -> float:
    """User and system time that a process has used, all its threads together, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
