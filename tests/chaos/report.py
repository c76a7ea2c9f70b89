"""What became of the runs, as a table and as `chaos.json`."""

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.benchmarks.report import machine
from tests.chaos.run import Outcome

_MARKS = {True: Text("holds", style="green"), False: Text("BROKEN", style="bold red"), None: Text("n/a", style="dim")}


def show(outcome: Outcome, console: Console) -> None:
    """Print one run."""
    table = Table(title=f"{outcome.scenario} on {outcome.broker}", title_justify="left")
    table.add_column("invariant")
    table.add_column("")
    table.add_column("what was found", overflow="fold")
    for verdict in outcome.verdicts:
        table.add_row(verdict.invariant, _MARKS[verdict.holds], verdict.said)
    console.print(table)
    console.print("  ".join(f"{name} {value}" for name, value in outcome.figures.items()), markup=False)


def write(outcomes: Sequence[Outcome], path: Path) -> None:
    """Write `chaos.json`."""
    found = {
        "machine": machine(),
        "holds": all(outcome.holds for outcome in outcomes),
        "kills": sum(outcome.figures["kills"] for outcome in outcomes),
        "runs": [
            {
                "scenario": outcome.scenario,
                "broker": outcome.broker,
                "invariants": [verdict._asdict() for verdict in outcome.verdicts],
                "figures": outcome.figures,
                "events": outcome.notes,
                "lag_s": outcome.lags,
            }
            for outcome in outcomes
        ],
    }
    path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
