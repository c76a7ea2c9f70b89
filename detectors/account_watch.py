"""Cancel bursts of single accounts: one small detector an account, one calibration for all of a partition."""

from collections import Counter
from collections.abc import Callable
from operator import attrgetter
from typing import Any

from detectors.base import State
from detectors.cancel_burst import CancelBurst
from detectors.cancel_watch import cancel_features
from detectors.config import CoreSettings
from detectors.crowd import Crowd
from detectors.entities import Entities
from detectors.features.market import CANCELS, NOTIONAL_CENTS
from detectors.ledger import EvidenceWindow
from detectors.measures import Measure, calibration_measure
from detectors.recent_ticks import RecentTicks
from detectors.results import Activity, Signal
from detectors.revival import revived
from detectors.scorer import Scorer, Verdict, signal_of
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
    partition_of
        Kafka's partition of a symbol: where the evidence lies.
    """

    def __init__(self, settings: CoreSettings, counters: Counter[str], partition_of: Callable[[str], int]) -> None:
        self._partition_of = partition_of
        self._tick_us = settings.timing.tick_us
        self._half_life_s = settings.memory.half_life_s
        self._calibration = settings.calibration
        self._counters = counters
        self._detectors: Entities[CancelBurst] = Entities(
            settings.memory.max_accounts,
            save=CancelBurst.levels,
            load=self._load,
            turn=lambda detector: detector.last_s,
            counters=counters,
            evicted="evicted_accounts",
        )
        self._scorer = self._new_scorer()
        self._windows = ActivityWindows(1_000_000 // self._tick_us, 10_000_000 // self._tick_us)
        self._recent: RecentTicks[dict[str, list[int]]] = RecentTicks(self._windows.long)
        self._symbol_of: dict[str, str] = {}
        self._crowd = self._new_crowd()

    def __len__(self) -> int:
        return len(self._detectors)

    def close_tick(
        self, tick: int, rows: list[Activity], totals: dict[str, list[int]], evidence: EvidenceWindow
    ) -> list[Signal]:
        """Score every account of a tick, in the order of their names; `totals` are those of the rows."""
        self._windows.add(tick, totals)
        self._recent.add(tick, totals)
        time_s = (tick + 1) * self._tick_us / 1e6
        crowd = self._crowd
        crowd.add(tick, time_s, sum(counts[CANCELS] for counts in totals.values()))
        signals: list[Signal] = []
        for account, counts in totals.items():
            cancels, pressure, fills, _ = counts
            detector = self._detectors.touch(account)
            if detector is None:
                if not cancels:
                    continue
                detector = self._detectors.add(account, self._new_detector())
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

    def measure(self) -> Measure:
        """Give whether scores are calibrated."""
        return calibration_measure("cancel_burst_accounts", is_warm=self._scorer.pot.ready)

    def kept(self) -> dict[str, Entities[Any]]:
        """Accounts, and what they did in the last ticks."""
        return {"account": self._detectors, "tick": self._recent.ticks}

    def head(self) -> State:
        """What all accounts share."""
        return {
            "detector": CancelBurst(self._half_life_s).state(),
            "scorer": self._scorer.state(),
            "crowd": self._crowd.state(),
            "symbol_of": list(self._symbol_of.items()),
        }

    def resume(self, head: State, notes: list[str]) -> None:
        """Take up what all accounts share, after the accounts themselves."""
        fresh: list[str] = []
        revived(self._new_detector, head["detector"], f"cancel_burst of {len(self._detectors)} accounts", fresh)
        if fresh:
            for account in list(self._detectors):
                self._detectors.remove(account)
        else:
            self._scorer = revived(self._new_scorer, head["scorer"], "calibration of cancel_burst of accounts", fresh)
        notes += fresh
        self._crowd = revived(self._new_crowd, head["crowd"], "crowd", notes)
        self._symbol_of = dict(head["symbol_of"])
        for tick, totals in self._recent.items():
            self._windows.add(tick, totals)

    def _load(self, account: str, levels: list[Any], _notes: list[str]) -> CancelBurst:
        detector = self._new_detector()
        detector.take_levels(levels)
        return detector

    def _new_detector(self) -> CancelBurst:
        return CancelBurst(self._half_life_s, grace_s=0.0, tick_s=self._tick_us / 1e6)

    def _new_scorer(self) -> Scorer:
        return Scorer(self._calibration, self._counters)

    def _new_crowd(self) -> Crowd:
        return Crowd(self._tick_us, self._half_life_s)

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
            topics=("cancels",),
            partition=self._partition_of(busiest),
        )


def totals_of(rows: list[Activity]) -> dict[str, list[int]]:
    """Sort the rows of a tick, one an account and symbol, by name, and add each account's counts up over its symbols.

    Examples
    --------
    >>> rows = [Activity("b", "X", 1, 8, 0, 0), Activity("a", "Y", 1, 8, 0, 0), Activity("a", "X", 2, 9, 1, 50)]
    >>> totals_of(rows)
    {'a': [3, 17, 1, 50], 'b': [1, 8, 0, 0]}
    """
    rows.sort(key=_BY_ACCOUNT)
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
