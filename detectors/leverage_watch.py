"""Leverage of accounts: jumps of single ones, and what a partition's accounts did to each symbol."""

import math
from collections import Counter
from typing import Any

from detectors.base import State
from detectors.config import CoreSettings
from detectors.entities import Entities
from detectors.events import LeverageChange
from detectors.features.market import LARGEST_CENTS
from detectors.ledger import EvidenceWindow
from detectors.leverage_jump import LeverageJump
from detectors.liquidation_density import LONG, SHORT, bucket_of
from detectors.liquidation_price import liquidation_price
from detectors.measures import Measure, calibration_measure
from detectors.results import LeverageMove, Signal
from detectors.revival import revived
from detectors.scorer import Scorer, signal_of

_MOST_ACCOUNTS = 20


class _Standing:
    """What an account last was on one symbol, and when (in changes of all accounts)."""

    __slots__ = ("bucket", "cross_cents", "leverage", "near_cents", "notional_cents", "side", "turn")

    def __init__(self) -> None:
        self.leverage = 0.0
        self.notional_cents = 0
        self.near_cents = 0
        self.turn = 0
        #: Where it would be liquidated, as side and bucket of the density; None: nowhere.
        self.side = LONG
        self.bucket: int | None = None
        self.cross_cents = 0

    def state(self) -> list[Any]:
        placed = [self.side, self.bucket, self.cross_cents]
        return [self.leverage, self.notional_cents, self.near_cents, self.turn, *placed]

    @classmethod
    def of(cls, _name: object, state: list[Any], _notes: list[str]) -> "_Standing":
        standing = cls()
        standing.leverage, standing.notional_cents, standing.near_cents, standing.turn = state[:4]
        standing.side, standing.bucket, standing.cross_cents = state[4:]
        return standing


class _Jumps:
    """An account's own history of changes, and when it last changed."""

    __slots__ = ("detector", "turn")

    def __init__(self) -> None:
        self.detector = LeverageJump()
        self.turn = 0

    def state(self) -> list[Any]:
        return [self.detector.state(), self.turn]

    @classmethod
    def of(cls, account: str, state: list[Any], notes: list[str]) -> "_Jumps":
        jumps = cls()
        jumps.detector = revived(LeverageJump, state[0], f"leverage_jump of {account}", notes)
        jumps.turn = state[1]
        return jumps


class _Move:
    __slots__ = (
        "accounts",
        "changes",
        "cross_cents",
        "doublings_micro",
        "liquidations",
        "near_cents",
        "notional_cents",
        "raises",
    )

    def __init__(self) -> None:
        self.changes = 0
        self.raises = 0
        self.doublings_micro = 0
        self.notional_cents = 0
        self.near_cents = 0
        self.accounts: dict[str, int] = {}
        self.liquidations: dict[tuple[int, int], int] = {}
        self.cross_cents = 0

    def place(self, side: int, bucket: int | None, cents: int) -> None:
        """Put notional to where it would be liquidated."""
        if bucket is not None and cents:
            self.liquidations[side, bucket] = self.liquidations.get((side, bucket), 0) + cents


class LeverageWatch:
    """Follows the leverage of each account on each symbol.

    A position is *near liquidation* when the price move that would liquidate it, `1 / leverage - maintenance_margin`,
    is at most `near_liquidation`. Notional is position times entry price; an account that sends neither counts without
    notional.

    A change that is told again counts once. What is the same in all it says falls into the same tick, and is dropped
    there. Of a change at the same time to the same leverage, or to the leverage that the account has already though
    `prev_leverage` says otherwise, only the position is taken. It fails where a change back was never told.

    Parameters
    ----------
    settings
        The settings of the core.
    counters
        The stage's counters.
    """

    def __init__(self, settings: CoreSettings, counters: Counter[str]) -> None:
        self._tick_us = settings.timing.tick_us
        self._market = settings.market
        self._tiers = settings.cascade.tiers
        self._calibration = settings.calibration
        self._counters = counters
        self._turn = 0
        most = settings.memory.max_accounts
        self._standings: Entities[_Standing] = Entities(
            most,
            save=_Standing.state,
            load=_Standing.of,
            turn=lambda standing: standing.turn,
            counters=counters,
            evicted="evicted_positions",
        )
        self._jumps: Entities[_Jumps] = Entities(
            most,
            save=_Jumps.state,
            load=_Jumps.of,
            turn=lambda jumps: jumps.turn,
            counters=counters,
            evicted="evicted_accounts",
        )
        self._scorer = self._new_scorer()

    def close_tick(
        self, tick: int, changes: list[LeverageChange], evidence: EvidenceWindow
    ) -> tuple[tuple[LeverageMove, ...], list[Signal]]:
        """Take the changes of one tick, given in order of time; their sums by symbol, and the jumps that stand out."""
        moves: dict[str, _Move] = {}
        signals: list[Signal] = []
        told: set[tuple[str, str, int, float]] = set()
        for change in dict.fromkeys(changes):
            what = change.account, change.symbol, change.timestamp, change.leverage
            move = moves.setdefault(change.symbol, _Move())
            signal = self._take(tick, change, move, evidence, is_told=what in told)
            told.add(what)
            if signal is not None:
                signals.append(signal)
        return tuple(_result(symbol, moves[symbol]) for symbol in sorted(moves)), signals

    def _take(
        self, tick: int, change: LeverageChange, move: _Move, evidence: EvidenceWindow, *, is_told: bool
    ) -> Signal | None:
        self._turn += 1
        name = (change.account, change.symbol)
        standing = self._standings.touch(name) or self._standings.add(name, _Standing())
        standing.turn = self._turn
        before = change.prev_leverage or standing.leverage
        is_told = is_told or change.leverage == standing.leverage != before
        log_change = math.log(change.leverage / before) if before > 0.0 and not is_told else 0.0
        notional_cents = min(int(abs(change.position) * (change.entry_price or 0.0) * 100.0), LARGEST_CENTS)
        distance = 1.0 / change.leverage - self._market.maintenance_margin
        near_cents = notional_cents if distance <= self._market.near_liquidation else 0
        move.changes += not is_told
        if log_change > 0.0:
            move.raises += 1
            move.doublings_micro += int(log_change / math.log(2.0) * 1e6)
            move.accounts[change.account] = move.accounts.get(change.account, 0) + int(log_change * 1e6)
        move.notional_cents += notional_cents - standing.notional_cents
        move.near_cents += near_cents - standing.near_cents
        self._move_liquidation(change, standing, move, notional_cents)
        standing.leverage, standing.notional_cents, standing.near_cents = change.leverage, notional_cents, near_cents
        if is_told:
            self._counters["repeated_leverage"] += 1
            return None
        return self._jump(tick, change, log_change, notional_cents, evidence)

    def _move_liquidation(self, change: LeverageChange, standing: _Standing, move: _Move, notional_cents: int) -> None:
        """Take the position from where it would have been liquidated, and put it to where it would be now."""
        price = None
        if notional_cents and change.entry_price is not None:
            collateral = change.collateral if change.margin_mode == "cross" else 0.0
            price = liquidation_price(change.position, change.entry_price, change.leverage, self._tiers, collateral)
        cross_cents = notional_cents if change.margin_mode == "cross" else 0
        move.place(standing.side, standing.bucket, -standing.notional_cents)
        standing.side = LONG if change.position > 0.0 else SHORT
        standing.bucket = None if price is None else bucket_of(price)
        move.place(standing.side, standing.bucket, notional_cents)
        move.cross_cents += cross_cents - standing.cross_cents
        standing.cross_cents = cross_cents

    def _jump(
        self, tick: int, change: LeverageChange, log_change: float, notional_cents: int, evidence: EvidenceWindow
    ) -> Signal | None:
        jumps = self._jumps.touch(change.account) or self._jumps.add(change.account, _Jumps())
        jumps.turn = self._turn
        time_s = (tick + 1) * self._tick_us / 1e6
        x = {"log_change": log_change, "leverage": change.leverage}
        verdict = self._scorer.step(jumps.detector, x, time_s)
        if verdict is None:
            return None
        return signal_of(
            verdict,
            (tick + 1) * self._tick_us,
            detector="leverage_jump",
            pattern="leverage_spike",
            scope="account",
            entity=change.account,
            symbol=change.symbol,
            accounts=(change.account,),
            notional=notional_cents / 100.0,
            evidence=evidence,
            topics=("leverage",),
        )

    def measure(self) -> Measure:
        """Give whether scores are calibrated."""
        return calibration_measure("leverage_jump", is_warm=self._scorer.pot.ready)

    def kept(self) -> dict[str, Entities[Any]]:
        """What accounts last were, and how they change."""
        return {"standing": self._standings, "jumps": self._jumps}

    def head(self) -> State:
        """What all accounts share."""
        return {"turn": self._turn, "scorer": self._scorer.state()}

    def resume(self, head: State, notes: list[str]) -> None:
        """Take up what all accounts share."""
        self._turn = head["turn"]
        self._scorer = revived(self._new_scorer, head["scorer"], "calibration of leverage_jump", notes)

    def _new_scorer(self) -> Scorer:
        return Scorer(self._calibration, self._counters)


def _result(symbol: str, move: _Move) -> LeverageMove:
    raisers = sorted(move.accounts, key=lambda account: (-move.accounts[account], account))[:_MOST_ACCOUNTS]
    return LeverageMove(
        symbol=symbol,
        changes=move.changes,
        raises=move.raises,
        doublings_micro=move.doublings_micro,
        notional_cents=move.notional_cents,
        near_cents=move.near_cents,
        accounts=tuple(raisers),
        liquidations=tuple((*at, cents) for at, cents in sorted(move.liquidations.items()) if cents),
        cross_cents=move.cross_cents,
    )
