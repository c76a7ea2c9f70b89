"""Planted incidents: their plan, their labels, and that they can be seen in the flow."""

from collections import Counter
from statistics import fmean, pstdev

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.errors import ConfigError
from detectors.events import BookSnapshot, Cancel, LeverageChange
from streams.simulator import FAMILIES, Exchange, ExchangeSettings, Incident, labels_json, plant
from tests.streams.simulator.recording import Recording


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 10_000), duration_s=st.integers(100, 3_600), warmup_s=st.integers(0, 60))
def test_one_of_each_family_is_planted_after_the_warm_up_without_overlap(
    seed: int, duration_s: int, warmup_s: int
) -> None:
    wanted = ExchangeSettings(duration_s=duration_s)
    incidents = plant(seed, wanted, warmup_s=warmup_s)
    assert sorted(found.family for found in incidents) == sorted(FAMILIES)
    free_us = wanted.start_us + warmup_s * 1_000_000
    for incident in incidents:
        assert free_us <= incident.start_us < incident.end_us
        free_us = incident.end_us
    assert free_us < wanted.end_us
    assert len({found.symbol for found in incidents[:4]}) == 4
    assert len({found.id for found in incidents}) == len(incidents)
    assert plant(seed, wanted, warmup_s=warmup_s) == incidents


def test_planting_needs_room() -> None:
    with pytest.raises(ConfigError, match=r"duration_s must be >= 90.0 for 5 incidents after 60.0 s, was 80"):
        plant(1, ExchangeSettings(duration_s=80))


def test_labels_are_one_json_object_a_line() -> None:
    incidents = plant(1, ExchangeSettings())
    lines = labels_json(incidents).splitlines()
    assert [msgspec.json.decode(line, type=Incident) for line in lines] == incidents


def test_incidents_that_cannot_happen_here_are_refused() -> None:
    wanted = ExchangeSettings()
    good = Incident("a", "thin_book", "BTC-PERP", ("maker-000",), wanted.start_us, wanted.start_us + 1)
    for changed, message in (
        ({"symbol": "DOGE"}, "must have a symbol out of BTC-PERP.*has 'DOGE'"),
        ({"accounts": ("nobody",)}, r"must have accounts of this exchange, has \['nobody'\]"),
        ({"accounts": ()}, "must have at least one account"),
        ({"end_us": 5}, "must have an end after its start"),
        ({"intensity": 0.0}, "must have an intensity > 0"),
        ({"family": "flood"}, "must have a family out of cancel_burst"),
    ):
        with pytest.raises(ConfigError, match=message):
            Exchange(wanted, [msgspec.structs.replace(good, **changed)])


def cancels_of(recording: Recording, incident: Incident, start_us: int, end_us: int) -> Counter[str]:
    found = recording.between("cancels", incident.symbol, start_us, end_us)
    return Counter(event.account for event in found if isinstance(event, Cancel))


def test_a_cancel_burst_shows_in_its_account_alone(recording: Recording) -> None:
    incident = recording.incident("cancel_burst")
    (account,) = incident.accounts
    length_us = incident.end_us - incident.start_us
    during = cancels_of(recording, incident, incident.start_us, incident.end_us)
    before = cancels_of(recording, incident, incident.start_us - 2 * length_us, incident.start_us)
    assert during[account] == pytest.approx(40 * length_us / 1e6, rel=0.3)
    assert during[account] > 20 * (before[account] + 1)


def test_a_ring_is_moderate_each_and_in_step(recording: Recording) -> None:
    incident = recording.incident("cancel_ring")
    assert 6 <= len(incident.accounts) <= 12
    length_s = (incident.end_us - incident.start_us) / 1e6
    during = cancels_of(recording, incident, incident.start_us, incident.end_us)
    assert all(1 <= during[account] / length_s <= 6 for account in incident.accounts)
    ring = set(incident.accounts)
    found = recording.between("cancels", incident.symbol, incident.start_us, incident.end_us)
    slots = Counter(event.timestamp // 50_000 for event in found if isinstance(event, Cancel) and event.account in ring)
    counts = [slots[slot] for slot in range(incident.start_us // 50_000, incident.end_us // 50_000)]
    # Independent accounts would give a variance like the mean.
    assert pstdev(counts) ** 2 > 4 * fmean(counts)


def test_a_leverage_spike_raises_many_accounts_at_once(recording: Recording) -> None:
    incident = recording.incident("leverage_spike")
    length_us = incident.end_us - incident.start_us

    def raises(start_us: int, end_us: int) -> list[LeverageChange]:
        found = recording.between("leverage", incident.symbol, start_us, end_us)
        changes = [event for event in found if isinstance(event, LeverageChange)]
        return [event for event in changes if event.prev_leverage is not None and event.leverage > event.prev_leverage]

    during = raises(incident.start_us, incident.end_us)
    before = raises(incident.start_us - length_us, incident.start_us)
    assert len(during) > 4 * (len(before) + 5)
    assert len({event.account for event in during} & set(incident.accounts)) > 0.7 * len(incident.accounts)
    assert sum(event.position != 0 for event in during) > 0.5 * len(during)


@pytest.mark.parametrize("family", ["thin_book", "correlated"])
def test_makers_withdraw_most_of_the_depth_and_come_back(recording: Recording, family: str) -> None:
    incident = recording.incident(family)

    def depth(start_us: int, end_us: int) -> float:
        found = recording.between("books", incident.symbol, start_us, end_us)
        books = [event for event in found if isinstance(event, BookSnapshot)]
        return fmean(sum(amount for _, amount in book.bids[:10] + book.asks[:10]) for book in books)

    before = depth(incident.start_us - 5_000_000, incident.start_us)
    during = depth(incident.start_us + 2_000_000, incident.end_us)
    after = depth(incident.end_us + 7_000_000, incident.end_us + 10_000_000)
    assert 0.08 * before < during < 0.45 * before
    assert after > 1.5 * during


def test_a_correlated_incident_is_all_at_once(recording: Recording) -> None:
    incident = recording.incident("correlated")
    length_us = incident.end_us - incident.start_us
    during = cancels_of(recording, incident, incident.start_us, incident.end_us)
    before = cancels_of(recording, incident, incident.start_us - length_us, incident.start_us)
    assert during[incident.accounts[0]] > 20 * (before[incident.accounts[0]] + 1)
    ring = incident.accounts[1:9]
    assert sum(during[account] for account in ring) > 5 * (sum(before[account] for account in ring) + 8)
    changes = recording.between("leverage", incident.symbol, incident.start_us, incident.end_us)
    assert len(changes) > 3 * len(
        recording.between("leverage", incident.symbol, incident.start_us - length_us, incident.start_us)
    )


@pytest.mark.parametrize("intensity", [0.5, 2.0])
def test_intensity_multiplies_the_rate_of_a_burst(intensity: float) -> None:
    wanted = ExchangeSettings(seed=2, duration_s=20)
    incidents = plant(2, wanted, warmup_s=4, intensity=intensity, families=("cancel_burst",))
    (incident,) = incidents
    burst = [
        event
        for _, event in Exchange(wanted, incidents).events()
        if isinstance(event, Cancel) and event.account == incident.accounts[0]
    ]
    length_s = (incident.end_us - incident.start_us) / 1e6
    assert len(burst) == pytest.approx(40 * intensity * length_s, rel=0.35)
