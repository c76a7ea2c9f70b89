"""The arithmetic of `deploy/sizing.md`: `python -m tests.benchmarks.sizing` prints its table.

The costs are measured: where, stands beside each. All else is multiplication.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

#: README, "How fast": of `make bench`, processor time an event on dense (100,000/s) and thin (1,000/s) history, with
#: four symbols. Two unknowns, two equations: what an event costs, and what a symbol costs in a second of event time.
_DENSE_US, _THIN_US = 7.8, 37.6
_SYMBOL_S = (_THIN_US - _DENSE_US) * 1e-6 / (1 / 1_000 - 1 / 100_000) / 4
_EVENT_S = _DENSE_US * 1e-6 - 4 * _SYMBOL_S / 100_000
#: `python -m tests.benchmarks.scaling`: a frame between stages, sent and read; a frame and a signal in the correlation
#: stage; signals of an event, and of a calm market; bytes of a checkpoint for a symbol and for an account.
_FRAME_S = 70e-6
_CORRELATION_FRAME_S, _SIGNAL_S = 4e-6, 40e-6
_SIGNALS_PER_EVENT = 0.01
_SYMBOL_CHECKPOINT_BYTES, _ACCOUNT_CHECKPOINT_BYTES = 36_000, 320
#: README: `make bench`, bytes of the process for a tracked account, and of a trade or cancel.
_ACCOUNT_BYTES, _EVENT_BYTES = 1_847, 192
#: A fresh worker, and a symbol with its half-space trees.
_WORKER_BYTES, _SYMBOL_BYTES = 150_000_000, 1_500_000
_TICKS_PER_S = 10
_CHECKPOINT_S = 5
#: Of a core: what a worker is planned for (README: paced, one kept up at 0.33 and fell behind at 0.66), what the
#: correlation stage may take; and of all work, what frames may.
_LOAD, _CORRELATION_LOAD, _FRAMES_SHARE = 0.35, 0.35, 0.25
#: So that workers can be doubled without new topics.
_PARTITIONS_PER_WORKER = 2


@dataclass(frozen=True, slots=True)
class Exchange:
    """What is to be watched: events a second, symbols that trade, accounts in all and those active in five seconds."""

    events_per_s: float
    symbols: int
    accounts: int
    active_accounts: int

    def part(self, parts: int) -> "Exchange":
        """Give one of equal parts by symbol: accounts may trade in all of them."""
        return Exchange(self.events_per_s / parts, math.ceil(self.symbols / parts), self.accounts, self.active_accounts)


class Plan(NamedTuple):
    """What one deployment takes."""

    workers: int
    partitions: int
    events_cores: float
    symbols_cores: float
    frames_cores: float
    frames_per_s: float
    correlation_core: float


def plan(part: Exchange) -> Plan | None:
    """Find the least number of workers; None when frames or the correlation stage take too much for one deployment."""
    events, symbols = part.events_per_s * _EVENT_S, part.symbols * _SYMBOL_S
    correlation_signals = part.events_per_s * _SIGNALS_PER_EVENT * _SIGNAL_S
    for workers in range(1, 1_000):
        partitions = max(4, workers * _PARTITIONS_PER_WORKER)
        frames_per_s = _TICKS_PER_S * (partitions**2 + 3 * partitions)
        frames = frames_per_s * _FRAME_S
        if workers * _LOAD < events + symbols + frames:
            continue
        correlation = correlation_signals + _TICKS_PER_S * 2 * partitions * (_CORRELATION_FRAME_S + _FRAME_S / 2)
        # The smallest deployments are mostly idle: there, the share of frames says nothing.
        too_many = workers > _PARTITIONS_PER_WORKER and frames > _FRAMES_SHARE * (events + symbols + frames)
        if too_many or correlation > _CORRELATION_LOAD:
            return None
        return Plan(workers, partitions, events, symbols, frames, frames_per_s, correlation)
    return None


def deployments(whole: Exchange) -> tuple[int, Plan]:
    """Split by symbol into the fewest deployments that each work."""
    for parts in range(1, 1_000):
        found = plan(whole.part(parts))
        if found is not None:
            return parts, found
    raise ValueError(f"expected an exchange that can be split, found {whole}")


def memory_bytes(part: Exchange, made: Plan) -> float:
    """Memory of a worker, with its share of accounts and symbols evenly spread."""
    spread = part.accounts * _ACCOUNT_BYTES + part.symbols * _SYMBOL_BYTES
    return _WORKER_BYTES + spread / made.workers


def checkpoint_bytes_per_s(part: Exchange) -> float:
    """What a deployment writes to `snapshots`, before compression."""
    changed = part.symbols * _SYMBOL_CHECKPOINT_BYTES + part.active_accounts * _ACCOUNT_CHECKPOINT_BYTES
    return changed / _CHECKPOINT_S


EXCHANGES = {
    "10,000": Exchange(10_000, 50, 20_000, 2_000),
    "100,000": Exchange(100_000, 200, 200_000, 20_000),
    "1,000,000": Exchange(1_000_000, 500, 1_000_000, 100_000),
    "5,000,000": Exchange(5_000_000, 1_000, 5_000_000, 500_000),
}


def table() -> str:
    """Write the table, as Markdown."""
    rows: dict[str, Callable[[Exchange, int, Plan], str]] = {
        "symbols / accounts / active in 5 s": lambda whole, _, __: (
            f"{whole.symbols:,} / {whole.accounts:,} / {whole.active_accounts:,}"
        ),
        "cores for events + symbols + frames": lambda _, parts, made: " + ".join(
            f"{parts * cores:.1f}" for cores in (made.events_cores, made.symbols_cores, made.frames_cores)
        ),
        "deployments": lambda _, parts, __: f"{parts}",
        "workers, each": lambda _, __, made: f"{made.workers}",
        "partitions, each": lambda _, __, made: f"{made.partitions}",
        "frames between stages a second, each": lambda _, __, made: f"{made.frames_per_s:,.0f}",
        "correlation stage, of a core, each": lambda _, __, made: f"{made.correlation_core:.2f}",
        "memory of a worker": lambda whole, parts, made: f"{memory_bytes(whole.part(parts), made) / 1e6:,.0f} MB",
        "checkpoints, all": lambda whole, parts, _: (
            f"{parts * checkpoint_bytes_per_s(whole.part(parts)) / 1e6:,.1f} MB/s"
        ),
        "events into Kafka, before compression": lambda whole, _, __: (
            f"{whole.events_per_s * _EVENT_BYTES * 8 / 1e9:,.2f} Gbit/s"
        ),
        "hottest symbol at most, of all events": lambda whole, _, __: (
            f"{min(1.0, hottest_events_per_s() / whole.events_per_s):.0%}"
        ),
    }
    plans = {name: (whole, *deployments(whole)) for name, whole in EXCHANGES.items()}
    lines = ["| events a second | " + " | ".join(plans) + " |", "| --- |" + " --- |" * len(plans)]
    lines += [
        f"| {name} | " + " | ".join(cell(*found) for found in plans.values()) + " |" for name, cell in rows.items()
    ]
    return "\n".join(lines)


def hottest_events_per_s() -> float:
    """What one symbol may have: it is one key, so one partition, so one worker."""
    return (_LOAD - _SYMBOL_S) / _EVENT_S


if __name__ == "__main__":
    print(table())
