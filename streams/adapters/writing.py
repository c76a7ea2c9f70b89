"""Lines of events into a file of NDJSON, gzipped where its name says so."""

import gzip
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, cast

from detectors.errors import DecodeError
from streams.files import Line

_LINES_BETWEEN_REPORTS = 5_000


def write_file(lines: Iterable[Line], path: Path, on_line: Callable[[int], None] = lambda _: None) -> None:
    """Write lines into a file, which is there when all of them are; the same lines give the same bytes.

    Parameters
    ----------
    lines
        In order of time.
    path
        Gzipped if it ends in `.gz`.
    on_line
        Called now and then with the number of lines written.

    Raises
    ------
    DecodeError
        It cannot be written; or whatever reading the lines raises.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            if path.suffix == ".gz":
                # Neither a name nor a time in the header: they would differ from one run to the next.
                with gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0) as packed:
                    write_lines(lines, cast("IO[bytes]", packed), on_line)
            else:
                write_lines(lines, file, on_line)
        temporary.replace(path)
    except OSError as error:
        raise DecodeError(f"{path}: expected a file to write to, found: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_lines(lines: Iterable[Line], file: IO[bytes], on_line: Callable[[int], None] = lambda _: None) -> None:
    """Write lines into an open file."""
    number = 0
    for number, line in enumerate(lines, 1):
        file.write(line.raw + b"\n")
        if number % _LINES_BETWEEN_REPORTS == 0:
            on_line(number)
    on_line(number)
