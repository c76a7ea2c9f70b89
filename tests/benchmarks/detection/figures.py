"""The report's pictures, as SVG elements that stand in the page itself."""

import io
import math
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.benchmarks.detection.baselines import SCORERS, SQUALL
from tests.benchmarks.detection.branches import Run
from tests.benchmarks.detection.clean import Clean
from tests.benchmarks.detection.families import FAMILIES
from tests.benchmarks.detection.flows import SECOND_US
from tests.benchmarks.detection.metrics import planted_scores
from tests.benchmarks.detection.shipped import new_alerts

_COLOURS = dict(
    zip(SCORERS, ("#c62828", "#1976d2", "#2e7d32", "#ef8e00", "#6a1b9a", "#00838f", "#9e9e9e"), strict=True)
)
_COLUMNS = 4
_TIMELINE_S = 10


def svg(figure: Figure) -> str:
    """A figure as text; the same figure gives the same text."""
    out = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "squall", "svg.fonttype": "none"}):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = out.getvalue()
    return text[text.index("<svg") :]


def _grid(count: int, height: float) -> tuple[Figure, list[Axes]]:
    rows = max(math.ceil(count / _COLUMNS), 1)
    figure = Figure(figsize=(13, height * rows), layout="constrained")
    axes = list(np.ravel(figure.subplots(rows, _COLUMNS)))
    for axis in axes[count:]:
        axis.set_visible(False)
    return figure, axes


def recall_curves(found: dict[str, Any]) -> str:
    """Recall against intensity at one false alarm a symbol-day: a picture a family, a line a scorer."""
    families = found["families"]
    figure, axes = _grid(len(families), 2.6)
    for axis, (name, family) in zip(axes, families.items(), strict=False):
        for scorer in reversed(SCORERS):
            recalls = family["scorers"][scorer]["by_intensity"]
            width = 2.2 if scorer == SQUALL else 1.0
            axis.plot(list(recalls), list(recalls.values()), "o-", ms=3, lw=width, color=_COLOURS[scorer], label=scorer)
        axis.set_xscale("log", base=2)
        axis.set_ylim(-0.05, 1.05)
        axis.set_title(name + (" (never named)" if family["never_named"] else ""), fontsize=9)
        axis.grid(alpha=0.25)
    if families:
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(SCORERS), fontsize=8)
    return svg(figure)


def calibration_curves(found: dict[str, Any]) -> str:
    """Observed over nominal rates of p-values on clean flow, a line a detector; the band is the aim."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axis = figure.subplots()
    axis.axhspan(0.5, 2.0, color="#2e7d32", alpha=0.12, lw=0)
    axis.axhline(1.0, color="#2e7d32", lw=0.8)
    streams = sorted({(row["detector"], row["scope"]) for row in found["calibration"]})
    for detector, scope in streams:
        rows = [row for row in found["calibration"] if (row["detector"], row["scope"]) == (detector, scope)]
        # Nothing where less than one was expected: no ratio can be told from it.
        shown = [(row["nominal"], max(row["ratio"], 0.02)) for row in rows if row["expected"] >= 1.0]
        axis.plot([x for x, _ in shown], [y for _, y in shown], "o-", ms=4, label=f"{detector} ({scope})")
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel("nominal p-value")
    axis.set_ylabel("observed / nominal")
    axis.invert_xaxis()
    axis.grid(alpha=0.25)
    if streams:
        axis.legend(fontsize=8)
    return svg(figure)


def score_distributions(clean: Clean, found: dict[str, Any]) -> str:
    """How Squall's scores lie: of clean seconds, and the highest of each incident of intensity 1."""
    families = [family for family in FAMILIES if family.name in found["families"]]
    families = [family for family in families if not found["families"][family.name]["never_named"]]
    figure, axes = _grid(len(families), 2.4)
    for axis, family in zip(axes, families, strict=False):
        scores = np.concatenate([one for fold in (0, 1) for one in clean.fold(SQUALL, family, fold)])
        highest = [
            planted_scores(SQUALL, family, branch, len(clean.around(SQUALL, family, number, branch))).max()
            for number, run in enumerate(clean.runs)
            for branch in run.branches
            if branch.label.family == family.name and branch.label.intensity == 1.0
        ]
        bins = np.linspace(0.0, max(float(scores.max()), *highest, 1.0), 30)
        for values, colour, label in ((scores, "#90a4ae", "clean seconds"), (highest, "#c62828", "incidents, highest")):
            weights = np.full(len(values), 1.0 / len(values))
            axis.hist(values, bins=bins.tolist(), weights=weights, color=colour, alpha=0.7, label=label)
        axis.set_yscale("log")
        axis.set_title(family.name, fontsize=9)
        axis.grid(alpha=0.25)
    if families:
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8)
    return svg(figure)


def timeline(run: Run) -> str:
    """Price, depth and cancels of the first symbol, alerts of clean flow, and planted incidents, found or not."""
    symbol = run.flow.symbols[0]
    times_min = [(place + 1) * _TIMELINE_S / 60 for place in range(len(run.timeline))]
    figure = Figure(figsize=(13, 5.5), layout="constrained")
    axes = figure.subplots(4, 1, sharex=True, height_ratios=(1.2, 2, 1, 1))
    for axis, label, place in zip(
        axes[1:], ("price", "least depth\nwithin 25 bp", "cancels in 10 s"), range(3), strict=True
    ):
        values = [row[place] or math.nan for row in run.timeline]
        axis.plot(times_min, values, color="#37474f", lw=0.8)
        axis.set_ylabel(label, fontsize=8)
        axis.grid(alpha=0.25)
        for alert in run.alerts:
            if alert.symbol in (symbol, "*") and alert.status == "open":
                at_min = (alert.at_us / SECOND_US - run.first_second) / 60
                axis.axvline(at_min, color="#c62828", lw=1.0 if alert.severity == "info" else 2.2)
    names = [family.name for family in FAMILIES]
    for branch in run.branches:
        planted = branch.label
        if planted.entity == symbol and planted.intensity == 1.0:
            family = FAMILIES[names.index(planted.family)]
            hit = any(alert.pattern in family.patterns for alert in new_alerts(run, branch))
            at_min = (planted.start_us / SECOND_US - run.first_second) / 60
            colour = "#2e7d32" if hit else "#9e9e9e"
            axes[0].plot([at_min], [names.index(planted.family)], "o" if hit else "x", ms=4, color=colour)
    axes[0].set_yticks(range(len(names)), names, fontsize=6)
    axes[0].invert_yaxis()
    axes[0].grid(alpha=0.25)
    axes[-1].set_xlabel(f"minutes; {symbol}")
    return svg(figure)


def pictures(name: str, runs: Sequence[Run], found: dict[str, Any]) -> list[tuple[str, str]]:
    """All pictures of one flow, with what they show."""
    clean = Clean(runs)
    return [
        (
            "Alerts of clean flow (red lines; warnings thick) over price, depth and cancels. Above: planted incidents "
            "of intensity 1, found by an alert of their pattern (green) or not (grey cross).",
            timeline(runs[0]),
        ),
        ("Recall against intensity, at one false alarm a symbol-day.", recall_curves(found)),
        (
            "Squall's scores: decades below ten thousand a day (correlated stress: decades of the alert's p-value).",
            score_distributions(clean, found),
        ),
        (
            "Observed over nominal rate of p-values on clean flow; the band is within two times.",
            calibration_curves(found),
        ),
    ]
