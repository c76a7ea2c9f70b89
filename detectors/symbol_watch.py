"""All detectors of one symbol, and how their scores become signals."""

from collections import Counter, deque

from detectors.base import Features
from detectors.cancel_burst import CancelBurst
from detectors.config import CoreSettings
from detectors.features.book import book_features
from detectors.features.market import CANCELS, FILLS, NOTIONAL_CENTS, PRESSURE, AccountCounts, SymbolTick
from detectors.ledger import EvidenceWindow
from detectors.lockstep import Lockstep
from detectors.results import Pattern, Scope, Signal
from detectors.scorer import Scorer, Verdict, signal_of
from detectors.seeds import seed_of
from detectors.thin_book import ThinBook
from detectors.windows import SlidingCounts

_MOST_ACCOUNTS = 20


def cancel_features(tick: list[int], one: list[int], ten: list[int], time_s: float) -> Features:
    """Features of `CancelBurst`: the counts of this tick, of the last second, and of the last ten.

    Examples
    --------
    >>> x = cancel_features([1, 8, 0, 0], [3, 20, 1, 0], [9, 60, 1, 0], time_s=5.0)
    >>> x["cancels_tick"], x["pressure_1s"], x["fills_10s"]
    (1, 20, 1)
    """
    return {
        "time_s": time_s,
        "cancels_tick": tick[CANCELS],
        "pressure_tick": tick[PRESSURE],
        "fills_tick": tick[FILLS],
        "cancels_1s": one[CANCELS],
        "pressure_1s": one[PRESSURE],
        "fills_1s": one[FILLS],
        "cancels_10s": ten[CANCELS],
        "pressure_10s": ten[PRESSURE],
        "fills_10s": ten[FILLS],
    }


class SymbolWatch:
    """Cancel burst, lockstep and thin book of one symbol.

    Parameters
    ----------
    symbol
        Its name.
    settings
        The settings of the core.
    counters
        The stage's counters.
    """

    def __init__(self, symbol: str, settings: CoreSettings, counters: Counter[str]) -> None:
        self.symbol = symbol
        self._order_notional = settings.market.order_notional
        self._tick_us = settings.timing.tick_us
        half_life_s = settings.memory.half_life_s
        self._cancel_burst = CancelBurst(half_life_s, tick_s=self._tick_us / 1e6)
        self._thin_book = ThinBook(seed_of("thin_book", symbol), half_life_s)
        self._lockstep = Lockstep()
        self._burst_scorer = Scorer(settings.calibration, counters)
        self._thin_scorer = Scorer(settings.calibration, counters, prior_scale=0.5)
        self._lockstep_scorer = Scorer(settings.calibration, counters, prior_scale=3.0, warm_up=60)
        self._one = SlidingCounts(1_000_000 // self._tick_us, 4)
        self._ten = SlidingCounts(10_000_000 // self._tick_us, 4)
        self._accounts: deque[tuple[int, AccountCounts]] = deque()
        self._second: dict[str, int] = {}

    def close_tick(self, tick: int, state: SymbolTick, evidence: EvidenceWindow) -> list[Signal]:
        """Score what one tick brought."""
        time_s = (tick + 1) * self._tick_us / 1e6
        signals: list[Signal] = []
        if state.accounts or state.trades:
            signals += self._judge_cancels(tick, time_s, state, evidence)
        if state.book is not None:
            x = book_features(state.book, self._order_notional)
            x["time_s"] = time_s
            verdict = self._thin_scorer.step(self._thin_book, x, time_s)
            if verdict is not None:
                missing = sum(max(part.expected - part.observed, 0.0) for part in verdict.contributions[:1])
                signals.append(self._signal(tick, "thin_book", "thin_book", "symbol", verdict, (), missing, evidence))
        return signals

    def close_second(self, tick: int, evidence: EvidenceWindow) -> list[Signal]:
        """Look for accounts in step, at the end of a second in which there were cancels."""
        if not self._second:
            return []
        time_s = (tick + 1) * self._tick_us / 1e6
        x: Features = {account: float(count) for account, count in self._second.items()}
        x["time_s"] = float((tick + 1) * self._tick_us // 1_000_000 - 1)
        self._second = {}
        group = self._lockstep.group(x)
        verdict = self._lockstep_scorer.step(self._lockstep, x, time_s)
        if verdict is None or not group:
            return []
        notional = sum(self._of_account(account, NOTIONAL_CENTS) for account in group) / 100.0
        return [self._signal(tick, "lockstep", "cancel_burst", "group", verdict, group, notional, evidence)]

    def _judge_cancels(self, tick: int, time_s: float, state: SymbolTick, evidence: EvidenceWindow) -> list[Signal]:
        total = [sum(place) for place in zip(*state.accounts.values(), strict=True)] or [0, 0, 0, 0]
        total[FILLS] = state.trades
        second = self._second
        for account, counts in state.accounts.items():
            if counts[CANCELS]:
                second[account] = second.get(account, 0) + counts[CANCELS]
        self._one.add(tick, {self.symbol: total})
        self._ten.add(tick, {self.symbol: total})
        self._remember(tick, state.accounts)
        ten = self._ten.get(self.symbol)
        x = cancel_features(total, self._one.get(self.symbol), ten, time_s)
        if not total[CANCELS]:
            self._cancel_burst.learn_one(x)
            return []
        verdict = self._burst_scorer.step(self._cancel_burst, x, time_s)
        if verdict is None:
            return []
        notional = ten[NOTIONAL_CENTS] / 100.0
        busiest = self._busiest(state)
        return [self._signal(tick, "cancel_burst", "cancel_burst", "symbol", verdict, busiest, notional, evidence)]

    def _busiest(self, state: SymbolTick) -> tuple[str, ...]:
        """The accounts with at least a fifth of the last ten seconds' cancels, busiest first."""
        everyone = self._ten.get(self.symbol)[CANCELS]
        counts = sorted((-self._of_account(account, CANCELS), account) for account in state.accounts)
        return tuple(account for count, account in counts[:_MOST_ACCOUNTS] if -count * 5 >= everyone)

    def _remember(self, tick: int, accounts: AccountCounts) -> None:
        kept = self._accounts
        while kept and kept[0][0] <= tick - self._ten.length:
            kept.popleft()
        kept.append((tick, accounts))

    def _of_account(self, account: str, place: int) -> int:
        """One count of an account over the last ten seconds: asked for seldom, so not kept up."""
        return sum(accounts[account][place] for _, accounts in self._accounts if account in accounts)

    def _signal(
        self,
        tick: int,
        detector: str,
        pattern: Pattern,
        scope: Scope,
        verdict: Verdict,
        accounts: tuple[str, ...],
        notional: float,
        evidence: EvidenceWindow,
    ) -> Signal:
        return signal_of(
            verdict,
            (tick + 1) * self._tick_us,
            detector=detector,
            pattern=pattern,
            scope=scope,
            entity=self.symbol,
            symbol=self.symbol,
            accounts=accounts[:_MOST_ACCOUNTS],
            notional=notional,
            evidence=evidence,
        )
