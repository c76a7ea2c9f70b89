"""How well one scorer finds one family."""

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from tests.benchmarks.detection.baselines import SQUALL
from tests.benchmarks.detection.branches import GRACE_S, Branch
from tests.benchmarks.detection.clean import Clean, by_second, squall_moments
from tests.benchmarks.detection.episodes import Scores, Threshold
from tests.benchmarks.detection.families import Family
from tests.benchmarks.detection.flows import SECOND_US
from tests.benchmarks.detection.surroundings import quantile


class Outcome(msgspec.Struct, frozen=True):
    """What became of one incident at one threshold: seconds from its start until it was found, None if it was not."""

    intensity: float
    seed: int
    after_s: float | None


def planted_scores(scorer: str, family: Family, branch: Branch, seconds: int) -> Scores:
    """A scorer's seconds while an incident is planted."""
    if scorer == SQUALL:
        found = squall_moments(family, branch.label.entity, branch.signals, branch.alerts)
        return by_second(found, branch.first_second, seconds)
    return np.array(branch.scores[scorer][:seconds])


def outcome(scorer: str, family: Family, branch: Branch, clean: Scores, threshold: float) -> Outcome:
    """Whether, and when, a scorer finds an incident.

    A second counts if it is above the threshold with the incident and not without it. Squall's own time is that of its
    signal, baselines speak at the end of a second. For what has a crisis, only what is said before it counts.
    """
    label = branch.label
    until_us = label.crisis_us or label.end_us + GRACE_S * SECOND_US
    scores = planted_scores(scorer, family, branch, len(clean))
    length = min(len(scores), len(clean))
    found = np.flatnonzero((scores[:length] > threshold) & ~(clean[:length] > threshold))
    times_us = [(branch.first_second + int(place) + 1) * SECOND_US for place in found]
    if scorer == SQUALL and len(found):
        at_seconds = {branch.first_second + int(place) for place in found}
        said = squall_moments(family, label.entity, branch.signals, branch.alerts)
        times_us = [at for at, score in said if score > threshold and (at - 1) // SECOND_US in at_seconds]
    times_us = [at_us for at_us in times_us if label.start_us < at_us <= until_us]
    after_s = (min(times_us) - label.start_us) / SECOND_US if times_us else None
    return Outcome(label.intensity, label.seed, after_s)


def outcomes(
    scorer: str,
    family: Family,
    clean: Clean,
    branches: Sequence[tuple[int, Branch]],
    thresholds: tuple[Threshold, Threshold],
) -> list[Outcome]:
    """One for each incident of a family, given with the number of its run."""
    return [
        outcome(scorer, family, branch, clean.around(scorer, family, number, branch), thresholds[branch.fold].value)
        for number, branch in branches
    ]


def recall(found: Sequence[Outcome], intensity: float) -> float:
    """Share of the incidents of an intensity that were found; NaN of none."""
    asked = [one.after_s is not None for one in found if one.intensity == intensity]
    return sum(asked) / len(asked) if asked else math.nan


def half_recall_intensity(recalls: Sequence[tuple[float, float]]) -> float | None:
    """The intensity at which half is found, between measured ones on a logarithmic scale; None: beyond the highest.

    The first crossing from which on recall stays at a half or above; at the lowest intensity, or below, that one.

    Examples
    --------
    >>> half_recall_intensity([(0.25, 0.0), (1.0, 1.0)])
    0.5
    >>> half_recall_intensity([(0.25, 0.75), (1.0, 1.0)]), half_recall_intensity([(0.25, 0.0), (1.0, 0.25)])
    (0.25, None)
    """
    ordered = sorted(recalls)
    below = [place for place, (_, share) in enumerate(ordered) if share < 0.5]
    if not below:
        return ordered[0][0] if ordered else None
    if below[-1] == len(ordered) - 1:
        return None
    (low, low_share), (high, high_share) = ordered[below[-1]], ordered[below[-1] + 1]
    part = (0.5 - low_share) / (high_share - low_share)
    return float(low * (high / low) ** part)


def delays(found: Sequence[Outcome], intensity: float) -> tuple[float | None, float | None]:
    """Median and 90th percentile of seconds until found, of those that were."""
    times = [one.after_s for one in found if one.after_s is not None and one.intensity == intensity]
    return (quantile(times, 0.5), quantile(times, 0.9)) if times else (None, None)


def precision_at(true: Sequence[bool], most: int) -> float:
    """Share of the first `most` of a ranked queue that are true; a shorter queue is judged as it is; NaN of none.

    Examples
    --------
    >>> precision_at([True, False, True, True], 2), precision_at([True], 10)
    (0.5, 1.0)
    """
    first = true[:most]
    return sum(first) / len(first) if first else math.nan


def average_precision(true: Sequence[bool], existing: int) -> float:
    """Mean precision at each true one of a ranked queue; those of `existing` that are not in it count 0.

    Examples
    --------
    >>> average_precision([True, False, True], existing=2)
    0.8333333333333333
    >>> average_precision([False, True], existing=2)
    0.25
    """
    found, total = 0, 0.0
    for place, is_true in enumerate(true, start=1):
        if is_true:
            found += 1
            total += found / place
    return total / existing if existing else math.nan


def wilson(hits: int, of: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson).

    Examples
    --------
    >>> [round(edge, 3) for edge in wilson(10, 10)]
    [0.722, 1.0]
    """
    if not of:
        return 0.0, 1.0
    z, share = 1.959964, hits / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return max(middle - half, 0.0), min(middle + half, 1.0)
