"""What an alert is called: one line that a person understands."""

from detectors.correlation import Joint
from detectors.results import Contribution, Pattern, Signal

_NAMES: dict[Pattern, str] = {
    "cancel_burst": "Cancel burst",
    "leverage_spike": "Leverage spike",
    "thin_book": "Thin book",
}


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
    if signal.scope == "market":
        return f"{pattern_name(signal.pattern)} of {signal.entity}{_seen(signal.contributions)}"
    return f"{pattern_name(signal.pattern)}{who} on {signal.symbol}{_seen(signal.contributions)}"


def joint_title(joint: Joint, symbol: str) -> str:
    """What stands together, and within how long."""
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
        return f"Correlated stress across {across} within {joint.window_s} s: {', '.join((names + others)[:6])}"
    patterns = sorted({pattern_name(signal.pattern).lower() for signal in joint.signals})
    who = f" by {joint.entity} and company" if joint.scope == "cohort" else ""
    return f"Correlated stress on {symbol}{who} within {joint.window_s} s: {' and '.join(patterns)}"


def _seen(contributions: tuple[Contribution, ...]) -> str:
    if not contributions:
        return ""
    first = contributions[0]
    return f": {first.signal} {_number(first.observed)}, usually {_number(first.expected)}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.2g}" if abs(value) < 10 else f"{value:.3g}"
