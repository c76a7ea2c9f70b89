"""Whether forced orders would move the price to where they force further ones."""

import math

import msgspec

from detectors.liquidation_density import BUCKET_BP, LONG, LiquidationDensity, bucket_of

#: Length of a price interval, and how far from the price intervals go.
INTERVAL_BP = 50
RANGE_BP = 2_000
_BUCKETS = INTERVAL_BP // BUCKET_BP
#: Less depth than this a basis point, in money, counts as this: an empty book is no division by zero.
_LEAST_PER_BP = 1e-6


class Interval(msgspec.Struct, frozen=True):
    """One stretch of price: how far away it begins, what is liquidated in it, what the book takes, and their ratio."""

    begin_bp: int
    liquidated: float
    depth: float
    gain: float


class CascadeGain(msgspec.Struct, frozen=True):
    """The cascade gain on one side of the price.

    `self_feeding_bp` is the distance to the nearest interval whose gain is at least 1; None: there is none in reach.
    `reach_bp` is how far the price would go once it is there, by what is liquidated on the way alone. `peak` is the
    interval of the largest gain.
    """

    intervals: tuple[Interval, ...]
    self_feeding_bp: int | None
    reach_bp: int
    peak: Interval


def cascade_gain(density: LiquidationDensity, side: int, price: float, depth_per_bp: float) -> CascadeGain:
    """Measure cascade gain on the side of the price where longs (below) or shorts (above) are liquidated.

    In each interval of 50 basis points `gain = notional liquidated / notional that the book takes`, which is the
    notional liquidated per price move times the price move per notional: at 1 or more each order closed by force moves
    the price far enough to force as much again.

    Parameters
    ----------
    density
        Where positions are liquidated.
    side
        `LONG` looks below the price, `SHORT` above it.
    price
        Now, > 0.
    depth_per_bp
        Notional that the book takes per basis point on that side, >= 0. Snapshots seldom reach as far as liquidation
        prices do: the density of the levels that were sent is taken to go on.

    Examples
    --------
    >>> density = LiquidationDensity()
    >>> density.add(LONG, bucket_of(98.0), 90_000_00)
    >>> found = cascade_gain(density, LONG, price=100.0, depth_per_bp=1_000.0)
    >>> found.self_feeding_bp, round(found.peak.gain, 2), found.reach_bp
    (200, 1.8, 290)

    References
    ----------
    Cont, R. and Schaanning, E. (2016). Fire sales, indirect contagion and systemic stress testing. SSRN 2541114.
    """
    here, step = bucket_of(price), -1 if side == LONG else 1
    depth = max(depth_per_bp, _LEAST_PER_BP) * INTERVAL_BP
    intervals = []
    for index in range(RANGE_BP // INTERVAL_BP):
        near, far = here + step * index * _BUCKETS, here + step * ((index + 1) * _BUCKETS - 1)
        liquidated = density.between(side, min(near, far), max(near, far)) / 100.0
        intervals.append(Interval(index * INTERVAL_BP, liquidated, depth, liquidated / depth))
    peak = max(intervals, key=lambda one: (one.gain, -one.begin_bp))
    first = next((one.begin_bp for one in intervals if one.gain >= 1.0), None)
    reach_bp = 0 if first is None else _reach_bp(intervals, first)
    return CascadeGain(tuple(intervals), first, reach_bp, peak)


def _reach_bp(intervals: list[Interval], from_bp: int) -> int:
    """Follow forced volume from an interval on, until the book has taken all of it."""
    forced = 0.0
    for one in intervals[from_bp // INTERVAL_BP :]:
        if forced + one.liquidated < one.depth:
            return one.begin_bp + int(INTERVAL_BP * (forced + one.liquidated) / one.depth)
        forced += one.liquidated - one.depth
    return RANGE_BP


def hit_probability(distance_bp: float, variance_bp2_per_s: float, horizon_s: float) -> float:
    """Chance that a price without drift goes as far as `distance_bp` to one side within `horizon_s`.

    By the reflection principle `erfc(d / sqrt(2 * variance * T))`. Prices have fatter tails than that: it is too small
    for far distances, which is what the calibration against what happened is for.

    Examples
    --------
    >>> round(hit_probability(100.0, 10.0, 900.0), 3), hit_probability(100.0, 0.0, 900.0)
    (0.292, 0.0)
    """
    if distance_bp <= 0.0:
        return 1.0
    spread = math.sqrt(2.0 * max(variance_bp2_per_s, 0.0) * horizon_s)
    return math.erfc(distance_bp / spread) if spread > 0.0 else 0.0
