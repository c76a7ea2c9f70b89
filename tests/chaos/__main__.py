"""`python -m tests.chaos [--short] [--only NAME] [--seed N] [--broker embedded|kafka]`.

Exit status: 0 all invariants hold, 1 some do not, 2 wrong use.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
from rich.console import Console

from tests.chaos.report import show, write
from tests.chaos.run import Outcome, play
from tests.chaos.scenarios import CALM, LONG, SHORT, Scenario

HOLDS, BROKEN, WRONG_USE = 0, 1, 2


def chosen(arguments: argparse.Namespace) -> list[Scenario]:
    """The scenarios that were asked for, changed as asked."""
    every = SHORT if arguments.short else LONG
    if arguments.only:
        every = tuple(one for one in (CALM, *SHORT, *LONG) if one.name == arguments.only)
    if arguments.seed is not None:
        every = tuple(replace(one, load=msgspec.structs.replace(one.load, seed=arguments.seed)) for one in every)
    if arguments.broker:
        every = tuple(replace(one, broker=arguments.broker) for one in every)
    return list(every)


def main(given: Sequence[str] | None = None) -> int:
    """Run them one after another."""
    names = ", ".join(one.name for one in (CALM, *SHORT, *LONG))
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Real brokers and workers under faults.")
    parser.add_argument("--short", action="store_true", help="the runs of the gate, four minutes")
    parser.add_argument("--only", help=f"one run: {names}")
    parser.add_argument("--seed", type=int, help="of the load, and of what nemeses choose")
    parser.add_argument("--broker", choices=("embedded", "kafka"), help="another broker than the run's own")
    parser.add_argument("--out", type=Path, default=Path("chaos.json"))
    parser.add_argument("--again", action="store_true", help="repeat a run once in which only lag or memory is broken")
    parser.add_argument("--keep", type=Path, help="a directory for the logs of workers")
    arguments = parser.parse_args(given)
    scenarios = chosen(arguments)
    console = Console(width=None if sys.stdout.isatty() else 140)
    if not scenarios:
        console.print(f"expected one of {names}; found {arguments.only!r}", markup=False)
        return WRONG_USE
    outcomes: list[Outcome] = []
    began_s = time.monotonic()
    for scenario in scenarios:

        def say(what: str, name: str = scenario.name) -> None:
            console.print(f"{time.monotonic() - began_s:6.0f} s  {name}: {what}", style="dim", highlight=False)

        keep = arguments.keep / scenario.name if arguments.keep else None
        outcomes.append(asyncio.run(play(scenario, say, keep)))
        show(outcomes[-1], console)
        if arguments.again and outcomes[-1].was_only_slow:
            say("only its pace is broken, which may be the machine's; once more")
            outcomes[-1] = asyncio.run(play(scenario, say, keep))
            show(outcomes[-1], console)
        write(outcomes, arguments.out)
    # At the end as well: the tables may have scrolled away.
    for outcome in outcomes:
        for verdict in outcome.verdicts:
            if verdict.holds is False:
                console.print(f"BROKEN {outcome.scenario}: {verdict.invariant}: {verdict.said}", style="bold red")
    return HOLDS if all(outcome.holds for outcome in outcomes) else BROKEN


if __name__ == "__main__":
    sys.exit(main())
