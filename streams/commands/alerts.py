"""`squall alerts`, and `squall alerts judge`."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import typer
import uvloop
from rich.console import Console
from rich.text import Text

from detectors.errors import SquallError
from detectors.ranking import in_order
from detectors.results import Alert, LearnedRank
from streams.codecs import decode_alert
from streams.commands.author import AuthorOption, login_name
from streams.commands.options import BrokerOption, ConfigOption, JsonOption, text_of
from streams.commands.shown import print_json, show_table, tell_unreadable
from streams.console.actions import send_feedback, verdict_on
from streams.settings import Settings
from streams.summary import SEVERITY_STYLE, printable
from streams.times import clock_text, now_us
from streams.topic_reading import read_values
from streams.topics import ALERTS

_COLUMNS = ("severity", "score", "verdicts", "status", "last seen", "what", "accounts", "alert")
_MOST_ACCOUNTS = 3
_MOST_NEAR = 5

alerts = typer.Typer(
    invoke_without_command=True,
    help="Show the alerts that are open now, the worst first. `squall explain ALERT` tells what led to one.",
    epilog="Example: squall alerts --broker localhost:9092; squall alerts judge 3f9a --verdict noise",
)


@alerts.callback()
def show(
    ctx: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Also resolved ones.")] = False,
    as_json: JsonOption = False,
    broker: BrokerOption = None,
    config: ConfigOption = None,
) -> None:
    """Show the alerts."""
    if ctx.invoked_subcommand is not None:
        ctx.obj = broker, config
        return
    found, unreadable = uvloop.run(_read(Settings(broker=broker, config=text_of(config))))
    tell_unreadable(ALERTS, unreadable)
    shown = in_order(alert for alert in found.values() if alert.status != "resolved")
    if everything:
        shown += in_order(alert for alert in found.values() if alert.status == "resolved")
    if as_json:
        print_json(shown)
        return
    others = "" if everything or not found else "; --all shows resolved ones"
    rows = [
        (
            Text(alert.severity, style=SEVERITY_STYLE[alert.severity]),
            f"{alert.score:.1f}",
            f"x {alert.ranker.factor:.2f}" if isinstance(alert.ranker, LearnedRank) else "",
            alert.status,
            clock_text(alert.timestamp),
            alert.title,
            _names(alert.accounts),
            alert.alert_id,
        )
        for alert in shown
    ]
    show_table(_COLUMNS, rows, empty=f"no alert is open{others}")


@alerts.command(epilog='Example: squall alerts judge 3f9a --verdict false --note "their market maker, known"')
def judge(
    ctx: typer.Context,
    asked: Annotated[str, typer.Argument(metavar="ALERT_ID", help="The beginning of an alert's id is enough.")],
    verdict: Annotated[
        Literal["true", "false", "noise"], typer.Option("--verdict", help="`noise`: it was true, but of no use.")
    ],
    note: Annotated[str, typer.Option("--note", help="Why, for others to read.")] = "",
    author: AuthorOption = None,
    as_json: JsonOption = False,
    broker: BrokerOption = None,
    config: ConfigOption = None,
) -> None:
    """Say whether an alert was true: verdicts train the order of alerts within their severity.

    A new verdict takes the place of the one before; who judges an alert has acknowledged it.
    """
    before: tuple[str | None, Path | None] = ctx.obj
    settings = Settings(broker=broker or before[0], config=text_of(config or before[1]))
    found, unreadable = uvloop.run(_read(settings))
    tell_unreadable(ALERTS, unreadable)
    alert = found[_the_one(asked, found)]
    feedback = verdict_on(alert.alert_id, author or login_name(), verdict, note, now_us())
    uvloop.run(send_feedback(feedback, settings))
    if as_json:
        print_json(feedback)
        return
    facts = [("judged", f"{verdict}: {alert.title}"), ("by", feedback.author), ("alert", alert.alert_id)]
    for name, fact in facts:
        Console().print(Text(f"{name:<8}", style="dim") + printable(fact), soft_wrap=True, highlight=False)


def _the_one(asked: str, alert_ids: Iterable[str]) -> str:
    fitting = sorted(alert_id for alert_id in alert_ids if alert_id.startswith(asked))
    if asked in fitting or len(fitting) == 1:
        return asked if asked in fitting else fitting[0]
    first = f": {', '.join(map(repr, fitting[:_MOST_NEAR]))}" if fitting else ""
    raise SquallError(
        f"expected the beginning of one alert's id, found {len(fitting)} alerts that begin with {asked!r}{first}"
    )


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
