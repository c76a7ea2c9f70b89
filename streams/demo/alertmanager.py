"""A real Alertmanager in a demo, where one is installed."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import aiohttp

#: As it is called by its makers, and by Debian.
_NAMES = ("alertmanager", "prometheus-alertmanager")
_CONFIG = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"


class Alertmanager:
    """Where it listens, and which alerts it has shown.

    Parameters
    ----------
    program
        The program.
    port
        A free port of this machine.
    directory
        Where its files go.
    session
        Asks it.
    """

    def __init__(self, program: str, port: int, directory: Path, session: aiohttp.ClientSession) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.alerts: set[str] = set()
        self._program = program
        self._directory = directory
        self._listens = f"127.0.0.1:{port}"
        self._session = session

    def command(self) -> Sequence[str]:
        """Write its configuration, and give the command that starts it."""
        config = self._directory / "alertmanager.yml"
        config.write_text(_CONFIG, encoding="utf-8")
        return [
            self._program,
            f"--config.file={config}",
            f"--storage.path={self._directory / 'alertmanager'}",
            f"--web.listen-address={self._listens}",
            # One of its kind: it must look for no others.
            "--cluster.listen-address=",
        ]

    async def look(self) -> None:
        """Note which alerts it shows: it forgets those that are over."""
        try:
            async with self._session.get(f"{self.url}/api/v2/alerts") as answer:
                shown = await answer.json()
        except (aiohttp.ClientError, TimeoutError):
            # Not up yet; what is missing in the end is told.
            return
        self.alerts.update(one["annotations"].get("alert_id", "") for one in shown)


def installed_alertmanager() -> str | None:
    """Find the program; None: there is none."""
    return next((path for name in _NAMES if (path := shutil.which(name)) is not None), None)
