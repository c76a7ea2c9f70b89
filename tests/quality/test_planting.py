"""Planted incidents: pure, in their place, as strong as they say."""

from collections.abc import Iterable
from functools import cache
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.events import EVENT_TYPES, BookSnapshot, Cancel, DerivativeTicker, Latency, LeverageChange, Liquidation
from tests.benchmarks.detection.families import FAMILIES, FEATURES, Family
from tests.benchmarks.detection.flows import COMPONENTS, SECOND_US, Arrival, Flow, simulated_flow
from tests.benchmarks.detection.planted_prices import thinned
from tests.benchmarks.detection.planting import Label, moments
from tests.benchmarks.detection.surroundings import Memory, Surroundings

_SECONDS, _ONSET_S = 170, 30
_BY_NAME = {family.name: family for family in FAMILIES}
#: Faults of a feed may make events older than the incident.
_PLACED = [family for family in FAMILIES if family.is_market]


@cache
def flow() -> Flow:
    """A short flow of one symbol."""
    return simulated_flow(7, _SECONDS, ("BTC-PERP",))


@cache
def arrivals() -> tuple[Arrival, ...]:
    """All of it."""
    return tuple(flow().arrivals())


@cache
def surroundings() -> Surroundings:
    """What was usual before the onset."""
    memory = Memory("BTC-PERP")
    for _, event in arrivals():
        if event.timestamp < flow().start_us + _ONSET_S * SECOND_US and not isinstance(event, Latency):
            memory.see(event)
    return memory.describe()


@cache
def window() -> tuple[Arrival, ...]:
    """From the onset on."""
    return tuple(one for one in arrivals() if one[1].timestamp >= flow().start_us + _ONSET_S * SECOND_US)


def new_in(found: Iterable[Arrival]) -> list[Arrival]:
    """What was planted, or altered: what stays is the same object."""
    known = {id(event) for _, event in window()}
    return [one for one in found if id(one[1]) not in known]


def missing_in(found: Iterable[Arrival]) -> list[Arrival]:
    """What is no longer there."""
    left = {id(event) for _, event in found}
    return [one for one in window() if id(one[1]) not in left]


def label_of(family: Family, intensity: float, seed: int) -> Label:
    entity = COMPONENTS[0] if family.features == "latency" else "BTC-PERP"
    return family.label(entity, flow().start_us + _ONSET_S * SECOND_US + 77, intensity, seed)


def planted(family: Family, intensity: float, seed: int) -> list[Arrival]:
    return family.plant(window(), surroundings(), label_of(family, intensity, seed))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 50), intensity=st.sampled_from([0.0625, 0.25, 1.0, 2.0]))
def test_planting_is_pure_and_every_event_stays_valid(family: Family, seed: int, intensity: float) -> None:
    found = planted(family, intensity, seed)
    assert found == planted(family, intensity, seed)
    for topic, event in new_in(found):
        assert isinstance(event, EVENT_TYPES[topic])
        assert msgspec.convert(msgspec.to_builtins(event), EVENT_TYPES[topic]) == event
        if isinstance(event, BookSnapshot) and event.bids and event.asks:
            assert event.bids[0][0] < event.asks[0][0]
            assert all(better > worse for (better, _), (worse, _) in pairwise(event.bids))


@pytest.mark.parametrize("family", _PLACED, ids=lambda family: family.name)
def test_nothing_changes_outside_an_incident_or_elsewhere(family: Family) -> None:
    label = label_of(family, 1.0, 3)

    def elsewhere(one: Arrival) -> bool:
        event = one[1]
        within = label.start_us <= event.timestamp <= label.end_us + SECOND_US
        return not within or label.entity not in (getattr(event, "symbol", ""), getattr(event, "component", ""))

    found = planted(family, 1.0, 3)
    times = [event.timestamp for _, event in found]
    assert times == sorted(times)
    assert new_in(found)
    assert not list(filter(elsewhere, new_in(found)))
    # A storm takes its account's later cancels away: those orders are gone.
    gone = list(filter(elsewhere, missing_in(found)))
    assert not gone or (family.name == "cancel_storm" and {topic for topic, _ in gone} == {"cancels"})


def test_stuffing_is_five_times_the_trailing_rate_and_grows_with_intensity() -> None:
    family = _BY_NAME["cancel_burst"]
    seconds = label_of(family, 1.0, 1).seconds
    extra = {intensity: len(new_in(planted(family, intensity, 1))) for intensity in (0.25, 1.0, 2.0)}
    assert extra[1.0] == pytest.approx(5.0 * surroundings().cancels_p99 * seconds, rel=0.25)
    assert extra[0.25] < 0.5 * extra[1.0] < extra[2.0]


def test_stuffed_orders_live_for_milliseconds_in_one_account() -> None:
    planted_events = [event for _, event in new_in(planted(_BY_NAME["cancel_burst"], 1.0, 1))]
    cancels = [event for event in planted_events if isinstance(event, Cancel)]
    assert len(cancels) == len(planted_events) > 0
    assert len({cancel.account for cancel in cancels}) == 1
    assert all(1_000 <= cancel.timestamp - cancel.order_timestamp <= 50_000 for cancel in cancels)


def test_a_thin_book_of_intensity_one_is_a_fifth_and_three_times_as_wide() -> None:
    book = BookSnapshot(0, "X", [(99.0, 10.0), (98.0, 10.0)], [(101.0, 10.0), (102.0, 10.0)])
    thin = thinned(book, left=0.2, wider=3.0)
    assert thin.bids == [(97.0, 2.0), (96.0, 2.0)]
    assert thin.asks[0][0] - thin.bids[0][0] == pytest.approx(6.0)


def test_raised_leverage_goes_to_fifty_and_an_account_is_raised_once() -> None:
    changes = [event for _, event in new_in(planted(_BY_NAME["leverage_spike"], 1.0, 2))]
    assert len(changes) >= 20
    assert all(isinstance(change, LeverageChange) and change.leverage == 50.0 for change in changes)
    accounts = [change.account for change in changes if isinstance(change, LeverageChange)]
    assert len(set(accounts)) == len(accounts)


def test_a_slow_component_takes_ten_times_as_long() -> None:
    family = _BY_NAME["latency_shock"]
    label = label_of(family, 1.0, 0)
    for (_, before), (_, after) in zip(window(), planted(family, 1.0, 0), strict=True):
        if isinstance(before, Latency) and isinstance(after, Latency):
            slow = before.component == label.entity and label.start_us <= before.timestamp < label.end_us
            assert after.latency_us == pytest.approx(before.latency_us * (10.0 if slow else 1.0))


def test_the_mark_leaves_the_index_by_ten_times_what_is_usual() -> None:
    family = _BY_NAME["mark_divergence"]
    label = label_of(family, 1.0, 0)
    gaps = [
        abs(event.mark_price / event.index_price - 1.0)
        for _, event in planted(family, 1.0, 0)
        if isinstance(event, DerivativeTicker)
        and event.mark_price
        and event.index_price
        and label.start_us + 3 * SECOND_US <= event.timestamp < label.end_us
    ]
    assert gaps
    assert min(gaps) > 7.0 * surroundings().mark_gap_p99


def test_a_cascade_builds_up_before_its_first_forced_order() -> None:
    family = _BY_NAME["cascade"]
    label = label_of(family, 1.0, 4)
    assert label.start_us + 50 * SECOND_US < label.crisis_us < label.end_us
    found = planted(family, 1.0, 4)
    forced = [event for _, event in found if isinstance(event, Liquidation) and "forced" in event.account]
    assert len(forced) >= 10
    assert min(event.timestamp for event in forced) >= label.crisis_us
    last = next(e for _, e in reversed(found) if isinstance(e, BookSnapshot) and e.timestamp < label.end_us)
    assert last.bids[0][0] < 0.98 * surroundings().mid


@pytest.mark.parametrize("seed", range(4))
def test_each_kind_of_feed_fault_touches_the_feed_and_no_leverage(seed: int) -> None:
    family = _BY_NAME["feed_fault"]
    found, before = planted(family, 1.0, seed), window()
    assert found != list(before)
    assert sum(t == "leverage" for t, _ in found) >= sum(t == "leverage" for t, _ in before)


def test_intensities_of_one_incident_differ_in_strength_alone() -> None:
    for family in FAMILIES:
        weak, strong = label_of(family, 0.25, 9), label_of(family, 2.0, 9)
        assert msgspec.structs.replace(weak, intensity=2.0) == strong


def test_every_family_names_features_that_exist_and_topics_that_exist() -> None:
    assert len(_BY_NAME) == len(FAMILIES)
    for family in FAMILIES:
        assert family.features in FEATURES
        assert set(family.needs) <= set(EVENT_TYPES)


@given(st.integers(0, 100), st.floats(0.0, 50.0))
def test_moments_lie_within_their_span(seed: int, rate_per_s: float) -> None:
    times = moments(label_of(FAMILIES[0], 1.0, seed).chance("x"), rate_per_s, 1_000, 2_000_000)
    assert times == sorted(times)
    assert all(1_000 <= at_us < 2_000_000 for at_us in times)
    assert bool(times) or rate_per_s < 5.0
