"""What a mapping makes of records, for whoever writes one."""

from collections.abc import Iterable
from pathlib import Path

import typer

from detectors.errors import ConfigError
from streams.adapters.mapped import MappedRows
from streams.adapters.rows import Row, RowFault, TextFile
from streams.mapping.field_mapping import FieldMapping


def show_records(paths: Iterable[Path], mapping: FieldMapping) -> int:
    """Print a line for each record, and give the exit status: 1 if any was refused.

    Raises
    ------
    ConfigError
        There is no mapping.
    """
    if not mapping.streams:
        raise ConfigError("--try: expected a mapping of fields (--mapping FILE, or mapping.file), found none")
    rows = MappedRows(mapping)
    refused = False
    for path in paths:
        for number, raw in TextFile(path).lines():
            try:
                lines = rows.take(Row(number, [], raw))
            except RowFault as fault:
                refused = True
                typer.echo(f"{path.name}:{number}: refused: {fault}")
            else:
                for line in lines:
                    typer.echo(f"{path.name}:{number}: {line.topic}: {line.raw.decode()}")
    return int(refused)
