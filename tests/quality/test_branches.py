"""Clean and planted runs: the pair differs in the incident and in nothing else."""

import doctest
import importlib
import pkgutil
from collections.abc import Sequence

import msgspec
import pytest

import tests.benchmarks.detection
from detectors.config import CoreSettings
from tests.benchmarks.detection.baselines import BASELINES
from tests.benchmarks.detection.branches import GRACE_S, Branch, Plan, Run, run
from tests.benchmarks.detection.families import FAMILIES
from tests.benchmarks.detection.flows import SECOND_US, Arrival, Flow, simulated_flow
from tests.benchmarks.detection.observer import Observer, measured_settings
from tests.benchmarks.detection.planting import Label
from tests.benchmarks.detection.shipped import new_alerts
from tests.benchmarks.detection.surroundings import Surroundings

_BURST = FAMILIES[0]
_PLAN = Plan(100, 30, False, (0,), (0,))


def _flow(seconds: int) -> Flow:
    return simulated_flow(3, seconds, ("BTC-PERP", "ETH-PERP"))


def _nothing(window: Sequence[Arrival], surroundings: Surroundings, label: Label) -> list[Arrival]:
    return list(window)


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def seen() -> Run:
    """A burst planted twice, on one symbol and the other."""
    return run(_flow(266), _PLAN, [_BURST])


def _same_seconds(found: Run, branch: Branch, scorer: str) -> tuple[list[float], list[float]]:
    (clean,) = (
        values
        for name, features, entity, values in found.scores
        if (name, features, entity) == (scorer, _BURST.features, branch.label.entity)
    )
    begin = branch.first_second - found.first_second
    planted = branch.scores[scorer]
    return planted, clean[begin : begin + len(planted)]


def test_a_branch_in_which_nothing_is_planted_says_what_the_clean_run_says() -> None:
    quiet = msgspec.structs.replace(_BURST, plant=_nothing)
    found = run(_flow(266), _PLAN, [quiet])
    assert found.branches
    for branch in found.branches:
        until_us = branch.label.end_us + GRACE_S * SECOND_US
        clean = [one for one in found.signals if branch.label.start_us - SECOND_US < one.at_us < until_us - SECOND_US]
        assert [one for one in clean if one not in branch.signals and one.at_us > branch.label.start_us] == []
        assert not new_alerts(found, branch)
        for scorer in BASELINES:
            planted, same = _same_seconds(found, branch, scorer)
            # The last second is cut short where the branch ends; chance is drawn anew.
            assert scorer == "random" or planted[:-1] == same[:-1]


def test_a_planted_burst_is_new_and_its_symbols_go_round(seen: Run) -> None:
    assert [branch.label.entity for branch in seen.branches] == ["BTC-PERP", "ETH-PERP"]
    for branch in seen.branches:
        alerts = new_alerts(seen, branch)
        assert "cancel_burst" in {alert.pattern for alert in alerts}
        assert all(branch.label.start_us < alert.at_us for alert in alerts)


def test_the_clean_run_does_not_know_what_its_branches_saw(seen: Run) -> None:
    alone = Observer(seen.flow, measured_settings(), [_BURST])
    alone.see(seen.flow.arrivals())
    alone.finish()
    assert (alone.signals, alone.alerts) == (seen.signals, seen.alerts)
    assert [list(values) for values in alone.scores.values()] == [values for *_, values in seen.scores]


def test_publishing_every_p_value_changes_no_alert() -> None:
    said = []
    for settings in (CoreSettings(), measured_settings()):
        flow = _flow(266)
        observer = Observer(flow, settings, [])
        before = [one for one in flow.arrivals() if one[1].timestamp < flow.start_us + 120 * SECOND_US]
        after = [one for one in flow.arrivals() if one[1].timestamp >= flow.start_us + 120 * SECOND_US]
        observer.see(before)
        for place, family in enumerate(FAMILIES):
            if family.is_market and family.features != "latency" and not family.warn_s:
                label = family.label("BTC-PERP", flow.start_us + (125 + place * 3) * SECOND_US, 0.5, place)
                after = family.plant(after, observer.memories["BTC-PERP"].describe(), label)
        observer.see(after)
        observer.finish()
        said.append(observer.alerts)
    assert said[0]
    assert said[0] == said[1]


def test_the_examples_of_the_yardstick_hold() -> None:
    tried = 0
    for module in pkgutil.iter_modules(tests.benchmarks.detection.__path__):
        if module.name != "__main__":
            found = doctest.testmod(importlib.import_module(f"tests.benchmarks.detection.{module.name}"))
            assert not found.failed, module.name
            tried += found.attempted
    assert tried > 10
