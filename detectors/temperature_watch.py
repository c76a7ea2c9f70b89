"""Leverage temperature of a symbol, looked at each few seconds."""

import math
from typing import Any

from detectors.base import Features
from detectors.features.market import SymbolTick, Told
from detectors.ledger import EvidenceWindow
from detectors.leverage_temperature import LeverageTemperature
from detectors.results import Signal
from detectors.scorer import Verdict
from detectors.watch import Spot, SymbolTickWatch

#: Tickers are taken up as they come, and looked at together each so many seconds: leverage builds up in minutes.
_EVERY_US = 5_000_000
#: Seconds over which volatility is short and long.
_SHORT_S, _LONG_S = 60.0, 1_800.0
#: Squared moves below this (a hundredth of a basis point) count as this.
_LEAST_SQUARE = 1e-12


class TemperatureWatch(SymbolTickWatch[LeverageTemperature]):
    """`LeverageTemperature` on what tickers last told of funding, open interest, mark and index."""

    name = pattern = "leverage_temperature"
    topics = ("tickers",)

    def __init__(self, spot: Spot) -> None:
        super().__init__(spot)
        self._newest: dict[str, Told] = {}
        self._looked_us = 0
        self._mark = 0.0
        #: Mean squares of moves a second, over the short and the long time.
        self._squares = [0.0, 0.0]

    @classmethod
    def concerns(cls, state: SymbolTick) -> bool:
        """Tickers with funding or open interest: of a contract, not of a spot market."""
        told = state.references
        return told is not None and (told.funding is not None or told.interest is not None)

    def new_detector(self) -> LeverageTemperature:
        """With twice the slow memory of the settings."""
        return LeverageTemperature(2.0 * self.spot.settings.memory.leverage_half_life_s)

    def close_tick(self, tick: int, state: SymbolTick, evidence: EvidenceWindow) -> list[Signal]:
        """Take up what is newer; score it when it is time."""
        told = state.references
        if told is None:
            return []
        for name in ("funding", "interest", "mark", "index"):
            newer: Told | None = getattr(told, name)
            if newer is not None:
                self._newest[name] = newer
        end_us = (tick + 1) * self.tick_us
        if end_us - self._looked_us < _EVERY_US:
            return []
        gap_s = (end_us - self._looked_us) / 1e6 if self._looked_us else 0.0
        self._looked_us = end_us
        return self.judge(tick, self._features(tick, gap_s), evidence, self._at_stake)

    def _features(self, tick: int, gap_s: float) -> Features:
        x: Features = {"time_s": self.time_s(tick)}
        told = {name: value for name, (_, value) in self._newest.items()}
        if "funding" in told:
            x["funding"] = told["funding"]
        if told.get("interest", 0.0) > 0.0:
            x["interest"] = math.log(told["interest"])
        mark, index = told.get("mark", 0.0), told.get("index", 0.0)
        if mark > 0.0 and index > 0.0:
            x["basis"] = math.log(mark) - math.log(index)
        price = mark or index
        if self._mark > 0.0 and price > 0.0 and gap_s > 0.0:
            square = (math.log(price) - math.log(self._mark)) ** 2 / gap_s
            for place, seconds in enumerate((_SHORT_S, _LONG_S)):
                keep = math.exp(-gap_s / seconds)
                self._squares[place] = keep * self._squares[place] + (1.0 - keep) * square
            short, long = (max(square, _LEAST_SQUARE) for square in self._squares)
            x["volatility"] = 0.5 * math.log(short / long)
        self._mark = price or self._mark
        return x

    def _at_stake(self, _: Verdict) -> tuple[tuple[str, ...], float]:
        interest = self._newest.get("interest", (0, 0.0))[1]
        return (), interest * self._mark

    def rest(self) -> Any:  # noqa: ANN401 - see Watch
        """What was last told, and volatility."""
        newest = {name: list(told) for name, told in sorted(self._newest.items())}
        return [self._looked_us, newest, self._mark, self._squares]

    def take_rest(self, rest: Any) -> None:  # noqa: ANN401 - see Watch
        """Take up what was last told, and volatility."""
        self._looked_us, newest, self._mark, squares = rest
        self._squares = list(squares)
        self._newest = {name: (told[0], told[1]) for name, told in newest.items()}
