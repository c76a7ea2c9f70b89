"""The real command: exit status, messages, outputs, no colour and no bar where nobody looks."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from detectors.events import Trade
from streams.broker import Broker
from streams.cli import app
from streams.files import line_of
from streams.settings import setting_names
from streams.topics import TOPICS

COMMANDS = (
    *("demo", "replay", "worker", "produce", "simulate", "topics", "config"),
    *("alerts", "limits", "guardrails", "explain", "override"),
)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def squall(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "streams", *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "events.ndjson"
    lines = [line_of("trades", Trade(i * 1_000, "BTC", 100.0, 1.0, "buy")).raw for i in range(100)]
    path.write_bytes(b"\n".join([*lines, b"broken"]))
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "Example: " in result.output
    assert f"squall {command}" in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("replay", "absent.ndjson", "--out", "out"),
        ("replay",),
        ("nonsense",),
        ("config", "--broker", "nowhere"),
        ("config", "--config", "absent.toml"),
        ("simulate", "--duration", "5"),
        ("produce", "x", "--frame", "0"),
    ],
)
def test_wrong_use_ends_with_2(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


def test_an_error_is_one_message_without_traceback_on_stderr() -> None:
    done = squall("topics", "--broker", "127.0.0.1:1")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: expected a Kafka broker at kafka://127.0.0.1:1")
    assert done.stderr.count("\n") == 1


def test_replay_writes_its_outputs_and_shows_neither_colour_nor_bar_off_a_terminal(recording: Path) -> None:
    done = squall("replay", str(recording), "--out", "out", "--report")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    assert "trades 100" in done.stdout
    summary = json.loads(Path("out/summary.json").read_bytes())
    assert (summary["events"], summary["refused"]) == ({"trades": 100}, {"malformed": 1})
    assert Path("out/report.html").is_file()


def test_replay_of_a_broken_file_ends_with_1(tmp_path: Path) -> None:
    tmp_path.joinpath("cut.ndjson.gz").write_bytes(b"\x1f\x8b\x08")
    result = run("replay", "cut.ndjson.gz", "--out", "out")
    assert result.exit_code == 1
    assert "cut.ndjson.gz" in result.output
    assert list(Path("out").iterdir()) == []


def test_topics_then_produce_then_topics_again(recording: Path, own_broker: Broker) -> None:
    first = run("topics", "--broker", own_broker.url, "--partitions", "2")
    assert (first.exit_code, first.output.count("created")) == (0, len(TOPICS))
    sent = run("produce", str(recording), "--broker", own_broker.url, "--partitions", "2")
    assert sent.exit_code == 0
    assert "trades" in sent.output
    assert "dead-letters" in sent.output
    again = run("topics", "--broker", own_broker.url, "--partitions", "3")
    assert again.exit_code == 1
    assert "expected 3, found 2" in again.output


def test_asyncapi_needs_no_broker() -> None:
    result = run("topics", "--asyncapi", "--broker", "127.0.0.1:1")
    assert json.loads(result.stdout)["asyncapi"] == "3.0.0"


def test_config_shows_every_setting_with_its_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQUALL_TIMING__TICK_MS", "50")
    result = run("config", "--partitions", "2")
    rows = {
        cells[1].strip(): cells for cells in (line.split("│") for line in result.output.splitlines()) if len(cells) > 3
    }
    assert set(setting_names()) <= set(rows)
    assert [cell.strip() for cell in rows["timing.tick_ms"][1:4]] == ["timing.tick_ms", "50", "SQUALL_TIMING__TICK_MS"]
    assert [cell.strip() for cell in rows["partitions"][1:4]] == ["partitions", "2", "flag"]


def test_config_prints_a_schema_that_knows_the_groups_of_the_core() -> None:
    assert "timing" in json.loads(run("config", "--schema").stdout)["properties"]


def test_simulate_prints_events_that_replay_takes_and_labels_what_it_planted() -> None:
    arguments = ("simulate", "--duration", "70", "--rate", "100", "--symbols", "BTC-PERP", "--warm-up", "20")
    done = squall(*arguments, "--labels", "labels.ndjson")
    assert (done.returncode, done.stderr) == (0, "")
    Path("simulated.ndjson").write_text(done.stdout, encoding="utf-8")
    assert run("replay", "simulated.ndjson", "--out", "out").exit_code == 0
    summary = json.loads(Path("out/summary.json").read_bytes())
    assert sum(summary["events"].values()) == len(done.stdout.splitlines())
    assert summary["refused"] == {}
    assert len(Path("labels.ndjson").read_text(encoding="utf-8").splitlines()) == 5
