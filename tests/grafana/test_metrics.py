"""Metrics: named as Prometheus wants it, without accounts, all of them in the table, and none of them for nothing."""

import re
import subprocess

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from grafana.dashboards import BOARDS
from grafana.metrics_table import FILE, Described, described, sample_names, to_markdown
from streams.metrics import Metrics
from tests.grafana.tools import ROOT, metrics_in, program, rules

ALL = described()
LABELS = {
    "action", "detector", "horizon_s", "indicator", "kind", "level", "mode", "of", "outcome", "partition", "pattern",
    "pid", "python", "reason", "rule", "severity", "side", "sink", "stage", "state", "status", "symbol", "topic",
    "verdict",
}  # fmt: skip
#: Metrics that neither a dashboard nor a rule asks for, and what they are for.
WITHOUT_PANEL = {
    "squall_committed_offset": "compared with the broker's own by whoever looks for a gap; the chaos run does",
    "squall_process_virtual_memory_bytes": "shown by the client library together with what is asked for",
    "squall_notify_process_virtual_memory_bytes": "as above",
    "squall_notify_process_start_time_seconds": "as above",
    "squall_notify_process_open_fds": "as above",
    "squall_notify_process_max_fds": "as above",
}


def test_the_table_is_that_of_the_metrics() -> None:
    assert FILE.read_text() == to_markdown(), "run `python -m grafana.metrics_table`"


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_a_metric_is_named_in_base_units_and_explained(metric: Described) -> None:
    assert metric.name.startswith("squall_")
    assert not {"ms", "us", "millis", "percent", "minutes"} & set(metric.name.split("_"))
    assert metric.about.endswith(".")
    if metric.kind == "counter":
        assert metric.name.endswith("_total")


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_labels_are_of_few_values_and_never_an_account(metric: Described) -> None:
    assert set(metric.labels) <= LABELS


def test_no_metric_is_without_a_panel_a_rule_or_a_reason() -> None:
    asked = {name for rule in rules() for name in metrics_in(rule["expr"])}
    asked |= {name for board in BOARDS for query in board.queries for name in metrics_in(query.expr)}
    orphans = {metric.name for metric in ALL if asked.isdisjoint(sample_names(metric))}
    assert orphans == set(WITHOUT_PANEL)


def test_panels_ask_only_for_metrics_that_a_process_shows_or_a_rule_records() -> None:
    shown = {name for metric in ALL for name in sample_names(metric)}
    shown |= {rule["record"] for rule in rules() if "record" in rule}
    asked = {name for board in BOARDS for query in board.queries for name in metrics_in(query.expr)}
    assert asked - shown == set()


def test_prometheus_has_nothing_against_the_page_of_a_worker() -> None:
    registry = CollectorRegistry()
    Metrics.create(registry)
    page = generate_latest(registry)
    done = subprocess.run(
        [program("promtool"), "check", "metrics"], input=page, capture_output=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_outcomes_that_are_asked_for_are_outcomes_that_stages_count() -> None:
    written = "".join(path.read_text() for room in ("detectors", "streams") for path in (ROOT / room).glob("*.py"))
    counted = set(re.findall(r'counters\["(\w+)"\]', written)) | set(re.findall(r'evicted="(\w+)"', written))
    counted |= {name for pair in re.findall(r'counters\["(\w+)" if .*? else "(\w+)"\]', written) for name in pair}
    # Those of a stage's push are chosen before they are counted.
    counted |= {"late", "read_again"}
    exprs = [rule["expr"] for rule in rules()] + [query.expr for board in BOARDS for query in board.queries]
    asked = [one for expr in exprs for one in re.findall(r'stage_outcomes_total{[^}]*outcome=~?"([^"]*)"', expr)]
    assert len(asked) > 10
    for pattern in asked:
        for one in re.split(r"\|(?![^(]*\))", pattern):
            assert any(re.fullmatch(one, outcome) for outcome in counted), one
