"""Do p-values keep their word? How many scores of clean flow are as rare as they say."""

import math
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import msgspec

from tests.benchmarks.detection.flows import SECOND_US
from tests.benchmarks.detection.observer import Said

NOMINAL = (1e-2, 1e-3, 1e-4)
#: All symbols, or accounts, of these have one calibration.
_ONE_FOR_ALL_SYMBOLS = frozenset({"leverage_spike", "leverage_jump"})
_DAY_S = 86_400.0
#: Scores as rare within so many seconds are one event: overlapping windows say the same many times.
_CLUSTER_S = 30


class Calibration(msgspec.Struct, frozen=True):
    """One detector and scope on clean flow: scores made, those at most `nominal`, and clusters of these."""

    detector: str
    scope: str
    scores: int
    nominal: float
    observed: int
    clusters: int

    @property
    def ratio(self) -> float:
        """Observed over nominal; 1 is right, above it there are too many."""
        return self.observed / (self.nominal * self.scores) if self.scores else math.nan


def stream_of(signal: Said) -> str:
    """What is calibrated together with this signal."""
    pooled = signal.scope == "account" or signal.detector in _ONE_FOR_ALL_SYMBOLS
    return "*" if pooled else signal.symbol


def scores_made(signals: Sequence[Said], begin_s: float, from_s: float, until_s: float) -> float:
    """How many scores one stream made between two times, as its own signals tell.

    A signal says `per_day = p_value * seen / age * 86,400`, so that `seen / age` is known wherever there is one; the
    stream is taken to begin with the flow.

    Examples
    --------
    >>> made = Said(500 * SECOND_US, "d", "symbol", "thin_book", "X", 0.01, 0.01 * 2 * 86_400.0)
    >>> scores_made([made], begin_s=0.0, from_s=400.0, until_s=600.0)
    400.0
    """

    def seen(at_s: float) -> float:
        nearest = min(signals, key=lambda one: abs(one.at_us / SECOND_US - at_s))
        return nearest.per_day / nearest.p_value / _DAY_S * (at_s - begin_s)

    return seen(until_s) - seen(from_s)


def calibrations(runs: Sequence[tuple[Sequence[Said], float, float, float]]) -> list[Calibration]:
    """Observed against nominal over runs: signals, begin, and from when until when they are judged (seconds)."""
    scores: dict[tuple[str, str], float] = defaultdict(float)
    observed: dict[tuple[str, str, float], int] = defaultdict(int)
    clusters: dict[tuple[str, str, float], int] = defaultdict(int)
    for signals, begin_s, from_s, until_s in runs:
        streams: dict[tuple[str, str, str], list[Said]] = defaultdict(list)
        for one in signals:
            streams[one.detector, one.scope, stream_of(one)].append(one)
        for (detector, scope, _), said in sorted(streams.items()):
            scores[detector, scope] += scores_made(said, begin_s, from_s, until_s)
            for nominal in NOMINAL:
                rare = [
                    at_s
                    for one in said
                    if one.p_value <= nominal and from_s <= (at_s := one.at_us / SECOND_US) <= until_s
                ]
                observed[detector, scope, nominal] += len(rare)
                apart = sum(later - earlier > _CLUSTER_S for earlier, later in pairwise(rare))
                clusters[detector, scope, nominal] += apart + bool(rare)
    return [
        Calibration(
            detector,
            scope,
            round(made),
            nominal,
            observed[detector, scope, nominal],
            clusters[detector, scope, nominal],
        )
        for (detector, scope), made in sorted(scores.items())
        for nominal in NOMINAL
    ]
