"""`squall limits`."""

from typing import Annotated

import typer
import uvloop

from detectors.decisions import RateLimit
from streams.commands.options import BrokerOption, ConfigOption, JsonOption, text_of
from streams.commands.shown import print_json, show_table, tell_unreadable, until_text
from streams.settings import Settings
from streams.times import now_us
from streams.topic_reading import decoder_of, read_values
from streams.topics import RATE_LIMITS

_COLUMNS = ("account", "limit", "of baseline", "orders/s", "burst", "until", "mode", "why", "order")


def limits(
    account: Annotated[
        str | None, typer.Argument(metavar="ACCOUNT", help="Only of this account.", show_default="all")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also limits that are lifted or over.")] = False,
    as_json: JsonOption = False,
    broker: BrokerOption = None,
    config: ConfigOption = None,
) -> None:
    """Show the limits in force now, the tightest first: how much, until when, and why.

    Whoever is not listed has the static baseline.
    """
    settings = Settings(broker=broker, config=text_of(config))
    found, unreadable = uvloop.run(_read(settings))
    tell_unreadable(RATE_LIMITS, unreadable)
    now = now_us()
    shown = [
        limit
        for limit in sorted(found.values(), key=lambda limit: (limit.multiplier, limit.account))
        if account in (None, limit.account) and (everything or _is_in_force(limit, now))
    ]
    if as_json:
        print_json(shown)
        return
    others = "" if everything or not found else "; --all shows those lifted or over"
    of_account = "" if account is None else f" for {account}"
    rows = [
        (
            limit.account,
            limit.action,
            f"{limit.multiplier:.3g}",
            f"{limit.orders_per_second:g}",
            f"{limit.burst:g}",
            until_text(limit.expires_at, now),
            limit.mode,
            limit.reason,
            limit.override_id,
        )
        for limit in shown
    ]
    show_table(_COLUMNS, rows, empty=f"no limit in force{of_account}: the static baseline holds{others}")


def _is_in_force(limit: RateLimit, now: int) -> bool:
    return limit.action != "none" and limit.expires_at > now


async def _read(settings: Settings) -> tuple[dict[str, RateLimit], int]:
    """Each account's limit of the highest version: of writers that follow each other the older may come last."""
    found: dict[str, RateLimit] = {}

    def take(key: bytes, limit: RateLimit | None) -> None:
        if limit is None:
            found.pop(key.decode(errors="replace"), None)
        elif limit.account not in found or limit.version >= found[limit.account].version:
            found[limit.account] = limit

    unreadable = await read_values(settings, RATE_LIMITS, decoder_of(RateLimit, RATE_LIMITS), take)
    return found, unreadable
