"""A progress bar on a terminal, and nothing anywhere else."""

import contextlib
import sys
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from streams.files import EventFiles


@contextlib.contextmanager
def reading(files: EventFiles, what: str) -> Iterator[Callable[[int], None]]:
    """Show how much of `files` has been read, in bytes as they lie on the disk.

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
