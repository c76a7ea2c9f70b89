"""Command lines of ours, read as `squall` would read them, without being carried out."""

from collections.abc import Sequence

import typer
from typer.core import TyperGroup

from streams.cli import app


def parsed_command(arguments: Sequence[str]) -> str:
    """Read arguments of `squall`; gives the command's name.

    Raises
    ------
    UsageError
        Typer's own: there is no such command, or option, or a value is not of its kind.
    """
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    with typer.Context(group, info_name="squall") as context:
        name, command, rest = group.resolve_command(context, list(arguments))
        assert command is not None
        command.make_context(name, list(rest), parent=context)
    return str(name)
