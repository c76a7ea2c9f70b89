"""Where the board is shown: live on a terminal, as plain lines anywhere else, and as a picture in a file."""

import io
import re
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, RenderableType
from rich.live import Live

from detectors.errors import ConfigError
from streams.demo.board import Scene, board, line

_LINE_EVERY_S = 5.0
_PICTURE_COLUMNS = 118


class Show(Protocol):
    """Shows scenes while its block lasts."""

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        ...

    def show(self, scene: Scene) -> None:
        """Show a scene in place of the one before."""
        ...


def show_on(console: Console) -> Show:
    """Choose the way of showing that suits a console."""
    return LiveShow(console) if console.is_terminal else LineShow(console)


class LiveShow:
    """The board on a terminal, drawn over itself.

    Parameters
    ----------
    console
        A terminal.
    """

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, auto_refresh=False)

    def __enter__(self) -> Self:
        """Take the lines below the cursor."""
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last board standing, and the cursor below it."""
        self._live.stop()

    def show(self, scene: Scene) -> None:
        """Draw."""
        self._live.update(board(scene, self._live.console.height), refresh=True)


class LineShow:
    """A line now and then, and whenever the phase changes or an incident is found.

    Parameters
    ----------
    console
        Anything that takes text; no control codes are written.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said_s = float("-inf")
        self._said: tuple[str, int] = ("", 0)

    def __enter__(self) -> Self:
        """Nothing to begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to end."""

    def show(self, scene: Scene) -> None:
        """Write a line if one is due."""
        saying = scene.phase, sum(found.alert is not None for found in scene.found)
        if saying != self._said or scene.elapsed_s - self._said_s >= _LINE_EVERY_S:
            self._said, self._said_s = saying, scene.elapsed_s
            self._console.print(line(scene), markup=False, highlight=False, soft_wrap=True)


class Picture:
    """Keeps the fullest board of a run, and draws it and the verdict into an SVG file.

    Parameters
    ----------
    path
        The file; None: keep nothing.

    Raises
    ------
    ConfigError
        The file cannot be written; told before the run, not after it.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._console = _recorder()
        self._fullness = (0, 0)
        if path is not None:
            try:
                path.touch()
            except OSError as error:
                raise ConfigError(f"--record: expected a file to write, found: {error}") from error

    def take(self, scene: Scene) -> None:
        """Keep the board if none before had as many open alerts, or as many incidents found."""
        if self._path is None:
            return
        fullness = len(scene.watch.open_alerts()), sum(found.alert is not None for found in scene.found)
        if fullness >= self._fullness:
            self._fullness = fullness
            self._console = _recorder()
            self._console.print(board(scene))

    def save(self, verdict: RenderableType) -> None:
        """Write the file."""
        if self._path is None:
            return
        self._console.print(verdict)
        drawing = self._console.export_svg(title="squall demo")
        # Rich names fonts on a server; the picture must not ask anyone for anything.
        self._path.write_text(re.sub(r"@font-face \{.*?\}", "", drawing, flags=re.DOTALL), encoding="utf-8")


def _recorder() -> Console:
    return Console(
        record=True, file=io.StringIO(), width=_PICTURE_COLUMNS, force_terminal=True, color_system="truecolor"
    )
