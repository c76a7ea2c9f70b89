"""The workers of a demo: as many processes of `squall worker`, each with its own pages."""

import asyncio
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import aiohttp

from detectors.errors import BrokerError, SquallError
from streams.broker import EMBEDDED_SESSION_TIMEOUT_S
from streams.demo.children import Child, Children
from streams.demo.ports import free_ports
from streams.demo.sources import WorkerPage
from streams.demo.watch import WorkerState
from streams.security import NO_SECURITY
from streams.settings import Settings

_READY_TIMEOUT_S = 60.0
_ASK_EVERY_S = 0.25
#: The embedded broker asks nobody who he is, whatever else is configured.
NO_LOGIN = {f"SQUALL_SECURITY__{name.upper()}": str(value) for name, value in asdict(NO_SECURITY).items()}
#: What workers need there besides.
_ENVIRONMENT = {
    "SQUALL_WORKER__SESSION_TIMEOUT_S": f"{EMBEDDED_SESSION_TIMEOUT_S:.0f}",
    "SQUALL_WORKER__REBALANCE_TIMEOUT_S": f"{EMBEDDED_SESSION_TIMEOUT_S:.0f}",
    "SQUALL_WORKER__IDEMPOTENT_PRODUCER": "false",
    "SQUALL_WORKER__GROUP_INSTANCE_ID": "",
    **NO_LOGIN,
}


#: The exchange's makers have a baseline of their own, as an exchange would know them.
_MAKERS = {"SQUALL_LIMITS__ACCOUNTS": '{"maker-*": "maker"}'}


class Workers:
    """Starts workers and asks how they stand.

    Parameters
    ----------
    children
        Where their processes belong.
    session
        Asks their pages.
    settings
        Partitions, and the file that the workers read too.
    broker
        The broker's address.
    count
        How many; >= 1.
    """

    def __init__(
        self, children: Children, session: aiohttp.ClientSession, settings: Settings, broker: str, count: int
    ) -> None:
        self._partitions = settings.partitions
        ports = free_ports(count)
        #: Where each answers.
        self.urls = [f"http://127.0.0.1:{port}" for port in ports]
        self._pages = [WorkerPage(session, port) for port in ports]
        self._children: list[Child] = [
            children.start(f"worker-{number}", _command(settings, broker, port), worker_environment(settings))
            for number, port in enumerate(ports, 1)
        ]

    async def until_ready(self, while_waiting: Callable[[], None]) -> None:
        """Wait until all of them work and each has a share of the partitions.

        Parameters
        ----------
        while_waiting
            Called now and then.

        Raises
        ------
        SquallError
            One ended, or they were not ready in time.
        """
        deadline_s = time.monotonic() + _READY_TIMEOUT_S
        while not await self._are_ready():
            if time.monotonic() > deadline_s:
                said = "\n".join(child.last_words() for child in self._children)
                raise BrokerError(
                    f"expected {len(self._children)} workers to share {self._partitions} partitions "
                    f"within {_READY_TIMEOUT_S:.0f} s, they did not; their logs end with:\n{said}"
                )
            while_waiting()
            await asyncio.sleep(_ASK_EVERY_S)

    async def states(self) -> list[WorkerState]:
        """Ask all of them how far they have come.

        Raises
        ------
        SquallError
            One ended, or does not answer.
        """
        self._must_run()
        try:
            return list(await asyncio.gather(*(page.state() for page in self._pages)))
        except (aiohttp.ClientError, TimeoutError) as error:
            # A worker that is just dying says more itself, once it is dead.
            await asyncio.sleep(_ASK_EVERY_S)
            self._must_run()
            raise SquallError(f"expected the workers to answer on /metrics, found: {error!r}") from error

    async def _are_ready(self) -> bool:
        self._must_run()
        if not all([await page.is_ready() for page in self._pages]):
            return False
        shares = [state.partitions for state in await self.states()]
        return sum(shares) == self._partitions and (min(shares) > 0 or self._partitions < len(shares))

    def _must_run(self) -> None:
        for child in self._children:
            child.must_run()


def worker_environment(settings: Settings) -> Mapping[str, str]:
    """Say what the workers' environment adds to ours; whoever has set which accounts are in which tier keeps that."""
    limits = settings.core.limits
    return _ENVIRONMENT if limits.accounts or "maker" not in limits.tiers else _ENVIRONMENT | _MAKERS


def settings_file(settings: Settings) -> str | None:
    """Name the settings file where there is one: the default need not exist."""
    return settings.config if Path(settings.config).exists() else None


def _command(settings: Settings, broker: str, port: int) -> Sequence[str]:
    command = [sys.executable, "-m", "streams", "worker", "--broker", broker, "--web-port", str(port)]
    command += ["--partitions", str(settings.partitions)]
    config = settings_file(settings)
    return command if config is None else [*command, "--config", config]
