"""`squall topics`."""

import json
from typing import Annotated

import typer
import uvloop
from rich.console import Console
from rich.table import Table

from streams.asyncapi import asyncapi_document
from streams.commands.options import BrokerOption, ConfigOption, PartitionsOption, text_of
from streams.settings import Settings
from streams.topics import TOPICS, bootstrap_servers, ensure_topics


def topics(
    broker: BrokerOption = None,
    partitions: PartitionsOption = None,
    replication: Annotated[int | None, typer.Option("--replication", min=1, help="Copies of each new topic.")] = None,
    asyncapi: Annotated[
        bool, typer.Option("--asyncapi", help="Print the AsyncAPI 3.0 document, and touch nothing.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Create the topics that are missing, and check those that exist."""
    settings = Settings(broker=broker, partitions=partitions, replication=replication, config=text_of(config))
    if asyncapi:
        document = asyncapi_document(bootstrap_servers(settings.broker)[0], settings.partitions)
        typer.echo(json.dumps(document, indent=2))
        return
    created = set(
        uvloop.run(ensure_topics(settings.broker, settings.partitions, settings.replication, settings.security))
    )
    table = Table("topic", "partitions", "key", "cleanup", "", "what")
    for name, topic in TOPICS.items():
        state = "[green]created[/]" if name in created else "[dim]exists[/]"
        table.add_row(name, str(topic.partitions(settings.partitions)), topic.key, topic.cleanup, state, topic.what)
    Console().print(table)
