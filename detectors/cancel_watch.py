"""Cancel bursts of a symbol as a whole."""

from detectors.base import Features
from detectors.cancel_burst import CancelBurst
from detectors.features.market import CANCELS, FILLS, NOTIONAL_CENTS, PRESSURE, SymbolTick
from detectors.ledger import EvidenceWindow
from detectors.results import Signal
from detectors.watch import SymbolTickWatch
from detectors.windows import Counts


def cancel_features(tick: Counts, one: Counts, ten: Counts, time_s: float) -> Features:
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


class CancelWatch(SymbolTickWatch[CancelBurst]):
    """`CancelBurst` on the cancels of all accounts together."""

    name = pattern = "cancel_burst"
    topics = ("cancels",)

    @classmethod
    def concerns(cls, state: SymbolTick) -> bool:
        """Cancels and trades."""
        return bool(state.accounts) or state.trades > 0

    def new_detector(self) -> CancelBurst:
        """With the memory of the settings."""
        return CancelBurst(self.spot.settings.memory.half_life_s, tick_s=self.tick_us / 1e6)

    def close_tick(self, tick: int, state: SymbolTick, evidence: EvidenceWindow) -> list[Signal]:
        """Score ticks with cancels; trades alone are only learned."""
        if not self.concerns(state):
            return []
        activity = self.spot.activity
        x = cancel_features(activity.now, activity.one, activity.ten, self.time_s(tick))
        if not activity.now[CANCELS]:
            self.detector.learn_one(x)
            return []
        return self.judge(
            tick, x, evidence, lambda _: (activity.busiest(CANCELS), activity.ten[NOTIONAL_CENTS] / 100.0)
        )
