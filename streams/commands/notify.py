"""`squall notify`."""

import asyncio
import logging
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.text import Text

from detectors.errors import ConfigError
from streams.commands.options import BrokerOption, ConfigOption, text_of
from streams.commands.shown import show_table
from streams.notify.database import open_database
from streams.notify.dead_letters import dead_letters, redeliver
from streams.notify.endpoint import Endpoint, endpoints_of
from streams.notify.wording import headline
from streams.settings import Settings
from streams.times import clock_text, now_us

_FAILED = 1
_DEAD_COLUMNS = ("given up", "sink", "word", "what", "attempts", "why", "message")


def notify(
    sink: Annotated[
        str | None, typer.Argument(metavar="SINK", help="One sink, for --test, --dead, --redeliver.")
    ] = None,
    test: Annotated[
        bool, typer.Option("--test", help="Send a sample to each sink (or SINK), and say what came of it.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Check the settings and secrets of all sinks; send nothing.")
    ] = False,
    dead: Annotated[bool, typer.Option("--dead", help="List what could not be delivered.")] = False,
    again: Annotated[bool, typer.Option("--redeliver", help="Queue what could not be delivered again.")] = False,
    web_port: Annotated[
        int | None, typer.Option("--web-port", min=0, max=65_535, help="Where /metrics, /livez and /readyz are served.")
    ] = None,
    broker: BrokerOption = None,
    config: ConfigOption = None,
) -> None:
    """Deliver alerts to webhooks, PagerDuty, Slack and Alertmanager until asked to stop (SIGTERM or Ctrl-C)."""
    if test + check + dead + again > 1:
        raise ConfigError("expected one of --test, --check, --dead and --redeliver, found several")
    group = None if web_port is None else {"web_port": web_port}
    settings = Settings(broker=broker, notify=group, config=text_of(config))
    if sink is not None:
        _check_name(settings, sink, needed=test or dead or again)
    if test or check:
        endpoints = [one for name, one in endpoints_of(settings).items() if sink in (None, name)]
        raise typer.Exit(_try(settings, endpoints) if test else _check(endpoints))
    if dead:
        _show_dead(settings, sink)
    elif again:
        _redeliver(settings, sink)
    else:
        from streams.notify.notifier import run_notifier  # noqa: PLC0415 - it loads slowly

        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
        raise typer.Exit(run_notifier(settings))


def _check_name(settings: Settings, sink: str, *, needed: bool) -> None:
    if not needed:
        raise ConfigError(f"SINK: expected with --test, --dead or --redeliver, found {sink!r} without")
    known = settings.notify.sinks
    if sink not in known:
        raise ConfigError(f"SINK: expected one of {', '.join(known) or 'none: no sink is set'}, found {sink!r}")


def _check(endpoints: list[Endpoint]) -> int:
    for one in endpoints:
        parts = urlsplit(one.sink.address)
        to = f"{parts.scheme}://{parts.netloc}" if one.sink.address else "the address in its secret"
        typer.echo(f"OK    {one.name}: {one.sink.kind} to {to}, from {one.sink.min_severity} on")
    if not endpoints:
        typer.echo("FAIL  no sink is set: make a table [notify.sinks.NAME]")
    return 0 if endpoints else _FAILED


def _try(settings: Settings, endpoints: list[Endpoint]) -> int:
    from streams.notify.trial import try_sinks  # noqa: PLC0415 - as above

    if not endpoints:
        return _check(endpoints)
    trials = asyncio.run(try_sinks(endpoints, proxy=settings.notify.proxy, ca_file=settings.notify.ca_file))
    for trial in trials:
        typer.echo(f"{'OK  ' if trial.ok else 'FAIL'}  {trial.sink}: {trial.found}")
        if trial.mend:
            typer.echo(f"      {trial.mend}")
    return 0 if all(trial.ok for trial in trials) else _FAILED


def _show_dead(settings: Settings, sink: str | None) -> None:
    db = open_database(settings.notify.state_dir)
    try:
        letters = dead_letters(db, sink)
    finally:
        db.close()
    rows: list[tuple[str | Text, ...]] = [
        (
            clock_text(letter.dead_us),
            letter.sink,
            letter.message.word,
            headline(letter.message),
            str(letter.attempts),
            letter.why,
            letter.message.message_id,
        )
        for letter in letters
    ]
    show_table(_DEAD_COLUMNS, rows, empty="nothing was given up")


def _redeliver(settings: Settings, sink: str | None) -> None:
    db = open_database(settings.notify.state_dir)
    try:
        # What was given up for a sink that is no more is kept, in case it comes back.
        counts = [redeliver(db, now_us(), name) for name in settings.notify.sinks if sink in (None, name)]
    finally:
        db.close()
    queued, outdated = (sum(many) for many in zip(*counts, strict=True)) if counts else (0, 0)
    told = f"; {outdated} let go: their receivers have heard meanwhile that it is over" if outdated else ""
    typer.echo(f"queued again: {queued}{told}")
