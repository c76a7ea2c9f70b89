"""Do p-values keep their word? How many scores of clean flow are as rare as they say."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise

import msgspec

from tests.benchmarks.detection.flows import SECOND_US
from tests.benchmarks.detection.observer import Said
from tests.benchmarks.detection.scores_seen import TOGETHER, Stream

NOMINAL = (1e-2, 1e-3, 1e-4)
#: All symbols, or accounts, of these have one calibration.
_ONE_FOR_ALL_SYMBOLS = frozenset({"leverage_spike", "leverage_jump"})
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
    # What is of the market, as a component, has a calibration of its own.
    return TOGETHER if pooled else signal.entity if signal.scope == "market" else signal.symbol


class Span(msgspec.Struct, frozen=True):
    """What one run said, when it began, and from when until when it is judged, in seconds.

    `scores_seen` are those of each stream since the beginning, taken to have come evenly.
    """

    signals: Sequence[Said]
    scores_seen: Mapping[Stream, int]
    begin_s: float
    from_s: float
    until_s: float


def calibrations(runs: Sequence[Span]) -> list[Calibration]:
    """Observed against nominal over runs."""
    scores: dict[tuple[str, str], float] = defaultdict(float)
    observed: dict[tuple[str, str, float], int] = defaultdict(int)
    clusters: dict[tuple[str, str, float], int] = defaultdict(int)
    for span in runs:
        streams: dict[Stream, list[Said]] = defaultdict(list)
        for one in span.signals:
            streams[one.detector, one.scope, stream_of(one)].append(one)
        judged = (span.until_s - span.from_s) / (span.until_s - span.begin_s)
        for (detector, scope, entity), count in sorted(span.scores_seen.items()):
            said = streams.get((detector, scope, entity), [])
            scores[detector, scope] += count * judged
            for nominal in NOMINAL:
                rare = [
                    at_s
                    for one in said
                    if one.p_value <= nominal and span.from_s <= (at_s := one.at_us / SECOND_US) <= span.until_s
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
