"""What detectors should reach, and what they do: reported, not bent."""

import math
from collections.abc import Iterator
from typing import Any

import msgspec

from tests.benchmarks.detection.baselines import BASELINES, SQUALL

_SURE = ("cancel_burst", "leverage_spike", "thin_book", "mark_divergence", "latency_shock")
_LOWEST_BUDGET, _MIDDLE_BUDGET = 0.2, 1.0
_RAREST = 1e-4


class Aim(msgspec.Struct, frozen=True):
    """One aim on one flow: `met` is None where it cannot be told."""

    flow: str
    what: str
    found: str
    met: bool | None


def aims(found: dict[str, Any]) -> list[Aim]:
    """Every aim on every flow."""
    return [aim for name, flow in found.items() for aim in _of_flow(name, flow)]


def _of_flow(name: str, flow: dict[str, Any]) -> Iterator[Aim]:
    for family in _SURE:
        what = f"{family}: recall of at least 0.95 at intensity 1 and 1 false alarm a symbol-day"
        if family not in flow["families"]:
            yield Aim(name, what, "cannot be planted here", None)
        elif flow["families"][family]["never_named"]:
            yield Aim(name, what, "never named", met=False)
        else:
            share = flow["families"][family]["scorers"][SQUALL]["recall"][_MIDDLE_BUDGET]
            yield Aim(name, what, f"{share:.2f}", share >= 0.95)
    if "correlated_stress" in flow["families"]:
        share = flow["families"]["correlated_stress"]["shipped"]["recall"]
        yield Aim(name, "correlated stress named as such in at least 90 %", f"{share:.0%}", share >= 0.9)
    if "feed_fault" in flow["families"]:
        share = flow["families"]["feed_fault"]["shipped"]["share_with_other_patterns"]
        yield Aim(name, "faults of the feed raise no alert of the market", f"{share:.0%} do", share == 0.0)
    precision = flow["queue"]["precision_at_10"]
    if precision is not None:
        yield Aim(name, "precision of the first ten alerts of at least 0.9", f"{precision:.2f}", precision >= 0.9)
    yield from _calibration(name, flow)
    yield from _ahead(name, flow)


def _calibration(name: str, flow: dict[str, Any]) -> Iterator[Aim]:
    for row in flow["calibration"]:
        if row["nominal"] == _RAREST:
            what = f"{row['detector']} ({row['scope']}): p-values of 1e-4 within two times of their rate"
            shown = f"{row['observed']} found, {row['expected']:.1f} expected"
            # Of fewer than three expected, none or twice as many is nothing unusual.
            enough = row["expected"] >= 3.0
            yield Aim(name, what, shown, 0.5 <= row["ratio"] <= 2.0 if enough else None)


def _ahead(name: str, flow: dict[str, Any]) -> Iterator[Aim]:
    """At the lowest budget, over the families that have a detector."""
    known = [one for one in flow["families"].values() if not one["never_named"]]
    if known:
        means = {scorer: mean_recall(flow, scorer, _LOWEST_BUDGET) for scorer in (SQUALL, *BASELINES)}
        best = max(BASELINES, key=lambda scorer: means[scorer])
        shown = f"{means[SQUALL]:.2f}; the best of them, {best}, {means[best]:.2f}"
        what = "mean recall at 0.2 false alarms a symbol-day above that of every baseline"
        yield Aim(name, what, shown, means[SQUALL] > means[best])
        behind = [
            family
            for family, one in flow["families"].items()
            if not one["never_named"]
            and any(
                one["scorers"][other]["recall"][_LOWEST_BUDGET] > one["scorers"][SQUALL]["recall"][_LOWEST_BUDGET]
                for other in BASELINES
            )
        ]
        what = "no baseline ahead in any family at 0.2 false alarms a symbol-day"
        yield Aim(name, what, ", ".join(behind) or "none", not behind)


def mean_recall(flow: dict[str, Any], scorer: str, budget: float) -> float:
    """Mean over the families of market stress that have a detector; NaN when there is none."""
    shares = [
        one["scorers"][scorer]["recall"][budget]
        for one in flow["families"].values()
        if not one["never_named"] and one["is_market"]
    ]
    return sum(shares) / len(shares) if shares else math.nan
