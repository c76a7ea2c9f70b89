"""`make bench` and `make quality` work: a quick run says everything that a full one does, but for latency."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.benchmark
@pytest.mark.broker
@pytest.mark.timeout(300)
def test_a_quick_benchmark_prints_a_table_and_writes_its_figures(tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    command = [sys.executable, "-m", "tests.benchmarks", "--quick", "--out", str(out)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=290, check=False)
    assert said.returncode == 0, said.stderr
    assert "stock Faust" in said.stdout
    found = json.loads(out.read_text())
    for name in ("floor_events_per_s", "stock_faust_events_per_s", "squall_events_per_s", "core_events_per_s"):
        assert found[name] > 0, name
    assert found["ratio_to_stock_faust_by_cpu"] > 1
    assert 0 < found["bytes_per_account"] < 10_000
    assert found["machine"]["python"]


@pytest.mark.benchmark
@pytest.mark.timeout(300)
def test_a_quick_look_at_quality_writes_its_figures_and_its_page(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.benchmarks.detection", "--quick", "--out", str(tmp_path)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=290, check=False)
    assert said.returncode == 0, said.stderr
    assert "HalfSpaceTrees" in said.stdout
    found = json.loads((tmp_path / "quality.json").read_text())["flows"]["simulated"]
    for family in ("cancel_burst", "thin_book", "leverage_spike", "correlated_stress", "feed_fault", "cascade"):
        for scorer in ("Squall", "static limit", "EW z-score", "LODA", "GaussianScorer", "random"):
            assert set(found["families"][family]["scorers"][scorer]["recall"]) == {"0.2", "1.0", "5.0"}, family
    assert found["families"]["cancel_burst"]["shipped"]["recall"] > 0.0
    assert found["clean"]["symbol_days"] > 0
    page = (tmp_path / "quality.html").read_text()
    assert page.count("<svg") == 5
    warned = json.loads((tmp_path / "quality.json").read_text())["cascades"]["scorers"]
    assert set(warned) == {"Squall", "cascade gain", "leverage count z-score"}
    assert "src=" not in page
