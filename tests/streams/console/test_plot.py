"""Plots and incidents: what is drawn is what was known, in any browser, whatever entities are called."""

import random
import re
from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.console.incident import moments, span_of
from streams.console.plot import Lane, Marks, Span, lanes, share_bar
from streams.console.signal_memory import SignalPoint
from tests.streams.decided import CANCELS, NOW_US, SECOND_US, an_alert

SPAN = Span(0, 100 * SECOND_US)
times = st.integers(-10 * SECOND_US, 110 * SECOND_US)
points = st.builds(
    SignalPoint,
    timestamp=times,
    detector=st.sampled_from(["cancel_burst", "thin_book"]),
    scope=st.sampled_from(["account", "symbol"]),
    entity=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8) | st.just('"><script>'),
    symbol=st.sampled_from(["BTC-PERP", "ETH-PERP", ""]),
    p_value=st.floats(0.0, 1.0),
    says=st.just(CANCELS),
    accounts=st.just(()),
)


def stems(lane: Lane) -> list[float]:
    """Where the stems of a lane stand, from left to right."""
    paths = [one.get("d", "") for one in ElementTree.fromstring(lane.svg) if "stem" in one.get("class", "")]  # noqa: S314 - our own
    return sorted(float(x) for path in paths for x in re.findall(r"M([\d.]+) ", path))


@given(st.lists(points, max_size=30, unique_by=lambda one: one[:5]), times, st.integers(1, 5))
@settings(max_examples=50)
def test_each_point_that_was_known_is_one_stem_and_no_other(seen: list[SignalPoint], now: int, most: int) -> None:
    drawn = lanes(seen, SPAN, Marks(Span(0, 1), 5, now), lambda point: point.p_value < 0.5, 1_000)
    known = [one for one in seen if 0 <= one.timestamp <= min(now, SPAN.end)]
    assert sum(len(stems(lane)) for lane in drawn) == len(known)
    assert sorted(point for lane in drawn for point in lane.points) == sorted(known)
    for lane in drawn:
        assert stems(lane) == sorted(float(f"{SPAN.x(one.timestamp):.1f}") for one in lane.points)
        assert lane.least.p_value == min(one.p_value for one in lane.points)
    fewer = lanes(seen, SPAN, Marks(), lambda point: point.p_value < 0.5, most)
    assert [lane.contributes for lane in fewer] == sorted((lane.contributes for lane in fewer), reverse=True)
    assert len(fewer) <= most


@given(st.lists(points, max_size=30, unique_by=lambda one: one[:5]))
@settings(max_examples=25)
def test_a_drawing_does_not_depend_on_the_order_of_its_points(seen: list[SignalPoint]) -> None:
    shuffled = random.Random(7).sample(seen, len(seen))
    names = [
        [(lane.name, lane.least.p_value) for lane in lanes(some, SPAN, Marks(), bool, 9)] for some in (seen, shuffled)
    ]
    assert names[0] == names[1]


def test_a_drawing_says_in_words_what_it_shows_and_obeys_no_name() -> None:
    point = SignalPoint(SECOND_US, "cancel_burst", "account", '"><script>x', "BTC-PERP", 2e-9, CANCELS, ())
    (lane,) = lanes([point], SPAN, Marks(), lambda _: True, 5)
    assert "<script>" not in lane.svg
    root = ElementTree.fromstring(lane.svg)  # noqa: S314 - our own
    assert root.get("role") == "img"
    assert root.get("aria-label") == 'cancel burst, account "><script>x: seen 1 times, at the least probable p = 2e-09'


def test_a_bar_is_never_longer_than_the_whole() -> None:
    for share, width in ((0.5, "50.0"), (7.0, "100.0"), (-1.0, "0.0"), (float("nan"), "0.0")):
        assert f'width="{width}"' in share_bar(share)


@given(st.lists(times.map(abs), min_size=1, max_size=6, unique=True), st.lists(times.map(abs), max_size=30))
@settings(max_examples=50)
def test_an_incident_tells_each_revision_when_it_was_known_and_never_before(
    at: list[int], signal_times: list[int]
) -> None:
    revisions = [an_alert(revision=number, at=NOW_US + time) for number, time in enumerate(sorted(at), 1)]
    seen = [
        SignalPoint(NOW_US + time, "cancel_burst", "account", "a", "BTC-PERP", 1e-6, None, ()) for time in signal_times
    ]
    steps = moments(revisions, seen, span_of(revisions))
    assert [step.at for step in steps] == sorted({step.at for step in steps})
    assert [step.alert for step in steps if step.is_news] == revisions
    for step in steps:
        known = [alert for alert in revisions if alert.timestamp <= step.at]
        assert step.alert == (known[-1] if known else None)


def test_of_an_incident_that_lasts_for_hours_the_steps_are_bounded() -> None:
    revisions = [an_alert(revision=number, at=NOW_US + number * SECOND_US) for number in range(1, 50)]
    seen = [
        SignalPoint(NOW_US + second * SECOND_US, "d", "symbol", "X", "X", 1e-6, None, ())
        for second in range(-50, 3_000)
    ]
    steps = moments(revisions, seen, span_of(revisions))
    assert len(steps) <= 240
    assert sum(step.is_news for step in steps) == 49
    assert span_of([an_alert(at=NOW_US), an_alert(revision=2, at=NOW_US + 10**11)]).end - NOW_US < 1_800 * SECOND_US
