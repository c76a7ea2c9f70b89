"""Which patterns are one family: the same thing happening, seen twice."""

from detectors.results import Pattern

#: Orders that come and go together make bursts of cancels, trades and layers; funding, positions and the prices of
#: their liquidation move as one; a book that thins is one thing however it is looked at.
FAMILY_OF: dict[Pattern, str] = {
    "cancel_burst": "orders",
    "layering": "orders",
    "trade_burst": "orders",
    "thin_book": "book",
    "leverage_spike": "leverage",
    "leverage_temperature": "leverage",
    "cascade_risk": "leverage",
    "mark_divergence": "prices",
    "liquidation_wave": "liquidations",
    "latency_shock": "components",
}


def family_of(pattern: Pattern) -> str:
    """The family of a pattern; one that is not named is a family of its own.

    Two patterns of one family say nothing together that each does not say alone: a busy market has more cancels, more
    trades and more layers. Correlated stress is that of several families.

    Examples
    --------
    >>> family_of("cancel_burst") == family_of("trade_burst"), family_of("cancel_burst") == family_of("thin_book")
    (True, False)
    """
    return FAMILY_OF.get(pattern, pattern)
