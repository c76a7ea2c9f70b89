"""A stage that is killed at any moment, and begins again from its checkpoints, leaves what one that was not leaves."""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from functools import cache

import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from detectors.decisions import Decisions
from detectors.guardrail_settings import Guardrails
from detectors.results import Alert
from tests.detectors.full_flow import full_flow
from tests.detectors.killed import KilledWorkers, knowledge
from tests.detectors.workers import Workers, alerts_of_pipeline, results_of_pipeline
from tests.helpers import Log, quick_settings

#: Guardrails so tight that they trip and clear all the time.
TIGHT = Guardrails(
    price_move=(Decimal("0.00001"), Decimal("0.01")), depth_floor=(Decimal(10**9), Decimal(0)), min_hold_s=1
)
SETTINGS = replace(quick_settings(), guardrails=TIGHT)
#: A seed says no more when it is small, and each try takes a second.
WITHOUT_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
PLACES = [("market", 0), ("market", 1), ("account", 0), ("account", 1), ("correlation", 0)]

seeds = st.integers(0, 2**32 - 1)


@cache
def the_log() -> Log:
    return Log(full_flow(), 2)


@cache
def expected() -> list[bytes]:
    return [msgspec.json.encode(alert) for alert in alerts_of_pipeline(the_log(), SETTINGS)]


@cache
def the_decisions() -> Decisions:
    found = results_of_pipeline(the_log(), SETTINGS)
    assert len(found.limits) > 5
    assert len(found.trips) > 1
    return Decisions(tuple(found.limits), tuple(found.trips), tuple(found.audit))


def decided(decisions: Iterable[Decisions]) -> set[bytes]:
    """What was decided, each once."""
    encode = msgspec.json.Encoder(decimal_format="number").encode
    return {encode(one) for said in decisions for one in (*said.limits, *said.trips, *said.audit)}


@cache
def never_killed() -> Workers:
    workers = Workers(SETTINGS, the_log(), seed=1)
    workers.run()
    return workers


def once(alerts: list[Alert]) -> list[bytes]:
    """Alerts without those said again, which must be the same."""
    kept: dict[tuple[str, int], bytes] = {}
    for alert in alerts:
        value = msgspec.json.encode(alert)
        assert kept.setdefault((alert.alert_id, alert.revision), value) == value
    return list(kept.values())


@pytest.mark.slow
@settings(max_examples=6, phases=WITHOUT_SHRINKING)
@given(seeds, st.sampled_from([60, 200, 1_000]))
def test_killed_stages_leave_the_same_alerts_and_the_same_state(seed: int, batch: int) -> None:
    workers = KilledWorkers(SETTINGS, the_log(), seed, batch)
    alerts = once(workers.run())
    assert workers.happened["taken up"] > 2
    assert workers.notes == []
    assert alerts == expected()
    assert decided(workers.decisions) == decided([the_decisions()])
    for stage, partition in PLACES:
        assert knowledge(workers, stage, partition) == knowledge(never_killed(), stage, partition), stage


@pytest.mark.slow
@settings(max_examples=3, phases=WITHOUT_SHRINKING)
@given(seeds)
def test_stages_killed_at_nearly_every_turn_leave_the_same_alerts(seed: int) -> None:
    workers = KilledWorkers(SETTINGS, the_log(), seed, batch=400, kills=0.1)
    assert once(workers.run()) == expected()
    assert workers.happened["taken up"] > 10
