"""How good warnings of cascades are: lead, precision, coverage, onset, and whether probabilities keep their word.

A warning begins when the probability of a cascade within 30 minutes rises above a threshold, and stands while it is
above; gaps of five minutes are bridged. It is right if a cascade begins while it stands or within 30 minutes of its
beginning. One that has stood for an hour without a cascade was wrong, and another begins. For ten minutes after a
cascade's onset, in which no other can begin, nothing is judged. Lead is the time from the
beginning of the first warning that is right about a cascade to its onset.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.cascade_odds import FORECAST_EVERY_S
from detectors.cascade_pool import HORIZONS_S
from detectors.cascade_settings import Cascade
from tests.benchmarks.detection.cascade_runs import SCORERS, CascadeRun, Rise
from tests.benchmarks.detection.flows import SECOND_US
from tests.benchmarks.detection.metrics import wilson
from tests.benchmarks.detection.surroundings import quantile

#: Least precision that a threshold must have where it is chosen; the lead that is aimed at.
LEAST_PRECISION = 0.8
LEAD_S = 900
_HORIZON_S = HORIZONS_S[-1]
_BRIDGED_S, _LONGEST_S = 300, 3_600
#: By the definition no other cascade begins so soon after one: what is said meanwhile is not judged.
_RUNNING_S = Cascade().quiet_s
#: Self-fed liquidations so far apart are of two cascades; one without an alert after so long went unnoticed.
_APART_S, _PATIENCE_S = 120, 300
_BINS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


class Warned(NamedTuple):
    """One symbol's warning: from when until when it stood, and the cascade that it was right about."""

    start_s: float
    end_s: float
    onset_s: float | None


class Course(NamedTuple):
    """One symbol of one run: times and probabilities within 30 minutes, and when cascades began."""

    times_s: list[float]
    chances: list[float]
    onsets_s: list[float]


def courses(runs: Iterable[CascadeRun], scorer: str) -> list[Course]:
    """Every symbol of every run."""
    found = []
    for run in runs:
        for symbol, onsets_us in sorted(run.onsets.items()):
            own = [one for one in run.forecasts if one.symbol == symbol]
            times_s = [one.at_us / SECOND_US for one in own]
            onsets_s = [onset_us / SECOND_US for onset_us in onsets_us]
            # What came before the first forecast nobody could have warned of.
            onsets_s = [onset_s for onset_s in onsets_s if times_s and onset_s > times_s[0]]
            found.append(Course(times_s, [one.within[scorer][1] for one in own], onsets_s))
    return found


def warnings_of(course: Course, threshold: float) -> Iterator[Warned]:
    """The warnings of one symbol at a threshold.

    Examples
    --------
    >>> course = Course([0.0, 60.0, 120.0, 180.0], [0.1, 0.9, 0.9, 0.1], [1_000.0])
    >>> list(warnings_of(course, 0.5))
    [Warned(start_s=60.0, end_s=120.0, onset_s=1000.0)]
    """
    onsets_s = list(course.onsets_s)
    start_s = end_s = None
    for time_s, chance in zip(course.times_s, course.chances, strict=True):
        if start_s is not None and end_s is not None:
            onset_s = next((one for one in onsets_s if start_s < one <= time_s), None)
            if onset_s is not None or time_s - end_s > _BRIDGED_S or time_s - start_s > _LONGEST_S:
                yield _warned(start_s, end_s, onsets_s)
                start_s = end_s = None
        is_running = any(0.0 <= time_s - onset_s <= _RUNNING_S for onset_s in onsets_s)
        if chance > threshold and not is_running:
            start_s, end_s = (time_s if start_s is None else start_s), time_s
    if start_s is not None and end_s is not None:
        yield _warned(start_s, end_s, onsets_s)


def _warned(start_s: float, end_s: float, onsets_s: Sequence[float]) -> Warned:
    until_s = max(end_s + FORECAST_EVERY_S, start_s + _HORIZON_S)
    return Warned(start_s, end_s, next((one for one in onsets_s if start_s < one <= until_s), None))


def judged(found: Iterable[tuple[Course, float]]) -> dict[str, Any]:
    """Lead, precision and coverage, each symbol at its threshold; several right warnings of one cascade count once."""
    leads_s: list[float] = []
    wrong = cascades = 0
    for course, threshold in found:
        warned = list(warnings_of(course, threshold))
        wrong += sum(one.onset_s is None for one in warned)
        cascades += len(course.onsets_s)
        for onset_s in course.onsets_s:
            starts_s = [one.start_s for one in warned if one.onset_s == onset_s]
            leads_s += [onset_s - min(starts_s)] if starts_s else []
    right, early = len(leads_s), sum(lead_s >= LEAD_S for lead_s in leads_s)
    return {
        "cascades": cascades,
        "warned": right,
        "wrong_warnings": wrong,
        "precision": right / (right + wrong) if right + wrong else None,
        "precision_interval": wilson(right, right + wrong),
        "coverage": right / cascades if cascades else None,
        "coverage_interval": wilson(right, cascades),
        "lead_median_s": quantile(leads_s, 0.5) if leads_s else None,
        "lead_p90_s": quantile(leads_s, 0.9) if leads_s else None,
        "early_of_warned": early / right if right else None,
        "early_of_all": early / cascades if cascades else None,
    }


def chosen_threshold(found: Sequence[Course]) -> tuple[float, bool]:
    """The threshold with most cascades warned of 15 minutes before, at a precision of at least 0.8.

    Where none has that precision: the one with the largest product of precision and coverage, and False.
    """
    rows = {step / 50: judged((course, step / 50) for course in found) for step in range(1, 50)}
    good = {at: row for at, row in rows.items() if (row["precision"] or 0.0) >= LEAST_PRECISION}
    if any(row["early_of_all"] for row in good.values()):
        return max(good, key=lambda at: good[at]["early_of_all"] or 0.0), True
    return max(rows, key=lambda at: (rows[at]["precision"] or 0.0) * (rows[at]["coverage"] or 0.0)), False


def probability_scores(
    folds: Sequence[tuple[Sequence[CascadeRun], Sequence[float]]], scorer: str
) -> list[dict[str, Any]]:
    """Of each horizon: Brier score, skill against base rates known beforehand and against that of these runs.

    `folds` are runs with the base rates, of each horizon, of other ones.
    """
    found = []
    for place, horizon_s in enumerate(HORIZONS_S):
        parts = [(_outcomes(runs, scorer, place, horizon_s), rates[place]) for runs, rates in folds]
        chances = np.concatenate([chances for (chances, _), _ in parts])
        outcomes = np.concatenate([outcomes for (_, outcomes), _ in parts])
        rates = np.concatenate([np.full(len(outcomes), rate) for (_, outcomes), rate in parts])
        own = _mean(outcomes)
        brier = _mean((chances - outcomes) ** 2)
        reference = _mean((rates - outcomes) ** 2)
        rows = []
        for low, high in pairwise(_BINS):
            inside = (chances >= low) & (chances < high)
            if inside.any():
                mean, happened = _mean(chances[inside]), _mean(outcomes[inside])
                rows.append(
                    {"from": low, "to": high, "forecasts": int(inside.sum()), "mean": mean, "happened": happened}
                )
        found.append(
            {
                "horizon_s": horizon_s,
                "forecasts": len(outcomes),
                "base_rate": own,
                "brier": brier,
                "base_brier": reference,
                "skill": 1.0 - brier / reference if reference else None,
                "skill_in_hindsight": 1.0 - brier / (own * (1.0 - own)) if 0.0 < own < 1.0 else None,
                "reliability": rows,
            }
        )
    return found


def base_rates(runs: Sequence[CascadeRun], scorer: str) -> list[float]:
    """Share of forecasts after which a cascade began, of each horizon."""
    return [_mean(_outcomes(runs, scorer, place, horizon_s)[1]) for place, horizon_s in enumerate(HORIZONS_S)]


def _mean(values: NDArray[np.float64]) -> float:
    """NaN of none: flows shorter than the horizon."""
    return float(values.mean()) if len(values) else math.nan


def _outcomes(
    runs: Sequence[CascadeRun], scorer: str, place: int, horizon_s: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Probabilities and whether a cascade began; forecasts whose horizon the run does not hold are left out."""
    chances, outcomes = [], []
    for run in runs:
        last_us = max((one.at_us for one in run.forecasts), default=0) - horizon_s * SECOND_US
        for one in run.forecasts:
            if one.at_us <= last_us:
                ahead = (onset_us - one.at_us for onset_us in run.onsets[one.symbol])
                chances.append(one.within[scorer][place])
                outcomes.append(float(any(0 < gap_us <= horizon_s * SECOND_US for gap_us in ahead)))
    return np.array(chances), np.array(outcomes)


def onset_delays(runs: Iterable[CascadeRun]) -> dict[str, Any]:
    """Seconds from a cascade's first self-fed liquidation to an alert; 0: one was open already."""
    delays_s: list[float] = []
    onsets = silent = 0
    patterns: Counter[str] = Counter()
    for run in runs:
        for symbol, onsets_us in run.onsets.items():
            for onset_us in onsets_us:
                first_us = _first_fed(run.self_fed.get(symbol, []), onset_us)
                if first_us is None:
                    continue
                onsets += 1
                found = _alert_after(run.rises, symbol, first_us)
                if found is None:
                    silent += 1
                else:
                    delays_s.append(max(found.opened_us - first_us, 0) / SECOND_US)
                    patterns[found.pattern] += 1
    return {
        "cascades_with_feedback": onsets,
        "unnoticed": silent,
        "median_s": quantile(delays_s, 0.5) if delays_s else None,
        "p90_s": quantile(delays_s, 0.9) if delays_s else None,
        "within_10_s": sum(one <= 10.0 for one in delays_s) / onsets if onsets else None,
        "open_already": sum(one == 0.0 for one in delays_s),
        "first_patterns": dict(sorted(patterns.items())),
    }


def _first_fed(times_us: Sequence[int], onset_us: int) -> int | None:
    """The first of the run of self-fed liquidations, none two minutes after the last, that the onset belongs to."""
    first_us = before_us = None
    for at_us in times_us:
        if before_us is None or at_us - before_us > _APART_S * SECOND_US:
            if before_us is not None and before_us >= onset_us:
                break
            first_us = at_us
        before_us = at_us
        if at_us > onset_us + _APART_S * SECOND_US:
            break
    if first_us is None or before_us is None:
        return None
    near_us = _APART_S * SECOND_US
    return first_us if first_us <= onset_us + near_us and before_us >= onset_us - near_us else None


def _alert_after(rises: Iterable[Rise], symbol: str, first_us: int) -> Rise | None:
    """The first alert that was open at a time, or opened within five minutes of it."""
    on_it = [one for one in rises if one.symbol == symbol and one.resolved_us > first_us]
    soon = [one for one in on_it if one.opened_us <= first_us + _PATIENCE_S * SECOND_US]
    return min(soon, key=lambda one: (one.opened_us, one.pattern), default=None)


def attempts_of(runs: Iterable[CascadeRun]) -> dict[str, int]:
    """How many build-ups there were, of which a cascade began in so many; and cascades that no build-up led to."""
    total = broke = alone = 0
    for run in runs:
        for one in run.attempts:
            total += 1
            broke += any(one.start_us < onset_us <= one.end_us for onset_us in run.onsets[one.symbol])
        for symbol, onsets_us in run.onsets.items():
            own = [one for one in run.attempts if one.symbol == symbol]
            alone += sum(not any(one.start_us < at_us <= one.end_us for one in own) for at_us in onsets_us)
    return {"build_ups": total, "with_cascade": broke, "fizzled": total - broke, "cascades_without_build_up": alone}


def cascade_findings(chains: Sequence[Sequence[CascadeRun]]) -> dict[str, Any]:
    """All figures of two chains of flows: thresholds and base rates of one are those that suit the other."""
    runs = [run for chain in chains for run in chain]
    scorers = {}
    for scorer in SCORERS:
        chosen = [chosen_threshold(courses(other, scorer)) for other in reversed(chains)]
        at = [
            (course, one) for chain, (one, _) in zip(chains, chosen, strict=True) for course in courses(chain, scorer)
        ]
        rates = [base_rates(other, scorer) for other in reversed(chains)]
        scorers[scorer] = {
            "thresholds": [threshold for threshold, _ in chosen],
            "precise_where_chosen": all(is_precise for _, is_precise in chosen),
            "warnings": judged(at),
            "probabilities": probability_scores(list(zip(chains, rates, strict=True)), scorer),
        }
    return {
        "hours": sum(run.seconds for run in runs) / 3_600,
        "seeds": [[run.seed for run in chain] for chain in chains],
        "cascades": sum(len(one) for run in runs for one in run.onsets.values()),
        "counted_by_squall": sum(run.counted for run in runs),
        "attempts": attempts_of(runs),
        "onset": onset_delays(runs),
        "scorers": scorers,
    }
