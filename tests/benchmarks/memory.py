"""Memory of tracked accounts, in one account stage: `python -m tests.benchmarks.memory ACCOUNTS`."""

import gc
import json
import os
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from detectors.account_stage import AccountStage
from detectors.config import CoreSettings
from detectors.results import Activity, ActivityFrame
from streams.checkpoints import Record
from streams.journal import Journal

_ACCOUNTS_A_TICK = 1_000
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_FIRST_TICK = 17_000_000_000
_TICK_US = 100_000
_TICKS_A_CHECKPOINT = 50


def resident_bytes() -> int:
    """Memory of this process that is in use."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES


class Filled(NamedTuple):
    """A stage with its journal."""

    stage: AccountStage
    journal: Journal


def fill(accounts: int, send: Callable[[Record], object] = lambda _: None) -> Filled:
    """A stage that has seen each of so many accounts twice (some cancels, and a trade), and sends its checkpoints."""
    stage, journal = AccountStage(0, 1, CoreSettings()), Journal("account", 1, "first")
    offset = 0
    for seen in range(2):
        for begin in range(0, accounts, _ACCOUNTS_A_TICK):
            tick = _FIRST_TICK + offset
            names = range(begin, min(begin + _ACCOUNTS_A_TICK, accounts))
            rows = tuple(Activity(f"account-{name:06d}", "BTC-PERP", 2 + seen, 10, 1, 500_000) for name in names)
            frame = ActivityFrame("market/0", (tick + 1) * _TICK_US, False, ((tick, (), rows),))
            stage.push_frame(frame, offset, offset)
            stage.complete((tick + 1) * _TICK_US)
            stage.poll(offset)
            offset += 1
            if offset % _TICKS_A_CHECKPOINT == 0:
                for record in journal.write(stage, {}).records:
                    send(record)
    stage.flush()
    for record in journal.write(stage, {}).records:
        send(record)
    return Filled(stage, journal)


def measure(accounts: int) -> dict[str, float]:
    """Bytes an account, by what the process grew by, and by what Python says it has allocated."""
    fill(1_000)
    gc.collect()
    before = resident_bytes()
    filled = fill(accounts)
    gc.collect()
    by_process = (resident_bytes() - before) / accounts
    del filled
    gc.collect()
    tracemalloc.start()
    filled = fill(accounts)
    gc.collect()
    by_allocation = tracemalloc.get_traced_memory()[0] / accounts
    tracemalloc.stop()
    ticks = filled.stage.counters["ticks"]
    return {"accounts": accounts, "resident": by_process, "allocated": by_allocation, "ticks": ticks}


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
