"""What a dashboard is made of, in plain words; `render.py` makes Grafana's JSON of it.

Queries are written short: `{W` begins a selector on the chosen workers, `{S` one on the chosen symbols as well, `{N`
and `{C` one on notifier and console, and `[R]` is the interval that Grafana thinks right for a rate.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["stat", "timeseries", "table", "state-timeline", "heatmap"]
#: Of values from where on a colour holds; the first has no lower end.
Steps = tuple[tuple[float | None, str], ...]

GOOD_IF_ZERO: Steps = ((None, "green"), (1, "orange"))
BAD_IF_ANY: Steps = ((None, "green"), (1, "red"))
PLAIN: Steps = ((None, "blue"),)
UP: Steps = ((None, "red"), (1, "green"))

_WORKERS = 'job=~"$job",instance=~"$instance"'
_SHORT = (
    ("{W", "{" + _WORKERS),
    ("{S", "{" + _WORKERS + ',symbol=~"$symbol"'),
    ("{N", '{job=~"squall-notify"'),
    ("{C", '{job=~"squall-console"'),
    ("[R]", "[$__rate_interval]"),
)


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL, and the name of each of its series."""

    short: str
    legend: str = ""

    @property
    def expr(self) -> str:
        """The query in full.

        Examples
        --------
        >>> Query('rate(squall_signals_total{W,pattern="drift"}[R])').expr
        'rate(squall_signals_total{job=~"$job",instance=~"$instance",pattern="drift"}[$__rate_interval])'
        """
        expr = self.short
        for short, full in _SHORT:
            expr = expr.replace(short, full)
        return expr


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture.

    Parameters
    ----------
    kind, title, description
        What it is, and what it says to whom.
    unit
        Grafana's name of the unit.
    queries
        What it shows.
    width, height
        In Grafana's grid, which is 24 wide.
    steps
        Colours by value.
    runbook
        The section of the runbook that says what to do when it looks bad.
    stacked
        Whether the series of a time series add up to something.
    """

    kind: Kind
    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    width: int = 8
    height: int = 8
    steps: Steps = PLAIN
    runbook: str = ""
    stacked: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A row of a dashboard, with its panels from left to right and line by line."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard.

    Parameters
    ----------
    uid
        Its address, and the name of its file.
    title, description
        Whom it is for, and what it answers.
    sections
        Its rows.
    """

    uid: str
    title: str
    description: str
    sections: tuple[Section, ...]

    @property
    def queries(self) -> tuple[Query, ...]:
        """Everything that it asks for."""
        return tuple(query for section in self.sections for panel in section.panels for query in panel.queries)


def stat(
    title: str, description: str, unit: str, *queries: Query, width: int = 4, steps: Steps = PLAIN, runbook: str = ""
) -> Panel:
    """A number, or a few."""
    return Panel("stat", title, description, unit, queries, width, 4, steps, runbook)


def series(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    width: int = 8,
    stacked: bool = False,
    runbook: str = "",
) -> Panel:
    """Lines over time."""
    return Panel("timeseries", title, description, unit, queries, width, 8, PLAIN, runbook, stacked)


def states(title: str, description: str, query: Query, steps: Steps, width: int = 24, runbook: str = "") -> Panel:
    """Bars of colour over time, one a series."""
    return Panel("state-timeline", title, description, "short", (query,), width, 9, steps, runbook)


def heatmap(title: str, description: str, unit: str, query: Query, width: int = 12, runbook: str = "") -> Panel:
    """How a distribution changes."""
    return Panel("heatmap", title, description, unit, (query,), width, 8, PLAIN, runbook)


def table(title: str, description: str, unit: str, query: Query, width: int = 12, runbook: str = "") -> Panel:
    """What there is now, row by row."""
    return Panel("table", title, description, unit, (query,), width, 9, PLAIN, runbook)


def quantiles(metric: str, by: str = "") -> tuple[Query, ...]:
    """The median, the 95th and the 99th percentile of a histogram, by one label or over all.

    Examples
    --------
    >>> quantiles("squall_step_seconds", by="stage")[0].legend
    'p50 {{stage}}'
    """
    grouped, named = (f"le, {by}", f" {{{{{by}}}}}") if by else ("le", "")
    return tuple(
        Query(f"histogram_quantile({share}, sum by ({grouped}) (rate({metric}_bucket{{W}}[R])))", name + named)
        for share, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
    )
