"""What an alert is called: one line that a person understands."""

import re
from collections.abc import Sequence

from detectors.correlation import Joint
from detectors.results import Contribution, Pattern, Signal

_NAMES: dict[Pattern, str] = {
    "cancel_burst": "Cancel burst",
    "leverage_spike": "Leverage spike",
    "thin_book": "Thin book",
}
#: How quantities that are named as features are said.
_SAID = (
    (re.compile(r"_depth_(\d+)bp"), r" depth within \1 bp"),
    (re.compile(r"_slope\b"), " depth per bp"),
    (re.compile(r"_bp\b"), " in bp"),
    (re.compile(r"_"), " "),
)
#: Units that are said behind a number, unless the label says them: unit -> what it is in a label.
_UNITS = {"s": "seconds", "us": "microseconds", "times": "times", "basis points": "bp"}
#: What a label says beside the quantity: it comes behind the numbers.
_ASIDE = re.compile(r"(.*?)(?: \((.*)\)|, (\d+ % one-sided))")
_YEAR_DAYS = 365.0
_MOST_YEARS = 100.0


def pattern_name(pattern: Pattern) -> str:
    """The name of a pattern as a person says it.

    Examples
    --------
    >>> pattern_name("thin_book"), pattern_name("latency_shock")
    ('Thin book', 'Latency shock')
    """
    return _NAMES.get(pattern, pattern.replace("_", " ").capitalize())


def signal_title(signal: Signal) -> str:
    """What one signal says.

    Examples
    --------
    >>> part = Contribution("cancels in 1 s", 57.0, 3.14, "cancels", 1e-9, 1.0)
    >>> signal_title(Signal(0, "cancel_burst", "cancel_burst", "account", "a7", "BTC-PERP", 1e-9, 0.1, 9.0, (part,)))
    'Cancel burst by a7 on BTC-PERP: cancels in 1 s 57, usually 3.1'
    """
    who = f" by {signal.entity}" if signal.scope == "account" else ""
    if signal.scope == "group":
        who = f" by {len(signal.accounts)} accounts in step"
    if signal.pattern == "layering":
        who = f" by {signal.accounts[0]}"
    seen = f": {said(signal.contributions[0])}" if signal.contributions else ""
    if signal.scope == "market":
        return f"{pattern_name(signal.pattern)} of {signal.entity}{seen}"
    return f"{pattern_name(signal.pattern)}{who} on {signal.symbol}{seen}"


def joint_title(joint: Joint, symbol: str) -> str:
    """What stands together, within how long, and how seldom chance brings that about."""
    within = f"within {joint.window_s} s, by chance {_rarity(joint.per_day)}"
    if joint.scope == "market":
        names = sorted({signal.symbol for signal in joint.signals if signal.scope != "market"})
        others = sorted(
            {
                f"{pattern_name(signal.pattern).lower()} of {signal.entity}"
                for signal in joint.signals
                if signal.scope == "market"
            }
        )
        across = f"{len(names)} symbol{'' if len(names) == 1 else 's'}" if names else f"{len(others)} components"
        return f"Correlated stress across {across} {within}: {', '.join((names + others)[:6])}"
    patterns = sorted({pattern_name(signal.pattern).lower() for signal in joint.signals})
    who = f" by {joint.entity} and company" if joint.scope == "cohort" else ""
    return f"Correlated stress on {symbol}{who} {within}: {_listed(patterns)}"


def said(part: Contribution) -> str:
    """One line of an explanation in words: what was seen, and what is usual.

    Examples
    --------
    >>> said(Contribution("ask_depth_10bp (average)", 5012.0, 9511.4, "notional", 1e-9, 1.0))
    'ask depth within 10 bp 5,012, usually 9,511 (average)'
    >>> said(Contribution("95 % latency", 57_340.4, 4067.7, "us", 1e-9, 1.0))
    '95 % latency 57,340 us, usually 4,068'
    >>> said(Contribution("distance below, against the usual move in 15 min", 50.0, 76.4, "basis points", 1e-9, 0.5))
    'distance below 50 basis points, usual move in 15 min 76.4'
    """
    label = part.signal
    aside = _ASIDE.fullmatch(label)
    note = ""
    if aside is not None:
        label, note = aside[1], f" ({aside[2]})" if aside[2] else f", {aside[3]}"
    for name, words in _SAID:
        label = name.sub(words, label)
    label, _, against = label.partition(", against the ")
    unit = f" {part.unit}" if part.unit in _UNITS and _UNITS[part.unit] not in label else ""
    return f"{label} {_number(part.observed)}{unit}, {against or 'usually'} {_number(part.expected)}{note}"


def _rarity(per_day: float) -> str:
    """How often something comes, given how often a day: in the largest unit that fits."""
    if per_day >= 1.5:
        return f"{_number(per_day)} times a day"
    days = 1.0 / max(per_day, 1e-12)
    if days < _YEAR_DAYS:
        return f"once in {_number(days)} days" if days >= 1.5 else "once a day"
    years = days / _YEAR_DAYS
    return f"once in {_number(years)} years" if years < _MOST_YEARS else "less than once in a century"


def _listed(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.2g}" if abs(value) < 10 else f"{value:.3g}"
