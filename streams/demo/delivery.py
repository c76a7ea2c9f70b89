"""Who hears of the alerts of a demo: a webhook receiver, an Alertmanager where there is one, and the ops console."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from detectors.errors import SquallError
from streams.demo.alertmanager import Alertmanager, installed_alertmanager
from streams.demo.children import Child, Children
from streams.demo.ports import free_ports, port_or_free
from streams.demo.receiver import Receiver, receiving
from streams.demo.workers import NO_LOGIN

#: What is asked for where it is free: easy to remember.
CONSOLE_PORT = 8066
_LOOK_EVERY_S = 1.0
_READY_TIMEOUT_S = 60.0
_ASK_EVERY_S = 0.25
#: People should see alerts at once; groups of one second are enough to show grouping.
_AT_ONCE = {"MIN_SEVERITY": "info", "GROUP_WAIT_S": "1", "GROUP_INTERVAL_S": "1"}


@dataclass(frozen=True, slots=True)
class Delivered:
    """How many of the alerts of a demo arrived where.

    Parameters
    ----------
    wanted
        Alerts that there were.
    webhook, console, alertmanager
        How many of them arrived; None: there is no Alertmanager on this machine.
    refused
        Messages that the receiver took for forged.
    """

    wanted: int
    webhook: int
    console: int
    alertmanager: int | None
    refused: int

    @property
    def is_whole(self) -> bool:
        """Whether every alert arrived everywhere."""
        at_alertmanager = self.wanted if self.alertmanager is None else self.alertmanager
        return self.refused == 0 and min(self.webhook, self.console, at_alertmanager) == self.wanted


class Delivery:
    """Notifier and console of a demo, and their receivers.

    Parameters
    ----------
    session
        Asks them.
    receiver
        The webhook's.
    alertmanager
        None: there is none.
    console_url
        Where the console is.
    children
        The processes.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        receiver: Receiver,
        alertmanager: Alertmanager | None,
        console_url: str,
        children: Sequence[Child],
    ) -> None:
        self.console_url = console_url
        self._session = session
        self._receiver = receiver
        self._alertmanager = alertmanager
        self._children = children
        self._on_console: set[str] = set()
        self._looked_s = 0.0

    async def look(self, alert_ids: set[str]) -> Delivered:
        """See what has arrived where, now and then.

        Raises
        ------
        SquallError
            One of the processes ended.
        """
        for child in self._children:
            child.must_run()
        if time.monotonic() - self._looked_s >= _LOOK_EVERY_S:
            self._looked_s = time.monotonic()
            if self._alertmanager is not None:
                await self._alertmanager.look()
            for alert_id in sorted(alert_ids - self._on_console):
                if await _answers(self._session, f"{self.console_url}/alerts/{alert_id}"):
                    self._on_console.add(alert_id)
        return Delivered(
            len(alert_ids),
            len(alert_ids & self._receiver.alerts),
            len(self._on_console),
            None if self._alertmanager is None else len(alert_ids & self._alertmanager.alerts),
            self._receiver.refused,
        )


@asynccontextmanager
async def delivering(
    children: Children,
    session: aiohttp.ClientSession,
    settings_file: str | None,
    broker: str,
    directory: Path,
    worker_urls: Sequence[str],
    console_port: int,
    tell: Callable[[str], None],
) -> AsyncIterator[Delivery]:
    """Start everything for the block, and wait until it is ready; the processes end with the other children.

    Raises
    ------
    SquallError
        One of the processes ended, or was not ready in time.
    """
    common = ["--broker", broker, *(() if settings_file is None else ("--config", settings_file))]
    notify_port, manager_port = free_ports(2)
    console_port = port_or_free(console_port)
    async with receiving() as receiver:
        program = installed_alertmanager()
        manager = None if program is None else Alertmanager(program, manager_port, directory, session)
        environment = {
            **NO_LOGIN,
            "SQUALL_NOTIFY__STATE_DIR": str(directory / "notify"),
            "SQUALL_NOTIFY__CONSOLE_URL": f"http://127.0.0.1:{console_port}",
            **_sink("oncall", "webhook", receiver.url, receiver.secret),
            **({} if manager is None else _sink("alertmanager", "alertmanager", manager.url)),
        }
        started = [] if manager is None else [children.start("alertmanager", manager.command())]
        command = [sys.executable, "-m", "streams", "notify", "--web-port", str(notify_port), *common]
        started.append(children.start("notify", command, environment))
        command = [sys.executable, "-m", "streams", "console", "--port", str(console_port), "--venue-clock", *common]
        command += ["--notifier", f"http://127.0.0.1:{notify_port}"]
        for url in worker_urls:
            command += ["--worker", url]
        started.append(children.start("console", command, NO_LOGIN))
        console_url = f"http://127.0.0.1:{console_port}"
        await _until_ready(session, [console_url, f"http://127.0.0.1:{notify_port}"], started, tell)
        yield Delivery(session, receiver, manager, console_url, started)


async def _until_ready(
    session: aiohttp.ClientSession, urls: Sequence[str], children: Sequence[Child], tell: Callable[[str], None]
) -> None:
    deadline_s = time.monotonic() + _READY_TIMEOUT_S
    while not all([await _answers(session, f"{url}/readyz") for url in urls]):
        for child in children:
            child.must_run()
        if time.monotonic() > deadline_s:
            said = "\n".join(child.last_words() for child in children)
            raise SquallError(
                f"expected console and notifier to be ready within {_READY_TIMEOUT_S:.0f} s, they were not; "
                f"their logs end with:\n{said}"
            )
        tell("console and notifier start")
        await asyncio.sleep(_ASK_EVERY_S)


async def _answers(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        # Not up yet, or not to be reached now: whoever asks decides how long that may last.
        return False


def _sink(name: str, kind: str, url: str, secret: str = "") -> dict[str, str]:
    settings = {"KIND": kind, "URL": url, **({"SECRET": secret} if secret else {}), **_AT_ONCE}
    return {f"SQUALL_NOTIFY__SINKS__{name.upper()}__{key}": value for key, value in settings.items()}
