"""How well scores rank labelled points: VUS-PR, average precision and the best F1; no point adjustment anywhere."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int8]

#: Places of the sorted scores at which thresholds stand, and buffers of which the mean is taken.
_THRESHOLDS = 250
_BUFFERS = 6


def average_precision(labels: Labels, scores: Floats) -> float:
    """Area under precision over recall, in steps; tied scores are passed together.

    Examples
    --------
    >>> average_precision(np.array([0, 1, 0, 1], dtype=np.int8), np.array([0.1, 0.9, 0.8, 0.7]))
    0.8333333333333333
    """
    found, alarms = _curve(labels, scores)
    recall = found / labels.sum()
    return float(np.sum(np.diff(recall, prepend=0.0) * found / alarms))


def best_f1(labels: Labels, scores: Floats) -> float:
    """F1 of points at the threshold that is best in hindsight."""
    found, alarms = _curve(labels, scores)
    return float(np.max(2 * found / (alarms + labels.sum())))


def _curve(labels: Labels, scores: Floats) -> tuple[Floats, Floats]:
    """Anomalous points and all points at or above each distinct score, from the highest down."""
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    return np.cumsum(labels[order], dtype=float)[ends], ends + 1.0


def vus_pr(labels: Labels, scores: Floats, longest_buffer: int) -> float:
    """Volume under the precision-recall surface: mean range-aware average precision over buffers around anomalies.

    Labels fall off by `sqrt(1 - distance / buffer)` up to half a buffer outside an anomaly; recall is multiplied by the
    share of anomalies that were touched at all. The mean is over some buffers up to `longest_buffer`, not every one.

    References
    ----------
    Paparrizos, J. et al. (2022). Volume under the surface: a new accuracy evaluation measure for time-series anomaly
    detection. PVLDB 15(11).
    """
    buffers = sorted({int(buffer) for buffer in np.linspace(0, longest_buffer, _BUFFERS)})
    return float(np.mean([_range_precision(labels, scores, buffer, longest_buffer) for buffer in buffers]))


def _range_precision(labels: Labels, scores: Floats, buffer: int, longest_buffer: int) -> float:
    soft = softened(labels, buffer)
    segments = ranges(labels, buffer)
    wide = np.zeros(len(labels), dtype=bool)
    for start, end in ranges(labels, longest_buffer):
        wide[start:end] = True
    order = np.argsort(-scores, kind="stable")
    places = np.linspace(0, len(scores) - 1, _THRESHOLDS).astype(int)
    ranked = scores[order]
    # All that ties with a threshold passes it.
    last = np.searchsorted(-ranked, -ranked[places], side="right") - 1
    core = labels > 0
    # Buffers count as far as they are soft and were found; what is inside counts in any case once its range was.
    found = np.cumsum(np.where(wide, np.where(core, 1.0, soft), 0.0)[order])[last]
    peaks = np.array([scores[start:end].max() for start, end in segments])
    touched = (peaks[None, :] >= ranked[places][:, None]).mean(axis=1)
    soft_found = np.cumsum(np.where(core, 0.0, soft)[order])[last]
    size = (core.sum() + core.sum() + soft_found) / 2
    recall = np.minimum(found / size, 1.0) * touched
    return float(np.sum(np.diff(recall, prepend=0.0) * found / (last + 1)))


def softened(labels: Labels, buffer: int) -> Floats:
    """Labels with shoulders of half a buffer."""
    soft = labels.astype(float)
    for start, end in ranges(labels, 0):
        for distance in range(1, buffer // 2 + 1):
            for place in (start - distance, end - 1 + distance):
                if 0 <= place < len(soft):
                    soft[place] += np.sqrt(1 - distance / buffer)
    return np.asarray(np.minimum(soft, 1.0))


def ranges(labels: Labels, buffer: int) -> list[tuple[int, int]]:
    """Start and end of each anomaly with half a buffer on either side; those that meet are one."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], labels > 0, [0]]).astype(int)))
    merged: list[tuple[int, int]] = []
    for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        begin, stop = max(start - buffer // 2, 0), min(end + buffer // 2, len(labels))
        if merged and begin < merged[-1][1]:
            merged[-1] = (merged[-1][0], stop)
        else:
            merged.append((begin, stop))
    return merged
