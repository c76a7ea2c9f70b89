"""`python -m tests.benchmarks.series [--seeds N] [--only NAME]`: scores of made series against their labels.

Seeds from 2000 on are for this report alone; what was tried while the detector was written had smaller seeds.
"""

import argparse
import time
from collections import defaultdict

import numpy as np

from tests.benchmarks.series.baselines import SCORERS, scores_of
from tests.benchmarks.series.measures import average_precision, best_f1, vus_pr
from tests.benchmarks.series.planting import Series, corpus

_FIRST_SEED = 2_000
_LONGEST_BUFFER = 100

Found = dict[str, list[float]]


def judged(name: str, series: list[Series]) -> tuple[Found, float]:
    """Measures by what they are of, and microseconds a value."""
    found: Found = defaultdict(list)
    began_s = time.process_time()
    scored = [scores_of(SCORERS[name], one.values) for one in series]
    took_s = time.process_time() - began_s
    for one, scores in zip(series, scored, strict=True):
        background, plant, _ = one.name.split("/")
        volume = vus_pr(one.labels, scores, _LONGEST_BUFFER)
        for key in ("VUS-PR", f"on {background}", f"of {plant}"):
            found[key].append(volume)
        found["AUC-PR"].append(average_precision(one.labels, scores))
        found["best F1"].append(best_f1(one.labels, scores))
    return found, 1e6 * took_s / sum(len(one.values) for one in series)


def main() -> None:
    """Score, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.series", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2, help="series of each kind")
    parser.add_argument("--only", choices=sorted(SCORERS), help="this one alone")
    options = parser.parse_args()
    series = corpus(range(_FIRST_SEED, _FIRST_SEED + options.seeds))
    names = [options.only] if options.only else list(SCORERS)
    columns: dict[str, Found] = {}
    costs: dict[str, float] = {}
    for name in names:
        columns[name], costs[name] = judged(name, series)
    print(f"{len(series)} series of {len(series[0].values):,} values, VUS-PR unless said otherwise")
    print(" " * 14 + "".join(f"{name:>16}" for name in names))
    for key in dict.fromkeys(("VUS-PR", "AUC-PR", "best F1", *sorted(columns[names[0]]))):
        print(f"{key:14}" + "".join(f"{np.mean(columns[name][key]):16.3f}" for name in names))
    print(f"{'us a value':14}" + "".join(f"{costs[name]:16.1f}" for name in names))


if __name__ == "__main__":
    main()
