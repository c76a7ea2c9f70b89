"""The units: systemd reads them, their commands and settings exist, and they can do little beside their work."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from streams.settings import Settings, setting_names
from tests.deploy.commands import parsed_command

UNITS = sorted((Path(__file__).parents[2] / "deploy" / "systemd").glob("*.service"))
#: Of 10: what `systemd-analyze security` calls OK ends at 5, what it calls well protected at 2.
WORST_EXPOSURE = 2.0


def service_of(path: Path) -> dict[str, list[str]]:
    """The settings of the section `Service`: some names come several times."""
    section = path.read_text(encoding="utf-8").split("[Service]\n")[1].split("\n[")[0]
    found: dict[str, list[str]] = {}
    for line in section.splitlines():
        if line and not line.startswith("#"):
            name, value = line.split("=", 1)
            found.setdefault(name, []).append(value)
    return found


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = shutil.which("systemd-analyze")
    if command is None:
        pytest.skip("systemd-analyze is missing: apt-get install systemd")
    return subprocess.run([command, *arguments], capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(params=UNITS, ids=lambda path: path.name)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A unit as an administrator installs it, with a command that is there."""
    source: Path = request.param
    installed = tmp_path / source.name.replace("@.", "@6066.")
    text = source.read_text(encoding="utf-8")
    assert "/opt/squall/bin/squall" in text
    installed.write_text(text.replace("/opt/squall/bin/squall", "/bin/true"))
    return installed


def test_systemd_finds_no_fault(path: Path) -> None:
    said = analyze("verify", str(path))
    assert said.returncode == 0
    assert path.name not in said.stderr, said.stderr


def test_little_is_exposed(path: Path) -> None:
    said = analyze("security", "--offline=true", f"--threshold={WORST_EXPOSURE * 10:.0f}", str(path))
    assert said.returncode == 0, said.stdout[-300:]


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_its_command_and_its_settings_exist(unit: Path) -> None:
    service = service_of(unit)
    command = shlex.split(service["ExecStart"][0].replace("%i", "6066"))
    assert command[0] == "/opt/squall/bin/squall"
    assert parsed_command(command[1:]) in unit.name
    for variable in service["Environment"]:
        name = variable.partition("=")[0].removeprefix("SQUALL_").lower().replace("__", ".")
        assert name in setting_names()


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_it_is_started_again_whatever_ended_it(unit: Path) -> None:
    service = service_of(unit)
    assert service["Restart"] == ["always"]
    assert re.search(r"^StartLimitIntervalSec=0$", unit.read_text(), re.MULTILINE), "else systemd gives up after five"


def test_it_has_longer_to_end_than_it_takes() -> None:
    settings = Settings()
    seconds = {unit.name: float(service_of(unit)["TimeoutStopSec"][0]) for unit in UNITS}
    assert seconds["squall-worker@.service"] >= settings.worker.stop_timeout_s + 10
    assert seconds["squall-notify.service"] >= settings.notify.stop_timeout_s + 10


def test_a_value_that_comes_twice_is_not_lost() -> None:
    assert service_of(UNITS[0])["SystemCallFilter"] == ["@system-service", "~@privileged @resources"]
