"""Token buckets: they say whether an account may send an order now."""

from collections import OrderedDict

from streams.client.view import Limit, LimitView

#: What an engine asks about; the last two are always allowed.
KINDS = ("new", "post_only", "reduce_only", "cancel")
#: So many buckets are looked at for one that nobody would miss, when a new one needs room.
_TRIES = 16
_NOTHING: frozenset[str] = frozenset()


class _Bucket:
    __slots__ = (
        "at_us", "base_burst", "base_rate", "burst", "held", "held_until_us", "limit", "rate", "refuses", "tokens",
    )  # fmt: skip

    def __init__(self, rate: float, burst: float, now_us: int) -> None:
        self.base_rate = self.rate = rate
        self.base_burst = self.burst = self.tokens = burst
        self.at_us = now_us
        self.limit: Limit | None = None
        self.held = False
        self.held_until_us = 0
        self.refuses = _NOTHING

    def settle(self, to_us: int) -> None:
        """Credit the time since the last settling; a clock that went back credits nothing and counts on from there."""
        elapsed_us = to_us - self.at_us
        if elapsed_us > 0:
            self.tokens = min(self.burst, self.tokens + elapsed_us * self.rate / 1e6)
        self.at_us = to_us

    def turn(self, held: bool) -> None:
        """Go over to the limit, or back to the baseline: what is left is scaled down with the burst, never up."""
        limit = self.limit if held else None
        self.held = limit is not None
        self.held_until_us = limit.until_us if limit else 0
        self.refuses = limit.refuses if limit else _NOTHING
        rate, burst = (limit.orders_per_second, limit.burst) if limit else (self.base_rate, self.base_burst)
        if burst < self.burst:
            self.tokens = self.tokens * burst / self.burst
        self.rate, self.burst = rate, burst


class TokenBuckets:
    """One bucket an account: refilled at the rate in force, holding at most the burst in force.

    Over any time an account is given at most `burst + rate * time` of its baseline, and less while a limit holds. When
    a limit begins, what is left in the bucket is scaled down with the burst; when it ends, nothing is added. Not safe
    for threads: ask from the thread that feeds the view.

    Parameters
    ----------
    view
        The limits; buckets follow its changes. A view feeds one `TokenBuckets`.
    most
        Buckets kept, >= 1. A full one is forgotten first, which changes nothing. Under a flood of accounts that have
        all just sent, the fullest of a few is: counted in `forgotten_early`.

    Raises
    ------
    ValueError
        `most` is not at least 1, or the view feeds others.

    Examples
    --------
    >>> from streams.client import Baseline, LimitView
    >>> buckets = TokenBuckets(LimitView("engine-1", Baseline(orders_per_second=10.0, burst=2.0)))
    >>> [buckets.allow("account-17", "new", 1_000_000) for _ in range(3)], buckets.allow("account-17", "new", 1_100_000)
    ([True, True, False], True)
    >>> buckets.allow("account-17", "cancel", 1_100_000)
    True
    """

    def __init__(self, view: LimitView, most: int = 100_000) -> None:
        if most < 1:
            raise ValueError(f"token buckets: expected room for at least 1, found {most!r}")
        if view.on_change is not None:
            raise ValueError("token buckets: expected a view of their own, found one that feeds others")
        self._view = view
        self._most = most
        # Ordered as they are looked through for one to forget; a plain dict is slow at its front.
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self.forgotten_early = 0
        view.on_change = self._change

    def allow(self, account: str, kind: str, now_us: int) -> bool:
        """Say whether an account may send an order, and count it if so.

        Parameters
        ----------
        account
            The account.
        kind
            `new` (may take liquidity), `post_only`, `reduce_only` or `cancel`.
        now_us
            The time, by the clock that the view goes by.

        Raises
        ------
        ValueError
            There is no such kind.
        """
        if kind not in ("new", "post_only"):
            if kind in KINDS:
                return True
            raise ValueError(f"kind: expected one of {', '.join(KINDS)}, found {kind!r}")
        bucket = self._buckets.get(account)
        if bucket is None:
            bucket = self._open(account, now_us)
        limit = bucket.limit
        if limit is not None:
            view = self._view
            # `LimitView.holds`, without the call: what held at the last question and still has time holds.
            if not (
                bucket.at_us <= now_us < bucket.held_until_us and view.heard_from_us <= now_us < view.silent_from_us
            ):
                self._follow(bucket, limit, now_us)
            if kind in bucket.refuses:
                return False
        # `_Bucket.settle`, without the call.
        elapsed_us = now_us - bucket.at_us
        bucket.at_us = now_us
        tokens = bucket.tokens
        if elapsed_us > 0:
            tokens += elapsed_us * bucket.rate / 1e6
            if tokens > bucket.burst:  # noqa: PLR1730 - `min` would take a fifth of the whole call
                tokens = bucket.burst
        if tokens < 1.0:
            bucket.tokens = tokens
            return False
        bucket.tokens = tokens - 1.0
        return True

    def __len__(self) -> int:
        return len(self._buckets)

    def _follow(self, bucket: _Bucket, limit: Limit, now_us: int) -> None:
        if self._view.holds(limit, now_us) is bucket.held:
            return
        # A limit that ended while nobody asked ended then, not now.
        ended_us = min(max(self._view.ends_us(limit), bucket.at_us), now_us)
        bucket.settle(ended_us if bucket.held else now_us)
        bucket.turn(held=not bucket.held)

    def _change(self, account: str, limit: Limit | None, now_us: int) -> None:
        bucket = self._buckets.get(account)
        if bucket is None:
            return
        if bucket.limit is not None and bucket.held:
            self._follow(bucket, bucket.limit, now_us)
        bucket.settle(now_us)
        bucket.limit = limit
        bucket.turn(held=limit is not None and self._view.holds(limit, now_us))

    def _open(self, account: str, now_us: int) -> _Bucket:
        if len(self._buckets) >= self._most:
            self._make_room(now_us)
        baseline = self._view.baseline(account)
        bucket = _Bucket(baseline.orders_per_second, baseline.burst, now_us)
        bucket.limit = self._view.newest(account)
        bucket.turn(held=bucket.limit is not None and self._view.holds(bucket.limit, now_us))
        self._buckets[account] = bucket
        return bucket

    def _make_room(self, now_us: int) -> None:
        fullest, most_full = "", -1.0
        for _ in range(min(_TRIES, len(self._buckets))):
            account, bucket = self._buckets.popitem(last=False)
            full = (bucket.tokens + max(now_us - bucket.at_us, 0) * bucket.rate / 1e6) / bucket.burst
            if full >= 1.0:
                return
            # Behind the others, so that the next search begins elsewhere.
            self._buckets[account] = bucket
            if full > most_full:
                fullest, most_full = account, full
        del self._buckets[fullest]
        self.forgotten_early += 1
