"""`squall alerts`."""

from typing import Annotated

import typer
import uvloop
from rich.text import Text

from detectors.results import Alert
from streams.codecs import decode_alert
from streams.commands.options import BrokerOption, ConfigOption, JsonOption, text_of
from streams.commands.shown import print_json, show_table, tell_unreadable
from streams.settings import Settings
from streams.summary import SEVERITY_STYLE
from streams.times import clock_text
from streams.topic_reading import read_values
from streams.topics import ALERTS

_COLUMNS = ("severity", "score", "status", "last seen", "what", "accounts", "alert")
_MOST_ACCOUNTS = 3


def alerts(
    everything: Annotated[bool, typer.Option("--all", help="Also resolved ones.")] = False,
    as_json: JsonOption = False,
    broker: BrokerOption = None,
    config: ConfigOption = None,
) -> None:
    """Show the alerts that are open now, the worst first. `squall explain ALERT` tells what led to one."""
    settings = Settings(broker=broker, config=text_of(config))
    found, unreadable = uvloop.run(_read(settings))
    tell_unreadable(ALERTS, unreadable)
    shown = [
        alert
        for alert in sorted(found.values(), key=lambda one: (one.status == "resolved", -one.score, one.alert_id))
        if everything or alert.status != "resolved"
    ]
    if as_json:
        print_json(shown)
        return
    others = "" if everything or not found else "; --all shows resolved ones"
    rows = [
        (
            Text(alert.severity, style=SEVERITY_STYLE[alert.severity]),
            f"{alert.score:.1f}",
            alert.status,
            clock_text(alert.timestamp),
            alert.title,
            _names(alert.accounts),
            alert.alert_id,
        )
        for alert in shown
    ]
    show_table(_COLUMNS, rows, empty=f"no alert is open{others}")


def _names(accounts: tuple[str, ...]) -> str:
    more = len(accounts) - _MOST_ACCOUNTS
    return ", ".join(accounts[:_MOST_ACCOUNTS]) + (f" and {more} more" if more > 0 else "")


async def _read(settings: Settings) -> tuple[dict[str, Alert], int]:
    """Each alert's latest revision."""
    found: dict[str, Alert] = {}

    def take(key: bytes, alert: Alert | None) -> None:
        if alert is None:
            found.pop(key.decode(errors="replace"), None)
        elif alert.alert_id not in found or alert.revision >= found[alert.alert_id].revision:
            found[alert.alert_id] = alert

    unreadable = await read_values(settings, ALERTS, decode_alert, take)
    return found, unreadable
