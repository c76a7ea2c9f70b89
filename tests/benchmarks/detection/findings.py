"""All figures of all runs, as they stand in `quality.json`."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.benchmarks.detection.baselines import SCORERS
from tests.benchmarks.detection.branches import Branch, Run
from tests.benchmarks.detection.clean import BUDGETS, Clean
from tests.benchmarks.detection.families import FAMILIES, Family
from tests.benchmarks.detection.flows import SECOND_US
from tests.benchmarks.detection.metrics import delays, half_recall_intensity, outcomes, planted_scores, recall, wilson
from tests.benchmarks.detection.shipped import as_shipped, cascades, false_alarms, ranked_queue
from tests.benchmarks.detection.tail_calibration import Span, calibrations
from tests.benchmarks.detection.volume_under_surface import vus_pr

#: The budget at which intensities and delays are compared.
COMPARED_AT = 1.0
_TYPICAL = 1.0


def findings(runs: Sequence[Run]) -> dict[str, Any]:
    """Everything that the runs say, by the name of their flow."""
    by_name: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        by_name[run.flow.name].append(run)
    return {name: _of_flow(Clean(found)) for name, found in by_name.items()}


def _of_flow(clean: Clean) -> dict[str, Any]:
    branches = [(number, branch) for number, run in enumerate(clean.runs) for branch in run.branches]
    families = {}
    for family in FAMILIES:
        own = [(number, branch) for number, branch in branches if branch.label.family == family.name]
        if own:
            families[family.name] = of_family(clean, family, own)
    cascade = [(number, branch) for number, branch in branches if branch.label.crisis_us]
    found: dict[str, Any] = {
        "runs": [
            {
                "file": run.flow.file.rsplit("/", 1)[-1],
                "seed": run.flow.seed,
                "symbols": run.flow.symbols,
                "seconds": run.flow.seconds,
                "warm_up_s": run.plan.warm_up_s,
            }
            for run in clean.runs
        ],
        "clean": false_alarms(clean),
        "families": families,
        "queue": ranked_queue(clean, branches),
        "calibration": _calibration(clean.runs),
    }
    if cascade:
        family = next(one for one in FAMILIES if one.name == cascade[0][1].label.family)
        found["cascades"] = cascades(clean, family, cascade)
    return found


def _calibration(runs: Sequence[Run]) -> list[dict[str, Any]]:
    spans = []
    for run in runs:
        begin_s = run.flow.start_us / SECOND_US
        seen = {(detector, scope, entity): count for detector, scope, entity, count in run.scores_seen}
        spans.append(Span(run.signals, seen, begin_s, begin_s + run.plan.warm_up_s, begin_s + run.flow.seconds))
    return [
        {
            "detector": one.detector,
            "scope": one.scope,
            "nominal": one.nominal,
            "scores": one.scores,
            "expected": one.nominal * one.scores,
            "observed": one.observed,
            "clusters": one.clusters,
            "ratio": one.ratio if one.scores else None,
        }
        for one in calibrations(spans)
    ]


def _never_named(clean: Clean, family: Family, branches: Sequence[tuple[int, Branch]]) -> bool:
    """Whether nothing in any run names the family's pattern: there is no detector yet, or it is still warming up."""
    said = {signal.pattern for run in clean.runs for signal in run.signals}
    said |= {alert.pattern for run in clean.runs for alert in run.alerts}
    said |= {signal.pattern for _, branch in branches for signal in branch.signals}
    said |= {alert.pattern for _, branch in branches for alert in branch.alerts}
    return said.isdisjoint(family.patterns)


def of_family(clean: Clean, family: Family, branches: Sequence[tuple[int, Branch]]) -> dict[str, Any]:
    """One family: Squall as it ships, and every scorer with the same post-processing."""
    return {
        "recipe": family.recipe,
        "never_named": _never_named(clean, family, branches),
        "is_market": family.is_market,
        "shipped": as_shipped(clean, family, branches),
        "scorers": {scorer: _of_scorer(scorer, clean, family, branches) for scorer in SCORERS},
    }


def _of_scorer(scorer: str, clean: Clean, family: Family, branches: Sequence[tuple[int, Branch]]) -> dict[str, Any]:
    found: dict[str, Any] = {"recall": {}, "clean_alarms_a_day": {}, "extrapolated": {}}
    days = sum(clean.days(scorer, family, fold) for fold in (0, 1))
    planted = sum(branch.label.intensity == _TYPICAL for _, branch in branches)
    for budget in BUDGETS:
        thresholds = clean.thresholds(scorer, family, budget)
        seen = outcomes(scorer, family, clean, branches, thresholds)
        share = recall(seen, _TYPICAL)
        found["recall"][budget] = share
        found["clean_alarms_a_day"][budget] = clean.alarms(scorer, family, thresholds) / days
        found["extrapolated"][budget] = any(one.extrapolated for one in thresholds)
        if budget == COMPARED_AT:
            intensities = sorted({one.intensity for one in seen})
            recalls = [(intensity, recall(seen, intensity)) for intensity in intensities]
            found["recall_interval"] = wilson(round(share * planted), planted)
            found["by_intensity"] = dict(recalls)
            found["half_recall_intensity"] = half_recall_intensity(recalls)
            found["median_s"], found["p90_s"] = delays(seen, _TYPICAL)
    found["vus_pr"] = _vus(scorer, clean, family, branches)
    return found


def _vus(scorer: str, clean: Clean, family: Family, branches: Sequence[tuple[int, Branch]]) -> float:
    """VUS-PR over all judged flow, the seconds of each incident of intensity 1 put in the place of clean ones."""
    parts, ranges, before = [], [], 0
    for number, run in enumerate(clean.runs):
        for entity, series in clean.whole(scorer, family, number).items():
            scores = series.copy()
            for _, branch in ((n, b) for n, b in branches if n == number and b.label.intensity == _TYPICAL):
                if branch.label.entity != entity:
                    continue
                begin = branch.first_second - run.first_second
                around = clean.around(scorer, family, number, branch)
                planted = planted_scores(scorer, family, branch, len(around))
                scores[begin : begin + len(planted)] = planted
                last = (branch.label.end_us - 1) // SECOND_US - run.first_second
                ranges.append((before + begin - run.plan.warm_up_s, before + last - run.plan.warm_up_s))
            parts.append(scores[run.plan.warm_up_s :])
            before += len(parts[-1])
    return vus_pr(np.concatenate(parts), ranges)
