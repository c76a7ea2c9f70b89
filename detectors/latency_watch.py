"""Latency shocks of components: one watch a component, of no symbol."""

import math
from collections import Counter
from typing import Any

from detectors.base import State
from detectors.config import CoreSettings
from detectors.entities import Entities
from detectors.latency_shock import LatencyShock
from detectors.ledger import EvidenceWindow
from detectors.results import Signal
from detectors.watch import Spot, Watch


def quantile(ordered: list[float], share: float) -> float:
    """The value below which a share of them lies: the nearest rank.

    Examples
    --------
    >>> quantile([1.0, 2.0, 3.0, 4.0], 0.5), quantile([7.0], 0.95)
    (2.0, 7.0)
    """
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


class LatencyWatch(Watch[LatencyShock]):
    """`LatencyShock` on the latencies of a tick."""

    name = pattern = "latency_shock"
    #: Of deviations: what a normal distribution has beyond its 98 % quantile.
    prior_scale = 0.5
    topics = ("latency",)
    scope = "market"

    def __init__(self, spot: Spot) -> None:
        super().__init__(spot)
        self.turn = -1

    def new_detector(self) -> LatencyShock:
        """With the memory of the settings."""
        return LatencyShock(self.spot.settings.memory.half_life_s)

    def close_tick(self, tick: int, latencies: list[float], evidence: EvidenceWindow) -> list[Signal]:
        """Score what came in a tick, in whatever order."""
        self.turn = tick
        ordered = sorted(latencies)
        x = {"time_s": self.time_s(tick), "level_us": quantile(ordered, 0.5), "tail_us": quantile(ordered, 0.95)}
        return self.judge(tick, x, evidence)

    def rest(self) -> Any:  # noqa: ANN401 - see Watch
        """When it was last asked."""
        return self.turn

    def take_rest(self, rest: Any) -> None:  # noqa: ANN401 - see Watch
        """Take up when it was last asked."""
        self.turn = int(rest)


class Components:
    """The components of a partition.

    Parameters
    ----------
    settings
        The settings of the core; as many components as symbols are remembered.
    counters
        The stage's counters.
    """

    def __init__(self, settings: CoreSettings, counters: Counter[str]) -> None:
        self._settings = settings
        self._counters = counters
        self.watches: Entities[LatencyWatch] = Entities(
            settings.memory.max_symbols,
            save=LatencyWatch.state,
            load=self._load,
            turn=lambda watch: watch.turn,
            counters=counters,
            evicted="evicted_components",
        )

    def watch(self, component: str) -> LatencyWatch:
        """The watch of a component, made when it is not there."""
        return self.watches.touch(component) or self.watches.add(component, self._new(component))

    def _new(self, component: str) -> LatencyWatch:
        return LatencyWatch(Spot.of_market(component, self._settings, self._counters))

    def _load(self, component: str, state: State, notes: list[str]) -> LatencyWatch:
        watch = self._new(component)
        watch.restore(state, notes)
        return watch
