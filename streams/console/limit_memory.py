"""What the console knows of limits and engines' answers to them, and of guardrails."""

import heapq
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from detectors.decisions import LimitAck, RateLimit, Trip

#: Answers and versions of an account that are remembered.
_MOST_ACKS = 8
_MOST_VERSIONS = 16
_MOST_CLEARED = 100
_MOST_TRIPS = 5_000


@dataclass(slots=True)
class AccountLimits:
    """One account: its limit of the highest version, when versions were issued, and what engines answered last."""

    limit: RateLimit | None = None
    issued: dict[int, int] = field(default_factory=dict)
    acks: deque[LimitAck] = field(default_factory=lambda: deque(maxlen=_MOST_ACKS))


class LimitMemory:
    """Limits by account.

    Parameters
    ----------
    max_accounts
        Of more, those whose leases end first are forgotten; >= 10.
    """

    def __init__(self, max_accounts: int) -> None:
        self._max_accounts = max_accounts
        self._accounts: dict[str, AccountLimits] = {}

    def __len__(self) -> int:
        return len(self._accounts)

    def take(self, limit: RateLimit) -> None:
        """Take a limit; of writers that follow each other the older may come last."""
        known = self._account(limit.account)
        known.issued[limit.version] = limit.issued_at
        if len(known.issued) > _MOST_VERSIONS:
            del known.issued[min(known.issued)]
        if known.limit is None or limit.version >= known.limit.version:
            known.limit = limit

    def take_ack(self, ack: LimitAck) -> float | None:
        """Take an engine's answer; for one that was applied, tells how long that took in seconds, if it can be told."""
        known = self._account(ack.account)
        known.acks.appendleft(ack)
        issued_at = known.issued.get(ack.version)
        if ack.status != "applied" or issued_at is None:
            return None
        return max(0.0, (ack.timestamp - issued_at) / 1e6)

    def drop(self, account: str) -> None:
        """The topic has nothing of an account any more."""
        self._accounts.pop(account, None)

    def of(self, account: str) -> AccountLimits | None:
        """Tell what is known of an account."""
        return self._accounts.get(account)

    def all_limits(self) -> list[RateLimit]:
        """Tell the limit of the highest version of each account, over or not."""
        return [known.limit for known in self._accounts.values() if known.limit is not None]

    def in_force(self, now_us: int) -> list[RateLimit]:
        """Tell the limits that hold now, the tightest first."""
        found = [one for one in self.all_limits() if one.action != "none" and one.expires_at > now_us]
        return sorted(found, key=lambda limit: (limit.multiplier, limit.account))

    def _account(self, name: str) -> AccountLimits:
        if name not in self._accounts:
            if len(self._accounts) >= self._max_accounts:
                self._forget()
            self._accounts[name] = AccountLimits()
        return self._accounts[name]

    def _forget(self) -> None:
        # Several at once: to look for them takes a pass over all.
        ends = ((known.limit.expires_at if known.limit else 0, name) for name, known in self._accounts.items())
        for _, name in heapq.nsmallest(self._max_accounts // 10, ends):
            del self._accounts[name]


class TripMemory:
    """The last word on each rule and entity, by its place in the log."""

    def __init__(self) -> None:
        self._trips: dict[tuple[str, str], tuple[int, Trip]] = {}

    def take(self, offset: int, trip: Trip) -> None:
        """Take a trip or clearance."""
        place = trip.rule, trip.entity
        if place in self._trips and self._trips[place][0] > offset:
            return
        self._trips[place] = offset, trip
        if len(self._trips) > _MOST_TRIPS:
            self._forget()

    def tripped(self) -> list[Trip]:
        """Tell those that are tripped, the hard ones first."""
        found = [trip for trip in self._all() if trip.state == "tripped"]
        return sorted(found, key=lambda trip: (trip.level, trip.rule, trip.entity))

    def cleared(self) -> list[Trip]:
        """Tell those that cleared last."""
        found = [trip for trip in self._all() if trip.state == "cleared"]
        return heapq.nlargest(_MOST_CLEARED, found, key=lambda trip: (trip.timestamp, trip.rule, trip.entity))

    def _all(self) -> Iterable[Trip]:
        return (trip for _, trip in self._trips.values())

    def _forget(self) -> None:
        """Those cleared longest ago first."""
        by_worth = {place: (trip.state == "tripped", trip.timestamp) for place, (_, trip) in self._trips.items()}
        for place in heapq.nsmallest(_MOST_TRIPS // 10, by_worth, key=by_worth.__getitem__):
            del self._trips[place]
