"""One worker process: starts the application, and stops it in time whatever happens."""

import asyncio
import logging
import os
import signal
import sys
import threading

import uvloop

from detectors.errors import SquallError
from streams.agents import StageMakers
from streams.app import SquallApp, build_app
from streams.settings import Settings

log = logging.getLogger(__name__)

DONE, FAILED = 0, 1


def run_worker(settings: Settings, makers: StageMakers | None = None) -> int:
    """Work until SIGTERM or SIGINT; gives the exit status.

    0: stopped when asked, everything in hand finished and committed. 1: it failed, or could not stop within
    `worker.stop_timeout_s`; in the second case the process is ended here, since a thread that hangs would keep it.

    Parameters
    ----------
    settings
        All settings.
    makers
        The stages; those of `detectors` unless given.

    Raises
    ------
    SquallError
        It could not begin: no broker, or topics that do not fit.
    """
    # The consumer's thread makes its own loop, by this policy.
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    with asyncio.Runner() as runner:
        return runner.run(_serve(settings, makers))


async def _serve(settings: Settings, makers: StageMakers | None) -> int:
    app = build_app(settings, makers=makers)
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    work = asyncio.create_task(_work(app))
    wait = asyncio.create_task(asked.wait())
    await asyncio.wait({work, wait}, return_when=asyncio.FIRST_COMPLETED)
    watchdog = _end_after(settings.worker.stop_timeout_s)
    try:
        return await _stop(app, work, wait)
    finally:
        watchdog.cancel()
        app.close_health()


async def _work(app: SquallApp) -> None:
    await app.start()
    log.info("worker %s started", app.conf.id)
    await app.wait_until_stopped()


async def _stop(app: SquallApp, work: asyncio.Task[None], wait: asyncio.Task[bool]) -> int:
    wait.cancel()
    started_badly = work.done() and work.exception() is not None
    await app.stop()
    work.cancel()
    await asyncio.wait({work})
    if started_badly:
        error = work.exception()
        if isinstance(error, SquallError):
            raise error
        log.critical("worker %s could not start", app.conf.id, exc_info=error)
        return FAILED
    if app.failure is not None or app.crash_reason is not None:
        log.critical("worker %s failed: %s", app.conf.id, app.failure or repr(app.crash_reason))
        return FAILED
    log.info("worker %s stopped", app.conf.id)
    return DONE


def _end_after(timeout_s: float) -> threading.Timer:
    """End the process if it cannot stop in time."""

    def end() -> None:
        log.critical("could not stop in %.0f s: ending the process; the next goes on from the last commit", timeout_s)
        logging.shutdown()
        sys.stderr.flush()
        os._exit(FAILED)

    timer = threading.Timer(timeout_s, end)
    timer.daemon = True
    timer.start()
    return timer
