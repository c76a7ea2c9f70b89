"""Options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

ConfigOption = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Settings file; squall.toml where there is one.")
]
BrokerOption = Annotated[
    str | None, typer.Option("--broker", metavar="HOST:PORT", help="The Kafka broker; also SQUALL_BROKER.")
]
PartitionsOption = Annotated[
    int | None, typer.Option("--partitions", min=1, help="Partitions of every co-partitioned topic.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
FilesArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE...",
        exists=True,
        dir_okay=False,
        readable=True,
        help="NDJSON, plain or gzipped, in order of time.",
    ),
]
SpeedOption = Annotated[
    float | None,
    typer.Option(
        "--speed", min=0.001, help="Times the events' own speed; without it as fast as the broker takes them."
    ),
]


def text_of(path: Path | None) -> str | None:
    """Give a path as settings want it; None when it was not given."""
    return None if path is None else str(path)
