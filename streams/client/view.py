"""The current limits of all accounts, as records and time make them: no clock, no network, no chance of its own."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from streams.client.limits import NO_VERSION, LimitAck, RateLimit, Refused
from streams.client.settings import Baseline, Baselines, Trust

#: Kinds of orders that an action refuses outright; reduce-only orders and cancels are in none of them.
_REFUSED_KINDS: dict[str, frozenset[str]] = {
    "throttle": frozenset(),
    "post_only": frozenset({"new"}),
    "reduce_only": frozenset({"new", "post_only"}),
    "block": frozenset({"new", "post_only"}),
}


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit as the engine applies it: never above the account's baseline.

    `orders_per_second` lies in [0, baseline], `burst` in [1, baseline]: with less than one token no order would ever
    pass. It holds from `from_us` until before `until_us`, clock tolerance included. `refuses` are the kinds of orders
    that it refuses outright; `record` has the reasons.
    """

    orders_per_second: float
    burst: float
    refuses: frozenset[str]
    from_us: int
    until_us: int
    record: RateLimit


@dataclass(frozen=True, slots=True)
class _Newest:
    version: int
    limit: Limit | None
    forget_us: int


class LimitView:
    """The newest record of each account, and whether it is in force.

    All times are the engine's own clock in microseconds since the epoch. Nothing is limited before `feed_seen`.

    Parameters
    ----------
    engine
        The name that answers carry, 1 to 128 characters.
    default
        The baseline of accounts that `baselines` does not name.
    baselines
        The baselines of the others.
    trust
        How far clocks and the feed are trusted.

    Raises
    ------
    ValueError
        The name is empty or too long.

    Examples
    --------
    >>> from streams.client import Baseline, LimitView
    >>> view = LimitView("engine-1", Baseline(orders_per_second=30.0, burst=60.0))
    >>> view.feed_seen(1_000_000)
    >>> view.limit_of("account-17", 1_000_000) is None, view.baseline("account-17").burst
    (True, 60.0)
    """

    def __init__(
        self, engine: str, default: Baseline, baselines: Baselines | None = None, trust: Trust | None = None
    ) -> None:
        if not 0 < len(engine) <= 128:
            raise ValueError(f"engine: expected a name of 1 to 128 characters, found {engine!r}")
        self._engine = engine
        self._default = default
        self._baselines = {} if baselines is None else baselines
        self._trust = trust or Trust()
        self._tolerance_us = self._trust.tolerance_us
        self._newest: dict[str, _Newest] = {}
        #: The feed is alive from the first until before the second.
        self.heard_from_us = self.silent_from_us = 0
        #: Records by what became of them: `applied`, `stale`, `expired`, `released`, or why they were refused.
        self.counts: Counter[str] = Counter()
        #: Called with account, newest limit and time whenever a record changes what an account may do.
        self.on_change: Callable[[str, Limit | None, int], None] | None = None

    def apply(self, account: str, said: RateLimit | Refused | None, now_us: int) -> LimitAck | None:
        """Take up a record; give the answer to it, or None where there is nothing to answer.

        Parameters
        ----------
        account
            The key of the record.
        said
            Its value, as `read_limit` gives it; None: a tombstone.
        now_us
            The time.
        """
        if said is None:
            # With the key its history ends: whatever comes next for it is new.
            self.counts["released"] += 1
            self._newest.pop(account, None)
            self._changed(account, None, now_us)
            return None
        newest = self._newest.get(account)
        known = newest.version if newest else NO_VERSION
        if said.version != NO_VERSION and said.version <= known:
            self.counts["stale"] += 1
            older = f"version {said.version} is older than {known}"
            return self._ack(account, said.version, "stale", now_us, older) if said.version < known else None
        if isinstance(said, Refused):
            return self._refuse(account, said, known, now_us)
        fault = self._fault_of(said, now_us)
        return self._refuse(account, fault, known, now_us) if fault else self._take_up(said, now_us)

    def feed_seen(self, now_us: int) -> None:
        """Note that the feed answered, with records or without, and that all that it has was applied."""
        self.heard_from_us = now_us - self._tolerance_us
        self.silent_from_us = now_us + self._trust.silence_us

    def silent(self, now_us: int) -> bool:
        """Whether nothing was heard of the feed for too long, so that nothing is limited."""
        return not self.heard_from_us <= now_us < self.silent_from_us

    def holds(self, limit: Limit, now_us: int) -> bool:
        """Whether a limit is in force, being the newest of its account."""
        return limit.from_us <= now_us < limit.until_us and self.heard_from_us <= now_us < self.silent_from_us

    def ends_us(self, limit: Limit) -> int:
        """Tell when a limit ends if nothing more is heard."""
        return min(limit.until_us, self.silent_from_us)

    def limit_of(self, account: str, now_us: int) -> Limit | None:
        """Tell the limit in force for an account; None: its baseline holds."""
        limit = self.newest(account)
        return limit if limit is not None and self.holds(limit, now_us) else None

    def newest(self, account: str) -> Limit | None:
        """Tell the newest limit of an account, whether in force or not."""
        newest = self._newest.get(account)
        return newest.limit if newest else None

    def baseline(self, account: str) -> Baseline:
        """Tell what an account may do when nothing limits it."""
        if isinstance(self._baselines, Mapping):
            return self._baselines.get(account, self._default)
        return self._baselines(account) or self._default

    def forget_old(self, now_us: int) -> int:
        """Forget accounts of which no record that was ever made could still hold; give their number."""
        old = [account for account, newest in self._newest.items() if newest.forget_us <= now_us]
        for account in old:
            del self._newest[account]
            self._changed(account, None, now_us)
        return len(old)

    def __len__(self) -> int:
        return len(self._newest)

    def _take_up(self, record: RateLimit, now_us: int) -> LimitAck:
        if now_us >= record.expires_at + self._tolerance_us:
            self.counts["expired"] += 1
            self._keep(record.account, record.version, None, now_us)
            return self._ack(record.account, record.version, "stale", now_us, "its lease was over when it came")
        self.counts["applied"] += 1
        self._keep(record.account, record.version, self._limit(record), now_us)
        return self._ack(record.account, record.version, "applied", now_us, "shadow" if record.mode == "shadow" else "")

    def _refuse(self, account: str, refused: Refused, known: int, now_us: int) -> LimitAck:
        self.counts[refused.fault] += 1
        self._keep(account, max(known, refused.version), None, now_us)
        return self._ack(account, refused.version, "rejected", now_us, refused.reason)

    def _fault_of(self, record: RateLimit, now_us: int) -> Refused | None:
        lease_us, longest_us = record.expires_at - record.issued_at, self._trust.longest_us(bool(record.override_id))
        if lease_us > longest_us:
            found = f"{lease_us / 1e6:g} s"
            return Refused(record.version, "lease", f"expected one of at most {longest_us / 1e6:g} s, found {found}")
        ahead_us = record.issued_at - now_us
        if ahead_us > self._tolerance_us:
            found = f"{ahead_us / 1e6:g} s ahead of this engine's clock"
            return Refused(record.version, "future", f"expected an issued_at that has been, found one {found}")
        return None

    def _limit(self, record: RateLimit) -> Limit | None:
        if record.mode == "shadow" or record.action == "none":
            return None
        baseline = self.baseline(record.account)
        return Limit(
            orders_per_second=min(record.orders_per_second, baseline.orders_per_second),
            burst=min(max(record.burst, 1.0), baseline.burst),
            refuses=_REFUSED_KINDS[record.action],
            from_us=record.issued_at - self._tolerance_us,
            until_us=record.expires_at + self._tolerance_us,
            record=record,
        )

    def _keep(self, account: str, version: int, limit: Limit | None, now_us: int) -> None:
        # An older record was issued no later than this one came, and its lease was no longer than the longest.
        longest_us = max(self._trust.longest_us(ordered=True), self._trust.longest_us(ordered=False))
        self._newest[account] = _Newest(version, limit, now_us + longest_us + 2 * self._tolerance_us)
        self._changed(account, limit, now_us)

    def _changed(self, account: str, limit: Limit | None, now_us: int) -> None:
        if self.on_change is not None:
            self.on_change(account, limit, now_us)

    def _ack(
        self, account: str, version: int, status: Literal["applied", "stale", "rejected"], now_us: int, reason: str
    ) -> LimitAck:
        return LimitAck(account, version, status, self._engine, now_us, reason)
