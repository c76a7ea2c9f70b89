"""Liquidation waves of a symbol."""

from typing import Any

from detectors.features.market import FORCED_CENTS, FORCED_EVENTS, SymbolTick
from detectors.ledger import EvidenceWindow
from detectors.liquidation_wave import LiquidationWave
from detectors.results import Signal
from detectors.scorer import Verdict
from detectors.watch import Spot, SymbolTickWatch
from detectors.windows import SlidingCounts

_ALL = ""
_WINDOWS_S = (10, 60)


class LiquidationWatch(SymbolTickWatch[LiquidationWave]):
    """`LiquidationWave` at each tick with liquidations; seconds without any are learned as such.

    They are told by their own topic, or by trades that are flagged as liquidations. Where a symbol has both, each is
    told twice: its own topic counts from its first event on.
    """

    name = pattern = "liquidation_wave"
    #: Clusters of liquidations differ by far more than a Poisson process lets expect.
    prior_scale = 2.0

    def __init__(self, spot: Spot) -> None:
        super().__init__(spot)
        ticks_a_second = 1_000_000 // self.tick_us
        self._windows = {seconds: SlidingCounts(seconds * ticks_a_second, 2) for seconds in _WINDOWS_S}
        self._has_topic = False

    @classmethod
    def concerns(cls, state: SymbolTick) -> bool:
        """Liquidations."""
        return state.liquidated is not None or state.flagged is not None

    def new_detector(self) -> LiquidationWave:
        """With the slow memory of the settings."""
        return LiquidationWave(self.spot.settings.memory.leverage_half_life_s)

    def begin(self, since_s: float) -> None:
        """The symbol has been known since then, and had no liquidation."""
        self.listen_from(since_s)

    def close_tick(self, tick: int, state: SymbolTick, evidence: EvidenceWindow) -> list[Signal]:
        """Score the liquidations of a tick."""
        self._has_topic = self._has_topic or state.liquidated is not None
        counts = state.liquidated if self._has_topic else state.flagged
        if counts is None:
            return []
        time_s = self.time_s(tick)
        self.learn_silence(time_s)
        x = {
            "time_s": time_s,
            "events_tick": float(counts[FORCED_EVENTS]),
            "notional_tick": counts[FORCED_CENTS] / 100.0,
        }
        for seconds, window in self._windows.items():
            window.add(tick, {_ALL: counts})
            sums = window.get(_ALL)
            x[f"events_{seconds}s"] = float(sums[FORCED_EVENTS])
            x[f"notional_{seconds}s"] = sums[FORCED_CENTS] / 100.0
        return self.judge(tick, x, evidence, self._at_stake)

    def shown_by(self, tick: int, length: int) -> tuple[str, ...]:
        """The topic that counts."""
        return ("liquidations",) if self._has_topic else ("trades",)

    def _at_stake(self, _: Verdict) -> tuple[tuple[str, ...], float]:
        return (), self._windows[_WINDOWS_S[-1]].get(_ALL)[FORCED_CENTS] / 100.0

    def rest(self) -> Any:  # noqa: ANN401 - see Watch
        """The liquidations of the last minute."""
        kept = [[tick, counts[_ALL]] for tick, counts in self._windows[_WINDOWS_S[-1]].state()]
        return [self._has_topic, kept]

    def take_rest(self, rest: Any) -> None:  # noqa: ANN401 - see Watch
        """Let the liquidations of the last minute enter the windows again."""
        self._has_topic, kept = rest
        for tick, counts in kept:
            for window in self._windows.values():
                window.add(tick, {_ALL: counts})
