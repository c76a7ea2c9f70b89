"""Breaks on a side of the book that is as good as empty."""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

from detectors.breaker import Breaker
from detectors.config import CoreSettings
from detectors.decisions import Trip
from detectors.events import BookSnapshot, Level
from detectors.exact import EXACT, exact
from detectors.guardrail_rules import DEPTH_FLOOR, Bounds, bounds_of
from detectors.guardrail_settings import Guardrails

_BAND = 0.005
#: 1 / band, as a whole number: distances are compared without a division.
_BANDS = 200
#: A level whose distance is this near to the edge of the band, as a share of it, is left to exact arithmetic.
_EDGE = 1e-9
Side = Sequence[Level]


class DepthBreaker(Breaker):
    """Rule `depth_floor`, on `books`: the notional within 50 basis points of the mid price, of the thinner side.

    The mid price is half the sum of the best prices; a side without a level has depth 0. A hard floor of 0 is never
    broken: nothing is below it. Levels that are not in the snapshot do not count: snapshots of few levels need a lower
    floor.

    Parameters
    ----------
    settings, counters
        The settings of the core; the stage's counters.

    Examples
    --------
    >>> breaker = DepthBreaker(CoreSettings(), Counter())
    >>> book = BookSnapshot(0, "BTC-PERP", bids=[(99.9, 50.0), (99.0, 900.0)], asks=[(100.1, 900.0)])
    >>> [(trip.level, trip.value, trip.limit) for trip in breaker.on_events([book])]
    [('soft', Decimal('4995.00'), Decimal('10000'))]
    """

    def __init__(self, settings: CoreSettings, counters: Counter[str]) -> None:
        super().__init__(DEPTH_FLOOR, settings, settings.memory.max_symbols, counters)

    def on_events(self, events: Sequence[BookSnapshot]) -> list[Trip]:
        """Judge the books of one topic partition, in the order of their offsets."""
        trips: list[Trip] = []
        for event in events:
            symbol = event.symbol
            trips += self.advance(event.timestamp, symbol)
            seen = (event.bids, event.asks)
            # More than what clears the soft floor changes nothing, so that a deep book is not added up to its end.
            enough = 1.0 + 1.001 * float(self.bounds.of(symbol).soft_clear)
            depth = _thinner(event.bids, event.asks, enough)
            if depth is None:
                trips += self.judge(symbol, seen)
            else:
                trips += self.weigh(symbol, depth, seen)
        return trips

    def limits_of(self, limits: Guardrails) -> Bounds:
        """The bounds of a symbol."""
        return bounds_of(limits.depth_floor, limits, below=True)

    def value_of(self, name: str, seen: tuple[Side, Side]) -> Decimal:
        """The depth of the thinner side, in the quote currency."""
        return exact_depth(*seen)


def exact_depth(bids: Side, asks: Side) -> Decimal:
    """Notional within 50 basis points of the mid price, of the thinner side.

    Examples
    --------
    >>> exact_depth([(99.9, 1.5)], [(100.1, 2.0), (100.51, 9.0)])
    Decimal('149.85')
    """
    if not bids or not asks:
        return Decimal(0)
    twice_mid = exact(bids[0][0]) + exact(asks[0][0])
    return min(_exact_side(bids, twice_mid), _exact_side(asks, twice_mid))


def _exact_side(levels: Side, twice_mid: Decimal) -> Decimal:
    depth = Decimal(0)
    for level_price, amount in levels:
        price = exact(level_price)
        if abs(2 * price - twice_mid) * _BANDS > twice_mid:
            break
        depth = EXACT.add(depth, EXACT.multiply(price, exact(amount)))
    return depth


def _thinner(bids: Side, asks: Side, enough: float) -> float | None:
    """About the exact depth, or `enough` and more; None when a level is too near to the edge to tell."""
    if not bids or not asks:
        return 0.0
    mid = 0.5 * (bids[0][0] + asks[0][0])
    inner, outer = mid * _BAND * (1.0 - _EDGE), mid * _BAND * (1.0 + _EDGE)
    thinner = enough
    for levels in (bids, asks):
        depth = 0.0
        for price, amount in levels:
            distance = abs(price - mid)
            if distance > inner:
                if distance < outer:
                    return None
                break
            depth += price * amount
            if depth >= enough:
                break
        thinner = min(thinner, depth)
    return thinner
