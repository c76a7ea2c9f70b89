"""`squall topics`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console
from rich.table import Table

from detectors.errors import ConfigError
from streams.asyncapi import asyncapi_document, record_schemas
from streams.commands.options import BrokerOption, ConfigOption, PartitionsOption, text_of
from streams.mapping.mapping_file import read_mapping
from streams.settings import Settings
from streams.strimzi import strimzi_topics
from streams.topics import bootstrap_servers, ensure_topics, topics_on_broker


def topics(
    broker: BrokerOption = None,
    partitions: PartitionsOption = None,
    replication: Annotated[int | None, typer.Option("--replication", min=1, help="Copies of each new topic.")] = None,
    asyncapi: Annotated[
        bool, typer.Option("--asyncapi", help="Print the AsyncAPI 3.0 document, and touch nothing.")
    ] = False,
    strimzi: Annotated[
        str | None,
        typer.Option("--strimzi", metavar="CLUSTER", help="Print KafkaTopic resources for Strimzi, and touch nothing."),
    ] = None,
    schemas: Annotated[
        Path | None,
        typer.Option("--schemas", metavar="DIR", help="Write a JSON Schema for each topic there, and touch no topic."),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Create the topics that are missing, and check those that exist."""
    settings = Settings(broker=broker, partitions=partitions, replication=replication, config=text_of(config))
    mapping = read_mapping(settings.mapping.file)
    if asyncapi:
        server = bootstrap_servers(settings.broker)[0]
        document = asyncapi_document(server, settings.partitions, settings.replication, settings.app_id, mapping)
        typer.echo(json.dumps(document, indent=2))
    if strimzi is not None:
        typer.echo(strimzi_topics(strimzi, settings.partitions, settings.replication, mapping.sources), nl=False)
    if schemas is not None:
        _write_schemas(schemas)
    if not asyncapi and strimzi is None and schemas is None:
        _create(settings, mapping.sources)


def _write_schemas(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, schema in record_schemas().items():
            text = json.dumps(schema, indent=2) + "\n"
            (folder / f"{name}.schema.json").write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--schemas: expected a folder to write to, found: {error}") from error


def _create(settings: Settings, sources: Mapping[str, str]) -> None:
    created = set(
        uvloop.run(
            ensure_topics(settings.broker, settings.partitions, settings.replication, settings.security, sources)
        )
    )
    table = Table("topic", "partitions", "key", "cleanup", "", "what")
    for name, topic in topics_on_broker(sources).items():
        state = "[green]created[/]" if name in created else "[dim]exists[/]"
        table.add_row(name, str(topic.partitions(settings.partitions)), topic.key, topic.cleanup, state, topic.what)
    Console().print(table)
