"""The long run in short: it tells what it did, and what to do about a violation."""

import json
from pathlib import Path

import pytest

from tests.fuzz.__main__ import main
from tests.fuzz.checks import Tally
from tests.fuzz.kinds import KINDS, Kind
from tests.fuzz.works import Escape


def test_a_short_run_goes_through_every_kind_and_finds_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "fuzz.json"
    assert main(["--inputs", "6000", "--seed", "3", "--out", str(out)]) == 0
    found = json.loads(out.read_text())
    assert found["inputs"] >= 6_000
    assert (found["escaped"], found["violations"]) == (0, 0)
    assert set(found["kinds"]) == {kind.name for kind in KINDS}
    for row in found["kinds"].values():
        assert row["accepted"] + sum(row["refused"].values()) >= row["inputs"] * 0.9
        assert min(row["accepted"], sum(row["refused"].values())) > 0
    assert found["kinds"]["flows"]["alerts"] > 0
    assert "0 exceptions escaped, 0 violations" in capsys.readouterr().out


def test_a_violation_is_told_with_its_bytes_and_fails_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def escaping(seed: int) -> Tally:
        raise Escape("trades: ValueError()", b"\xff\x00")

    kinds = [Kind("planted", 1.0, escaping)]
    assert main(["--inputs", "10", "--seed", "8", "--out", str(tmp_path / "fuzz.json")], kinds) == 1
    said = capsys.readouterr().out
    assert "--replay ff00" in said
    assert "--seed 8 --kind 'planted' --case 1" in said
    assert json.loads((tmp_path / "fuzz.json").read_text())["escaped"] == 1


def test_one_input_can_be_looked_at_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--replay", b'{"type":"trade"'.hex()]) == 0
    said = capsys.readouterr().out
    assert "trades: {'refused malformed': 2" in said
    assert "stage behind signals" in said
