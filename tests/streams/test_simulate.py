"""What `squall simulate` and `squall demo` plant when asked for more than the usual."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

from typer.testing import CliRunner

from streams.cli import app
from streams.demo.plan import DemoPlan
from streams.demo.scoring import FITTING
from streams.simulator import ALL_FAMILIES, COMPONENTS, FAMILIES

SHORT = ("simulate", "--duration", "30", "--rate", "60", "--symbols", "BTC-PERP", "--warm-up", "5")


def simulated(*arguments: str) -> bytes:
    done = subprocess.run([sys.executable, "-m", "streams", *SHORT, *arguments], capture_output=True, check=True)
    return done.stdout


def kinds(events: bytes) -> Counter[str]:
    return Counter(json.loads(line)["type"] for line in events.splitlines())


def test_families_are_planted_by_name_and_bring_the_latencies_they_need(tmp_path: Path) -> None:
    labels = tmp_path / "labels.ndjson"
    found = kinds(simulated("--families", "layering,latency_shock", "--labels", str(labels)))
    assert found["latency"] == 2 * 30 * len(COMPONENTS)
    planted = [json.loads(line)["family"] for line in labels.read_bytes().splitlines()]
    assert sorted(planted) == ["latency_shock", "layering"]


def test_cascades_change_nothing_unless_asked_for() -> None:
    usual = simulated("--no-incidents")
    assert "latency" not in kinds(usual)
    assert simulated("--no-incidents", "--cascades") != usual == simulated("--no-incidents")


def test_a_family_that_does_not_exist_is_wrong_use() -> None:
    done = CliRunner().invoke(app, [*SHORT, "--families", "flood"])
    assert done.exit_code != 0


def test_the_demo_plants_its_usual_families_unless_told_otherwise_and_knows_what_finds_each() -> None:
    assert set(FITTING) == set(ALL_FAMILIES)
    assert DemoPlan().families == FAMILIES
    assert DemoPlan().exchange().components == ()
    wanted = DemoPlan(families=ALL_FAMILIES)
    assert wanted.exchange().components == COMPONENTS
    assert {incident.family for incident in wanted.incidents()} == set(ALL_FAMILIES)
