"""The real command: what it says a file is, files, stdout, Kafka, and replay of what it wrote."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from streams.broker import Broker
from streams.cli import app
from tests.streams.adapters.imports import SAMPLES

TRADES = SAMPLES / "binance-futures_trades_2024-01-31_BTCUSDT.csv"
BOOKS = SAMPLES / "deribit_book_snapshot_2_2024-01-31_BTC-PERPETUAL.csv"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["import", *map(str, arguments)])


def test_help_has_an_example() -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert "Example: squall import " in result.output


def test_it_says_what_it_took_files_for_and_what_came_of_them(tmp_path: Path) -> None:
    result = run(TRADES, BOOKS, "--out", "events.ndjson.gz")
    assert result.exit_code == 0
    assert f"{TRADES}: tardis-trades (trades)" in result.output
    assert "books 2, trades 3" in result.output
    assert "2024-01-31T00:00:00.003Z .. 2024-01-31T00:00:01.120Z" in result.output
    assert len(gzip.decompress(Path("events.ndjson.gz").read_bytes()).splitlines()) == 5


def test_without_a_file_events_go_to_stdout_and_all_else_to_stderr() -> None:
    command = [sys.executable, "-m", "streams", "import", str(TRADES)]
    done = subprocess.run(command, capture_output=True, check=True)
    assert [json.loads(line)["price"] for line in done.stdout.splitlines()] == [42942.0, 42942.1, 42941.9]
    assert b"tardis-trades" in done.stderr
    assert b"\x1b" not in done.stderr


def test_replay_takes_all_of_what_was_imported() -> None:
    assert run(*SAMPLES.glob("*2024-01-31*"), "--out", "events.ndjson").exit_code == 0
    assert CliRunner().invoke(app, ["replay", "events.ndjson", "--out", "out"]).exit_code == 0
    summary = json.loads(Path("out/summary.json").read_bytes())
    assert summary["refused"] == {}
    assert sum(summary["events"].values()) == len(Path("events.ndjson").read_bytes().splitlines())


def test_it_sends_straight_to_kafka(own_broker: Broker) -> None:
    result = run(TRADES, BOOKS, "--broker", own_broker.url, "--partitions", "2")
    assert result.exit_code == 0
    rows = {
        cells[1].strip(): cells[2].strip() for cells in (r.split("│") for r in result.output.splitlines()) if cells[1:]
    }
    assert (rows["trades"], rows["books"]) == ("3", "2")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ((SAMPLES / "AAPL_2012-06-21_34200000_57600000_orderbook_2.csv",), 2, "expected its message file too"),
        ((TRADES, "--kind", "binance-aggtrades"), 1, "read as binance-aggtrades: expected columns agg_trade_id"),
        ((TRADES, "--out", "x", "--kafka"), 2, "expected either a file or Kafka"),
        ((TRADES, "--speed", "2"), 2, "expected --kafka"),
        (("absent.csv",), 2, "absent.csv"),
    ],
)
def test_errors_are_one_message_with_the_right_status(
    arguments: tuple[str | Path, ...], status: int, message: str
) -> None:
    result = run(*arguments)
    assert result.exit_code == status
    assert message in result.output


def test_bad_rows_that_are_allowed_are_counted_and_kept() -> None:
    bad = Path("x_trades_2024.csv")
    bad.write_text(TRADES.read_text(encoding="utf-8") + "x,BTC,1706659201200000,0,1,buy,0,1\n", encoding="utf-8")
    assert run(bad, "--out", "events.ndjson").exit_code == 1
    result = run(bad, "--out", "events.ndjson", "--skip-bad", "1", "--rejects", "bad.ndjson")
    assert result.exit_code == 0
    assert "see bad.ndjson" in result.output
    assert json.loads(Path("bad.ndjson").read_bytes())["line"] == 5
