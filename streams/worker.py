"""One worker process: starts the application, and stops it in time whatever happens."""

import asyncio
import logging
import threading

import uvloop

from detectors.errors import SquallError
from streams.agents import StageMakers
from streams.app import SquallApp, build_app
from streams.settings import Settings
from streams.stop_signals import hearing_stop_signals
from streams.watchdog import FAILED, Watchdog, end_process

log = logging.getLogger(__name__)

DONE = 0


def run_worker(settings: Settings, makers: StageMakers | None = None) -> int:
    """Work until SIGTERM or SIGINT; gives the exit status.

    0: stopped when asked, everything in hand finished and committed. 1: it failed, or could not stop within
    `worker.stop_timeout_s`, or was stuck for `worker.watchdog_s`; in these two cases the process is ended on the spot,
    since whatever hangs would keep it.

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
    deadline = _Deadline(settings.worker.stop_timeout_s)

    def ask() -> None:
        deadline.begin()
        loop.call_soon_threadsafe(asked.set)

    # Before it has partitions, what it waits for is the broker, which has time-outs.
    watchdog = Watchdog(settings.worker.watchdog_s, lambda: app.liveness_problems() if app.joined else ())
    with hearing_stop_signals(ask), watchdog:
        work = asyncio.create_task(_work(app))
        wait = asyncio.create_task(asked.wait())
        await asyncio.wait({work, wait}, return_when=asyncio.FIRST_COMPLETED)
        watchdog.rest()
        deadline.begin()
        try:
            return await _stop(app, work, wait)
        finally:
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
    if not _all_is_committed(app):
        return FAILED
    log.info("worker %s stopped", app.conf.id)
    return DONE


def _all_is_committed(app: SquallApp) -> bool:
    """Whether the broker has taken all that was in hand: the producer has ended, so that no answer is still to come."""
    try:
        left = app.committable()
    except (Exception, asyncio.CancelledError) as error:  # what a producer says of records unsent
        log.critical("stopped, but outputs were not taken; their input is read again", exc_info=error)
        return False
    if left:
        log.critical("stopped, but what was done up to %s is not committed and will be done again", dict(left))
    return not left


class _Deadline:
    """Ends the process if it still runs some time after the first call of `begin`.

    Nobody calls it off: threads that hang can keep a process whose work has ended.
    """

    def __init__(self, timeout_s: float) -> None:
        self._begun = threading.Lock()
        self._timer = threading.Timer(timeout_s, end_process, (f"could not stop in {timeout_s:g} s",))
        self._timer.daemon = True

    def begin(self) -> None:
        """Count from now on; may be called again, and from any thread."""
        if self._begun.acquire(blocking=False):
            self._timer.start()
