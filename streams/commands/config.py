"""`squall config`."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streams.commands.options import BrokerOption, ConfigOption, PartitionsOption, text_of
from streams.layers import DEFAULT
from streams.settings import Settings, settings_schema


def config_command(
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of a settings file instead.")] = False,
    broker: BrokerOption = None,
    partitions: PartitionsOption = None,
    config: ConfigOption = None,
) -> None:
    """Show every setting, its value, and where the value comes from: default, file, environment or flag."""
    if schema:
        typer.echo(json.dumps(settings_schema(), indent=2))
        return
    settings = Settings(broker=broker, partitions=partitions, config=text_of(config))
    table = Table("setting", "value", "from")
    for name, value, origin in settings.origins():
        style = "dim" if origin == DEFAULT else "bold"
        table.add_row(Text(name), Text(repr(value) if value == "" else str(value)), Text(origin), style=style)
    Console().print(table)
