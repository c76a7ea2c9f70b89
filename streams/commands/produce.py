"""`squall produce`."""

from typing import Annotated

import typer
import uvloop
from rich.console import Console
from rich.table import Table

from streams.commands.options import BrokerOption, ConfigOption, FilesArgument, PartitionsOption, SpeedOption, text_of
from streams.commands.progress import reading
from streams.files import EventFiles
from streams.mapping.mapping_file import read_mapping
from streams.mapping.routing import router_of
from streams.produce import Produced, produce
from streams.settings import Settings


def produce_files(
    files: FilesArgument,
    broker: BrokerOption = None,
    speed: SpeedOption = None,
    frame: Annotated[
        int, typer.Option("--frame", min=1, help="Pack up to so many consecutive events of a key into one record.")
    ] = 1,
    partitions: PartitionsOption = None,
    config: ConfigOption = None,
) -> None:
    """Send recorded events into Kafka, in order of time, each with its key.

    Lines that belong to no topic go to dead-letters. Topics that are missing are created.
    """
    settings = Settings(broker=broker, partitions=partitions, config=text_of(config))
    lines = EventFiles(files, router_of(read_mapping(settings.mapping.file)))
    with reading(lines, "produce") as on_line:
        produced = uvloop.run(produce(settings, lines, speed=speed, frame=frame, on_line=on_line))
    Console().print(produced_table(produced))


def produced_table(produced: Produced) -> Table:
    """Make what is shown of what was sent."""
    table = Table("topic", "events", "records")
    for topic, lines in sorted(produced.lines.items()):
        table.add_row(topic, f"{lines:,}", f"{produced.records[topic]:,}")
    unroutable = produced.unroutable.total()
    if unroutable:
        table.add_row("dead-letters", "", f"{unroutable:,}", style="yellow")
    return table
