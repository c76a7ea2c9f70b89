"""The alert rules: promtool runs their tests; each has a runbook section, a test, and metrics that exist."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from streams.metrics import Metrics

ROOT = Path(__file__).parents[2]
RULES = ROOT / "grafana" / "rules" / "squall.rules.yaml"
TESTS = sorted((ROOT / "grafana" / "rules" / "tests").glob("*.yaml"))
ALERTS = re.findall(r"- alert: (\w+)", RULES.read_text())


def promtool(*arguments: str) -> str:
    command = shutil.which("promtool")
    if command is None:
        pytest.skip("promtool is missing: apt-get install prometheus")
    done = subprocess.run([command, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_rules_are_valid() -> None:
    assert f"{len(ALERTS)} rules found" in promtool("check", "rules", str(RULES))


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_the_rules_fire_when_they_should_and_not_before(path: Path) -> None:
    assert "SUCCESS" in promtool("test", "rules", str(path))


@pytest.mark.parametrize("alert", ALERTS)
def test_every_rule_is_tested_before_while_and_after_it_fires(alert: str) -> None:
    text = "\n".join(path.read_text() for path in TESTS)
    silent = re.findall(rf"eval_time: \w+, alertname: {alert}}}", text)
    firing = re.findall(rf"alertname: {alert}\n\s+exp_alerts:", text)
    assert len(silent) >= 2
    assert firing


@pytest.mark.parametrize("alert", ALERTS)
def test_every_rule_names_a_section_of_the_runbook(alert: str) -> None:
    path, _, anchor = _annotation(alert, "runbook").partition("#")
    sections = re.findall(r"^#+ (.+)$", (ROOT / path).read_text(), re.MULTILINE)
    assert anchor in {section.lower().replace(" ", "-") for section in sections}


def test_rules_ask_only_for_metrics_that_a_worker_shows() -> None:
    registry = CollectorRegistry()
    Metrics.create(registry)
    shown = {name for family in registry.collect() for name in _sample_names(family.name, family.type)}
    asked = set(re.findall(r"squall_\w+", RULES.read_text()))
    assert asked - shown == set()


def _annotation(alert: str, name: str) -> str:
    rule = RULES.read_text().split(f"- alert: {alert}\n")[1].split("- alert:")[0]
    return str(re.findall(rf"{name}: (\S+)", rule)[0])


def _sample_names(family: str, kind: str) -> Sequence[str]:
    if kind == "counter":
        return (f"{family}_total",)
    return (family, f"{family}_bucket", f"{family}_count", f"{family}_sum") if kind == "histogram" else (family,)
