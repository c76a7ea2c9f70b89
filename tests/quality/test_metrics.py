"""The yardstick's own arithmetic: by hand, and against slow definitions."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.detection.episodes import GAP_S, episodes, peaks, threshold_at
from tests.benchmarks.detection.metrics import Outcome, average_precision, delays, half_recall_intensity, recall, wilson
from tests.benchmarks.detection.volume_under_surface import range_average_precision, soft_labels, vus_pr

#: Few distinct scores, so that ties are common.
_SCORES = st.lists(st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0, 3.0]), min_size=1, max_size=200)


def slow_episodes(scores: Sequence[float], threshold: float) -> int:
    """Walk through the seconds and begin a new episode after a gap."""
    count, last = 0, -math.inf
    for second, score in enumerate(scores):
        if score > threshold:
            count += second - last > GAP_S
            last = second
    return count


@given(_SCORES, st.sampled_from([0.0, 0.5, 1.0, 2.5, 3.0]))
def test_episodes_are_those_of_a_walk_through_the_seconds(scores: list[float], threshold: float) -> None:
    assert episodes(np.array(scores), threshold) == slow_episodes(scores, threshold)


@given(st.lists(_SCORES, min_size=1, max_size=3), st.integers(1, 4))
def test_a_threshold_is_the_lowest_at_and_above_which_the_budget_holds(
    entities: list[list[float]], allowed: int
) -> None:
    found = threshold_at([np.array(scores) for scores in entities], float(allowed))
    assert not found.extrapolated
    # Between two distinct scores nothing changes, so that these are all thresholds there are.
    candidates = sorted({0.0, *(score for scores in entities for score in scores)})

    def count(threshold: float) -> int:
        return sum(slow_episodes(scores, threshold) for scores in entities)

    lowest = next(one for one in candidates if all(count(higher) <= allowed for higher in candidates if higher >= one))
    assert found.value == lowest


def test_a_budget_below_one_episode_continues_the_tail_above_what_was_seen() -> None:
    rng = np.random.default_rng(5)
    scores = np.zeros(40_000)
    scores[::100] = rng.exponential(1.0, 400)
    seen = threshold_at([scores], 1.0)
    rarer, rarest = threshold_at([scores], 0.5), threshold_at([scores], 0.1)
    assert rarest.extrapolated
    assert seen.value < rarest.value
    assert rarer.value < rarest.value
    # Of an exponential tail of mean 1, one in 4,000 is above 8.3; the fit expects a somewhat heavier one.
    assert 6.0 < rarest.value < 20.0


def test_a_budget_without_history_takes_the_highest_score_seen() -> None:
    assert threshold_at([np.array([0.0, 2.0, 1.0])], 0.1).value == 2.0
    assert threshold_at([np.zeros(10)], 0.1).value == 0.0


def test_peaks_keep_their_distance() -> None:
    scores = np.zeros(100)
    scores[[10, 12, 45, 90]] = [3.0, 4.0, 2.0, 1.0]
    assert peaks([scores], most=10) == [4.0, 2.0, 1.0]


def slow_vus(scores: Sequence[float], ranges: Sequence[tuple[int, int]], most_buffer: int) -> float:
    """The definition, a threshold and a second at a time."""
    whole = 0.0
    for buffer in range(most_buffer + 1):
        labels = []
        for second in range(len(scores)):
            distances = [max(first - second, second - last, 0) for first, last in ranges]
            nearest = min(distances)
            labels.append(1.0 if nearest == 0 else math.sqrt(1 - nearest / buffer) if nearest <= buffer // 2 else 0.0)
        positives = (sum(last - first + 1 for first, last in ranges) + sum(labels)) / 2
        area = before = 0.0
        for threshold in sorted(set(scores), reverse=True):
            above = [second for second, score in enumerate(scores) if score >= threshold]
            hits = sum(labels[second] for second in above)
            existing = sum(
                any(first - buffer // 2 <= second <= last + buffer // 2 for second in above) for first, last in ranges
            )
            now = min(hits / positives, 1.0) * existing / len(ranges)
            area += (now - before) * hits / len(above)
            before = now
        whole += area
    return whole / (most_buffer + 1)


@given(st.lists(st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]), min_size=24, max_size=40), st.integers(0, 6))
def test_vus_pr_is_that_of_its_definition(scores: list[float], most_buffer: int) -> None:
    ranges = [(3, 5), (15, 15), (20, 22)]
    assert vus_pr(np.array(scores), ranges, most_buffer) == pytest.approx(slow_vus(scores, ranges, most_buffer))


def test_vus_pr_by_hand() -> None:
    # Threshold 2: one second, no hit. Threshold 1: two seconds, one hit of one: recall 1, precision 1/2.
    assert range_average_precision(np.array([2.0, 1.0, 0.0, 0.0]), [(1, 1)], buffer=0) == 0.5
    assert range_average_precision(np.array([0.0, 1.0, 0.0, 0.0]), [(1, 1)], buffer=0) == 1.0
    # All alike: every second is above the only threshold.
    assert range_average_precision(np.zeros(4), [(1, 1)], buffer=0) == 0.25


def test_a_near_miss_is_worth_something_to_vus_pr_and_a_far_one_is_not() -> None:
    def at(second: int) -> float:
        scores = np.zeros(60)
        scores[second] = 1.0
        return vus_pr(scores, [(30, 32)])

    assert at(31) > at(34) > at(50)


def test_labels_fade_on_both_sides_and_the_nearer_incident_counts() -> None:
    labels = soft_labels(9, [(2, 2), (6, 6)], buffer=4)
    assert labels.tolist() == pytest.approx(
        [0.5**0.5, 0.75**0.5, 1.0, 0.75**0.5, 0.5**0.5, 0.75**0.5, 1.0, 0.75**0.5, 0.5**0.5]
    )


def test_half_recall_ignores_a_lucky_hit_below_a_miss() -> None:
    assert half_recall_intensity([(0.25, 0.6), (0.5, 0.0), (1.0, 1.0)]) == pytest.approx(0.5 * 2**0.5)


@given(st.lists(st.floats(0.0, 1.0), min_size=2, max_size=6))
def test_half_recall_lies_between_measured_intensities(shares: list[float]) -> None:
    intensities = [2.0**power for power in range(len(shares))]
    found = half_recall_intensity(list(zip(intensities, shares, strict=True)))
    if shares[-1] < 0.5:
        assert found is None
    else:
        assert found is not None
        assert intensities[0] <= found <= intensities[-1]


def test_recall_and_delays_look_at_one_intensity() -> None:
    found = [Outcome(1.0, 0, 2.0), Outcome(1.0, 1, None), Outcome(1.0, 2, 4.0), Outcome(0.5, 0, None)]
    assert recall(found, 1.0) == pytest.approx(2 / 3)
    assert recall(found, 0.5) == 0.0
    assert math.isnan(recall(found, 2.0))
    assert delays(found, 1.0) == (2.0, 4.0)
    assert delays(found, 0.5) == (None, None)


@given(st.lists(st.booleans(), max_size=30))
def test_average_precision_is_best_when_all_true_ones_come_first(true: list[bool]) -> None:
    existing = max(sum(true), 1)
    assert 0.0 <= average_precision(true, existing) <= average_precision(sorted(true, reverse=True), existing) <= 1.0


@given(st.integers(0, 40), st.integers(1, 40))
def test_an_interval_holds_its_share(hits: int, of: int) -> None:
    hits = min(hits, of)
    low, high = wilson(hits, of)
    assert -1e-12 <= low <= hits / of <= high + 1e-12 <= 1.0 + 2e-12
