"""Memory of tracked accounts, in one account stage: `python -m tests.benchmarks.memory ACCOUNTS`."""

import gc
import json
import os
import sys
import tracemalloc
from pathlib import Path

from detectors.account_stage import AccountStage
from detectors.config import CoreSettings
from detectors.results import Activity, ActivityFrame

_ACCOUNTS_A_TICK = 1_000
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_FIRST_TICK = 17_000_000_000
_TICK_US = 100_000


def resident_bytes() -> int:
    """Memory of this process that is in use."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES


def fill(accounts: int) -> AccountStage:
    """A stage that has seen each of so many accounts twice: some cancels, and a trade."""
    stage = AccountStage(0, 1, CoreSettings())
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
    stage.flush()
    return stage


def measure(accounts: int) -> dict[str, float]:
    """Bytes an account, by what the process grew by, and by what Python says it has allocated."""
    fill(1_000)
    gc.collect()
    before = resident_bytes()
    stage = fill(accounts)
    gc.collect()
    by_process = (resident_bytes() - before) / accounts
    del stage
    gc.collect()
    tracemalloc.start()
    stage = fill(accounts)
    gc.collect()
    by_allocation = tracemalloc.get_traced_memory()[0] / accounts
    tracemalloc.stop()
    return {"accounts": accounts, "resident": by_process, "allocated": by_allocation, "ticks": stage.counters["ticks"]}


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
