"""`squall guardrails`."""

from typing import Annotated

import typer
import uvloop
from rich.text import Text

from detectors.decisions import Trip
from streams.commands.options import BrokerOption, ConfigOption, JsonOption, text_of
from streams.commands.shown import print_json, show_table, tell_unreadable
from streams.settings import Settings
from streams.times import clock_text
from streams.topic_reading import decoder_of, read_values
from streams.topics import GUARDRAILS

_COLUMNS = ("rule", "entity", "state", "value", "limit", "unit", "since", "action", "why")
_STYLES = {"hard": "bold red", "soft": "yellow"}


def guardrails(
    everything: Annotated[bool, typer.Option("--all", help="Also those that have cleared.")] = False,
    as_json: JsonOption = False,
    broker: BrokerOption = None,
    config: ConfigOption = None,
) -> None:
    """Show the guardrails that are tripped now, the hard ones first: value, limit, and what the venue is to do."""
    settings = Settings(broker=broker, config=text_of(config))
    found, unreadable = uvloop.run(_read(settings))
    tell_unreadable(GUARDRAILS, unreadable)
    shown = [
        trip
        for trip in sorted(found.values(), key=lambda trip: (_is_cleared(trip), trip.level, trip.rule, trip.entity))
        if everything or not _is_cleared(trip)
    ]
    if as_json:
        print_json(shown)
        return
    others = "" if everything or not found else "; --all shows those that have cleared"
    rows = [
        (
            trip.rule,
            trip.entity,
            Text("cleared", style="green") if _is_cleared(trip) else Text(trip.level, style=_STYLES[trip.level]),
            f"{trip.value:f}",
            f"{trip.limit:f}",
            trip.unit,
            clock_text(trip.timestamp),
            trip.action,
            trip.reason,
        )
        for trip in shown
    ]
    show_table(_COLUMNS, rows, empty=f"no guardrail is tripped{others}")


def _is_cleared(trip: Trip) -> bool:
    return trip.state == "cleared"


async def _read(settings: Settings) -> tuple[dict[tuple[str, str], Trip], int]:
    """The last word on each rule and entity."""
    found: dict[tuple[str, str], Trip] = {}

    def take(_key: bytes, trip: Trip | None) -> None:
        if trip is not None:
            found[trip.rule, trip.entity] = trip

    unreadable = await read_values(settings, GUARDRAILS, decoder_of(Trip, GUARDRAILS), take)
    return found, unreadable
