"""Cancel bursts of single accounts: one small detector an account, one calibration for all of a partition."""

from collections import Counter

from detectors.cancel_burst import CancelBurst
from detectors.config import CoreSettings
from detectors.features.market import CANCELS, NOTIONAL_CENTS
from detectors.gamma_poisson import DecayedRate
from detectors.ledger import EvidenceWindow
from detectors.results import Signal
from detectors.scorer import Scorer, Verdict
from detectors.symbol_watch import cancel_features
from detectors.windows import SlidingCounts

_EVERYONE = ""
#: Cancels added to both sides of the crowd's ratio: a handful more than usual is no crowd.
_CROWD_PRIOR = 10.0
#: Counts of an account by symbol in one tick.
AccountSymbols = dict[str, dict[str, list[int]]]


class AccountWatch:
    """Scores what accounts cancelled, over all symbols.

    An account is remembered from its first cancel on. At `memory.max_accounts` the one silent longest is forgotten, so that a flood of
    made-up accounts cannot exhaust memory; it can only push out accounts that do nothing.

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
        self._one = SlidingCounts(1_000_000 // self._tick_us, 4)
        self._ten = SlidingCounts(10_000_000 // self._tick_us, 4)
        self._all_one = SlidingCounts(self._one.length, 1)
        self._all_ten = SlidingCounts(self._ten.length, 1)
        self._everyone = DecayedRate(self._half_life_s)

    def __len__(self) -> int:
        return len(self._detectors)

    def close_tick(self, tick: int, accounts: AccountSymbols, evidence: EvidenceWindow) -> list[Signal]:
        """Score every account of a tick, in the order of their names."""
        totals = {account: _total(symbols) for account, symbols in accounts.items()}
        self._one.add(tick, totals)
        self._ten.add(tick, totals)
        time_s = (tick + 1) * self._tick_us / 1e6
        cancels = sum(counts[CANCELS] for counts in totals.values())
        self._all_one.add(tick, {_EVERYONE: [cancels]})
        self._all_ten.add(tick, {_EVERYONE: [cancels]})
        usual_per_s = self._everyone.per_second(time_s)
        all_one, all_ten = self._all_one.get(_EVERYONE)[0], self._all_ten.get(_EVERYONE)[0]
        signals: list[Signal] = []
        for account in sorted(totals):
            counts = totals[account]
            detector = self._detector(account, cancels=counts[CANCELS] > 0)
            if detector is None:
                continue
            one, ten = self._one.get(account), self._ten.get(account)
            x = cancel_features(counts, one, ten, time_s)
            x["crowd_1s"] = (all_one - one[CANCELS] + _CROWD_PRIOR) / (usual_per_s + _CROWD_PRIOR)
            x["crowd_10s"] = (all_ten - ten[CANCELS] + _CROWD_PRIOR) / (10.0 * usual_per_s + _CROWD_PRIOR)
            if not counts[CANCELS]:
                detector.learn_one(x)
                continue
            verdict = self._scorer.step(detector, x, time_s)
            if verdict is not None:
                signals.append(self._signal(tick, account, accounts[account], verdict, evidence))
        self._everyone.learn(cancels, time_s)
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

    def _signal(
        self, tick: int, account: str, symbols: dict[str, list[int]], verdict: Verdict, evidence: EvidenceWindow
    ) -> Signal:
        busiest = min(symbols, key=lambda symbol: (-symbols[symbol][CANCELS], symbol))
        return Signal(
            timestamp=(tick + 1) * self._tick_us,
            detector="cancel_burst",
            pattern="cancel_burst",
            scope="account",
            entity=account,
            symbol=busiest,
            p_value=verdict.p_value,
            per_day=verdict.per_day,
            score=verdict.score,
            contributions=verdict.contributions,
            accounts=(account,),
            notional=self._ten.get(account)[NOTIONAL_CENTS] / 100.0,
            evidence=evidence.merged(),
        )


def _total(symbols: dict[str, list[int]]) -> list[int]:
    if len(symbols) == 1:
        return next(iter(symbols.values()))
    return [sum(place) for place in zip(*symbols.values(), strict=True)]
