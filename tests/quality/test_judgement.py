"""What counts as found, by hand: two folds of an invented flow, and what was said with and without an incident."""

import numpy as np
import pytest

from tests.benchmarks.detection.baselines import BASELINES, SQUALL
from tests.benchmarks.detection.branches import Branch, Plan, Run
from tests.benchmarks.detection.clean import Clean
from tests.benchmarks.detection.families import FAMILIES, Family
from tests.benchmarks.detection.findings import findings
from tests.benchmarks.detection.flows import SECOND_US, Flow
from tests.benchmarks.detection.metrics import outcome
from tests.benchmarks.detection.observer import Raised, Said
from tests.benchmarks.detection.page import plain
from tests.benchmarks.detection.planting import Label
from tests.benchmarks.detection.shipped import as_shipped, cascades, false_alarms, new_alerts, ranked_queue

_SECONDS, _FIRST = 400, 1_000
_BY_NAME = {family.name: family for family in FAMILIES}
_BURST, _CASCADE = _BY_NAME["cancel_burst"], _BY_NAME["cascade"]


def at(second: float) -> int:
    """A time so many seconds after the beginning."""
    return round((_FIRST + second) * SECOND_US)


def signal(second: float, per_day: float, pattern: str = "cancel_burst") -> Said:
    return Said(at(second), "d", "symbol", pattern, "X", 1e-5, per_day)


def alert(second: float, name: str, pattern: str = "cancel_burst", status: str = "open", score: float = 1.0) -> Raised:
    return Raised(at(second), name, status, pattern, "X", "info", score, 1e-5, "")


def run_of(fold: int, signals: list[Said], alerts: list[Raised], branches: list[Branch], bump: int = -1) -> Run:
    """A run whose baselines say 1 in second `bump`, else nothing."""
    scores = np.zeros(_SECONDS)
    if bump >= 0:
        scores[bump] = 1.0
    flow = Flow("made up", ("X",), frozenset(("cancels",)), at(0), _SECONDS, seed=fold)
    stored = [(scorer, "cancels", "X", scores.tolist()) for scorer in BASELINES]
    stored += [(scorer, "all", "X", scores.tolist()) for scorer in BASELINES]
    return Run(flow, Plan(100, 50, False, (0,), (fold,)), _FIRST, signals, alerts, stored, branches, [], [])


def branch_of(
    family: Family,
    signals: list[Said],
    alerts: list[Raised],
    start: float = 200.5,
    seconds: float = 10.0,
    fold: int = 0,
) -> Branch:
    """An incident; its baselines say 2 from the third second on."""
    end_us = at(start + seconds)
    crisis_us = at(start + 60.0) if family.warn_s else 0
    label = Label(family.name, "X", at(start), end_us, 1.0, 0, crisis_us)
    scores = [0.0, 0.0, *([2.0] * (round(seconds) + 8))]
    return Branch(label, fold, _FIRST + int(start), signals, alerts, dict.fromkeys(BASELINES, scores))


def test_an_incident_is_found_at_the_first_second_above_the_threshold() -> None:
    branch = branch_of(_BURST, [signal(201.2, 10.0), signal(203.7, 0.1)], [])
    quiet = np.zeros(20)
    assert outcome("EW z-score", _BURST, branch, quiet, 1.0).after_s == pytest.approx(2.5)
    assert outcome("EW z-score", _BURST, branch, quiet, 2.0).after_s is None
    # Squall's own time: 10 a day is 3 decades below ten thousand, 0.1 a day is 5.
    assert outcome(SQUALL, _BURST, branch, quiet, 2.5).after_s == pytest.approx(0.7)
    assert outcome(SQUALL, _BURST, branch, quiet, 3.5).after_s == pytest.approx(3.2)


def test_what_is_said_without_the_incident_too_does_not_find_it() -> None:
    branch = branch_of(_BURST, [signal(201.2, 0.1)], [])
    loud = np.full(20, 5.0)
    assert outcome("EW z-score", _BURST, branch, loud, 1.0).after_s is None
    assert outcome(SQUALL, _BURST, branch, loud, 3.0).after_s is None


def test_another_pattern_and_another_symbol_find_nothing() -> None:
    branch = branch_of(_BURST, [signal(201.2, 0.1, "thin_book")], [])
    assert outcome(SQUALL, _BURST, branch, np.zeros(20), 1.0).after_s is None


def test_of_a_cascade_only_what_comes_before_the_crisis_counts() -> None:
    early = branch_of(_CASCADE, [], [alert(240.0, "a", "cascade_risk")], seconds=90.0)
    late = branch_of(_CASCADE, [], [alert(265.0, "a", "cascade_risk")], seconds=90.0)
    assert outcome(SQUALL, _CASCADE, early, np.zeros(100), 1.0).after_s == pytest.approx(39.5)
    assert outcome(SQUALL, _CASCADE, late, np.zeros(100), 1.0).after_s is None


def test_the_threshold_of_a_fold_is_set_on_the_other() -> None:
    clean = Clean([run_of(0, [signal(150.0, 100.0)], [], []), run_of(1, [signal(150.0, 1.0)], [], [])])
    budget = 86_400.0 / 300 / 2
    first, second = clean.thresholds(SQUALL, _BURST, budget)
    assert (first.value, second.value) == (4.0, 2.0)
    # At its fold's threshold the weaker signal is none, the stronger one is.
    assert clean.alarms(SQUALL, _BURST, (first, second)) == 1
    assert clean.days(SQUALL, _BURST, 0) == pytest.approx(300 / 86_400)


def test_the_warm_up_counts_neither_for_thresholds_nor_for_alarms() -> None:
    clean = Clean([run_of(0, [signal(50.0, 1.0)], [alert(50.0, "a")], []), run_of(1, [], [], [])])
    assert clean.thresholds("EW z-score", _BURST, 1.0)[1].value == 0.0
    # Too short to count: Squall must say itself that it is as rare as once a day.
    assert clean.thresholds(SQUALL, _BURST, 1.0)[1].value == 4.0
    assert false_alarms(clean)["alerts"] == {}


def test_an_alert_is_new_if_the_clean_run_never_had_it() -> None:
    alerts = [
        alert(201.0, "known"),
        alert(202.0, "new"),
        alert(203.0, "new", status="update"),
        alert(204.0, "over", status="resolved"),
        alert(260.0, "late"),
    ]
    branch = branch_of(_BURST, [], alerts)
    run = run_of(0, [], [alert(180.0, "known")], [branch])
    assert [one.at_us for one in new_alerts(run, branch)] == [at(202.0), at(203.0)]
    shipped = as_shipped(Clean([run, run_of(1, [], [], [])]), _BURST, [(0, branch)])
    assert (shipped["recall"], shipped["recall_warning"], shipped["median_s"]) == (1.0, 0.0, 1.5)


def test_alerts_under_another_name_are_told_apart() -> None:
    branch = branch_of(_BURST, [], [alert(202.0, "new", "thin_book")])
    shipped = as_shipped(Clean([run_of(0, [], [], [branch]), run_of(1, [], [], [])]), _BURST, [(0, branch)])
    assert (shipped["recall"], shipped["recall_any_pattern"]) == (0.0, 1.0)
    assert shipped["other_patterns"] == {"thin_book": 1}


def test_a_false_alarm_that_ranks_first_costs_precision() -> None:
    branch = branch_of(_BURST, [], [alert(202.0, "new", score=3.0)])
    runs = [run_of(0, [], [alert(150.0, "false", score=9.0)], [branch]), run_of(1, [], [], [])]
    queue = ranked_queue(Clean(runs), [(0, branch)])
    assert (queue["precision_at_10"], queue["average_precision"]) == (0.5, 0.5)


def test_lead_coverage_and_precision_of_warnings() -> None:
    warned = branch_of(_CASCADE, [], [alert(220.5, "a", "cascade_risk")], seconds=90.0)
    missed = branch_of(_CASCADE, [], [alert(270.0, "b", "cascade_risk")], seconds=90.0)
    runs = [run_of(0, [], [alert(150.0, "false", "cascade_risk")], [warned, missed]), run_of(1, [], [], [])]
    own = cascades(Clean(runs), _CASCADE, [(0, warned), (0, missed)])["own pattern"]
    assert (own["planted"], own["coverage"], own["lead_median_s"], own["precision"]) == (2, 0.5, 40.0, 0.5)


def test_all_findings_are_there_and_can_be_written() -> None:
    branch = branch_of(_BURST, [signal(201.2, 0.01)], [alert(201.2, "new")])
    other = branch_of(_BURST, [], [], fold=1)
    found = findings([run_of(0, [], [], [branch], bump=150), run_of(1, [], [], [other], bump=300)])["made up"]
    burst = found["families"]["cancel_burst"]
    assert not burst["never_named"]
    assert burst["scorers"][SQUALL]["recall"] == {0.2: 0.5, 1.0: 0.5, 5.0: 0.5}
    # One episode in each fold is all there is to set a threshold on: above 1, and both incidents say 2.
    assert burst["scorers"]["EW z-score"]["recall"][1.0] == 1.0
    assert burst["scorers"]["EW z-score"]["clean_alarms_a_day"][1.0] == 0.0
    assert 0.0 < burst["scorers"]["EW z-score"]["vus_pr"] <= 1.0
    assert "thin_book" not in found["families"]
    assert plain(found)["families"]["cancel_burst"]["scorers"]["Squall"]["recall"]["0.2"] == 0.5


def test_a_signal_of_a_component_is_of_no_symbol_and_names_it() -> None:
    family = _BY_NAME["latency_shock"]
    said = Said(at(203.0), "d", "market", "latency_shock", "*", 1e-5, 0.1, "gateway")
    label = Label(family.name, "gateway", at(200.5), at(210.5), 1.0, 0)
    branch = Branch(label, 0, _FIRST + 200, [said], [], {})
    assert outcome(SQUALL, family, branch, np.zeros(20), 1.0).after_s == pytest.approx(2.5)


def test_what_is_judged_over_all_partitions_is_scored_by_its_alerts() -> None:
    family = _BY_NAME["leverage_spike"]
    # An alert of p-value 1e-5 is five decades; a signal of one account alone does not count.
    branch = branch_of(family, [signal(201.0, 1e-6, "leverage_spike")], [alert(205.5, "a", "leverage_spike")])
    assert outcome(SQUALL, family, branch, np.zeros(20), 4.9).after_s == pytest.approx(5.0)
    assert outcome(SQUALL, family, branch, np.zeros(20), 5.1).after_s is None
