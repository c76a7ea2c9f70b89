"""`squall demo`."""

import importlib
from typing import Annotated

import typer

from streams.commands.options import ConfigOption, text_of
from streams.settings import Settings


def demo(
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed plants the same incidents.")] = 1,
    config: ConfigOption = None,
) -> None:
    """Run everything on this machine and watch it: a broker, two workers, an exchange with planted incidents.

    Ends by itself. The exit status is 0 only if every planted incident was found.
    """
    settings = Settings(config=text_of(config))
    raise typer.Exit(importlib.import_module("streams.demo").run_demo(settings, seed=seed))
