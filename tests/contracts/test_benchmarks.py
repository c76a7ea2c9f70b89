"""`make bench` works: a quick run says everything that a full one does, but for latency."""

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
