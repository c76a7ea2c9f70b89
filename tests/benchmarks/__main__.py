"""`python -m tests.benchmarks [--quick] [--out FILE]`: measures everything, prints a table, writes `bench.json`."""

import argparse
import gc
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.benchmarks import latency, ours, trips
from tests.benchmarks.backlog import Item, bytes_per_event, density_per_s, loaded_broker, simulate
from tests.benchmarks.core import rounds, run_core, run_three
from tests.benchmarks.processes import Cores, run, split_cores
from tests.benchmarks.report import machine, show_figures, show_parts, summary, write

_DENSE_PER_S, _SPARSE_PER_S = 100_000.0, 1_000.0
_LATENCY_SHARE = 0.7
_DEADLINE_S = 180.0
#: None is due before the measurement has ended.
_NO_CHECKPOINTS = {"SQUALL_WORKER__SNAPSHOT_INTERVAL_S": "100000"}


class Size(NamedTuple):
    """How much is measured: events of the backlogs and for stock Faust, repetitions, seconds of bursts, accounts."""

    dense_events: int
    sparse_events: int
    stock_events: int
    repetitions: int
    latency_s: float
    accounts: int


FULL = Size(600_000, 150_000, 60_000, 3, 25.0, 100_000)
QUICK = Size(120_000, 20_000, 5_000, 1, 0.0, 20_000)


def alternate(items: Sequence[Item], size: Size, cores: Cores) -> dict[str, dict[str, float]]:
    """Floor, stock Faust and ours in turn, so that a noisy minute meets all of them."""
    names = ("floor", "stock Faust", "squall", "squall, no checkpoints")
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    events = len(items)
    for number in range(size.repetitions):
        with loaded_broker(items) as broker:
            arguments = ["-m", "tests.benchmarks.floor", broker, str(events)]
            runs["floor"].append(run(arguments, cores.measured, _DEADLINE_S))
        with loaded_broker(items) as broker:
            arguments = ["-m", "tests.benchmarks.stock", broker, f"stock-{number}", str(min(size.stock_events, events))]
            runs["stock Faust"].append(run(arguments, cores.measured, _DEADLINE_S))
        with loaded_broker(items) as broker:
            runs["squall"].append(ours.measure(broker, f"squall-{number}", events, cores.measured))
        with loaded_broker(items) as broker:
            never = ours.measure(broker, f"never-{number}", events, cores.measured, **_NO_CHECKPOINTS)
            runs["squall, no checkpoints"].append(never)
    return {name: summary(found) for name, found in runs.items()}


def core_alone(items: Sequence[Item], size: Size, density: str) -> dict[str, dict[str, float]]:
    """The core, from memory, whole and with its three first detectors in turn."""
    fetches = rounds(items)
    ways = {f"core, {density}": run_core, f"core, {density}, three detectors": run_three}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    for _ in range(size.repetitions):
        for name, way in ways.items():
            found[name].append(way(fetches)._asdict())
    return {name: summary(runs) for name, runs in found.items()}


def measure(size: Size) -> dict[str, Any]:
    """Everything, as it goes to `bench.json`; the table is printed as soon as it is known."""
    about = machine()
    cores = split_cores()
    memory = run(["-m", "tests.benchmarks.memory", str(size.accounts)], cores.measured, _DEADLINE_S)
    restored = run(["-m", "tests.benchmarks.restoring", str(size.accounts)], cores.measured, _DEADLINE_S)
    dense, sparse = simulate(size.dense_events, _DENSE_PER_S), simulate(size.sparse_events, _SPARSE_PER_S)
    gc.freeze()
    parts = core_alone(dense, size, "dense") | core_alone(sparse, size, "sparse")
    parts |= alternate(dense, size, cores)
    with loaded_broker(sparse) as broker:
        parts["squall, sparse"] = summary([ours.measure(broker, "sparse", len(sparse), cores.measured)])
    show_parts(parts)
    attempts: list[dict[str, Any]] = []
    guardrails: list[dict[str, Any]] = []
    if size.latency_s:
        offered = _LATENCY_SHARE * parts["squall"]["events_per_s"]
        attempts = latency.measure_sustained(offered, size.latency_s, cores)
        guardrails = [trips.measure(rate, size.latency_s, 1, cores) for rate in trips.RATES]
    return {
        **rates(parts),
        "latency_ms": attempts[-1]["latency_ms"] if attempts else None,
        "latency": {"settings": latency.SETTINGS, "attempts": attempts},
        "guardrails": guardrails,
        "bytes_per_account": round(max(memory["resident"], memory["allocated"])),
        "bytes_per_account_resident": round(memory["resident"]),
        "bytes_per_account_allocated": round(memory["allocated"]),
        "restored": {name: round(value, 3) for name, value in restored.items()},
        "event_bytes": round(bytes_per_event(dense)),
        "density_per_s": {"dense": round(density_per_s(dense)), "sparse": round(density_per_s(sparse))},
        "parts": parts,
        "machine": about,
    }


def rates(parts: dict[str, dict[str, float]]) -> dict[str, float]:
    """Events a second of each part, and how ours compares."""
    floor, stock, squall = (parts[name] for name in ("floor", "stock Faust", "squall"))
    never = parts["squall, no checkpoints"]
    return {
        "floor_events_per_s": floor["events_per_s"],
        "stock_faust_events_per_s": stock["events_per_s"],
        "squall_events_per_s": squall["events_per_s"],
        "squall_events_per_s_sparse": parts["squall, sparse"]["events_per_s"],
        "core_events_per_s": parts["core, dense"]["events_per_s"],
        "core_events_per_s_sparse": parts["core, sparse"]["events_per_s"],
        "cpu_against_three_detectors": against_three(parts, "dense"),
        "cpu_against_three_detectors_sparse": against_three(parts, "sparse"),
        "checkpoints_added_to_cpu": round(squall["cpu_us_per_event"] / never["cpu_us_per_event"] - 1.0, 4),
        "checkpoints_taken_share_of_cpu": squall["checkpoint_share"],
        "checkpoints_taken_share_of_cpu_sparse": parts["squall, sparse"]["checkpoint_share"],
        "ratio_to_stock_faust": round(squall["events_per_s"] / stock["events_per_s"], 2),
        "ratio_to_floor": round(squall["events_per_s"] / floor["events_per_s"], 2),
        "ratio_to_stock_faust_by_cpu": round(squall["events_per_cpu_s"] / stock["events_per_cpu_s"], 2),
        "ratio_to_floor_by_cpu": round(squall["events_per_cpu_s"] / floor["events_per_cpu_s"], 2),
    }


def against_three(parts: dict[str, dict[str, float]], density: str) -> float:
    """CPU time an event of the whole core over that with its three first detectors."""
    whole, three = parts[f"core, {density}"], parts[f"core, {density}, three detectors"]
    return round(whole["cpu_us_per_event"] / three["cpu_us_per_event"], 2)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute, to see that it works; no latency")
    parser.add_argument("--out", type=Path, default=Path("bench.json"), help="where to write what was found")
    options = parser.parse_args()
    found = measure(QUICK if options.quick else FULL)
    show_figures(found)
    write(found, options.out)


if __name__ == "__main__":
    main()
