"""What is usual in a flow, by its own trailing events: incidents are scaled to it."""

import statistics
from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from itertools import pairwise
from random import Random

import msgspec

from detectors.events import BookSnapshot, Cancel, DerivativeTicker, Event, LeverageChange, Liquidation, Trade
from tests.benchmarks.detection.flows import SECOND_US

#: Seconds, and samples of each kind, that are remembered.
_MOST_SECONDS, _MOST_SAMPLES = 3_600, 2_000


class Holder(msgspec.Struct, frozen=True):
    """An account with a position, as its last change of leverage told."""

    account: str
    leverage: float
    position: float
    entry_price: float


class Surroundings(msgspec.Struct, frozen=True):
    """What was usual on one symbol until now.

    Rates are per second; `*_p99` is the 99th percentile over the trailing hour's seconds, at least 1. `accounts` are
    those that cancel, the busiest first. `stayer` is the account with most orders resting (by Little's law: its rate of
    cancels times the mean age at which they come), `stayer_orders` how many.
    """

    symbol: str
    seconds: int
    cancels_p99: float
    trades_p99: float
    raises_per_s: float
    liquidations_per_s: float
    cancel_amount: float
    trade_amount: float
    level_amount: float
    mid: float
    tick: float
    mark_gap_p99: float
    accounts: tuple[str, ...]
    stayer: str
    stayer_orders: float
    holders: tuple[Holder, ...]

    def middling(self, rng: Random, count: int) -> list[str]:
        """Accounts of middling activity: not so busy that a burst is their daily bread."""
        middle = self.accounts[len(self.accounts) // 40 : max(len(self.accounts) // 2, 1)]
        chosen = rng.sample(middle, min(count, len(middle)))
        return chosen + [f"newcomer-{number}" for number in range(count - len(chosen))]


class Memory:
    """Follows one symbol and describes it when asked."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self._counts: dict[str, Counter[int]] = defaultdict(Counter)
        self._amounts: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_MOST_SAMPLES))
        self._cancels: Counter[str] = Counter()
        self._ages_ms: Counter[str] = Counter()
        self._holders: dict[str, Holder] = {}
        self.mid = 0.0
        self._first_s = self._last_s = -1

    def see(self, event: Event) -> None:
        """Take one event of the symbol in."""
        second = event.timestamp // SECOND_US
        if self._first_s < 0:
            self._first_s = second
        self._last_s = max(self._last_s, second)
        match event:
            case Cancel():
                self._counts["cancels"][second] += 1
                self._amounts["cancel"].append(event.amount)
                self._cancels[event.account] += 1
                age_us = event.timestamp - event.order_timestamp if event.order_timestamp else 0
                self._ages_ms[event.account] += max(age_us, 0) // 1_000
            case Trade():
                self._counts["trades"][second] += 1
                self._amounts["trade"].append(event.amount)
            case BookSnapshot() if event.bids and event.asks:
                self._see_book(event)
            case LeverageChange():
                self._counts["raises"][second] += event.leverage > (event.prev_leverage or event.leverage)
                holder = Holder(event.account, event.leverage, event.position, event.entry_price or 0.0)
                self._holders[event.account] = holder
            case DerivativeTicker() if event.mark_price and event.index_price:
                self._amounts["gap"].append(abs(event.mark_price / event.index_price - 1.0))
            case Liquidation():
                self._counts["liquidations"][second] += 1

    def _see_book(self, book: BookSnapshot) -> None:
        self.mid = 0.5 * (book.bids[0][0] + book.asks[0][0])
        levels = book.bids + book.asks
        self._amounts["level"].append(statistics.median(amount for _, amount in levels))
        gaps = [abs(one[0] - other[0]) for one, other in pairwise(levels)]
        self._amounts["tick"].append(min(gap for gap in gaps if gap > 0.0) if any(gaps) else self.mid * 1e-4)

    def describe(self) -> Surroundings:
        """What is usual until now."""
        seconds = max(self._last_s - self._first_s + 1, 1)
        recent = min(seconds, _MOST_SECONDS)
        age_ms, stayer = max(((ms, account) for account, ms in self._ages_ms.items()), default=(0, "newcomer-0"))
        return Surroundings(
            symbol=self.symbol,
            seconds=seconds,
            cancels_p99=self._p99("cancels", recent),
            trades_p99=self._p99("trades", recent),
            raises_per_s=sum(self._counts["raises"].values()) / seconds,
            liquidations_per_s=sum(self._counts["liquidations"].values()) / seconds,
            cancel_amount=_median(self._amounts["cancel"], 1.0),
            trade_amount=_median(self._amounts["trade"], 1.0),
            level_amount=_median(self._amounts["level"], 1.0),
            mid=self.mid,
            tick=_median(self._amounts["tick"], self.mid * 1e-4),
            mark_gap_p99=max(quantile(self._amounts["gap"], 0.99), 1e-4),
            accounts=tuple(account for account, _ in sorted(self._cancels.items(), key=lambda one: (-one[1], one[0]))),
            stayer=stayer,
            stayer_orders=age_ms / 1_000 / seconds,
            holders=tuple(self._holders[account] for account in sorted(self._holders)),
        )

    def _p99(self, kind: str, recent: int) -> float:
        counts = self._counts[kind]
        busy = [counts[second] for second in range(self._last_s - recent + 1, self._last_s + 1)]
        return max(quantile(busy, 0.99), 1.0)


def _median(values: deque[float], otherwise: float) -> float:
    return statistics.median(values) if values else otherwise


def quantile(values: Iterable[float], share: float) -> float:
    """The smallest value that `share` of all do not exceed; 0 of none.

    Examples
    --------
    >>> quantile([3, 1, 2, 4], 0.5), quantile([3, 1, 2, 4], 1.0), quantile([], 0.5)
    (2, 4, 0.0)
    """
    ordered = sorted(values)
    return ordered[max(min(-int(-share * len(ordered) // 1), len(ordered)) - 1, 0)] if ordered else 0.0
