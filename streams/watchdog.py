"""Ends a process that is wedged: it stays in its consumer group, since heartbeats come from another thread.

The next worker goes on from the last commit. What it cannot end is a call that never gives back Python's lock.
"""

import faulthandler
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

log = logging.getLogger(__name__)

FAILED = 1
_POLL_S = 1.0
#: Saying why must not keep the process: a log or a stderr that nobody reads may block for ever.
_LAST_WORDS_S = 5.0


class Patience:
    """How long problems have lasted without a break, as one sees it who looks each `poll_s`.

    A longer pause between two looks counts as one `poll_s`: a process that was stopped (SIGSTOP, a laptop asleep) and
    wakes up finds every clock far ahead, and gets all its patience to come round.

    Parameters
    ----------
    patience_s
        When problems have lasted so long, it is over, > 0.
    poll_s
        Seconds between two looks, > 0.

    Examples
    --------
    >>> patience = Patience(patience_s=3.0, poll_s=1.0)
    >>> [patience.is_over(now_s, ["stuck"]) for now_s in (0.0, 1.0, 500.0, 501.0)]
    [False, False, False, True]
    """

    def __init__(self, patience_s: float, poll_s: float = _POLL_S) -> None:
        self._patience_s = patience_s
        self._poll_s = poll_s
        self._lasted_s = 0.0
        self._seen_s: float | None = None

    def is_over(self, now_s: float, problems: Sequence[str]) -> bool:
        """Look once; whether the process should end."""
        if not problems:
            self._seen_s, self._lasted_s = None, 0.0
            return False
        if self._seen_s is not None:
            self._lasted_s += min(max(now_s - self._seen_s, 0.0), self._poll_s)
        self._seen_s = now_s
        return self._lasted_s >= self._patience_s


class Watchdog:
    """Looks at a process from a thread of its own for the time of a `with` block, and ends it when patience is over.

    Parameters
    ----------
    patience_s
        How long problems may last, in seconds; 0 turns it off.
    problems
        What is wrong now; called in the thread of the watchdog.
    end
        What ends the process.
    """

    def __init__(
        self,
        patience_s: float,
        problems: Callable[[], Sequence[str]],
        end: Callable[[str], None] | None = None,
    ) -> None:
        self._patience_s = patience_s
        self._problems = problems
        self._end = end_process if end is None else end
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> Self:
        """Begin to look."""
        if self._patience_s > 0.0:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Look no more."""
        self.rest()

    def rest(self) -> None:
        """Look no more: whoever stops the process has a time-out of its own."""
        self._over.set()

    def _watch(self) -> None:
        poll_s = min(_POLL_S, self._patience_s / 3)
        patience = Patience(self._patience_s, poll_s)
        while not self._over.wait(poll_s):
            problems = self._problems()
            if patience.is_over(time.monotonic(), problems):
                self._end(f"wedged for {self._patience_s:g} s ({'; '.join(problems)})")
                return


def end_process(why: str) -> None:
    """Say why, show on stderr where every thread is, and end this process at once with status 1."""
    last = threading.Timer(_LAST_WORDS_S, os._exit, (FAILED,))
    last.daemon = True
    last.start()
    log.critical("%s: ending the process; the next goes on from the last commit", why)
    sys.stderr.flush()
    faulthandler.dump_traceback(all_threads=True)
    logging.shutdown()
    os._exit(FAILED)
