"""The processes of a demo: started together, watched, and ended whatever happens."""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from detectors.errors import SquallError
from streams.broker import end_with_parent

_STOP_TIMEOUT_S = 6.0
_LAST_LINES = 15


class ChildError(SquallError):
    """A process of the demo ended before its time."""


class Child:
    """A process with its stdout and its log in files.

    It stands in a session of its own: Ctrl-C reaches only the demo, which then ends all in order. On Linux it ends with
    the thread that started it, whatever kills that.

    Parameters
    ----------
    name
        What people call it.
    command
        The program and its arguments.
    directory
        Where its files go.
    environment
        Added to our own.
    """

    def __init__(self, name: str, command: Sequence[str], directory: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.output = directory / f"{name}.out"
        self._log = directory / f"{name}.log"
        with self.output.open("wb") as output, self._log.open("wb") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own programs, no shell
                command,
                env=os.environ | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=log,
                start_new_session=True,
                preexec_fn=end_with_parent(),  # noqa: PLW1509 - one prepared system call, no Python locks taken
            )

    def has_ended(self) -> bool:
        """Tell whether it ended as it should.

        Raises
        ------
        ChildError
            It ended with another status than 0; the message holds its last words.
        """
        status = self.process.poll()
        if status:
            raise ChildError(f"{self.name} ended with status {status}; its log ends with:\n{self.last_words()}")
        return status is not None

    def must_run(self) -> None:
        """Raise ChildError unless it runs."""
        if self.has_ended():
            raise ChildError(f"{self.name} ended too early; its log ends with:\n{self.last_words()}")

    def last_words(self) -> str:
        """Read the end of its log."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-_LAST_LINES:]) or "(it is empty)"


class Children:
    """All processes of a demo; none of them outlives the block.

    Parameters
    ----------
    directory
        Where their files go.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._children: list[Child] = []

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> Child:
        """Start one."""
        child = Child(name, command, self._directory, environment or {})
        self._children.append(child)
        return child

    def __enter__(self) -> Self:
        """Nothing runs yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ask all to stop and wait a little; after an error, or when they do not, kill them."""
        running = [child.process for child in self._children if child.process.poll() is None]
        try:
            if kind is None:
                for process in running:
                    process.terminate()
                deadline_s = time.monotonic() + _STOP_TIMEOUT_S
                for process in running:
                    _wait(process, max(0.0, deadline_s - time.monotonic()))
        finally:
            for process in running:
                process.kill()
                process.wait()


def _wait(process: subprocess.Popen[bytes], timeout_s: float) -> None:
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        # Whoever called kills it.
        return
