"""How much would be liquidated at which price: a running density, whatever the number of positions."""

import math

from detectors.base import State
from detectors.errors import StateError

#: Width of a price bucket in basis points: of the logarithm of the price, so that it is the same at any price.
BUCKET_BP = 10
_LOG_STEP = math.log1p(BUCKET_BP / 1e4)
#: Prices from 1e-12 to 1e12.
_FARTHEST = int(math.log(1e12) / _LOG_STEP)
LONG, SHORT = 0, 1


def bucket_of(price: float) -> int:
    """The bucket of a price > 0.

    Examples
    --------
    >>> bucket_of(1.0), bucket_of(1.0015), bucket_of(0.9995)
    (0, 1, -1)
    """
    return min(max(math.floor(math.log(price) / _LOG_STEP), -_FARTHEST), _FARTHEST)


class LiquidationDensity:
    """Notional that is liquidated in each price bucket, of longs and of shorts, of one symbol.

    Positions are not kept: who changes one takes its notional out of the bucket where it was, and puts it into the one
    where it is. Whole hundredths, so that it comes to the same in any order. What does not fit into `max_buckets` a
    side is counted in `unplaced_cents` and left out of `between`: it is then a lower bound.

    Positions whose price was crossed are gone, whether anybody says so or not: `cross` takes them out, and remembers
    how much, so that taking the same out again when somebody does say so takes nothing from others.

    Parameters
    ----------
    max_buckets
        Buckets kept on each side, >= 1. 4,096 of 10 basis points span a factor of sixty in price.

    Examples
    --------
    >>> density = LiquidationDensity()
    >>> density.add(LONG, bucket_of(95.0), 10_000_00)
    >>> density.between(LONG, bucket_of(94.0), bucket_of(96.0)) / 100
    10000.0
    >>> density.add(LONG, bucket_of(95.0), -10_000_00)
    >>> density.buckets
    0
    >>> density.add(LONG, bucket_of(95.0), 10_000_00)
    >>> density.cross(LONG, bucket_of(94.0))
    >>> density.buckets
    0
    """

    __slots__ = ("_cents", "_gone", "max_buckets", "unplaced_cents")

    def __init__(self, max_buckets: int = 4_096) -> None:
        self.max_buckets = max_buckets
        self._cents: tuple[dict[int, int], dict[int, int]] = ({}, {})
        #: What was crossed and not taken out since.
        self._gone: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self.unplaced_cents = [0, 0]

    @property
    def buckets(self) -> int:
        """How many there are."""
        return len(self._cents[LONG]) + len(self._cents[SHORT])

    def add(self, side: int, bucket: int, cents: int) -> None:
        """Put notional into a bucket of a side, in hundredths, or take it out (< 0)."""
        held = self._cents[side]
        cents += self._forgive(side, bucket, -cents) if cents < 0 else 0
        if not cents:
            return
        if bucket not in held and (cents < 0 or len(held) >= self.max_buckets):
            self.unplaced_cents[side] = max(self.unplaced_cents[side] + cents, 0)
            return
        left = held.get(bucket, 0) + cents
        if left > 0:
            held[bucket] = left
        else:
            held.pop(bucket, None)

    def cross(self, side: int, bucket: int) -> None:
        """Take out what was liquidated before the price came to a bucket: longs above it, shorts below."""
        held, gone = self._cents[side], self._gone[side]
        for found in [one for one in held if (one > bucket if side == LONG else one < bucket)]:
            cents = held.pop(found)
            if found in gone or len(gone) < self.max_buckets:
                gone[found] = gone.get(found, 0) + cents

    def _forgive(self, side: int, bucket: int, cents: int) -> int:
        """How much of what is taken out of a bucket was crossed before."""
        gone = self._gone[side]
        before = min(gone.get(bucket, 0), cents)
        if before:
            gone[bucket] -= before
            if not gone[bucket]:
                del gone[bucket]
        return before

    def between(self, side: int, first: int, last: int) -> int:
        """Notional in the buckets from `first` to `last`, both included, in hundredths."""
        held = self._cents[side]
        return sum(held.get(bucket, 0) for bucket in range(first, last + 1))

    def state(self) -> State:
        """Buckets of both sides."""
        return {
            "bucket_bp": BUCKET_BP,
            "cents": [[list(pair) for pair in sorted(held.items())] for held in self._cents],
            "gone": [[list(pair) for pair in sorted(gone.items())] for gone in self._gone],
            "unplaced": list(self.unplaced_cents),
        }

    def restore(self, state: State) -> None:
        """Take up where `state()` was made; raises StateError for buckets of another width."""
        if state.get("bucket_bp") != BUCKET_BP:
            found = state.get("bucket_bp")
            raise StateError(f"liquidation density: expected buckets of {BUCKET_BP} bp, found {found!r}")
        longs, shorts = (dict(held) for held in state["cents"])
        self._cents = (longs, shorts)
        longs, shorts = (dict(gone) for gone in state.get("gone", ((), ())))
        self._gone = (longs, shorts)
        self.unplaced_cents = list(state["unplaced"])
