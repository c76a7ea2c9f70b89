"""What a book snapshot says about liquidity."""

from detectors.base import Features
from detectors.events import BookSnapshot, Level

#: Bands around the mid price, in basis points.
BANDS_BP = (5, 10, 25, 50)


def book_features(book: BookSnapshot, order_notional: float) -> Features:
    """Depth in bands, spread, slope and slippage of both sides of a book.

    Parameters
    ----------
    book
        A snapshot; one side may be empty, its depth is then 0 and its slippage that of a book used up.
    order_notional
        Size of the order whose slippage is asked for, in price times amount, > 0.

    Returns
    -------
    Features
        `{bid,ask}_depth_{5,10,25,50}bp` notional within the band; `{bid,ask}_slippage_bp` average price paid against
        mid by the order, a book used up counting as its last level and twice the distance for the rest;
        `{bid,ask}_slope` notional per basis point over the levels sent; `spread_bp`; `imbalance` in [-1, 1], bid over
        ask within 25 bp; `mid`.

    Examples
    --------
    >>> book = BookSnapshot(0, "X", bids=[(99.99, 10.0), (99.90, 10.0)], asks=[(100.01, 5.0), (100.20, 5.0)])
    >>> x = book_features(book, order_notional=1_000.0)
    >>> [round(x[name], 2) for name in ("spread_bp", "bid_depth_5bp", "ask_depth_5bp", "ask_slippage_bp")]
    [2.0, 999.9, 500.05, 10.5]
    """
    bids, asks = book.bids, book.asks
    if bids and asks:
        mid = 0.5 * (bids[0][0] + asks[0][0])
        spread_bp = (asks[0][0] - bids[0][0]) / mid * 1e4
    else:
        mid = bids[0][0] if bids else asks[0][0] if asks else 1.0
        spread_bp = BANDS_BP[-1] * 2.0
    x: Features = {"mid": mid, "spread_bp": spread_bp}
    for side, levels in (("bid", bids), ("ask", asks)):
        depth, slippage_bp, slope = _side(levels, mid, order_notional)
        for band, notional in zip(BANDS_BP, depth, strict=True):
            x[f"{side}_depth_{band}bp"] = notional
        x[f"{side}_slippage_bp"] = slippage_bp
        x[f"{side}_slope"] = slope
    bid, ask = x["bid_depth_25bp"], x["ask_depth_25bp"]
    x["imbalance"] = (bid - ask) / (bid + ask) if bid + ask > 0.0 else 0.0
    return x


def _side(levels: list[Level], mid: float, order_notional: float) -> tuple[list[float], float, float]:
    """Notional within each band, slippage of the order in basis points, and notional per basis point."""
    depth = [0.0] * len(BANDS_BP)
    near, close, wide, far = (band * 1e-4 * mid for band in BANDS_BP)
    left, cost_bp, total, distance_bp = order_notional, 0.0, 0.0, 0.0
    for price, amount in levels:
        distance = abs(price - mid)
        notional = price * amount
        total += notional
        distance_bp = distance / mid * 1e4
        if distance <= far:
            depth[3] += notional
            if distance <= wide:
                depth[2] += notional
                if distance <= close:
                    depth[1] += notional
                    if distance <= near:
                        depth[0] += notional
        if left > 0.0:
            taken = min(left, notional)
            cost_bp += taken * distance_bp
            left -= taken
    if left > 0.0:
        cost_bp += left * 2.0 * max(distance_bp, float(BANDS_BP[-1]))
    return depth, cost_bp / order_notional, total / max(distance_bp, 0.1)
