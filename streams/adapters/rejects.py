"""Bad rows of an import: so many are put aside, the next one ends it."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import msgspec

from detectors.errors import DecodeError
from streams.adapters.rows import Row

_encode = msgspec.json.encode


class Rejects:
    """Where bad rows go.

    Each is a line of NDJSON: `file`, `line`, `message` and `value`, the row as it stood. The file is there as soon as
    bad rows are allowed, so that an empty one says that there were none, and stays when the import fails.

    Parameters
    ----------
    allowed
        How many bad rows there may be, >= 0.
    path
        Where they are written, when any are allowed.
    """

    def __init__(self, allowed: int, path: Path) -> None:
        self.allowed = allowed
        self.path = path
        self.count = 0
        self._file: BinaryIO | None = None

    def __enter__(self) -> "Rejects":
        """Open the file.

        Raises
        ------
        DecodeError
            It cannot be written.
        """
        if self.allowed:
            try:
                self._file = self.path.open("wb")
            except OSError as error:
                raise DecodeError(f"{self.path}: expected a file to write to, found: {error}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def take(self, path: Path, rows: Sequence[Row], message: str) -> None:
        """Put bad rows aside that are at fault together; they count as one.

        Raises
        ------
        DecodeError
            There are more than allowed. Names the row.
        """
        self.count += 1
        if self._file is not None:
            value = b"\n".join(row.raw for row in rows).decode("utf-8", "backslashreplace")
            entry = {"file": path.name, "line": rows[0].number, "message": message, "value": value}
            self._file.write(_encode(entry) + b"\n")
        if self.count > self.allowed:
            allowed = f" (bad row {self.count}, {self.allowed} allowed; see {self.path})" if self.allowed else ""
            raise DecodeError(f"{path}:{rows[0].number}: {message}{allowed}")
