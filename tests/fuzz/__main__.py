"""Go through a million inputs: `python -m tests.fuzz --inputs 1000000 --seed 1`, or look at one: `--replay HEX`."""

import argparse
import json
import resource
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from rich.console import Console
from rich.table import Table

from detectors.events import EVENT_TYPES
from tests.fuzz.checks import Tally, check_file, check_own, check_own_in_stages, check_records
from tests.fuzz.corpus import corpus
from tests.fuzz.kinds import KINDS, Kind
from tests.fuzz.works import Escape, Violation

#: Of an input that violates, so much is printed.
_LONGEST_HEX_BYTES = 4_096
#: No case may take longer by the processor's time, nor the whole run more memory.
_LONGEST_CASE_S = 60.0
_MOST_MEMORY_MIB = 1_024
_REASONS = ("malformed", "schema", "crossed_book", "future", "empty", "too_large")


def case_seed(seed: int, number: int) -> int:
    """The seed of one case."""
    return seed * 10_000_000 + number


def run_kind(kind: Kind, inputs: int, seed: int) -> dict[str, Any]:
    """Run cases of a kind until there were enough inputs, or one violates."""
    tally, number, slowest_s, began_s = Tally(), 0, 0.0, time.perf_counter()
    found: dict[str, Any] = {"violations": 0, "escaped": 0}
    while tally["inputs"] < inputs and not found["violations"]:
        number += 1
        case_began_s = time.process_time()
        try:
            tally.update(kind.run(case_seed(seed, number)))
        except Exception as error:
            found |= {"violations": 1, "escaped": int(not isinstance(error, Violation) or isinstance(error, Escape))}
            say_violation(kind.name, seed, number, error)
        slowest_s = max(slowest_s, time.process_time() - case_began_s)
    if slowest_s > _LONGEST_CASE_S:
        print(f"{kind.name}: expected cases of at most {_LONGEST_CASE_S:.0f} s, found one of {slowest_s:.1f} s")
        found["violations"] += 1
    elapsed_s = time.perf_counter() - began_s
    return {
        "inputs": tally["inputs"],
        "accepted": tally["accepted"],
        "refused": {reason: tally[f"refused {reason}"] for reason in _REASONS},
        "alerts": tally["alerts"],
        "signals": tally["signals"],
        **found,
        "cases": number,
        "slowest_case_ms": round(1e3 * slowest_s),
        "inputs_per_s": round(tally["inputs"] / elapsed_s),
    }


def say_violation(kind: str, seed: int, number: int, error: Exception) -> None:
    """Print what went wrong, and how to see it again."""
    raw = getattr(error, "raw", b"")
    print(f"VIOLATION in {kind}, seed {seed}, case {number}: {error}")
    traceback.print_exception(error, file=sys.stdout)
    print(f"input of {len(raw)} bytes, from its beginning: {raw[:_LONGEST_HEX_BYTES].hex()}")
    if 0 < len(raw) <= _LONGEST_HEX_BYTES:
        print(f"this input alone: python -m tests.fuzz --replay {raw.hex()}")
    print(f"the whole case:   python -m tests.fuzz --seed {seed} --kind '{kind}' --case {number}")


def run(inputs: int, seed: int, kinds: Sequence[Kind] = KINDS) -> dict[str, Any]:
    """Run every kind for its share of the inputs; gives what is written to `fuzz.json`."""
    corpus()
    shares = sum(kind.share for kind in kinds)
    by_kind = {kind.name: run_kind(kind, round(kind.share / shares * inputs), seed) for kind in kinds}
    memory_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1_024
    violations = sum(found["violations"] for found in by_kind.values())
    if memory_mib > _MOST_MEMORY_MIB:
        print(f"expected at most {_MOST_MEMORY_MIB} MiB of memory, found {memory_mib}")
        violations += 1
    return {
        "seed": seed,
        "inputs": sum(found["inputs"] for found in by_kind.values()),
        "violations": violations,
        "escaped": sum(found["escaped"] for found in by_kind.values()),
        "most_memory_mib": memory_mib,
        "kinds": by_kind,
    }


def show(found: dict[str, Any]) -> None:
    """Print the table."""
    table = Table(title=f"Inputs of seed {found['seed']}", title_justify="left")
    for name in ("kind", "inputs", "accepted", *_REASONS, "escaped", "violations", "inputs/s", "slowest ms"):
        table.add_column(name, justify="left" if name == "kind" else "right")
    for kind, row in found["kinds"].items():
        numbers = [row["inputs"], row["accepted"], *row["refused"].values(), row["escaped"], row["violations"]]
        table.add_row(kind, *(f"{number:,}" for number in (*numbers, row["inputs_per_s"], row["slowest_case_ms"])))
    console = Console(width=160)
    console.print(table)
    alerts = sum(row["alerts"] for row in found["kinds"].values())
    signals = sum(row["signals"] for row in found["kinds"].values())
    console.print(
        f"{found['inputs']:,} inputs, {found['escaped']} exceptions escaped, {found['violations']} violations; "
        f"{alerts:,} alerts and {signals:,} signals alike with and without the bad; {found['most_memory_mib']} MiB"
    )


def replay(raw: bytes) -> int:
    """Show one input to everything that reads bytes, and print what became of it."""
    frames = corpus().frames
    for topic in EVENT_TYPES:
        print(f"{topic}: {dict(check_records(topic, [raw, b'[' + raw + b']']))}")
    for topic in frames:
        print(f"{topic}: {dict(check_own(topic, raw))}")
    for topic in ("account-activity", "signals"):
        print(f"stage behind {topic}: {dict(check_own_in_stages(topic, [*frames[topic], raw, frames[topic][-1]]))}")
    print(f"file: {dict(check_file([raw], Random(0)))}")
    return 0


def main(arguments: Sequence[str] | None = None, kinds: Sequence[Kind] = KINDS) -> int:
    """Run, print, write; 1 when anything violates."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="elements, records and lines in all")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same inputs")
    parser.add_argument("--kind", choices=[kind.name for kind in kinds], help="only this kind of input")
    parser.add_argument("--case", type=int, help="only this case of the kind, counted from 1")
    parser.add_argument("--replay", metavar="HEX", type=bytes.fromhex, help="look at these bytes instead")
    parser.add_argument("--out", type=Path, default=Path("fuzz.json"), help="where to write what was found")
    options = parser.parse_args(arguments)
    if options.replay is not None:
        return replay(options.replay)
    chosen = [kind for kind in kinds if options.kind in (None, kind.name)]
    if options.case is not None:
        for kind in chosen:
            print(f"{kind.name}: {dict(kind.run(case_seed(options.seed, options.case)))}")
        return 0
    found = run(options.inputs, options.seed, chosen)
    show(found)
    options.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 1 if found["violations"] else 0


if __name__ == "__main__":
    sys.exit(main())
