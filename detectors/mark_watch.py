"""Mark divergence of a symbol: the newest prices of each kind, and how old they are."""

from typing import Any

from detectors.base import Features
from detectors.features.market import SymbolTick, Told
from detectors.ledger import EvidenceWindow
from detectors.mark_divergence import MarkDivergence
from detectors.results import Signal
from detectors.watch import Spot, SymbolTickWatch

_KINDS = ("mark", "index", "last")
_TOPICS_OF_KINDS = {"tickers": {"mark", "index"}, "trades": {"last"}}
#: Trades alone are a reason to look at most so often: they come in hundreds a second.
_EVERY_US = 1_000_000


class MarkWatch(SymbolTickWatch[MarkDivergence]):
    """`MarkDivergence` at each tick with a ticker, and each second with trades: then the prices' ages are told."""

    name = pattern = "mark_divergence"
    #: Of deviations: what a normal distribution has beyond its 98 % quantile.
    prior_scale = 0.5

    def __init__(self, spot: Spot) -> None:
        super().__init__(spot)
        self._newest: dict[str, Told] = {}
        self._looked_us = 0

    @classmethod
    def concerns(cls, state: SymbolTick) -> bool:
        """Tickers with a mark or an index price."""
        told = state.references
        return told is not None and (told.mark is not None or told.index is not None)

    def new_detector(self) -> MarkDivergence:
        """With the memory and the bands of the settings."""
        settings = self.spot.settings
        inner, outer = settings.market.divergence_inner, settings.market.divergence_outer
        return MarkDivergence(settings.memory.half_life_s, inner, outer)

    def close_tick(self, tick: int, state: SymbolTick, evidence: EvidenceWindow) -> list[Signal]:
        """Take up what is newer, and score it."""
        end_us = (tick + 1) * self.tick_us
        x: Features = {"time_s": self.time_s(tick)}
        if state.last is not None:
            self._newest["last"] = state.last
        told = state.references
        if told is not None:
            self._take_up(x, "mark", told.mark)
            self._take_up(x, "index", told.index)
        elif end_us - self._looked_us < _EVERY_US:
            return []
        self._looked_us = end_us
        for kind in _KINDS:
            newest = self._newest.get(kind)
            if newest is not None:
                x[kind] = newest[1]
                x[f"{kind}_age_s"] = (end_us - newest[0]) / 1e6
        return self.judge(tick, x, evidence)

    def _take_up(self, x: Features, kind: str, told: Told | None) -> None:
        before = self._newest.get(kind)
        if told is None:
            return
        self._newest[kind] = told
        if before is not None and told[0] > before[0]:
            x[f"{kind}_gap_s"] = (told[0] - before[0]) / 1e6

    def shown_by(self, tick: int, length: int) -> tuple[str, ...]:
        """Tickers and trades, as far as prices have come by them of late: one that stands still has not."""
        since_us = (tick - length + 1) * self.tick_us
        lately = {kind for kind, told in self._newest.items() if told[0] >= since_us}
        return tuple(topic for topic, kinds in _TOPICS_OF_KINDS.items() if lately & kinds)

    def rest(self) -> Any:  # noqa: ANN401 - see Watch
        """The newest prices."""
        return [self._looked_us, {kind: list(told) for kind, told in sorted(self._newest.items())}]

    def take_rest(self, rest: Any) -> None:  # noqa: ANN401 - see Watch
        """Take up the newest prices."""
        self._looked_us, newest = rest
        self._newest = {kind: (told[0], told[1]) for kind, told in newest.items()}
