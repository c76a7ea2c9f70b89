"""Who acts, when a command does something that others must be able to ask about."""

import getpass
from typing import Annotated

import typer

from detectors.errors import ConfigError

AuthorOption = Annotated[
    str | None, typer.Option("--author", metavar="NAME", help="Who does it.", show_default="the login name")
]


def login_name() -> str:
    """Give the login name.

    Raises
    ------
    ConfigError
        There is none.
    """
    try:
        return getpass.getuser()
    except (KeyError, ImportError, OSError):
        raise ConfigError("--author: expected a name, and found no login name to take in its place") from None
