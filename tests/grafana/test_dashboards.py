"""The dashboards: made by their code, laid out right, with queries that Prometheus takes and links that lead somewhere.

The rules are those of Grafana's dashboard-linter, which cannot be installed from Python or Debian packages.
"""

import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from grafana.dashboards import BOARDS
from grafana.dashboards.__main__ import DIRECTORY
from grafana.dashboards.render import to_json
from tests.grafana.tools import ROOT, dashboards, filled_in, metrics_in, panels, queries, run

JSON = dashboards()
UIDS = {board["uid"] for board in JSON.values()}
ANCHORS = {
    heading.lower().replace(" ", "-")
    for heading in re.findall(r"^#+ (.+)$", (ROOT / "deploy" / "runbook.md").read_text(), re.MULTILINE)
}


def asked_by(board: dict[str, Any]) -> set[str]:
    return {expr for _, expr in queries(board)}


every_board = pytest.mark.parametrize("board", JSON.values(), ids=list(JSON))


@pytest.mark.parametrize("made", BOARDS, ids=lambda board: board.uid)
def test_what_is_committed_is_what_the_code_makes(made: Any) -> None:  # noqa: ANN401
    committed = DIRECTORY / f"{made.uid}.json"
    assert committed.read_text() == to_json(made, BOARDS), "run `python -m grafana.dashboards`"


def test_there_is_a_file_for_each_dashboard_and_no_other() -> None:
    assert {path.stem for path in DIRECTORY.iterdir()} == {board.uid for board in BOARDS}
    assert len(UIDS) == len({board["title"] for board in JSON.values()}) == len(BOARDS) == 4


@every_board
def test_the_model_is_the_classic_one_of_the_pinned_grafana(board: dict[str, Any]) -> None:
    assert board["schemaVersion"] == 42
    assert board["editable"] is False
    assert board["timezone"] == "utc"
    assert board["description"]


@every_board
def test_panels_have_ids_of_their_own_and_titles_once_a_dashboard_row(board: dict[str, Any]) -> None:
    everything = board["panels"] + [panel for row in board["panels"] for panel in row.get("panels", [])]
    ids = [panel["id"] for panel in everything]
    assert len(ids) == len(set(ids))
    assert all(panel["title"] for panel in everything)


@every_board
def test_panels_do_not_overlap_and_stay_on_the_grid(board: dict[str, Any]) -> None:
    places = [panel["gridPos"] for panel in board["panels"]]
    for place in places:
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= 24
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)


@every_board
def test_every_panel_says_what_it_shows_in_which_unit_from_the_chosen_source(board: dict[str, Any]) -> None:
    for panel in panels(board):
        assert panel["description"].endswith((".", "`")), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["targets"], panel["title"]
        letters = [target["refId"] for target in panel["targets"]]
        assert letters == sorted(set(letters))
        assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])


@every_board
def test_every_query_looks_at_the_chosen_jobs_and_instances(board: dict[str, Any]) -> None:
    for title, expr in queries(board):
        selectors = re.findall(r"\b(squall_\w+|squall:[\w:]+|up)(\{[^}]*\})?", expr)
        assert selectors or "ALERTS" in expr, title
        for name, matchers in selectors:
            # Notifier and console are jobs of their own; what is recorded is recorded by job.
            of_workers = not re.search(r'job=~"squall-(notify|console)"', matchers)
            assert "job=~" in matchers, (title, name)
            assert 'instance=~"$instance"' in matchers or ":" in name or not of_workers, (title, name)


@every_board
def test_every_rate_is_over_an_interval_that_grafana_chooses(board: dict[str, Any]) -> None:
    for title, expr in queries(board):
        assert set(re.findall(r"\[([^\]]*)\]", expr)) <= {"$__rate_interval", "$__range"}, title
        counters = re.findall(r"(\w*)\s*\(?\s*squall_\w+_(?:total|bucket|count|sum)\b", expr)
        assert set(counters) <= {"rate", "increase"}, title


@every_board
def test_every_variable_is_used_and_every_one_that_is_used_is_there(board: dict[str, Any]) -> None:
    variables = board["templating"]["list"]
    text = str({key: value for key, value in board.items() if key != "templating"}) + str(
        [variable.get("query") for variable in variables]
    )
    used = set(re.findall(r"\$\{?(\w+)\}?", text)) - {"__rate_interval", "__range"}
    assert used == {variable["name"] for variable in variables}
    assert {"datasource", "job", "instance"} <= used


@every_board
def test_links_lead_to_the_other_dashboards_the_console_and_sections_of_the_runbook(board: dict[str, Any]) -> None:
    links = [link["url"] for link in board["links"]]
    assert {f"/d/{uid}" for uid in UIDS - {board["uid"]}} | {"${console_url}/", "${runbook_url}"} == set(links)
    for panel in panels(board):
        for link in panel.get("links", []):
            url, _, anchor = link["url"].partition("#")
            assert (url, anchor in ANCHORS) == ("${runbook_url}", True), (panel["title"], link["url"])
    constants = {one["name"]: one["query"] for one in board["templating"]["list"] if one["type"] == "constant"}
    assert constants["console_url"] == "http://localhost:8066"


@every_board
def test_alerts_about_squall_orders_and_restarts_are_marked(board: dict[str, Any]) -> None:
    alerts, *others = marks = board["annotations"]["list"]
    assert 'ALERTS{alertname=~"Squall.*"' in alerts["expr"]
    assert 'alertstate="firing"' in alerts["expr"]
    assert all(mark["enable"] is True and mark["datasource"]["uid"] == "${datasource}" for mark in marks)
    assert all('job=~"$job"' in mark["expr"] for mark in others)


def test_promtool_takes_every_query(tmp_path: Path) -> None:
    marks = {mark["expr"] for board in JSON.values() for mark in board["annotations"]["list"]}
    exprs = sorted({filled_in(expr) for expr in marks.union(*(asked_by(board) for board in JSON.values()))})
    rules = [{"record": f"query:{number}", "expr": expr} for number, expr in enumerate(exprs)]
    path = tmp_path / "queries.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    assert f"{len(exprs)} rules found" in run("promtool", "check", "rules", str(path))
    assert all("$" not in expr for expr in exprs)


def test_the_table_of_metrics_knows_what_is_asked_for() -> None:
    table = (ROOT / "grafana" / "metrics.md").read_text()
    asked = {name for board in JSON.values() for _, expr in queries(board) for name in metrics_in(expr)}
    for name in asked:
        family = re.sub(r"_(bucket|count|sum)$", "", name)
        assert f"`{family}`" in table or f"`{name}`" in table or ":" in name
