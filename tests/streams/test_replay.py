"""Files through the core without a broker: offsets, dead letters, the same bytes each time, all files or none."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from detectors.errors import ConfigError, DecodeError
from detectors.events import TOPIC_OF_TYPE, Trade
from streams.files import EventFiles, Line, UnroutableLine, line_of
from streams.replay import OUTPUTS, Replay
from streams.report import require_drawing, write_report
from streams.settings import Settings
from streams.simulator import Exchange, ExchangeSettings, plant
from streams.timeline import Timeline

FILES = {f"{name}.ndjson" for name in OUTPUTS} | {"summary.json"}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def recording() -> list[Line]:
    settings = ExchangeSettings(seed=3, events_per_s=200, duration_s=40)
    incidents = plant(3, settings, warmup_s=20, families=("cancel_burst",), intensity=3.0)
    return [line_of(topic, event) for topic, event in Exchange(settings, incidents).events()]


def replay(lines: list[Line], out: Path) -> Replay:
    run = Replay(Settings())
    run.run(iter(lines), out, lambda _: None)
    return run


def contents(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir()}


def test_the_same_input_gives_the_same_bytes_however_it_is_cut_into_files(
    recording: list[Line], tmp_path: Path
) -> None:
    parts = []
    for name, chosen in (("trades", {"trade"}), ("rest", set(TOPIC_OF_TYPE) - {"trade"})):
        path = tmp_path / f"{name}.ndjson"
        path.write_bytes(b"".join(line.raw + b"\n" for line in recording if json.loads(line.raw)["type"] in chosen))
        parts.append(path)
    replay(recording, tmp_path / "whole")
    run = Replay(Settings())
    run.run(EventFiles(parts), tmp_path / "parts", lambda _: None)
    assert run.summary.events.total() == len(recording)
    assert set(contents(tmp_path / "whole")) == FILES
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_lines_that_cannot_be_taken_become_dead_letters_where_a_broker_would_have_had_them(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    good = line_of("trades", Trade(1_000_000, "BTC", 100.0, 1.0, "buy")).raw
    ahead = line_of("trades", Trade(9_000_000_000, "BTC", 100.0, 1.0, "buy")).raw
    invalid = b'{"type":"trade","timestamp":1000000,"symbol":"BTC","price":0,"x":"\xff"}'
    path.write_bytes(b"\n".join([good, invalid, b'{"type":"quote"}', good, ahead]))
    run = Replay(Settings(partitions=1))
    run.run(EventFiles([path]), tmp_path / "out", lambda _: None)
    letters = [json.loads(line) for line in (tmp_path / "out" / "dead-letters.ndjson").read_bytes().splitlines()]
    places = [(letter["topic"], letter["partition"], letter["offset"], letter["reason"]) for letter in letters]
    assert places == [("trades", 0, 1, "schema"), ("events.ndjson", -1, 3, "schema"), ("trades", 0, 3, "future")]
    assert "value" not in letters[0]
    assert letters[2]["value"] == ahead.decode()
    assert run.summary.events == {"trades": 2}
    assert json.loads((tmp_path / "out" / "summary.json").read_bytes())["refused"] == {"future": 1, "schema": 2}


def test_an_input_that_breaks_leaves_no_outputs(tmp_path: Path) -> None:
    def broken() -> Iterator[Line | UnroutableLine]:
        yield line_of("trades", Trade(1_000_000, "BTC", 100.0, 1.0, "buy"))
        raise DecodeError("cut off")

    with pytest.raises(DecodeError, match="cut off"):
        Replay(Settings()).run(broken(), tmp_path / "out", lambda _: None)
    assert contents(tmp_path / "out") == {}


def test_outputs_that_cannot_be_written_are_an_error_with_the_place(tmp_path: Path) -> None:
    tmp_path.joinpath("file").touch()
    with pytest.raises(DecodeError, match="file: expected a directory to write to"):
        replay([], tmp_path / "file")


def test_an_empty_input_gives_empty_outputs(tmp_path: Path) -> None:
    run = replay([], tmp_path / "out")
    found = contents(tmp_path / "out")
    assert json.loads(found.pop("summary.json"))["events"] == {}
    assert set(found.values()) == {b""}
    assert run.summary.alerts == []


def test_a_report_needs_nothing_from_elsewhere_and_is_the_same_each_time(recording: list[Line], tmp_path: Path) -> None:
    pages = []
    for name in ("one.html", "two.html"):
        timeline = Timeline()
        run = Replay(Settings(), timeline)
        run.run(iter(recording), tmp_path / "out", lambda _: None)
        write_report(tmp_path / name, run.summary, timeline, ["<recording>.ndjson"])
        pages.append((tmp_path / name).read_text(encoding="utf-8"))
    page = pages[0]
    assert page == pages[1]
    assert "&lt;recording&gt;.ndjson" in page
    assert page.count("<svg") == 4
    assert not any(loads in page for loads in ('src="', "@import", "<link", "<script", "url(http"))


def test_a_report_without_the_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ConfigError, match=r"pip install 'squall\[report\]'"):
        require_drawing()
