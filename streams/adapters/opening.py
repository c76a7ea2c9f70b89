"""The files of an import, each with what it is taken for."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from detectors.errors import ConfigError, DecodeError
from streams.adapters.kinds import KINDS, MAPPED, guess
from streams.adapters.lobster_files import PairedFiles, partner_of, read_name
from streams.adapters.rows import Row, RowFault, TextFile
from streams.adapters.source import Adapter, Source, Wishes


def sources_of(paths: Iterable[Path], kind: str | None, wishes: Wishes) -> list[Source]:
    """Tell what each file is, and put those together that are read side by side.

    Parameters
    ----------
    paths
        The files.
    kind
        A key of `KINDS`; None: each as it seems.
    wishes
        What the files do not say.

    Raises
    ------
    ConfigError
        A file cannot be told, or lacks its partner.
    DecodeError
        A file cannot be read.
    """
    if kind is not None and kind not in KINDS:
        raise ConfigError(f"--kind: expected one of {', '.join(KINDS)}, found {kind!r}")
    if kind == MAPPED and not wishes.mapping.streams:
        raise ConfigError("--kind mapped: expected a mapping of fields (--mapping FILE, or mapping.file), found none")
    given = list(dict.fromkeys(paths))
    sources: list[Source] = []
    for path in given:
        file = TextFile(path)
        first = file.first_row()
        is_mapped = wishes.mapping.streams and first is not None and first.raw[:1] == b"{"
        found = kind or (MAPPED if is_mapped else guess(path, first))
        if found is None:
            raise ConfigError(
                f"{path}: expected a file whose name or header tells its kind, found neither; "
                f"say --kind with one of {', '.join(KINDS)}"
            )
        if found == "lobster":
            sources += _lobster_source(file, given, wishes)
        else:
            sources.append(Source(found, file, _maker(found, path, wishes)))
    return sources


def _maker(kind: str, path: Path, wishes: Wishes) -> Callable[[Row], Adapter]:
    def make(first: Row) -> Adapter:
        try:
            return KINDS[kind].make(first, path, wishes)
        except RowFault as fault:
            raise DecodeError(f"{path}:{first.number}, read as {kind}: {fault}") from None

    return make


def _lobster_source(file: TextFile, given: Sequence[Path], wishes: Wishes) -> list[Source]:
    """Of a pair, the message file stands for both."""
    named = read_name(file.path.name)
    if named is not None and named.kind == "orderbook":
        if any(path != file.path and partner_of(path) == file.path for path in given):
            return []
        raise ConfigError(f"{file.path}: expected its message file too, to tell the times of its rows")
    book = partner_of(file.path)
    pair = PairedFiles(file, TextFile(book) if book != file.path and book in given else None)
    return [Source("lobster", pair, _maker("lobster", file.path, wishes))]
