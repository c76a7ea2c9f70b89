"""What the tests of dashboards and rules have in common: Prometheus' own tools, and what is asked of which metric."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
RULE_FILES = sorted((ROOT / "grafana" / "rules").glob("*.yaml"))
BOARD_FILES = sorted((ROOT / "grafana" / "json").glob("*.json"))
_VARIABLES = {
    "$__rate_interval": "1m",
    "$__range": "30m",
    "$job": "squall",
    "$instance": ".*",
    "$symbol": ".*",
}


def program(name: str) -> str:
    """A program of Debian's Prometheus packages; without it the test is skipped."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is missing: apt-get install prometheus prometheus-alertmanager")
    return found


def run(name: str, *arguments: str) -> str:
    """What a tool says; it must be content."""
    done = subprocess.run([program(name), *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rules() -> list[dict[str, Any]]:
    """All rules of all files."""
    groups = (group for path in RULE_FILES for group in yaml.safe_load(path.read_text())["groups"])
    return [rule for group in groups for rule in group["rules"]]


def dashboards() -> dict[str, dict[str, Any]]:
    """The committed dashboards by file name."""
    return {path.name: json.loads(path.read_text()) for path in BOARD_FILES}


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """All panels but rows, also those inside of collapsed rows."""
    found: list[dict[str, Any]] = []
    for panel in board["panels"]:
        found += panel.get("panels", []) if panel["type"] == "row" else [panel]
    return found


def queries(board: dict[str, Any]) -> list[tuple[str, str]]:
    """Title and PromQL of all queries."""
    return [(panel["title"], target["expr"]) for panel in panels(board) for target in panel["targets"]]


def filled_in(expr: str) -> str:
    """A query with a value for each of Grafana's variables.

    Examples
    --------
    >>> filled_in('rate(squall_signals_total{job=~"$job"}[$__rate_interval])')
    'rate(squall_signals_total{job=~"squall"}[1m])'
    """
    for variable, value in _VARIABLES.items():
        expr = expr.replace(variable, value)
    return expr


def metrics_in(expr: str) -> set[str]:
    """The metrics that a query asks for, those of recording rules too.

    Examples
    --------
    >>> sorted(metrics_in('squall:a_b:c + rate(squall_signals_total[1m]) + label_values(up{job=~"squall.*"}, job)'))
    ['squall:a_b:c', 'squall_signals_total']
    """
    without_strings = re.sub(r'"[^"]*"', '""', expr)
    return set(re.findall(r"\bsquall[_:][a-zA-Z0-9_:]+", without_strings))
