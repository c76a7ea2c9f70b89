"""From scores by the second to alarms: the same post-processing for every scorer.

A second whose score is above the threshold is an alarm; alarms of one entity at most 30 s apart are one episode. The
threshold is set on clean flow of one fold so that there are as many episodes as the budget allows, and used on the
other.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.generalized_pareto import fit_generalized_pareto

Scores = NDArray[np.float64]
GAP_S = 30
#: Highest episodes from which the tail is continued where a budget allows less than one in the clean flow there is.
_TAIL = 20
_LEAST_TAIL = 5
_LEAST_EXCESS = 1e-9


class Threshold(msgspec.Struct, frozen=True):
    """A score must be above `value`; `extrapolated` says that it lies where the clean flow was too short to count."""

    value: float
    extrapolated: bool


def episodes(scores: Scores, threshold: float) -> int:
    """How many episodes one entity's seconds have above a threshold.

    Examples
    --------
    >>> scores = np.zeros(100)
    >>> scores[[3, 33, 80]] = 1.0
    >>> episodes(scores, 0.5), episodes(scores, 1.0)
    (2, 0)
    """
    above = np.flatnonzero(scores > threshold)
    return int((np.diff(above) > GAP_S).sum() + 1) if len(above) else 0


def threshold_at(entities: Sequence[Scores], allowed: float) -> Threshold:
    """The lowest threshold at and above which all entities together have at most `allowed` episodes.

    Where less than one is allowed, the tail of the highest episodes (a generalized Pareto distribution, fitted in the
    same way for every scorer) is continued to that rate; with fewer than five episodes, the highest score seen is
    taken.

    Parameters
    ----------
    entities
        Seconds of each entity; scores of 0 are no alarm at any threshold.
    allowed
        Episodes that may be, > 0.

    Examples
    --------
    >>> threshold_at([np.array([0.0, 3.0, 0.0, 1.0]), np.array([2.0, 0.0])], allowed=1.0)
    Threshold(value=2.0, extrapolated=False)
    """
    if allowed < 1.0:
        return Threshold(_continued(entities, allowed), extrapolated=True)
    times: list[list[int]] = [[] for _ in entities]
    found, last = 0, np.inf
    for score, entity, second in _highest_first(entities):
        # Those of one score come together or not at all.
        if score < last and found > allowed:
            return Threshold(last, extrapolated=False)
        found += _joins(times[entity], second)
        last = score
    return Threshold(float(last) if found > allowed else 0.0, extrapolated=False)


def _highest_first(entities: Sequence[Scores]) -> Iterator[tuple[float, int, int]]:
    """Score, entity and second of everything above 0; whoever asks seldom goes far."""
    scores = np.concatenate(list(entities))
    owner = np.repeat(np.arange(len(entities)), [len(one) for one in entities])
    second = np.concatenate([np.arange(len(one)) for one in entities])
    for place in np.argsort(-scores, kind="stable"):
        if scores[place] <= 0.0:
            return
        yield float(scores[place]), int(owner[place]), int(second[place])


def _joins(times: list[int], second: int) -> int:
    """Put an alarm among those of its entity; by how much the number of episodes changes."""
    place = bisect_left(times, second)
    near_before = place > 0 and second - times[place - 1] <= GAP_S
    near_after = place < len(times) and times[place] - second <= GAP_S
    apart = 0 < place < len(times) and times[place] - times[place - 1] > GAP_S
    insort(times, second)
    if near_before and near_after:
        return -1 if apart else 0
    return 0 if near_before or near_after else 1


def peaks(entities: Sequence[Scores], most: int) -> list[float]:
    """The highest scores that stand more than `GAP_S` from a higher one of their entity, highest first."""
    found: list[float] = []
    taken: list[list[int]] = [[] for _ in entities]
    for score, entity, second in _highest_first(entities):
        if all(abs(second - other) > GAP_S for other in taken[entity]):
            found.append(score)
            if len(found) == most:
                break
            taken[entity].append(second)
    return found


def _continued(entities: Sequence[Scores], allowed: float) -> float:
    highest = peaks(entities, _TAIL)
    if len(highest) < _LEAST_TAIL:
        return highest[0] if highest else 0.0
    floor = highest[-1]
    excesses = np.maximum(np.array(highest[:-1]) - floor, _LEAST_EXCESS)
    shape, scale = fit_generalized_pareto(excesses)
    rarer = allowed / len(excesses)
    grown = -np.log(rarer) if abs(shape) < 1e-6 else (rarer**-shape - 1.0) / shape
    return float(floor + scale * grown)
