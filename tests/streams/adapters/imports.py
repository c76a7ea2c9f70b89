"""Shared by the tests of imports: where the samples are, and an import of files into events."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from detectors.events import Event
from streams.adapters.importing import Import
from streams.adapters.opening import sources_of
from streams.adapters.rejects import Rejects
from streams.adapters.source import Wishes
from streams.codecs import RecordDecoder
from streams.files import Line

#: Made by hand after the vendors' documented formats, which the modules that read them name.
SAMPLES = Path(__file__).parent / "samples"
USUAL = Wishes()


@contextmanager
def importing(
    *paths: Path, kind: str | None = None, wishes: Wishes = USUAL, skip_bad: int = 0, tolerance_us: int = 5_000_000
) -> Iterator[Import]:
    """An import that is ready to be read; its rejects go beside the first file."""
    with Rejects(skip_bad, paths[0].parent / "rejects.ndjson") as rejects:
        yield Import(sources_of(paths, kind, wishes), rejects, tolerance_us)


def lines_of(*paths: Path, kind: str | None = None, wishes: Wishes = USUAL) -> list[Line]:
    """All lines of an import without bad rows."""
    with importing(*paths, kind=kind, wishes=wishes) as imported:
        return list(imported)


def events_of(*paths: Path, kind: str | None = None, wishes: Wishes = USUAL) -> list[Event]:
    """All events of an import without bad rows."""
    return [decoded(line) for line in lines_of(*paths, kind=kind, wishes=wishes)]


def decoded(line: Line) -> Event:
    """The event that a reader of the topic takes from a line."""
    found = RecordDecoder(line.topic).decode([line.raw], [0])
    assert not found.refused
    return found.events[0]


def texts_of(*paths: Path, kind: str | None = None, wishes: Wishes = USUAL) -> list[str]:
    """All lines as they are written."""
    return [line.raw.decode() for line in lines_of(*paths, kind=kind, wishes=wishes)]
