"""Cancel bursts of single accounts: one small detector an account, one calibration for all of a partition."""

from collections import Counter
from operator import attrgetter

from detectors.cancel_burst import CancelBurst
from detectors.config import CoreSettings
from detectors.crowd import Crowd
from detectors.features.market import CANCELS, NOTIONAL_CENTS
from detectors.ledger import EvidenceWindow
from detectors.results import Activity, Signal
from detectors.scorer import Scorer, Verdict, signal_of
from detectors.symbol_watch import cancel_features
from detectors.windows import ActivityWindows

#: Accounts whose busiest symbol is remembered.
_MOST_BURSTING = 1_000
_BY_ACCOUNT = attrgetter("account", "symbol")


class AccountWatch:
    """Scores what accounts cancelled, over all symbols.

    An account is remembered from its first cancel on. At `memory.max_accounts` the one silent longest is forgotten, so
    that a flood of made-up accounts cannot exhaust memory; it can only push out accounts that do nothing.

    Parameters
    ----------
    settings
        The settings of the core.
    counters
        The stage's counters.
    """

    def __init__(self, settings: CoreSettings, counters: Counter[str]) -> None:
        self._tick_us = settings.timing.tick_us
        self._half_life_s = settings.memory.half_life_s
        self._max_accounts = settings.memory.max_accounts
        self._counters = counters
        self._detectors: dict[str, CancelBurst] = {}
        self._scorer = Scorer(settings.calibration, counters)
        self._windows = ActivityWindows(1_000_000 // self._tick_us, 10_000_000 // self._tick_us)
        self._symbol_of: dict[str, str] = {}
        self._crowd = Crowd(self._tick_us, self._half_life_s)

    def __len__(self) -> int:
        return len(self._detectors)

    def close_tick(self, tick: int, rows: list[Activity], evidence: EvidenceWindow) -> list[Signal]:
        """Score every account of a tick, in the order of their names.

        The rows may come in any order; there is one an account and symbol.
        """
        rows.sort(key=_BY_ACCOUNT)
        totals = _totals(rows)
        self._windows.add(tick, totals)
        time_s = (tick + 1) * self._tick_us / 1e6
        crowd = self._crowd
        crowd.add(tick, time_s, sum(counts[CANCELS] for counts in totals.values()))
        signals: list[Signal] = []
        for account, counts in totals.items():
            cancels, pressure, fills, _ = counts
            detector = self._detector(account, cancels=cancels > 0)
            if detector is None:
                continue
            sums = self._windows.get(account)
            if sums[4] < detector.least_cancels or not cancels:
                detector.learn_tick(time_s, cancels, pressure, fills)
                if cancels:
                    self._scorer.learn_silence(time_s)
                continue
            x = cancel_features(counts, sums[:4], sums[4:], time_s)
            x["crowd_1s"], x["crowd_10s"] = crowd.busier(sums[0], sums[4])
            verdict = self._scorer.step(detector, x, time_s)
            if verdict is not None:
                signals.append(self._signal(tick, account, rows, verdict, evidence))
        crowd.learn(time_s)
        return signals

    def _detector(self, account: str, *, cancels: bool) -> CancelBurst | None:
        detector = self._detectors.pop(account, None)
        if detector is None:
            if not cancels:
                return None
            detector = CancelBurst(self._half_life_s, grace_s=0.0, tick_s=self._tick_us / 1e6)
            if len(self._detectors) >= self._max_accounts:
                del self._detectors[next(iter(self._detectors))]
                self._counters["evicted_accounts"] += 1
        # Put back at the end: the order of the dict is the order of eviction.
        self._detectors[account] = detector
        return detector

    def _busiest(self, account: str, rows: list[Activity]) -> str:
        """Where the account bursts: its busiest symbol.

        A tick with less than a quarter of ten seconds' cancels says nothing new: the symbol found before stays.
        """
        row = max((row for row in rows if row.account == account), key=lambda row: (row.cancels, row.symbol))
        symbol = row.symbol
        before = self._symbol_of.pop(account, symbol)
        if row.cancels * 4 < self._windows.get(account)[4 + CANCELS]:
            symbol = before
        self._symbol_of[account] = symbol
        if len(self._symbol_of) > _MOST_BURSTING:
            del self._symbol_of[next(iter(self._symbol_of))]
        return symbol

    def _signal(
        self, tick: int, account: str, rows: list[Activity], verdict: Verdict, evidence: EvidenceWindow
    ) -> Signal:
        busiest = self._busiest(account, rows)
        return signal_of(
            verdict,
            (tick + 1) * self._tick_us,
            detector="cancel_burst",
            pattern="cancel_burst",
            scope="account",
            entity=account,
            symbol=busiest,
            accounts=(account,),
            notional=self._windows.get(account)[4 + NOTIONAL_CENTS] / 100.0,
            evidence=evidence,
        )


def _totals(rows: list[Activity]) -> dict[str, list[int]]:
    """Counts by account over its symbols, in the order of the rows."""
    totals: dict[str, list[int]] = {}
    last = ""
    for row in rows:
        account = row.account
        if account != last:
            totals[account] = [row.cancels, row.pressure, row.fills, row.notional_cents]
            last = account
        else:
            total = totals[account]
            total[0] += row.cancels
            total[1] += row.pressure
            total[2] += row.fills
            total[3] += row.notional_cents
    return totals
