"""Squall's alerts as they ship: default settings, no threshold of this yardstick's own."""

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

from tests.benchmarks.detection.branches import GRACE_S, Branch, Run
from tests.benchmarks.detection.clean import Clean
from tests.benchmarks.detection.families import FAMILIES, Family
from tests.benchmarks.detection.flows import SECOND_US
from tests.benchmarks.detection.metrics import average_precision, precision_at, wilson
from tests.benchmarks.detection.observer import Raised
from tests.benchmarks.detection.surroundings import quantile

_ANYWHERE = "*"
#: Ranked queues that are drawn, how many of their first alerts are judged, and incidents of each family in them.
_QUEUES, _FIRST, _OF_EACH = 200, 10, 2
_DAY_S = 86_400.0
#: A warning is right if the crisis comes within so many seconds.
HORIZON_S = 120


def new_alerts(run: Run, branch: Branch) -> list[Raised]:
    """What is said with an incident, on its entity or the market, in alerts that the clean run never had.

    All revisions, in order of time, as long as the incident and its grace last.
    """
    label = branch.label
    known = {alert.alert_id for alert in run.alerts}
    until_us = label.end_us + GRACE_S * SECOND_US
    return [
        alert
        for alert in branch.alerts
        if alert.alert_id not in known
        and alert.symbol in (label.entity, _ANYWHERE)
        and alert.status != "resolved"
        and label.start_us < alert.at_us <= until_us
    ]


def _first_s(branch: Branch, alerts: Sequence[Raised]) -> float | None:
    return (alerts[0].at_us - branch.label.start_us) / SECOND_US if alerts else None


def as_shipped(clean: Clean, family: Family, branches: Sequence[tuple[int, Branch]]) -> dict[str, Any]:
    """Recall by alerts at intensity 1: of the family's own pattern, of severity warning and above, of any pattern."""
    named, warned, any_pattern, others = [], [], [], Counter[str]()
    misnamed = 0
    at_one = [(number, branch) for number, branch in branches if branch.label.intensity == 1.0]
    for number, branch in at_one:
        alerts = new_alerts(clean.runs[number], branch)
        own = [alert for alert in alerts if alert.pattern in family.patterns]
        named.append(_first_s(branch, own))
        warned.append(_first_s(branch, [alert for alert in own if alert.severity != "info"]))
        any_pattern.append(_first_s(branch, alerts))
        strange = {alert.pattern for alert in alerts if alert.pattern not in family.patterns}
        others.update(strange)
        misnamed += bool(strange)
    times = [after_s for after_s in named if after_s is not None]
    hits = len(times)
    return {
        "planted": len(at_one),
        "recall": hits / len(at_one) if at_one else None,
        "recall_interval": wilson(hits, len(at_one)),
        "recall_warning": sum(after_s is not None for after_s in warned) / len(at_one) if at_one else None,
        "recall_any_pattern": sum(after_s is not None for after_s in any_pattern) / len(at_one) if at_one else None,
        "share_with_other_patterns": misnamed / len(at_one) if at_one else None,
        "median_s": quantile(times, 0.5) if times else None,
        "p90_s": quantile(times, 0.9) if times else None,
        "other_patterns": dict(sorted(others.items())),
    }


def clean_alerts(clean: Clean) -> Iterator[Raised]:
    """The last revision of each alert of clean flow that was opened where it is judged."""
    for fold in (0, 1):
        for number, begin_s, end_s in clean.spans(fold):
            run = clean.runs[number]
            opened: dict[str, Raised] = {}
            for alert in run.alerts:
                at_s = alert.at_us / SECOND_US - run.first_second
                if alert.alert_id in opened or (alert.status == "open" and begin_s <= at_s < end_s):
                    opened[alert.alert_id] = alert
            yield from opened.values()


def symbol_days(clean: Clean) -> float:
    """Judged clean flow."""
    return sum(
        (end - begin) * len(clean.runs[number].flow.symbols)
        for fold in (0, 1)
        for number, begin, end in clean.spans(fold)
    ) / _DAY_S  # fmt: skip


def false_alarms(clean: Clean) -> dict[str, Any]:
    """Alerts of clean flow, by pattern and worst severity."""
    days = symbol_days(clean)
    counts = Counter((alert.pattern, alert.severity) for alert in clean_alerts(clean))
    return {
        "symbol_days": days,
        "alerts": {f"{pattern} {severity}": count for (pattern, severity), count in sorted(counts.items())},
        "info_and_above_a_symbol_day": sum(counts.values()) / days,
        "warning_and_above_a_symbol_day": sum(n for (_, severity), n in counts.items() if severity != "info") / days,
    }


def ranked_queue(clean: Clean, branches: Sequence[tuple[int, Branch]]) -> dict[str, Any]:
    """How true the head of the ranked queue is.

    A queue holds every alert of the judged clean flow, and the best-ranked new alert of each of two incidents of
    intensity 1 of every family, drawn anew for each of 200 queues. True are those of market incidents; those of faults
    of the feed are false. Ranked by the last published score.
    """
    false = [(alert.score, False) for alert in clean_alerts(clean)]
    worst: dict[str, list[tuple[float, bool] | None]] = defaultdict(list)
    is_market = {family.name: family.is_market for family in FAMILIES}
    for number, branch in branches:
        if branch.label.intensity == 1.0:
            scores = [alert.score for alert in new_alerts(clean.runs[number], branch)]
            best = (max(scores), is_market[branch.label.family]) if scores else None
            worst[branch.label.family].append(best)
    rng = Random("ranked queue")
    at_ten, average = [], []
    for _ in range(_QUEUES):
        drawn = [one for _, found in sorted(worst.items()) for one in rng.sample(found, min(_OF_EACH, len(found)))]
        queue = sorted([*false, *(one for one in drawn if one is not None)], reverse=True)
        true = [is_true for _, is_true in queue]
        existing = sum(min(_OF_EACH, len(found)) for name, found in worst.items() if is_market[name])
        if true:
            at_ten.append(precision_at(true, _FIRST))
            average.append(average_precision(true, existing))
    return {
        "precision_at_10": statistics.fmean(at_ten) if at_ten else None,
        "average_precision": statistics.fmean(average) if average else None,
        "false_in_queue": len(false),
        "incidents_in_queue": sum(min(_OF_EACH, len(found)) for found in worst.values()),
    }


def cascades(clean: Clean, family: Family, branches: Sequence[tuple[int, Branch]]) -> dict[str, Any]:
    """Warnings of cascades at intensity 1, by the family's own pattern and by any.

    The onset is the first forced order (`crisis_us`). `coverage`: share of cascades with a new alert before it.
    `lead_s`: from that alert to the onset. `precision`: of all new alerts of that kind, together with those of clean
    flow, the share that an onset followed within 120 s.
    """
    found: dict[str, Any] = {"horizon_s": HORIZON_S}
    for kind in ("own pattern", "any pattern"):
        leads, planted = [], 0
        for number, branch in branches:
            label = branch.label
            if label.intensity == 1.0:
                planted += 1
                early = [
                    alert
                    for alert in new_alerts(clean.runs[number], branch)
                    if alert.at_us < label.crisis_us and (kind == "any pattern" or alert.pattern in family.patterns)
                ]
                if early:
                    leads.append((label.crisis_us - early[0].at_us) / SECOND_US)
        right = sum(lead <= HORIZON_S for lead in leads)
        wrong = sum(kind == "any pattern" or alert.pattern in family.patterns for alert in clean_alerts(clean))
        found[kind] = {
            "planted": planted,
            "coverage": len(leads) / planted if planted else None,
            "lead_median_s": quantile(leads, 0.5) if leads else None,
            "lead_p10_s": quantile(leads, 0.1) if leads else None,
            "precision": right / (len(leads) + wrong) if leads or wrong else None,
            "alerts_of_clean_flow": wrong,
        }
    return found
