"""Where a position would be liquidated."""

from collections.abc import Sequence

#: Maintenance margin by size of position: from this notional on, this share of notional; in order, the first from 0.
MaintenanceTiers = Sequence[tuple[float, float]]


def maintenance_rate(notional: float, tiers: MaintenanceTiers) -> float:
    """Maintenance margin as a share of notional, of the tier that a position of this size is in.

    Examples
    --------
    >>> tiers = [(0.0, 0.005), (1_000_000.0, 0.01)]
    >>> maintenance_rate(20_000.0, tiers), maintenance_rate(1_000_000.0, tiers)
    (0.005, 0.01)
    """
    rate = tiers[0][1]
    for least, share in tiers:
        if notional < least:
            break
        rate = share
    return rate


def liquidation_price(
    position: float, entry_price: float, leverage: float, tiers: MaintenanceTiers, collateral: float = 0.0
) -> float | None:
    """Estimate the mark price at which a position's margin falls to its maintenance margin.

    For a linear contract `margin + position * (price - entry) = rate * |position| * price`, so that with
    `m = margin / |position|` a long is liquidated at `(entry - m) / (1 - rate)`, a short at `(entry + m) / (1 + rate)`.
    The margin is `entry * |position| / leverage`, or the collateral where that is larger: what a cross-margined account
    says it has. Other positions of the account, funding owed and fees are not known here: a cross-margined account that
    loses elsewhere is liquidated sooner.

    Parameters
    ----------
    position
        Signed amount of the contract; 0 has no liquidation price.
    entry_price
        Average price of entry, > 0.
    leverage
        Notional over margin, > 0.
    tiers
        Maintenance margin by notional at entry.
    collateral
        Margin behind it, in money, if it is told.

    Returns
    -------
    float | None
        None: no price above zero liquidates it.

    Examples
    --------
    >>> tiers = [(0.0, 0.005)]
    >>> round(liquidation_price(2.0, 100.0, 10.0, tiers), 4), round(liquidation_price(-2.0, 100.0, 10.0, tiers), 4)
    (90.4523, 109.4527)
    >>> liquidation_price(2.0, 100.0, 1.0, tiers) is None
    True

    References
    ----------
    BitMEX and Bybit, "Liquidation price calculation" of linear contracts, isolated margin.
    """
    if position == 0.0:
        return None
    size = abs(position)
    rate = maintenance_rate(size * entry_price, tiers)
    margin = max(entry_price / leverage, collateral / size)
    price = (entry_price - margin) / (1.0 - rate) if position > 0.0 else (entry_price + margin) / (1.0 + rate)
    return price if 0.0 < price < float("inf") else None
