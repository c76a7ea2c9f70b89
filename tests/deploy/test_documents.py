"""What the documents of deployment name is there."""

import re
from pathlib import Path

import pytest

from tests.benchmarks.sizing import EXCHANGES, deployments, plan, table

DEPLOY = Path(__file__).parents[2] / "deploy"
DOCUMENTS = [DEPLOY / "README.md", DEPLOY / "sizing.md"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not link.startswith("http") and not (DEPLOY / link).exists()] == []


def test_each_way_to_run_it_is_told() -> None:
    text = (DEPLOY / "README.md").read_text(encoding="utf-8")
    folders = {path.name for path in DEPLOY.iterdir() if path.is_dir()} - {"docker", "pictures", "secrets"}
    untold = {name for name in folders if f"{name}/" not in text and f"({name})" not in text}
    assert untold <= {"grafana", "prometheus"}, "those two belong to compose.yaml"
    for overlay in (DEPLOY / "kubernetes" / "overlays").iterdir():
        assert f"kubernetes/overlays/{overlay.name}" in text


def test_the_table_of_sizes_is_what_the_arithmetic_gives() -> None:
    assert table() in (DEPLOY / "sizing.md").read_text(encoding="utf-8"), "run `python -m tests.benchmarks.sizing`"


def test_a_part_of_an_exchange_needs_no_more_than_the_whole() -> None:
    whole = EXCHANGES["1,000,000"]
    parts, made = deployments(whole)
    assert parts * made.workers * 0.5 >= parts * (made.events_cores + made.symbols_cores + made.frames_cores)
    half = plan(whole.part(2))
    assert half is not None
    assert half.workers <= made.workers
    assert half.frames_per_s < made.frames_per_s
