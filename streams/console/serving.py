"""Runs a console until it is asked to stop."""

import asyncio
import signal
from collections.abc import Callable

from aiohttp import web
from prometheus_client import CollectorRegistry

from detectors.errors import ConfigError
from streams.console.app import build_app
from streams.settings import Settings

#: Streams to browsers end at once; a page takes milliseconds.
_SHUTDOWN_S = 3.0


async def serve(settings: Settings, when_up: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT.

    Parameters
    ----------
    settings
        Those of the console, and where the broker is.
    when_up
        Called with the address when it is served.

    Raises
    ------
    ConfigError
        The port is taken, or the token cannot be read.
    """
    console = settings.console
    app = build_app(settings, CollectorRegistry())
    # Its log of accesses would hold the names of accounts.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S)
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    try:
        await runner.setup()
        site = web.TCPSite(runner, console.host, console.port)
        try:
            await site.start()
        except OSError as error:
            raise ConfigError(
                f"console.port: expected to listen on {console.host}:{console.port}, found: {error.strerror}"
            ) from error
        host, port = runner.addresses[0][:2]
        when_up(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
        await asked.wait()
    finally:
        await runner.cleanup()
