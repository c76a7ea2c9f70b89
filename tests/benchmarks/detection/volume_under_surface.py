"""VUS-PR: the area under precision and recall of raw scores, averaged over how exactly edges are taken."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: From the first to the last second of an incident, both included.
Range = tuple[int, int]


def soft_labels(length: int, ranges: Sequence[Range], buffer: int) -> NDArray[np.float64]:
    """1 within an incident; `sqrt(1 - d / buffer)` at distance d from it, as far as `buffer // 2`; else 0.

    Examples
    --------
    >>> soft_labels(6, [(2, 2)], buffer=4).round(3).tolist()
    [0.707, 0.866, 1.0, 0.866, 0.707, 0.0]
    """
    labels = np.zeros(length)
    for first, last in ranges:
        labels[first : last + 1] = 1.0
        for distance in range(1, buffer // 2 + 1):
            weight = (1.0 - distance / buffer) ** 0.5
            for place in (first - distance, last + distance):
                if 0 <= place < length:
                    labels[place] = max(labels[place], weight)
    return labels


def range_average_precision(scores: NDArray[np.float64], ranges: Sequence[Range], buffer: int) -> float:
    """Average precision over soft labels, every distinct score being a threshold.

    At a threshold, `precision = sum of labels above it / number above it`, and `recall = min(sum of labels above it /
    P, 1) * share of incidents (with their buffers) that have a score above it`, where P is the mean of the sums of hard
    and soft labels. The area is the sum of precision times each step of recall.
    """
    labels = soft_labels(len(scores), ranges, buffer)
    positives = 0.5 * (sum(last - first + 1 for first, last in ranges) + float(labels.sum()))
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    # The last place of each distinct score, so that equal ones are taken together.
    ends = np.append(np.flatnonzero(np.diff(ordered) != 0.0), len(ordered) - 1)
    hits = np.cumsum(labels[order])[ends]
    half = buffer // 2
    highest = np.sort([scores[max(first - half, 0) : last + half + 1].max() for first, last in ranges])
    existing = (len(ranges) - np.searchsorted(highest, ordered[ends], side="left")) / len(ranges)
    recall = np.minimum(hits / positives, 1.0) * existing
    precision = hits / (ends + 1)
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def vus_pr(scores: NDArray[np.float64], ranges: Sequence[Range], most_buffer: int = 10) -> float:
    """Volume under the surface of precision and recall: the mean over buffers of 0 to `most_buffer` seconds.

    Parameters
    ----------
    scores
        One a second, higher is stranger; ties are one threshold.
    ranges
        Incidents, at least one, apart from each other.
    most_buffer
        The widest buffer in seconds, >= 0.

    Examples
    --------
    >>> vus_pr(np.array([0.0, 0.0, 1.0, 1.0, 0.0, 0.0]), [(2, 3)], most_buffer=0)
    1.0

    References
    ----------
    Paparrizos, J. et al. (2022). Volume under the surface: a new accuracy evaluation measure for time-series anomaly
    detection. PVLDB 15(11). Their code takes 250 thresholds; here every distinct score is one.
    """
    found = [range_average_precision(scores, ranges, buffer) for buffer in range(most_buffer + 1)]
    return float(np.mean(found))
