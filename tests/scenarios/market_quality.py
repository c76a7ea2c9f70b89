"""What the market on one symbol was like between two times."""

from dataclasses import dataclass

from detectors.events import BookSnapshot, Cancel, Event, Trade

_LEVELS = 10


@dataclass
class Quality:
    """Counts of one symbol from `begin_us` until before `end_us`; ratios are 0 where there was nothing.

    Depth is the amount on the ten best levels of both sides. Flicker is how much of it comes or goes from one snapshot
    to the next, on average: quotes that cannot be relied on make it large.
    """

    symbol: str
    begin_us: int
    end_us: int
    cancels: int = 0
    trades: int = 0
    snapshots: int = 0
    spreads_bp: float = 0.0
    depths: float = 0.0
    changes: float = 0.0
    last_depth: float = 0.0

    def take(self, event: Event) -> None:
        """Count an event, if it is of the symbol and the time."""
        if not self.begin_us <= event.timestamp < self.end_us or getattr(event, "symbol", "") != self.symbol:
            return
        if isinstance(event, Cancel):
            self.cancels += 1
        elif isinstance(event, Trade):
            self.trades += 1
        elif isinstance(event, BookSnapshot) and event.bids and event.asks:
            best_bid, best_ask = event.bids[0][0], event.asks[0][0]
            self.spreads_bp += 2e4 * (best_ask - best_bid) / (best_ask + best_bid)
            depth = sum(amount for _, amount in (*event.bids[:_LEVELS], *event.asks[:_LEVELS]))
            if self.snapshots:
                self.changes += abs(depth - self.last_depth) / self.last_depth
            self.snapshots += 1
            self.depths += depth
            self.last_depth = depth

    @property
    def cancels_per_trade(self) -> float:
        """Cancels for each trade."""
        return self.cancels / max(self.trades, 1)

    @property
    def flicker(self) -> float:
        """Share of the depth that comes or goes between two snapshots."""
        return self.changes / max(self.snapshots - 1, 1)

    @property
    def spread_bp(self) -> float:
        """Mean spread, in hundredths of a per cent of the price."""
        return self.spreads_bp / max(self.snapshots, 1)

    @property
    def depth(self) -> float:
        """Mean depth."""
        return self.depths / max(self.snapshots, 1)

    def figures(self) -> dict[str, float]:
        """All of it, as it is reported."""
        seconds = (self.end_us - self.begin_us) / 1e6
        return {
            "cancels_per_s": self.cancels / seconds,
            "cancels_per_trade": self.cancels_per_trade,
            "flicker": self.flicker,
            "spread_bp": self.spread_bp,
            "depth": self.depth,
        }
