"""Leverage moves of all partitions, added up by symbol and judged."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from detectors.base import Features, State
from detectors.config import CoreSettings
from detectors.entities import Entities
from detectors.ledger import EvidenceWindow
from detectors.leverage_spike import LeverageSpike
from detectors.measures import Measure, calibration_measure
from detectors.results import Evidence, LeverageMove, Signal
from detectors.revival import revived
from detectors.scorer import Scorer, signal_of
from detectors.seeds import seed_of
from detectors.windows import SlidingCounts

_SECONDS = (1, 10, 60)
_MOST_ACCOUNTS = 20
_LARGEST_SUM = 2**62


class _SymbolLeverage:
    __slots__ = ("accounts", "detector", "evidence", "near_cents", "notional_cents", "turn", "windows")

    def __init__(self, symbol: str, settings: CoreSettings) -> None:
        half_life_s = settings.memory.leverage_half_life_s
        self.detector = LeverageSpike(
            seed_of("leverage_spike", symbol), half_life_s, tick_s=settings.timing.tick_us / 1e6
        )
        ticks_a_second = 1_000_000 // settings.timing.tick_us
        self.windows = {seconds: SlidingCounts(seconds * ticks_a_second, 2) for seconds in _SECONDS}
        self.accounts = SlidingCounts(10 * ticks_a_second, 1)
        self.evidence = EvidenceWindow(_SECONDS[-1] * ticks_a_second)
        self.notional_cents = 0
        self.near_cents = 0
        self.turn = -1

    def state(self) -> State:
        return {
            "detector": self.detector.state(),
            "windows": [window.state() for window in self.windows.values()],
            "accounts": self.accounts.state(),
            "evidence": self.evidence.state(),
            "now": [self.notional_cents, self.near_cents, self.turn],
        }

    def restore(self, state: State) -> None:
        self.detector.restore(state["detector"])
        for window, saved in zip(self.windows.values(), state["windows"], strict=True):
            window.restore(saved)
        self.accounts.restore(state["accounts"])
        self.evidence.restore(state["evidence"])
        self.notional_cents, self.near_cents, self.turn = state["now"]


class LeveragePool:
    """One leverage-spike detector a symbol over the moves of every partition; one calibration for all symbols.

    Parameters
    ----------
    settings
        The settings of the core.
    counters
        The stage's counters.
    """

    def __init__(self, settings: CoreSettings, counters: Counter[str]) -> None:
        self._settings = settings
        self._counters = counters
        self._tick_us = settings.timing.tick_us
        self._symbols: Entities[_SymbolLeverage] = Entities(
            settings.memory.max_symbols,
            save=_SymbolLeverage.state,
            load=self._load,
            turn=lambda symbol: symbol.turn,
            counters=counters,
            evicted="evicted_symbols",
        )
        self._scorer = self._new_scorer()
        #: The detectors' trees look at one observation in so many.
        self.one_in = 1

    def close_tick(
        self, tick: int, moves: list[LeverageMove], evidence: Mapping[str, tuple[Evidence, ...]]
    ) -> list[Signal]:
        """Judge the symbols whose accounts changed leverage in a tick; `evidence` is by symbol."""
        by_symbol: dict[str, list[LeverageMove]] = {}
        for move in moves:
            by_symbol.setdefault(move.symbol, []).append(move)
        signals = []
        for symbol in sorted(by_symbol):
            signal = self._judge(tick, symbol, by_symbol[symbol], evidence.get(symbol, ()))
            if signal is not None:
                signals.append(signal)
        return signals

    def _judge(
        self, tick: int, symbol: str, moves: list[LeverageMove], evidence: tuple[Evidence, ...]
    ) -> Signal | None:
        state = self._symbols.touch(symbol) or self._symbols.add(symbol, _SymbolLeverage(symbol, self._settings))
        state.turn = tick
        state.detector.one_in = self.one_in
        raises, micro = sum(move.raises for move in moves), sum(move.doublings_micro for move in moves)
        for window in state.windows.values():
            window.add(tick, {symbol: [raises, micro]})
        state.accounts.add(tick, {account: [1] for move in moves for account in move.accounts})
        state.evidence.add(tick, evidence)
        state.notional_cents = _bounded(state.notional_cents + sum(move.notional_cents for move in moves))
        state.near_cents = _bounded(state.near_cents + sum(move.near_cents for move in moves))
        time_s = (tick + 1) * self._tick_us / 1e6
        x = self._features(symbol, state, raises, micro, time_s)
        verdict = self._scorer.step(state.detector, x, time_s)
        if verdict is None:
            return None
        raisers = state.accounts.most(_MOST_ACCOUNTS)
        return signal_of(
            verdict,
            (tick + 1) * self._tick_us,
            detector="leverage_spike",
            pattern="leverage_spike",
            scope="symbol",
            entity=symbol,
            symbol=symbol,
            accounts=raisers,
            notional=max(state.near_cents, 0) / 100.0,
            evidence=state.evidence,
            topics=("leverage",),
        )

    def measure(self) -> Measure:
        """Give whether scores are calibrated."""
        return calibration_measure("leverage_spike", is_warm=self._scorer.pot.ready)

    def kept(self) -> dict[str, Entities[Any]]:
        """Symbols."""
        return {"leverage": self._symbols}

    def head(self) -> State:
        """What all symbols share."""
        return self._scorer.state()

    def resume(self, head: State, notes: list[str]) -> None:
        """Take up what all symbols share."""
        self._scorer = revived(self._new_scorer, head, "calibration of leverage_spike", notes)

    def _load(self, symbol: str, state: State, notes: list[str]) -> _SymbolLeverage:
        return revived(lambda: _SymbolLeverage(symbol, self._settings), state, f"leverage_spike of {symbol}", notes)

    def _new_scorer(self) -> Scorer:
        return Scorer(self._settings.calibration, self._counters)

    @staticmethod
    def _features(symbol: str, state: _SymbolLeverage, raises: int, micro: int, time_s: float) -> Features:
        x: Features = {"time_s": time_s, "raises_tick": float(raises), "doublings_tick": micro / 1e6}
        for seconds, window in state.windows.items():
            count, doublings_micro = window.get(symbol)
            x[f"raises_{seconds}s"] = float(count)
            x[f"doublings_{seconds}s"] = doublings_micro / 1e6
        if state.notional_cents > 0:
            x["near_share"] = min(max(state.near_cents / state.notional_cents, 0.0), 1.0)
        return x


def _bounded(cents: int) -> int:
    """A sum that msgpack can carry, whatever was added up."""
    return min(max(cents, -_LARGEST_SUM), _LARGEST_SUM)
