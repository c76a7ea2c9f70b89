"""`squall console`."""

import logging
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from streams.commands.options import BrokerOption, ConfigOption, text_of
from streams.settings import Settings


def console(
    broker: BrokerOption = None,
    host: Annotated[str | None, typer.Option("--host", help="The address to listen at.")] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65_535, help="The port to listen at; 0 takes a free one.")
    ] = None,
    worker: Annotated[
        list[str] | None,
        typer.Option("--worker", metavar="URL", help="Where a worker answers probes; again for each worker."),
    ] = None,
    notifier: Annotated[
        list[str] | None,
        typer.Option("--notifier", metavar="URL", help="Where a notifier answers probes; again for each."),
    ] = None,
    venue_clock: Annotated[
        bool, typer.Option("--venue-clock", help="Time is that of the records, not this machine's: for recordings.")
    ] = False,
    token_file: Annotated[
        Path | None, typer.Option("--token-file", metavar="FILE", help="Holds the token to log in with.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Serve the ops page: what is wrong, why, what is done about it, and what can be done.

    Without --token-file (or a proxy that names users: console.user_header) it only shows.
    """
    from streams.console.serving import serve  # noqa: PLC0415 - a web server and templates load slowly

    given = {
        "host": host,
        "port": port,
        "workers": worker or None,
        "notifiers": notifier or None,
        "token_file": text_of(token_file),
        "venue_clock": venue_clock or None,
    }
    group = {name: value for name, value in given.items() if value is not None}
    settings = Settings(broker=broker, console=group or None, config=text_of(config))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    uvloop.run(serve(settings, lambda address: typer.echo(f"console: {address}")))
