"""Warnings of cascades: their aims, their table on the terminal, and their picture."""

from collections.abc import Iterator
from typing import Any

from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from tests.benchmarks.detection.aims import Aim
from tests.benchmarks.detection.cascade_judge import LEAST_PRECISION
from tests.benchmarks.detection.cascade_runs import SCORERS, SQUALL
from tests.benchmarks.detection.figures import svg
from tests.benchmarks.detection.page import number, share

_FLOW = "cascades"
_ONSET_S = 10.0


def cascade_aims(found: dict[str, Any]) -> Iterator[Aim]:
    """What warnings should reach, and do."""
    ours = found["scorers"][SQUALL]
    warned = ours["warnings"]
    early, precision = warned["early_of_all"], warned["precision"]
    what = f"a warning 15 minutes before half of the cascades, at a precision of at least {LEAST_PRECISION:g}"
    is_known = early is not None and precision is not None
    shown = f"{share(early)} at a precision of {share(precision)}"
    yield Aim(_FLOW, what, shown, early >= 0.5 and precision >= LEAST_PRECISION if is_known else None)
    onset = found["onset"]
    if onset["cascades_with_feedback"]:
        missed = f"{onset['unnoticed']} of {onset['cascades_with_feedback']} without an alert"
        shown = f"90 % within {number(onset['p90_s'])} s, {missed}"
        is_met = onset["unnoticed"] == 0 and onset["p90_s"] <= _ONSET_S
        yield Aim(_FLOW, "an alert within ten seconds of the first liquidation that feeds on others", shown, is_met)
    for row in ours["probabilities"]:
        what = f"Brier score within {row['horizon_s'] // 60} minutes below the base rate's"
        shown = f"{number(row['brier'])} against {number(row['base_brier'])}"
        is_met = row["brier"] < row["base_brier"] if row["forecasts"] else None
        yield Aim(_FLOW, what, shown, is_met)


def show_cascades(found: dict[str, Any]) -> None:
    """Print how warnings and probabilities of each scorer did."""
    attempts, onset = found["attempts"], found["onset"]
    table = Table(
        title=f"cascades: {found['cascades']} in {found['hours']:.0f} h of {attempts['build_ups']} build-ups, of which "
        f"{attempts['fizzled']} fizzled"
    )
    for name in (
        "scorer", "thresholds", "precision", "coverage", "lead median s", "lead p90 s", ">= 15 min of all",
        "skill 15 min", "skill 30 min",
    ):  # fmt: skip
        table.add_column(name)
    for scorer in SCORERS:
        one = found["scorers"][scorer]
        its = one["warnings"]
        table.add_row(
            scorer,
            " / ".join(f"{at:.2f}" for at in one["thresholds"])
            + ("" if one["precise_where_chosen"] else " (not precise where chosen)"),
            *(share(its[name]) for name in ("precision", "coverage")),
            *(number(its[name]) for name in ("lead_median_s", "lead_p90_s")),
            share(its["early_of_all"]),
            *(share(row["skill"]) for row in one["probabilities"]),
        )
    console = Console(width=160)
    console.print(table)
    console.print(
        f"onset: {onset['cascades_with_feedback']} with feedback, alert after {number(onset['median_s'])} s (median), "
        f"{number(onset['p90_s'])} s (p90), {onset['unnoticed']} unnoticed",
        highlight=False,
    )


def reliability(found: dict[str, Any]) -> str:
    """How often a cascade began against what was said, a picture a horizon, a line a scorer."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots(1, 2)
    for place, axis in enumerate(axes):
        axis.plot([0, 1], [0, 1], color="#9e9e9e", lw=0.8)
        for scorer, colour in zip(SCORERS, ("#c62828", "#1976d2", "#2e7d32"), strict=True):
            rows = found["scorers"][scorer]["probabilities"][place]["reliability"]
            width = 2.2 if scorer == SQUALL else 1.0
            said, happened = [row["mean"] for row in rows], [row["happened"] for row in rows]
            axis.plot(said, happened, "o-", ms=3, lw=width, color=colour, label=scorer)
        minutes = found["scorers"][SQUALL]["probabilities"][place]["horizon_s"] // 60
        axis.set_title(f"within {minutes} minutes", fontsize=9)
        axis.set_xlabel("probability")
        axis.grid(alpha=0.25)
    axes[0].set_ylabel("share after which a cascade began")
    axes[0].legend(fontsize=8)
    return svg(figure)
