"""VUS-PR, average precision and F1 of the series benchmark, against slow definitions and the known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.benchmarks.series.backgrounds import BACKGROUNDS
from tests.benchmarks.series.measures import Floats, Labels, average_precision, best_f1, ranges, softened, vus_pr
from tests.benchmarks.series.planting import PLANTS, made

labelled = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 9)), min_size=5, max_size=40).filter(
    lambda points: any(label for label, _ in points)
)


def slow_range_precision(labels: Labels, scores: Floats, buffer: int, longest: int) -> float:
    """Paparrizos et al., one threshold and one point after the other."""
    soft = softened(labels, buffer)
    area, recall_before = 0.0, 0.0
    for place in np.linspace(0, len(scores) - 1, 250).astype(int):
        alarms = scores >= np.sort(scores)[::-1][place]
        weights = [1.0 if label else shoulder * on for label, shoulder, on in zip(labels, soft, alarms, strict=True)]
        inside = [point for start, end in ranges(labels, longest) for point in range(start, end)]
        found = sum(weights[point] for point in inside if alarms[point])
        size = (labels.sum() + sum(weights[point] for point in inside)) / 2
        touched = [alarms[start:end].any() for start, end in ranges(labels, buffer)]
        recall = min(found / size, 1.0) * sum(touched) / len(touched)
        area += (recall - recall_before) * found / alarms.sum()
        recall_before = recall
    return float(area)


@settings(max_examples=8, deadline=None)
@given(points=labelled, longest=st.integers(0, 20))
def test_vus_pr_is_what_its_definition_says(points: list[tuple[int, int]], longest: int) -> None:
    labels = np.array([label for label, _ in points], dtype=np.int8)
    scores = np.array([score for _, score in points], dtype=float)
    buffers = sorted({int(buffer) for buffer in np.linspace(0, longest, 6)})
    slow = np.mean([slow_range_precision(labels, scores, buffer, longest) for buffer in buffers])
    assert vus_pr(labels, scores, longest) == pytest.approx(float(slow))


@given(points=labelled)
def test_scores_equal_to_the_labels_are_perfect(points: list[tuple[int, int]]) -> None:
    labels = np.array([label for label, _ in points], dtype=np.int8)
    perfect = labels.astype(float)
    assert average_precision(labels, perfect) == best_f1(labels, perfect) == 1.0


def test_a_constant_score_has_the_precision_of_chance() -> None:
    labels = np.array([0, 0, 0, 1], dtype=np.int8)
    assert average_precision(labels, np.zeros(4)) == 0.25
    assert best_f1(labels, np.zeros(4)) == pytest.approx(0.4)


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_a_made_series_is_the_same_each_time_and_labelled_in_part(background: str) -> None:
    for plant in PLANTS:
        series = made(background, plant, seed=3)
        again = made(background, plant, seed=3)
        assert np.array_equal(series.values, again.values)
        assert np.isfinite(series.values).all()
        assert 0 < series.labels.sum() < 0.2 * len(series.labels)
