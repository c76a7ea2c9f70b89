"""The board's panels of what was decided: rate limits in force, and guardrails that are tripped."""

from collections.abc import Sequence
from decimal import Decimal

from rich.console import RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from detectors.decisions import Level, RateLimit, Trip
from streams.demo.plan import clock
from streams.summary import printable

MOST_LIMITS = 4
MOST_TRIPS = 3
_LEVEL_STYLE: dict[Level, str] = {"hard": "bold red", "soft": "yellow"}


def limits_panel(limits: Sequence[RateLimit], start_us: int) -> RenderableType:
    """Draw the limits in force, given the tightest first; times are counted from `start_us`."""
    table = _table()
    table.add_column("account", width=13, no_wrap=True, overflow="ellipsis")
    table.add_column("of base", justify="right", width=7)
    table.add_column("orders/s", justify="right", width=8)
    table.add_column("indicator", width=19)
    table.add_column("why", ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column("until", justify="right", width=6)
    table.add_column("mode", width=7)
    for limit in limits[:MOST_LIMITS]:
        table.add_row(
            printable(limit.account),
            f"x{limit.multiplier:.3g}",
            f"{limit.orders_per_second:.4g}",
            limit.indicator,
            printable(limit.reason),
            clock((limit.expires_at - start_us) / 1e6),
            limit.mode,
        )
    _fill(table, MOST_LIMITS - len(limits))
    style = "yellow" if limits else "green"
    return _panel(table, "rate limits in force, the tightest first", len(limits), MOST_LIMITS, style)


def guardrails_panel(trips: Sequence[Trip]) -> RenderableType:
    """Draw the guardrails that are tripped, given the worst first."""
    table = _table()
    table.add_column("rule", width=19)
    table.add_column("entity", ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column("level", width=5)
    table.add_column("value", justify="right", width=18)
    table.add_column("limit", justify="right", width=18)
    table.add_column("unit", width=6)
    for trip in trips[:MOST_TRIPS]:
        level = Text(trip.level, style=_LEVEL_STYLE[trip.level])
        entity = printable(trip.entity)
        table.add_row(trip.rule, entity, level, number_text(trip.value), number_text(trip.limit), trip.unit)
    _fill(table, MOST_TRIPS - len(trips))
    style = _LEVEL_STYLE[trips[0].level] if trips else "green"
    return _panel(table, "guardrails tripped", len(trips), MOST_TRIPS, style)


def number_text(number: Decimal) -> str:
    """Write an exact number for people: four decimals at most.

    Examples
    --------
    >>> number_text(Decimal("1250000.00")), number_text(Decimal("0.07134999")), number_text(Decimal("125"))
    ('1,250,000', '0.0713', '125')
    """
    whole, point, decimals = f"{number:,.4f}".partition(".")
    return f"{whole}{point}{decimals}".rstrip("0").rstrip(".")


def _table() -> Table:
    return Table(box=None, expand=True, padding=(0, 1), header_style="dim")


def _fill(table: Table, rows: int) -> None:
    """Keep the height, so that the board does not jump."""
    for _ in range(rows):
        table.add_row("")


def _panel(table: Table, what: str, count: int, most: int, style: str) -> Panel:
    hidden = f", {count - most} more below" if count > most else ""
    return Panel(table, title=f"{what}: {count}{hidden}", title_align="left", border_style=style)
