"""What the market did, in buckets of time, for a report: price, depth near it, cancels a second."""

from dataclasses import dataclass, field

from detectors.events import BookSnapshot, Cancel, Event, Trade

#: Buckets kept for a symbol; when there are more, their length doubles.
_MOST_BUCKETS = 2_000
_FIRST_BUCKET_US = 1_000_000
#: Depth is what stands within this share of the middle of the book, on both sides together.
DEPTH_WITHIN = 0.001


@dataclass(slots=True)
class Bucket:
    """One stretch of time of one symbol; `depth` is the least seen in it, in price times amount."""

    price: float | None = None
    depth: float | None = None
    cancels: int = 0

    def absorb(self, later: "Bucket") -> None:
        """Take the following bucket in."""
        self.price = self.price if later.price is None else later.price
        depths = [depth for depth in (self.depth, later.depth) if depth is not None]
        self.depth = min(depths, default=None)
        self.cancels += later.cancels


@dataclass(slots=True)
class SymbolTimeline:
    """The buckets of one symbol by their number; bucket `n` begins at `n * bucket_us`."""

    bucket_us: int = _FIRST_BUCKET_US
    buckets: dict[int, Bucket] = field(default_factory=dict)

    def at(self, timestamp_us: int) -> Bucket:
        """Give the bucket of a time."""
        number = timestamp_us // self.bucket_us
        if number not in self.buckets and len(self.buckets) >= _MOST_BUCKETS:
            self._double()
            number = timestamp_us // self.bucket_us
        return self.buckets.setdefault(number, Bucket())

    def _double(self) -> None:
        self.bucket_us *= 2
        halves, self.buckets = self.buckets, {}
        for number in sorted(halves):
            self.buckets.setdefault(number // 2, Bucket()).absorb(halves[number])


class Timeline:
    """The timelines of all symbols.

    Examples
    --------
    >>> timeline = Timeline()
    >>> timeline.see(BookSnapshot(5_000_000, "BTC", [(99.99, 2.0), (90.0, 50.0)], [(100.01, 1.0)]))
    >>> timeline.symbols["BTC"].buckets
    {5: Bucket(price=100.0, depth=299.99, cancels=0)}
    """

    def __init__(self) -> None:
        self.symbols: dict[str, SymbolTimeline] = {}

    def see(self, event: Event) -> None:
        """Take an event."""
        if isinstance(event, Cancel):
            self._bucket(event.symbol, event.timestamp).cancels += 1
        elif isinstance(event, Trade):
            self._bucket(event.symbol, event.timestamp).price = event.price
        elif isinstance(event, BookSnapshot) and event.bids and event.asks:
            middle = (event.bids[0][0] + event.asks[0][0]) / 2
            levels = (*event.bids, *event.asks)
            depth = sum(price * amount for price, amount in levels if abs(price - middle) <= DEPTH_WITHIN * middle)
            seen = Bucket(middle, depth)
            self._bucket(event.symbol, event.timestamp).absorb(seen)

    def _bucket(self, symbol: str, timestamp_us: int) -> Bucket:
        return self.symbols.setdefault(symbol, SymbolTimeline()).at(timestamp_us)
