"""What the control loop has decided while a demo runs: limits in force, guardrails tripped, and the worst of both."""

from collections import defaultdict
from itertools import pairwise
from typing import NamedTuple

from detectors.decisions import Level, RateLimit, Trip


class WorstMoment(NamedTuple):
    """When the most accounts were limited at a time (event time), and which."""

    at_us: int
    accounts: frozenset[str]


class Decided:
    """Collects records of `rate-limits` and `guardrails`; they may come twice, and those of an account in any order."""

    def __init__(self) -> None:
        self._limits: defaultdict[str, dict[int, RateLimit]] = defaultdict(dict)
        self._latest: dict[str, RateLimit] = {}
        self._trips: dict[tuple[str, str], Trip] = {}
        #: The worst level of each entity that ever tripped, by rule.
        self.ever_tripped: defaultdict[str, dict[str, Level]] = defaultdict(dict)

    def see_limit(self, limit: RateLimit) -> None:
        """Note a limit that was read from the topic."""
        self._limits[limit.account][limit.version] = limit
        known = self._latest.get(limit.account)
        if known is None or limit.version >= known.version:
            self._latest[limit.account] = limit

    def see_trip(self, trip: Trip) -> None:
        """Note a guardrail that tripped or cleared."""
        known = self._trips.get((trip.rule, trip.entity))
        if known is None or trip.timestamp >= known.timestamp:
            self._trips[trip.rule, trip.entity] = trip
        if trip.state == "tripped" and self.ever_tripped[trip.rule].get(trip.entity) != "hard":
            self.ever_tripped[trip.rule][trip.entity] = trip.level

    def in_force(self, now_us: int) -> list[RateLimit]:
        """Limits that hold at an event time, the tightest first; nothing but time has to come for one to end."""
        holding = (one for one in self._latest.values() if one.action != "none" and one.expires_at > now_us)
        return sorted(holding, key=lambda one: (one.multiplier, one.orders_per_second, one.account))

    def tripped(self) -> list[Trip]:
        """Guardrails that are tripped, the hard ones first, then the newest."""
        standing = (trip for trip in self._trips.values() if trip.state == "tripped")
        return sorted(standing, key=lambda trip: (trip.level != "hard", -trip.timestamp, trip.rule, trip.entity))

    def worst_moment(self) -> WorstMoment | None:
        """Find the first time at which the most accounts were limited; None: nobody ever was.

        A limit holds from its issue until the next of its account is issued, or until it expires.
        """
        # At the same time ends come before beginnings: a limit that is renewed counts once.
        turns = sorted(
            turn
            for account in self._limits
            for begin_us, end_us in self._spans_us(account)
            for turn in ((begin_us, True, account), (end_us, False, account))
        )
        limited: set[str] = set()
        worst = None
        for at_us, begins, account in turns:
            if not begins:
                limited.discard(account)
                continue
            limited.add(account)
            if worst is None or len(limited) > len(worst.accounts):
                worst = WorstMoment(at_us, frozenset(limited))
        return worst

    def _spans_us(self, account: str) -> list[tuple[int, int]]:
        limits = [limit for _, limit in sorted(self._limits[account].items())]
        ends_us = [min(one.expires_at, after.issued_at) for one, after in pairwise(limits)]
        spans = zip(limits, [*ends_us, limits[-1].expires_at], strict=True)
        return [(one.issued_at, end_us) for one, end_us in spans if one.action != "none" and end_us > one.issued_at]
