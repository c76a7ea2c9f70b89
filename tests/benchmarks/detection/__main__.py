"""How well incidents are found: `python -m tests.benchmarks.detection [--quick] [--out DIR] [--hours H] [--only PART]`.

Writes `quality.json` and `quality.html` into DIR; `--quick` tries in half a minute that everything works, on too little
flow to say anything. The parts are `incidents`, planted and found, and `cascades`, which are warned of or not.
"""

import argparse
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from typing import Any

from tests.benchmarks.detection.aims import aims
from tests.benchmarks.detection.branches import GRACE_S, Plan, Run, run
from tests.benchmarks.detection.cascade_judge import cascade_findings
from tests.benchmarks.detection.cascade_page import cascade_aims, reliability, show_cascades
from tests.benchmarks.detection.cascade_runs import CascadeRun, run_chain
from tests.benchmarks.detection.figures import pictures
from tests.benchmarks.detection.findings import findings
from tests.benchmarks.detection.flows import RECORDINGS, SYMBOLS, Flow, recorded_flow, simulated_flow
from tests.benchmarks.detection.page import show, write_json, write_page
from tests.benchmarks.report import machine

SEEDS = (101, 102)
#: The one recording that is long enough to plant into.
_RECORDING = "bitstamp-btcusd-2015-05-01-first-3h.ndjson.gz"

Job = tuple[Flow, Plan]
#: Chains of flows on which cascades happen, as (seed, hours): thresholds and base rates of one are for the other.
CASCADE_CHAINS = (((301, 4.0), (303, 5.5), (305, 5.5)), ((302, 4.0), (304, 5.5), (306, 5.5)))
_QUICK_CASCADE_S = 400


def jobs(hours: float) -> list[Job]:
    """The simulated exchange under two seeds, each the other's clean half; the recording, whose halves are its own."""
    planned = []
    for fold, seed in enumerate(SEEDS):
        flow = simulated_flow(seed, round(hours * 3_600))
        planned.append((flow, Plan(1_200, 640, True, (0,), (fold,))))
    if (RECORDINGS / _RECORDING).exists():
        flow = recorded_flow(RECORDINGS / _RECORDING)
        middle_s = (flow.seconds + 1_200) // 2
        planned.append((flow, Plan(1_200, 450, True, (0, middle_s), (0, 1))))
    return planned


def quick_jobs() -> list[Job]:
    """One onset in each of two short simulated flows."""
    flows = [simulated_flow(seed, 560, SYMBOLS[:2]) for seed in SEEDS]
    return [(flow, Plan(420, 600, False, (0,), (fold,))) for fold, flow in enumerate(flows)]


def measure(planned: Sequence[Job]) -> list[Run]:
    """Run all, two at a time; each forks, and waits for its fork."""
    # Arrays here are small: more threads would only get in each other's way.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    runs = []
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        begun = time.monotonic()
        for found in pool.map(run, [flow for flow, _ in planned], [plan for _, plan in planned]):
            what = found.flow.file.rsplit("/", 1)[-1] or f"seed {found.flow.seed}"
            print(f"{found.flow.name}, {what}: {len(found.branches)} incidents, {time.monotonic() - begun:.0f} s")
            runs.append(found)
    return runs


def measure_cascades(quick: bool) -> list[list[CascadeRun]]:
    """See the chains of flows, each in a process of its own."""
    chains = [[(seed, round(hours * 3_600)) for seed, hours in chain] for chain in CASCADE_CHAINS]
    if quick:
        chains = [[(chain[0][0], _QUICK_CASCADE_S)] for chain in chains]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        return list(pool.map(run_chain, chains))


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.detection", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="try that everything works, in half a minute")
    parser.add_argument("--hours", type=float, default=1.3, help="length of each simulated flow")
    parser.add_argument("--out", type=Path, default=Path("quality"), help="directory to write to")
    parser.add_argument("--only", choices=("incidents", "cascades"), help="measure a part alone")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    begun_s = time.monotonic()
    runs = measure(quick_jobs() if options.quick else jobs(options.hours)) if options.only != "cascades" else []
    found = findings(runs)
    cascades = None
    if options.only != "incidents":
        cascades = cascade_findings(measure_cascades(options.quick))
    used = [getrusage(who) for who in (RUSAGE_SELF, RUSAGE_CHILDREN)]
    about: dict[str, Any] = {
        "machine": machine(),
        "seeds": SEEDS,
        "grace_s": GRACE_S,
        "quick": options.quick,
        "cpu_s": sum(one.ru_utime + one.ru_stime for one in used),
        "wall_s": time.monotonic() - begun_s,
    }
    reached = [*aims(found), *(cascade_aims(cascades) if cascades is not None else ())]
    if cascades is not None:
        show_cascades(cascades)
    show(found, reached)
    write_json(options.out / "quality.json", found, reached, about, cascades)
    drawn = {name: pictures(name, [one for one in runs if one.flow.name == name], found[name]) for name in found}
    if cascades is not None:
        drawn["cascades"] = [("Reliability: what was said, and what happened.", reliability(cascades))]
    write_page(options.out / "quality.html", found, reached, about, drawn, cascades)
    print(f"{options.out / 'quality.json'}, {options.out / 'quality.html'}: {about['wall_s']:.0f} s")


if __name__ == "__main__":
    main()
