"""`squall override`: orders to the controller, by name, with a reason and an end."""

import shlex
from typing import Annotated, Literal

import typer
import uvloop
from rich.console import Console
from rich.text import Text

from detectors.decisions import LimitAction, OrderAction, Override
from detectors.errors import ConfigError
from detectors.orders import ACCOUNT_SCOPE, CONTROLLER, PATTERN_SCOPE
from streams.commands.author import AuthorOption, login_name
from streams.commands.options import BrokerOption, ConfigOption, JsonOption, text_of
from streams.commands.shown import print_json, show_table, tell_unreadable, until_text
from streams.order_making import make_order
from streams.order_sending import orders_given, send_order
from streams.settings import Settings
from streams.story_text import order_text
from streams.summary import printable
from streams.times import clock_text, now_us
from streams.topics import OVERRIDES

_COLUMNS = ("order", "until", "by", "why", "given", "id")

ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it stands in every decision that follows from it.")]
ForOption = Annotated[
    str, typer.Option("--for", metavar="TIME", help="How long it holds: 90s, 10m, 1h30m, 2d; at most 30 days.")
]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask whether it is meant.")]
AccountArgument = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account.")]

override = typer.Typer(
    no_args_is_help=True,
    help="Order the controller of limits what to do, for a while: all workers follow within two seconds.",
    epilog='Example: squall override pin acct-7 --multiplier 0.2 --for 10m --reason "quote stuffing, ticket 4711"',
)


@override.command(epilog='Example: squall override pin acct-7 --multiplier 0.2 --for 10m --reason "quote stuffing"')
def pin(
    account: AccountArgument,
    reason: ReasonOption,
    lasting: ForOption,
    multiplier: Annotated[
        float | None, typer.Option("--multiplier", help="Share of the baseline, in (0, 1]; a throttle needs it.")
    ] = None,
    action: Annotated[
        Literal["throttle", "post_only", "reduce_only", "block", "none"],
        typer.Option("--action", help="What is allowed; `none`: everything, whatever the models say."),
    ] = "throttle",
    author: AuthorOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
    broker: BrokerOption = None,
    config: ConfigOption = None,
) -> None:
    """Hold an account at a limit. Cancels and reduce-only orders stay free, whatever is ordered."""
    if multiplier is None and action == "throttle":
        raise ConfigError("--multiplier: expected a share of the baseline for a throttle, found nothing")
    if action == "block":
        _ask(f"Block every new order of {account}?", yes)
    order = _order(
        f"{ACCOUNT_SCOPE}{account}", "pin", reason, lasting, author, action, 1.0 if multiplier is None else multiplier
    )
    _give(order, Settings(broker=broker, config=text_of(config)), as_json)


@override.command(epilog='Example: squall override release acct-7 --for 1h --reason "market maker, agreed by phone"')
def release(
    account: AccountArgument,
    reason: ReasonOption,
    lasting: ForOption,
    author: AuthorOption = None,
    as_json: JsonOption = False,
    broker: BrokerOption = None,
    config: ConfigOption = None,
) -> None:
    """End an account's limit, pinned or not, and make no new one for that time."""
    order = _order(f"{ACCOUNT_SCOPE}{account}", "release", reason, lasting, author)
    _give(order, Settings(broker=broker, config=text_of(config)), as_json)


@override.command(epilog='Example: squall override freeze --for 15m --reason "maintenance of the gateway"')
def freeze(
    reason: ReasonOption,
    lasting: ForOption,
    author: AuthorOption = None,
    as_json: JsonOption = False,
    broker: BrokerOption = None,
    config: ConfigOption = None,
) -> None:
    """Keep all limits as they are: the controller neither tightens nor eases."""
    order = _order(CONTROLLER, "freeze", reason, lasting, author)
    _give(order, Settings(broker=broker, config=text_of(config)), as_json)


@override.command(epilog='Example: squall override resume --for 1m --reason "maintenance is over"')
def resume(
    reason: ReasonOption,
    lasting: ForOption,
    author: AuthorOption = None,
    as_json: JsonOption = False,
    broker: BrokerOption = None,
    config: ConfigOption = None,
) -> None:
    """End a freeze, or a kill."""
    order = _order(CONTROLLER, "resume", reason, lasting, author)
    _give(order, Settings(broker=broker, config=text_of(config)), as_json)


@override.command(epilog='Example: squall override silence thin_book --for 8h --reason "holiday, books are thin"')
def silence(
    pattern: Annotated[str, typer.Argument(metavar="PATTERN", help="A pattern of alerts, as thin_book.")],
    reason: ReasonOption,
    lasting: ForOption,
    author: AuthorOption = None,
    as_json: JsonOption = False,
    broker: BrokerOption = None,
    config: ConfigOption = None,
) -> None:
    """Let a pattern count for nothing in limits."""
    order = _order(f"{PATTERN_SCOPE}{pattern}", "silence", reason, lasting, author)
    _give(order, Settings(broker=broker, config=text_of(config)), as_json)


@override.command(epilog='Example: squall override kill --for 1h --reason "the models are wrong" --yes')
def kill(
    reason: ReasonOption,
    lasting: ForOption,
    author: AuthorOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
    broker: BrokerOption = None,
    config: ConfigOption = None,
) -> None:
    """Kill switch: end every limit that no operator ordered, and make no new one. Guardrails go on."""
    _ask("End every limit that no operator ordered, for all accounts?", yes)
    order = _order(CONTROLLER, "kill", reason, lasting, author)
    _give(order, Settings(broker=broker, config=text_of(config)), as_json)


@override.command("list", epilog="Example: squall override list --json")
def list_orders(
    everything: Annotated[bool, typer.Option("--all", help="Also orders that are over.")] = False,
    as_json: JsonOption = False,
    broker: BrokerOption = None,
    config: ConfigOption = None,
) -> None:
    """Show the orders in force."""
    found, unreadable = uvloop.run(orders_given(Settings(broker=broker, config=text_of(config))))
    tell_unreadable(OVERRIDES, unreadable)
    now = now_us()
    shown = [
        order for _, order in sorted(found.items(), key=lambda one: one[0]) if everything or order.expires_at > now
    ]
    if as_json:
        print_json(shown)
        return
    rows = [
        (
            order_text(order),
            until_text(order.expires_at, now),
            order.author,
            order.reason,
            clock_text(order.timestamp),
            order.override_id,
        )
        for order in shown
    ]
    show_table(_COLUMNS, rows, empty="no order is in force")


def _ask(question: str, yes: bool) -> None:
    if not yes:
        typer.confirm(printable(question).plain, abort=True, err=True)


def _order(
    scope: str,
    action: OrderAction,
    reason: str,
    lasting: str,
    author: str | None,
    limit: LimitAction = "throttle",
    multiplier: float = 1.0,
) -> Override:
    return make_order(
        scope,
        action,
        reason=reason,
        lasting=lasting,
        author=author or login_name(),
        now_us=now_us(),
        limit=limit,
        multiplier=multiplier,
    )


def _give(order: Override, settings: Settings, as_json: bool) -> None:
    replaced = uvloop.run(send_order(order, settings))
    if as_json:
        print_json({"ordered": order, "replaced": replaced})
        return
    facts = [
        ("ordered", order_text(order)),
        ("until", clock_text(order.expires_at)),
        ("by", f"{order.author}: {order.reason}"),
    ]
    if replaced is not None:
        said = f"{order_text(replaced)} by {replaced.author} until {clock_text(replaced.expires_at)}: {replaced.reason}"
        facts.append(("in place of", said))
    console = Console()
    for name, fact in [*facts, ("take it back", _undoing(order))]:
        console.print(Text(f"{name:<13}", style="dim") + printable(fact), soft_wrap=True, highlight=False)


def _undoing(order: Override) -> str:
    """The command that ends an order before its time."""
    name = shlex.quote(order.scope.partition(":")[2])
    undoing = {
        "pin": f"release {name} --for 1s",
        "release": f"release {name} --for 1s",
        "silence": f"silence {name} --for 1s",
        "freeze": "resume --for 1s",
        "kill": "resume --for 1s",
        "resume": "freeze --for TIME",
    }
    return f"squall override {undoing[order.action]} --reason WHY"
