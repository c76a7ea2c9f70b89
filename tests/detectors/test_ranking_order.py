"""The order of the queue: what verdicts move, and whom they can never move past."""

from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.ranking import Queued, by_learned_score, by_score
from detectors.results import Severity

WEIGHT = {"info": 0, "warning": 1, "critical": 2}
severities: st.SearchStrategy[Severity] = st.sampled_from(get_args(Severity))
#: Few scores, so that some are equal.
scores = st.one_of(st.integers(1, 6).map(float), st.floats(0.1, 100.0))
queues = st.lists(st.tuples(severities, scores, st.floats(0.5, 2.0)), max_size=25).map(
    lambda drawn: [Queued(f"{number:02d}", *one) for number, one in enumerate(drawn)]
)


def names(queue: list[Queued]) -> str:
    return "".join(one.alert_id for one in queue)


@given(queues)
def test_an_alert_stays_above_every_alert_of_lower_severity_that_it_stood_above(queue: list[Queued]) -> None:
    base, learned = by_score(queue), by_learned_score(queue)
    place = {one.alert_id: rank for rank, one in enumerate(learned)}
    assert len(place) == len(queue)
    for index, upper in enumerate(base):
        for lower in base[index + 1 :]:
            if WEIGHT[upper.severity] > WEIGHT[lower.severity]:
                assert place[upper.alert_id] < place[lower.alert_id]


@given(queues)
def test_the_first_places_hold_at_least_as_many_critical_alerts_as_by_score(queue: list[Queued]) -> None:
    base, learned = by_score(queue), by_learned_score(queue)
    for many in range(len(queue) + 1):
        assert sum(one.severity == "critical" for one in learned[:many]) >= sum(
            one.severity == "critical" for one in base[:many]
        )


@given(queues)
def test_within_a_severity_the_order_is_that_of_scores_times_factors(queue: list[Queued]) -> None:
    for severity in get_args(Severity):
        line = [one for one in by_learned_score(queue) if one.severity == severity]
        assert all(one.score * one.factor >= other.score * other.factor for one, other in pairwise(line))


@given(queues, st.floats(0.5, 2.0))
def test_where_all_factors_are_equal_nothing_moves(queue: list[Queued], factor: float) -> None:
    even = [one._replace(factor=factor) for one in queue]
    assert by_learned_score(even) == by_score(even)


@given(queues)
def test_the_order_in_which_alerts_are_given_does_not_matter(queue: list[Queued]) -> None:
    assert by_learned_score(queue[::-1]) == by_learned_score(queue)


@given(queues)
def test_nothing_moves_past_what_has_four_times_its_score(queue: list[Queued]) -> None:
    place = {one.alert_id: rank for rank, one in enumerate(by_learned_score(queue))}
    for one in queue:
        for other in queue:
            if one.severity == other.severity and one.score > 4.0 * other.score:
                assert place[one.alert_id] < place[other.alert_id]


@pytest.mark.parametrize(
    ("queue", "order"),
    [
        ("c9/0.5 c8", "ba"),
        ("c9 w8/0.5 w5 i4", "acbd"),
        # A critical alert that falls behind another one takes that one along past the warnings between them.
        ("c9/0.5 w8 w7 c6", "dabc"),
        # Only as far as needed: the third stays where it was.
        ("c9/0.5 w8 w7 c6 w5 c4", "dabcef"),
        # A warning past which an info would come goes before it, a critical one past which that would come first.
        ("w9/0.5 i8 c7 w6", "cdab"),
        ("w9 c8", "ab"),
        ("w9/0.5 c8/2", "ab"),
        ("w9/0.5 c8 w7", "bca"),
    ],
)
def test_orders_worked_out_by_hand(queue: str, order: str) -> None:
    severity: dict[str, Severity] = {"c": "critical", "w": "warning", "i": "info"}
    drawn = []
    for name, text in zip("abcdef", queue.split(), strict=False):
        score, _, factor = text[1:].partition("/")
        drawn.append(Queued(name, severity[text[0]], float(score), float(factor or 1.0)))
    assert names(by_learned_score(drawn)) == order
