"""A progress bar on a terminal, and nothing anywhere else."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn


class Measured(Protocol):
    """Files that tell how much of them has been read, in bytes as they lie on the disk."""

    @property
    def total_bytes(self) -> int:
        """All of it."""
        ...

    @property
    def read_bytes(self) -> int:
        """How much of it."""
        ...


@contextlib.contextmanager
def reading(files: Measured, what: str) -> Iterator[Callable[[int], None]]:
    """Show how much of `files` has been read.

    Gives what is to be called with the number of lines, now and then.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[lines]:,} lines"),
    )
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=files.total_bytes, lines=0)
        yield lambda lines: bar.update(task, completed=files.read_bytes, lines=lines)
