"""`squall doctor`."""

from typing import Annotated

import typer
import uvloop
from rich.console import Console

from detectors.errors import ConfigError
from streams.commands.options import BrokerOption, ConfigOption, PartitionsOption, text_of
from streams.settings import Settings

_FAILED = 1


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the lines as JSON, for machines.")] = False,
    broker: BrokerOption = None,
    partitions: PartitionsOption = None,
    config: ConfigOption = None,
) -> None:
    """Say what is wrong with this setup, and how to mend it: each line OK, SKIP (could not be told), WARN or FAIL.

    Only reads: creates and writes nothing, and joins no group. The exit status is 1 if any line is FAIL.
    """
    from streams.doctor import Line, examine, lines, worst  # noqa: PLC0415 - the models load slowly

    try:
        settings = Settings(broker=broker, partitions=partitions, config=text_of(config))
        found = uvloop.run(examine(settings))
    except ConfigError as error:
        found = [Line("FAIL", "settings", str(error), "mend it where it was set; `squall config --help`")]
    if as_json:
        typer.echo(lines.as_json(found))
    else:
        lines.show(found, Console())
    raise typer.Exit(_FAILED if worst(found) == "FAIL" else 0)
