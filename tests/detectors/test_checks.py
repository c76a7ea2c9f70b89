"""Every detector passes every check, and no detector can be forgotten."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

import detectors
from detectors.base import Detector, Features
from detectors.checks import Check, detector_classes, yield_checks
from detectors.errors import ConfigError
from detectors.leverage_jump import LeverageJump

MakeRoom = Callable[[str], ModuleType]

CASES = [(kind, check) for kind in detector_classes(detectors) for check in yield_checks(kind)]


@pytest.mark.parametrize(
    ("kind", "check"), CASES, ids=[f"{kind.__name__}-{check.__name__.removeprefix('check_')}" for kind, check in CASES]
)
def test_detector(kind: type[Detector], check: Check) -> None:
    check(kind)


@pytest.fixture
def new_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeRoom]:
    """Makes a package with one new detector of a given name."""

    def make(name: str) -> ModuleType:
        room = tmp_path / "new_room"
        room.mkdir()
        (room / "__init__.py").write_text("")
        code = f"from detectors.leverage_jump import LeverageJump\nclass Newcomer(LeverageJump):\n    name = {name!r}\n"
        (room / "newcomer.py").write_text(code)
        monkeypatch.syspath_prepend(tmp_path)
        return importlib.import_module("new_room")

    yield make
    for module in [name for name in sys.modules if name.startswith("new_room")]:
        del sys.modules[module]


def test_a_new_detector_is_found(new_room: MakeRoom) -> None:
    assert [kind.__name__ for kind in detector_classes(new_room("leverage_jump"))] == ["Newcomer"]


def test_a_detector_without_a_toy_stream_is_an_error_that_names_it(new_room: MakeRoom) -> None:
    with pytest.raises(ConfigError, match=r"new_room\.newcomer\.Newcomer"):
        detector_classes(new_room("never_heard_of"))


class Sloppy(LeverageJump):
    """Learns while it scores, and lets what is not a number through."""

    def score_one(self, x: Features) -> float:
        self.learn_one(x)
        return x.get("log_change", 0.0)


def failed_checks(make: Callable[[], Detector]) -> set[str]:
    failed = set()
    for check in yield_checks(make):
        try:
            check(make)
        except AssertionError:
            failed.add(check.__name__)
    return failed


def test_the_checks_catch_a_detector_that_breaks_the_contract() -> None:
    assert failed_checks(Sloppy) >= {"check_scoring_changes_nothing", "check_scores_are_finite_on_any_input"}
    assert failed_checks(LeverageJump) == set()
