"""`squall import`."""

import sys
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console
from rich.table import Table

from detectors.errors import ConfigError
from streams.adapters.importing import Import
from streams.adapters.kinds import KINDS
from streams.adapters.opening import sources_of
from streams.adapters.rejects import Rejects
from streams.adapters.source import Source, Wishes
from streams.adapters.writing import write_file, write_lines
from streams.commands.options import BrokerOption, ConfigOption, PartitionsOption, SpeedOption, text_of
from streams.commands.produce import produced_table
from streams.commands.progress import reading
from streams.commands.shown_mapping import show_records
from streams.mapping.mapping_file import read_mapping
from streams.produce import produce
from streams.settings import Settings
from streams.times import clock_text, span_text

_USUAL = Wishes()


def import_files(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            exists=True,
            dir_okay=False,
            readable=True,
            help="CSV, .csv.gz or .zip, as downloaded; NDJSON.",
        ),
    ],
    kind: Annotated[
        str | None, typer.Option("--kind", help=f"What the files are, if their names do not tell: {', '.join(KINDS)}.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="NDJSON to write, gzipped if it ends in .gz.")
    ] = None,
    symbol: Annotated[str, typer.Option("--symbol", help="Takes the place of the symbol in the files.")] = "",
    account: Annotated[
        str, typer.Option("--account", help="Stands for everybody where a format does not say whose an order is.")
    ] = _USUAL.account,
    book_every_ms: Annotated[
        int, typer.Option("--book-every", metavar="MS", min=1, help="LOBSTER: one book in so many milliseconds.")
    ] = _USUAL.book_every_us // 1_000,
    reorder_s: Annotated[
        float, typer.Option("--reorder", metavar="SECONDS", min=0.0, help="How far time may go back within a file.")
    ] = 5.0,
    skip_bad: Annotated[
        int, typer.Option("--skip-bad", metavar="N", min=0, help="Put up to N bad rows aside, instead of none.")
    ] = 0,
    rejects: Annotated[
        Path, typer.Option("--rejects", metavar="FILE", help="Where bad rows are put, with what is wrong with them.")
    ] = Path("rejects.ndjson"),
    mapping: Annotated[
        Path | None, typer.Option("--mapping", metavar="FILE", help="Reads NDJSON of other records; also mapping.file.")
    ] = None,
    try_out: Annotated[
        bool, typer.Option("--try", help="Only show what each record becomes by the mapping, or why it is refused.")
    ] = False,
    kafka: Annotated[bool, typer.Option("--kafka", help="Send to Kafka instead; --broker alone does, too.")] = False,
    broker: BrokerOption = None,
    speed: SpeedOption = None,
    partitions: PartitionsOption = None,
    config: ConfigOption = None,
) -> None:
    """Turn recordings of Tardis, Binance, LOBSTER or your own into events: a file for replay, stdout, or into Kafka.

    Events come in order of time, merged from all files; numbers keep their digits. A bad row ends it, with its place.
    """
    to_kafka = kafka or broker is not None
    if to_kafka and out is not None:
        raise ConfigError("--out: expected either a file or Kafka, found both")
    if speed is not None and not to_kafka:
        raise ConfigError("--speed: expected --kafka, found a file to write")
    chosen = None if mapping is None else {"file": str(mapping)}
    settings = Settings(broker=broker, partitions=partitions, config=text_of(config), mapping=chosen)
    read_by = read_mapping(settings.mapping.file)
    if try_out:
        raise typer.Exit(show_records(files, read_by))
    if to_kafka and read_by.streams:
        raise ConfigError("--mapping: expected no --kafka, found both: `squall produce` sends records as they are")
    sources = sources_of(files, kind, Wishes(symbol, account, book_every_ms * 1_000, read_by))
    console = Console(stderr=not to_kafka and out is None)
    for source in sources:
        about = f"{source.rows.path}: {source.kind} ({KINDS[source.kind].gives})"
        console.print(about, style="dim", highlight=False, soft_wrap=True, markup=False)
    with Rejects(skip_bad, rejects) as put_aside:
        imported = Import(sources, put_aside, int(reorder_s * 1e6))
        with reading(imported, "import") as on_line:
            if to_kafka:
                produced = uvloop.run(produce(settings, imported, speed=speed, on_line=on_line))
                console.print(produced_table(produced))
            elif out is not None:
                write_file(imported, out, on_line)
            else:
                write_lines(imported, sys.stdout.buffer, on_line)
                sys.stdout.flush()
    console.print(_summary(imported, sources, put_aside))


def _summary(imported: Import, sources: list[Source], rejects: Rejects) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_row("files", f"{len(sources):,}")
    table.add_row("rows", f"{imported.rows:,}")
    events = ", ".join(f"{topic} {many:,}" for topic, many in sorted(imported.events.items()))
    table.add_row("events", f"{imported.events.total():,}", events)
    for what, many in sorted(imported.passed_over.items()):
        table.add_row("passed over", f"{many:,}", what)
    if rejects.count:
        table.add_row("rejected", f"{rejects.count:,}", f"see {rejects.path}", style="yellow")
    else:
        table.add_row("rejected", "0")
    if imported.first_us is not None and imported.last_us is not None:
        between = f"{clock_text(imported.first_us)} .. {clock_text(imported.last_us)}"
        table.add_row("time span", span_text(imported.last_us - imported.first_us), between)
    return table
