"""How records of topics are shown: as JSON for machines, with what could not be read told apart."""

from collections.abc import Sequence

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streams.summary import printable
from streams.times import clock_text


def print_json(document: object) -> None:
    """Print records as they stand in their topics."""
    typer.echo(msgspec.json.format(msgspec.json.encode(document)).decode())


def tell_unreadable(topic: str, records: int) -> None:
    """Say on stderr that some of a topic was passed over."""
    if records:
        typer.echo(f"warning: {records} records of {topic} cannot be read, and are not shown", err=True)


def show_table(columns: Sequence[str], rows: Sequence[Sequence[str | Text]], *, empty: str) -> None:
    """Print a table; text is shown, not obeyed.

    Parameters
    ----------
    columns
        Their heads.
    rows
        A cell for each column; those made by us may have a style.
    empty
        What is said when there are none.
    """
    console = Console()
    if not rows:
        console.print(printable(empty), soft_wrap=True)
        return
    table = Table(*columns)
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else printable(cell) for cell in row))
    console.print(table)


def until_text(expires_us: int, now: int) -> Text:
    """Write when something ends, or ended."""
    return Text(clock_text(expires_us)) if expires_us > now else Text(f"{clock_text(expires_us)} (over)", style="dim")
