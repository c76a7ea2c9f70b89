"""Rows of text files as they are downloaded: plain, gzipped, or the one file inside a zip."""

import codecs
import gzip
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple, cast

from detectors.errors import DecodeError

_GZIP_MAGIC = b"\x1f\x8b"
_ZIP_MAGIC = b"PK\x03\x04"
#: A longer line is no row of any format that we read; it must not fill the memory.
LONGEST_ROW_BYTES = 1_048_576


class Row(NamedTuple):
    """A row: the number of its line (the first is 1), its cells, and its bytes without the end of the line."""

    number: int
    cells: list[str]
    raw: bytes


class RowFault(DecodeError):
    """A row that is not what it should be; `rows` are those at fault, when it is not the row in hand alone.

    The message says what was expected and found; whoever reads the file adds where.
    """

    def __init__(self, message: str, rows: Sequence[Row] = ()) -> None:
        super().__init__(message)
        self.rows = tuple(rows)


class TextFile:
    """Lines of one file, in bounded memory.

    How it is packed is seen from its first bytes. A zip must hold exactly one file.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    DecodeError
        While reading: it cannot be read, its packing is broken, or a line is longer than `LONGEST_ROW_BYTES`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.total_bytes = path.stat().st_size if path.is_file() else 0
        self._file: BinaryIO | None = None
        self._read_bytes = 0

    @property
    def read_bytes(self) -> int:
        """How much of `total_bytes` has been read, packed as it is."""
        return self._read_bytes if self._file is None else self._file.tell()

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Read from the beginning: the number of each line that is not blank, and its bytes without its end."""
        number = 0
        try:
            with self.path.open("rb") as file:
                self._file = file
                try:
                    for number, line in enumerate(iter(_unpack(file, self.path), b""), 1):
                        if len(line) >= LONGEST_ROW_BYTES:
                            raise DecodeError(
                                f"{self.path}:{number}: expected a row of at most {LONGEST_ROW_BYTES} bytes, "
                                "found a longer one"
                            )
                        stripped = (line.removeprefix(codecs.BOM_UTF8) if number == 1 else line).strip(b"\r\n")
                        if stripped:
                            yield number, stripped
                finally:
                    self._read_bytes, self._file = file.tell(), None
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError) as error:
            raise DecodeError(f"{self.path}, after line {number}: expected a readable file, found: {error}") from error

    def rows(self) -> Iterator[Row]:
        """Read from the beginning, each line cut at its commas: none of the formats has quotes."""
        for number, line in self.lines():
            # A byte that is no UTF-8 makes its own cell wrong, and comes back as it was.
            yield Row(number, line.decode("utf-8", "surrogateescape").split(","), line)

    def first_row(self) -> Row | None:
        """The first row; None when the file is empty."""
        rows = self.rows()
        try:
            return next(rows, None)
        finally:
            rows.close()  # type: ignore[attr-defined]


class _Lines:
    """Reads a line at a time, of bounded length; the end is empty."""

    def __init__(self, file: IO[bytes]) -> None:
        self._readline = file.readline

    def __call__(self) -> bytes:
        return self._readline(LONGEST_ROW_BYTES)


def _unpack(file: BinaryIO, path: Path) -> _Lines:
    magic = file.read(len(_ZIP_MAGIC))
    file.seek(0)
    if magic.startswith(_GZIP_MAGIC):
        return _Lines(cast("IO[bytes]", gzip.GzipFile(fileobj=file)))
    if magic == _ZIP_MAGIC:
        archive = zipfile.ZipFile(file)
        names = [name for name in archive.namelist() if not name.endswith("/")]
        if len(names) != 1:
            raise DecodeError(f"{path}: expected a zip with one file in it, found {len(names)}")
        return _Lines(archive.open(names[0]))
    return _Lines(file)
