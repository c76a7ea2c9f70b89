"""Lockstep: accounts that cancel in the same seconds, and rest in the same seconds."""

import math

from detectors.base import Detector, Features, State
from detectors.errors import StateError
from detectors.results import Contribution

#: Seconds looked back; one bit each.
_SECONDS = 60
_MASK = (1 << _SECONDS) - 1
#: Accounts compared with each other at most; the busiest of the second.
_MOST_COMPARED = 40
#: Log-likelihood ratio (nats) above which two accounts are in step, and seconds they must share.
_LINK_NATS = 5.0
_LEAST_SHARED = 3
#: An account active more often than this says nothing by being active.
_MOST_ACTIVE = 45


class Lockstep(Detector):
    """Groups of accounts on one symbol whose cancels come in the same seconds of the last minute.

    For each pair of accounts active in this second, the seconds they share, k, are compared with what chance gives for
    their numbers of active seconds, e = m1 * m2 / 60, by the Poisson log-likelihood ratio k ln(k/e) - (k - e). Pairs
    above 5 nats are linked; a linked component of at least three accounts is a group, and its score the sum of the
    links of its spanning forest, strongest first. A seat at the table costs an attacker the very thing that makes a
    ring useful: acting together.

    It fails on rings that spread their cancels over a minute, and stays silent for accounts that cancel nearly every
    second (market makers), who are in step with everyone.

    Parameters
    ----------
    max_accounts
        Accounts remembered at most; those silent longest go first. At least 8.
    grace_s
        Seconds seen before scores are believed, >= 0.

    Notes
    -----
    Features: one a second; account -> its cancels in this second, and `time_s`.

    Examples
    --------
    >>> ring = {f"acct-{i}": 4.0 for i in range(5)}
    >>> lockstep = Lockstep(grace_s=0.0)
    >>> for second in range(100):
    ...     x = {"time_s": float(second), f"loner-{second % 9}": 2.0}
    ...     lockstep.learn_one(x | (ring if second in (80, 85, 91) else {}))
    >>> lockstep.score_one({"time_s": 100.0, "loner-1": 2.0})
    0.0
    >>> lockstep.score_one({"time_s": 100.0} | ring) > 20
    True
    >>> lockstep.group({"time_s": 100.0} | ring)[:2]
    ('acct-0', 'acct-1')

    References
    ----------
    Bhatia, S. et al. (2020). MIDAS: Microcluster-based detector of anomalies in edge streams.
    AAAI (groups of similar edges).
    """

    name = "lockstep"

    def __init__(self, max_accounts: int = 2_000, grace_s: float = 60.0) -> None:
        self.max_accounts = max_accounts
        self.grace_s = grace_s
        self._masks: dict[str, int] = {}
        self._last_s: dict[str, int] = {}
        self._born_s = -1
        self._now_s = -1
        self._seconds = 0
        self._found: tuple[tuple[tuple[str, float], ...], tuple[float, tuple[str, ...]]] | None = None

    @property
    def due(self) -> bool:
        """Whether this second is one of those to look at: with `one_in` above 1 the others are to be learned only."""
        return self._seconds % self.one_in == 0

    @property
    def ready(self) -> bool:
        """Whether `grace_s` seconds were seen."""
        return self._born_s >= 0 and self._now_s - self._born_s >= self.grace_s

    def score_one(self, x: Features) -> float:
        """Sum of the log-likelihood ratios that hold the strongest group together, 0 without a group."""
        return self._strongest(x)[0]

    def group(self, x: Features) -> tuple[str, ...]:
        """The accounts of the strongest group, sorted; empty without a group."""
        return self._strongest(x)[1]

    def learn_one(self, x: Features) -> None:
        """Mark this second for the accounts in it."""
        self._found = None
        now_s = max(int(x.get("time_s", 0.0)), self._now_s)
        if self._born_s < 0:
            self._born_s = now_s
        for account, count in x.items():
            if account != "time_s" and count > 0.0:
                self._masks[account] = self._mask_at(account, now_s) | 1
                # Moved to the end: the order of the dict is the order of eviction.
                self._last_s.pop(account, None)
                self._last_s[account] = now_s
        self._now_s = now_s
        self._seconds += 1
        self._evict()

    def explain_one(self, x: Features) -> tuple[Contribution, ...]:
        """The accounts in step, each with the seconds it was active in."""
        score, accounts = self._strongest(x)
        if not accounts:
            return ()
        now_s = max(int(x.get("time_s", 0.0)), self._now_s)
        active = [float((self._mask_at(account, now_s) | 1).bit_count()) for account in accounts]
        shared = float(min(active))
        expected = math.prod(min(a / _SECONDS, 1.0) for a in active[:2]) * _SECONDS
        return (
            Contribution(
                f"seconds shared by {len(accounts)} accounts in 60s",
                shared,
                round(expected, 4),
                "seconds",
                max(math.exp(-min(score, 690.0)), 1e-300),
                1.0,
            ),
        )

    def _mask_at(self, account: str, now_s: int) -> int:
        """The account's last minute as seen at `now_s`, the lowest bit being `now_s` itself."""
        gap_s = now_s - self._last_s.get(account, now_s - _SECONDS)
        return (self._masks.get(account, 0) << gap_s) & _MASK if 0 <= gap_s < _SECONDS else 0

    def _strongest(self, x: Features) -> tuple[float, tuple[str, ...]]:
        # Naming, scoring and explaining ask for the same second in a row.
        key = tuple(x.items())
        if self._found is None or self._found[0] != key:
            self._found = key, self._search(x)
        return self._found[1]

    def _search(self, x: Features) -> tuple[float, tuple[str, ...]]:
        now_s = max(int(x.get("time_s", 0.0)), self._now_s)
        busy = sorted((-count, name) for name, count in x.items() if name != "time_s" and count > 0.0)
        masks = [(name, self._mask_at(name, now_s) | 1) for _, name in busy[:_MOST_COMPARED]]
        masks = [(name, mask) for name, mask in masks if _LEAST_SHARED <= mask.bit_count() <= _MOST_ACTIVE]
        links: list[tuple[float, str, str]] = []
        for index, (name, mask) in enumerate(masks):
            for other, other_mask in masks[index + 1 :]:
                shared = (mask & other_mask).bit_count()
                if shared >= _LEAST_SHARED:
                    expected = mask.bit_count() * other_mask.bit_count() / _SECONDS
                    nats = shared * math.log(shared / expected) - (shared - expected) if shared > expected else 0.0
                    if nats > _LINK_NATS:
                        links.append((nats, name, other))
        return _strongest_component(links)

    def _evict(self) -> None:
        """Forget who has been silent for a minute, and, above the cap, who has been silent longest."""
        for account in list(self._last_s):
            if self._now_s - self._last_s[account] < _SECONDS and len(self._last_s) <= self.max_accounts:
                return
            del self._last_s[account]
            del self._masks[account]

    def state(self) -> State:
        """Masks and times, in order of eviction."""
        return {
            "max_accounts": self.max_accounts,
            "accounts": [[account, last_s, self._masks[account]] for account, last_s in self._last_s.items()],
            "time": [self._born_s, self._now_s, self._seconds],
        }

    def restore(self, state: State) -> None:
        """Take up where `state()` was made; raises StateError for another cap."""
        if state.get("max_accounts") != self.max_accounts:
            msg = f"lockstep state: expected max_accounts {self.max_accounts}, found {state.get('max_accounts')!r}"
            raise StateError(msg)
        self._last_s = {account: last_s for account, last_s, _ in state["accounts"]}
        self._masks = {account: mask for account, _, mask in state["accounts"]}
        self._born_s, self._now_s, self._seconds = state["time"]
        self._found = None


def _strongest_component(links: list[tuple[float, str, str]]) -> tuple[float, tuple[str, ...]]:
    """Kruskal's spanning forest over the links: the component of three or more with the largest sum."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            name = parent[name]
        return name

    sums: dict[str, float] = {}
    members: dict[str, list[str]] = {}
    for nats, one, other in sorted(links, key=lambda link: (-link[0], link[1], link[2])):
        a, b = sorted((root(one), root(other)))
        if a != b:
            parent[b] = a
            sums[a] = sums.get(a, 0.0) + sums.pop(b, 0.0) + nats
            members[a] = members.get(a, [a]) + members.pop(b, [b])
    groups = [(sums[a], tuple(sorted(names))) for a, names in members.items() if len(names) >= 3]
    return max(groups, default=(0.0, ()))
