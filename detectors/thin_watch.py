"""Thin books of a symbol."""

from detectors.features.book import book_features
from detectors.features.market import SymbolTick
from detectors.ledger import EvidenceWindow
from detectors.results import Signal
from detectors.scorer import Verdict
from detectors.seeds import seed_of
from detectors.thin_book import ThinBook
from detectors.watch import SymbolTickWatch


class ThinWatch(SymbolTickWatch[ThinBook]):
    """`ThinBook` on the newest snapshot of a tick."""

    name = pattern = "thin_book"
    topics = ("books",)
    prior_scale = 0.5

    @classmethod
    def concerns(cls, state: SymbolTick) -> bool:
        """Books."""
        return state.book is not None

    def new_detector(self) -> ThinBook:
        """With the memory of the settings, and a seed of the symbol's."""
        return ThinBook(seed_of("thin_book", self.spot.entity), self.spot.settings.memory.half_life_s)

    def close_tick(self, tick: int, state: SymbolTick, evidence: EvidenceWindow) -> list[Signal]:
        """Score the book."""
        if state.book is None:
            return []
        x = book_features(state.book, self.spot.settings.market.order_notional)
        x["time_s"] = self.time_s(tick)
        return self.judge(tick, x, evidence, _missing)


def _missing(verdict: Verdict) -> tuple[tuple[str, ...], float]:
    return (), sum(max(part.expected - part.observed, 0.0) for part in verdict.contributions[:1])
