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


def test_a_plan_has_room_for_its_work_and_a_part_needs_less_than_the_whole() -> None:
    whole = EXCHANGES["100,000"]
    parts, made = deployments(whole)
    assert parts == 1
    assert made.workers > 2 * (made.events_cores + made.symbols_cores + made.frames_cores)
    half = plan(whole.part(2))
    assert half is not None
    assert half.workers < made.workers
    assert half.frames_per_s < made.frames_per_s


def test_what_is_too_large_for_one_deployment_is_split() -> None:
    parts, made = deployments(EXCHANGES["5,000,000"])
    assert parts > 1
    assert plan(EXCHANGES["5,000,000"]) is None
    assert plan(EXCHANGES["5,000,000"].part(parts)) == made
