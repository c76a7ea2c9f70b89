"""`quality.json`, the table on the terminal, and the report: one page that opens offline."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import msgspec
from rich.console import Console
from rich.table import Table

from tests.benchmarks.detection.aims import Aim, mean_recall
from tests.benchmarks.detection.baselines import SCORERS
from tests.benchmarks.detection.clean import BUDGETS


def plain(value: Any) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """The same as JSON can say it: names as text, what is not a number as null, five digits.

    Examples
    --------
    >>> plain({0.2: [math.nan, 1.23456789, True]})
    {'0.2': [None, 1.2346, True]}
    """
    if isinstance(value, dict):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float):
        return float(f"{value:.5g}") if math.isfinite(value) else None
    return value


def write_json(
    path: Path,
    found: dict[str, Any],
    aims: Sequence[Aim],
    about: dict[str, Any],
    cascades: dict[str, Any] | None = None,
) -> None:
    """Write all figures; warnings of cascades, if they were measured, under a name of their own."""
    whole = {"about": about, "aims": [msgspec.to_builtins(aim) for aim in aims], "flows": found, "cascades": cascades}
    path.write_text(json.dumps(plain(whole), indent=1, allow_nan=False) + "\n", encoding="utf-8")


def write_page(
    path: Path,
    found: dict[str, Any],
    aims: Sequence[Aim],
    about: dict[str, Any],
    pictures: dict[str, list[tuple[str, str]]],
    cascades: dict[str, Any] | None = None,
) -> None:
    """Write the report."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=number, share=share)
    page = environment.get_template("quality.html.j2").render(
        found=found,
        aims=aims,
        about=about,
        pictures=pictures,
        cascades=cascades,
        scorers=SCORERS,
        budgets=BUDGETS,
        mean_recall=mean_recall,
    )
    path.write_text(page, encoding="utf-8")


def number(value: float | None) -> str:
    """A figure for people; a dash where there is none."""
    return "–" if value is None or not math.isfinite(value) else f"{value:,.3g}"  # noqa: RUF001 - a dash, not a minus


def share(value: float | None) -> str:
    """A share with two digits."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.2f}"  # noqa: RUF001 - as above


def show(found: dict[str, Any], aims: Sequence[Aim]) -> None:
    """Print the comparison, and the aims."""
    console = Console(width=160)
    for name, flow in found.items():
        table = Table(
            title=f"{name}: recall at intensity 1 and "
            + " / ".join(f"{one:g}" for one in BUDGETS)
            + " false alarms a day"
        )
        table.add_column("family")
        for scorer in SCORERS:
            table.add_column(scorer)
        for family, one in flow["families"].items():
            label = family + (" (never named)" if one["never_named"] else "")
            cells = [" ".join(share(one["scorers"][s]["recall"][budget]) for budget in BUDGETS) for s in SCORERS]
            table.add_row(label, *cells)
        console.print(table)
    for aim in aims:
        verdict = "unknown" if aim.met is None else "met" if aim.met else "missed"
        console.print(f"{verdict:8} {aim.flow}: {aim.what}: {aim.found}", highlight=False)
