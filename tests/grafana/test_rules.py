"""The rules: promtool runs their tests; alerts have a runbook section, a dashboard, a test, and metrics that exist."""

import re
from pathlib import Path

import pytest
import yaml

from grafana.dashboards import BOARDS
from grafana.metrics_table import described, sample_names
from tests.grafana.tools import ROOT, RULE_FILES, metrics_in, rules, run

TESTS = sorted((ROOT / "grafana" / "rules" / "tests").glob("*.yaml"))
GROUPS = [group for path in RULE_FILES for group in yaml.safe_load(path.read_text())["groups"]]
RULES = rules()
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
SEVERITIES = {"none", "info", "warning", "critical"}


@pytest.mark.parametrize("path", RULE_FILES, ids=lambda path: path.name)
def test_the_rules_are_valid(path: Path) -> None:
    many = sum(len(group["rules"]) for group in yaml.safe_load(path.read_text())["groups"])
    assert f"{many} rules found" in run("promtool", "check", "rules", str(path))


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_the_rules_fire_when_they_should_and_not_before(path: Path) -> None:
    assert "SUCCESS" in run("promtool", "test", "rules", str(path))


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_is_tested_before_while_and_after_it_fires(alert: str) -> None:
    text = "\n".join(path.read_text() for path in TESTS)
    silent = re.findall(rf"eval_time: \w+, alertname: {alert}}}", text)
    firing = re.findall(rf"alertname: {alert}\n\s+exp_alerts:", text)
    # The watchdog is never silent: that is its use.
    assert len(silent) >= 2 or alert == "SquallWatchdog"
    assert firing


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_says_how_bad_it_is_what_it_means_and_where_to_look(alert: str) -> None:
    rule = ALERTS[alert]
    assert alert.startswith("Squall")
    assert set(rule["labels"]) == {"severity"}
    assert rule["labels"]["severity"] in SEVERITIES
    assert set(rule["annotations"]) == {"summary", "description", "runbook", "dashboard"}
    assert rule["annotations"]["dashboard"] in {f"/d/{board.uid}" for board in BOARDS}


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_names_a_section_of_the_runbook(alert: str) -> None:
    path, _, anchor = ALERTS[alert]["annotations"]["runbook"].partition("#")
    sections = re.findall(r"^#+ (.+)$", (ROOT / path).read_text(), re.MULTILINE)
    assert anchor in {section.lower().replace(" ", "-") for section in sections}


def test_names_of_rules_and_groups_are_their_own() -> None:
    names = [rule.get("alert") or rule["record"] for rule in RULES]
    assert len(names) == len(set(names))
    assert len({group["name"] for group in GROUPS}) == len(GROUPS)


def test_rules_ask_only_for_metrics_that_a_process_shows_or_a_rule_records() -> None:
    shown = {name for metric in described() for name in sample_names(metric)}
    recorded = {rule["record"] for rule in RULES if "record" in rule}
    asked = {name for rule in RULES for name in metrics_in(rule["expr"])}
    assert asked - shown - recorded == set()


def test_what_is_recorded_is_asked_for() -> None:
    asked = {name for rule in RULES if "alert" in rule for name in metrics_in(rule["expr"])}
    asked |= {name for board in BOARDS for query in board.queries for name in metrics_in(query.expr)}
    assert {rule["record"] for rule in RULES if "record" in rule} - asked == set()
