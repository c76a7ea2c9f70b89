"""What the accounts of one symbol did in the last ten seconds: shared by the detectors that ask who it was."""

from collections import deque
from collections.abc import Iterator

from detectors.features.market import FILLS, AccountCounts
from detectors.windows import Counts, SlidingCounts

_MOST_ACCOUNTS = 20
_ALL = ""


class SymbolActivity:
    """Cancels, pressure, fills and notional of a symbol over 1 and 10 s, and of its accounts over 10 s.

    It is counted anew from the ticks that the stage keeps, so it has no state of its own.

    Parameters
    ----------
    tick_us
        Length of a tick in microseconds.

    Examples
    --------
    >>> activity = SymbolActivity(tick_us=100_000)
    >>> activity.count(5, {"a": [3, 24, 0, 100], "b": [1, 8, 1, 0]}, trades=1)
    >>> activity.one[0], activity.ten[2], activity.of_account("a", 0), activity.busiest(0)
    (4, 1, 3, ('a', 'b'))
    """

    __slots__ = ("_accounts", "_one", "_ten", "now")

    def __init__(self, tick_us: int) -> None:
        #: Counts of the newest tick that had any; do not change the list.
        self.now: Counts = [0, 0, 0, 0]
        self._one = SlidingCounts(1_000_000 // tick_us, 4)
        self._ten = SlidingCounts(10_000_000 // tick_us, 4)
        self._accounts: deque[tuple[int, AccountCounts]] = deque()

    def count(self, tick: int, accounts: AccountCounts, trades: int) -> None:
        """Let the counts of a tick enter the windows, and what is older leave; ticks rise."""
        total = [sum(place) for place in zip(*accounts.values(), strict=True)] or [0, 0, 0, 0]
        # The accounts of a trade are two, or not told.
        total[FILLS] = trades
        self._one.add(tick, {_ALL: total})
        self._ten.add(tick, {_ALL: total})
        self.expire(tick)
        self._accounts.append((tick, accounts))
        self.now = total

    def expire(self, tick: int) -> None:
        """Let what is older than ten seconds leave the accounts' counts."""
        kept = self._accounts
        while kept and kept[0][0] <= tick - self._ten.length:
            kept.popleft()

    @property
    def one(self) -> Counts:
        """Counts of the last second; do not change the list."""
        return self._one.get(_ALL)

    @property
    def ten(self) -> Counts:
        """Counts of the last ten seconds; do not change the list."""
        return self._ten.get(_ALL)

    def of_account(self, account: str, place: int) -> int:
        """One count of an account over ten seconds: asked for seldom, so not kept up."""
        return sum(accounts[account][place] for accounts in self._ticks() if account in accounts)

    def most(self, place: int) -> int:
        """The largest count over ten seconds among the accounts of the newest tick."""
        newest = self._accounts[-1][1] if self._accounts else {}
        return max((self.of_account(account, place) for account in newest if newest[account][place]), default=0)

    def busiest(self, place: int) -> tuple[str, ...]:
        """The accounts of the newest tick with at least a fifth of the ten seconds' counts, busiest first."""
        if not self._accounts:
            return ()
        everyone = self.ten[place]
        counts = sorted((-self.of_account(account, place), account) for account in self._accounts[-1][1])
        return tuple(account for count, account in counts[:_MOST_ACCOUNTS] if -count * 5 >= everyone)

    def _ticks(self) -> Iterator[AccountCounts]:
        return (accounts for _, accounts in self._accounts)
