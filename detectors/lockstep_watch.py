"""Accounts of a symbol in step, at the end of each second with cancels."""

from detectors.base import Features
from detectors.features.market import CANCELS, NOTIONAL_CENTS, AccountCounts, SymbolTick
from detectors.ledger import EvidenceWindow
from detectors.lockstep import Lockstep
from detectors.results import Signal
from detectors.watch import Spot, SymbolTickWatch


class LockstepWatch(SymbolTickWatch[Lockstep]):
    """`Lockstep` on the accounts that cancelled in a second; a group in step is a cancel burst with names."""

    name = "lockstep"
    pattern = "cancel_burst"
    topics = ("cancels",)
    scope = "group"
    prior_scale = 3.0
    warm_up = 60

    def __init__(self, spot: Spot) -> None:
        super().__init__(spot)
        self._second: dict[str, int] = {}

    @classmethod
    def concerns(cls, state: SymbolTick) -> bool:
        """Cancels and trades."""
        return bool(state.accounts) or state.trades > 0

    def new_detector(self) -> Lockstep:
        """With its own defaults."""
        return Lockstep()

    def close_tick(self, tick: int, state: SymbolTick, evidence: EvidenceWindow) -> list[Signal]:
        """Note who cancelled."""
        self.recount(state.accounts)
        return []

    def recount(self, accounts: AccountCounts) -> None:
        """Note who cancelled in this second."""
        second = self._second
        for account, counts in accounts.items():
            if counts[CANCELS]:
                second[account] = second.get(account, 0) + counts[CANCELS]

    @property
    def has_second(self) -> bool:
        """Whether there were cancels in the second that is under way."""
        return bool(self._second)

    def close_second(self, tick: int, evidence: EvidenceWindow) -> list[Signal]:
        """Look for accounts in step."""
        activity = self.spot.activity
        activity.expire(tick)
        # In the order of names, whichever came first.
        x: Features = {account: float(count) for account, count in sorted(self._second.items())}
        x["time_s"] = float((tick + 1) * self.tick_us // 1_000_000 - 1)
        self._second = {}
        if not self.detector.due:
            # Not scored, rather than scored 0: what is not looked at must not teach the calibration.
            self.detector.learn_one(x)
            self.spot.counters["sampled_out"] += 1
            return []
        group = self.detector.group(x)
        found = self.judge(tick, x, evidence, lambda _: (group, self._notional(group)))
        return found if group else []

    def _notional(self, group: tuple[str, ...]) -> float:
        of_account = self.spot.activity.of_account
        return sum(of_account(account, NOTIONAL_CENTS) for account in group) / 100.0
