"""What the doctor says: one line a check, with the mend where there is something to mend."""

import json
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

#: `SKIP`: nobody could tell, for a reason that the line states; it is no fault.
Mark = Literal["OK", "SKIP", "WARN", "FAIL"]

_ORDER: tuple[Mark, ...] = ("OK", "SKIP", "WARN", "FAIL")
_STYLES: dict[Mark, str] = {"OK": "green", "SKIP": "dim", "WARN": "yellow", "FAIL": "bold red"}


class Line(NamedTuple):
    """One check: how it ended, what was looked at, what was found, and how to mend it."""

    mark: Mark
    check: str
    found: str
    mend: str = ""


def worst(lines: Iterable[Line]) -> Mark:
    """The worst mark of all.

    Examples
    --------
    >>> worst([Line("OK", "topics", "17 exist"), Line("SKIP", "clock", "no records")])
    'SKIP'
    """
    return max((line.mark for line in lines), key=_ORDER.index, default="OK")


def as_text(line: Line) -> str:
    """The line for a log or a pipe, the mend below it.

    Examples
    --------
    >>> print(as_text(Line("FAIL", "topics", "missing: trades", "run `squall topics`")))
    FAIL  topics: missing: trades
          mend: run `squall topics`
    """
    said = f"{line.mark:<4}  {line.check}: {line.found}"
    return f"{said}\n      mend: {line.mend}" if line.mend else said


def as_json(lines: Sequence[Line]) -> str:
    """All lines for a machine."""
    return json.dumps({"status": worst(lines), "lines": [line._asdict() for line in lines]}, indent=2)


def show(lines: Sequence[Line], console: Console) -> None:
    """Print a table on a terminal, and plain lines anywhere else; last comes the count of each mark."""
    if console.is_terminal:
        table = Table("", "check", "found", "mend")
        for line in lines:
            table.add_row(Text(line.mark, _STYLES[line.mark]), Text(line.check), Text(line.found), Text(line.mend))
        console.print(table)
    else:
        for line in lines:
            console.print(Text(as_text(line)), soft_wrap=True)
    counts = {mark: sum(line.mark == mark for line in lines) for mark in _ORDER}
    console.print(Text(", ".join(f"{many} {mark}" for mark, many in counts.items() if many)))
