"""One input of one symbol, watched for faults."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from detectors.base import Features
from detectors.budget import severity_of
from detectors.events import BookSnapshot
from detectors.feed_fault import FeedFault
from detectors.ledger import EvidenceWindow, merge_evidence
from detectors.results import Evidence, Signal
from detectors.scorer import Verdict, signal_of
from detectors.watch import Spot, Watch
from detectors.windows import SlidingCounts

_ALL = ""
#: What a detector calls refused records; people are told the most usual reason instead.
_REFUSED = "refused records in 10 s"
#: Silence is looked at when it has become so surprising, then each time it has doubled, not sooner than in a second.
_SILENCE_DECADES = 4.0
_SOONEST_US = 1_000_000
#: What rests on an input is held back until so long after its last fault.
_HOLD_US = 10_000_000
NEVER_US = 2**62


@dataclass(slots=True)
class Faults:
    """What was wrong with what came of an input in a tick: numbers of events, and of refused records by reason.

    `evidence` is where the refused ones lie: they are in nobody else's.
    """

    repeated: int = 0
    behind: int = 0
    missing: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    evidence: tuple[Evidence, ...] = ()

    def counts(self) -> list[int]:
        """All four, in the order of `_KINDS`."""
        return [self.repeated, self.behind, sum(self.refused.values()), self.missing]


_KINDS = ("repeats", "behind", "refused", "missing")


class FeedWatch(Watch[FeedFault]):
    """`FeedFault` on one topic of a symbol: either on its clock, or on what is wrong with its events.

    A clock is scored at each tick in which the input came, and when it fails to come. Wrong events are scored when
    there are some: where there never were any, a few are much, however restless the clock. `heard` says when each topic
    of the symbol last came, and is kept up by whom it belongs to.
    """

    name = pattern = "feed_fault"

    def __init__(self, spot: Spot, topic: str, heard: Mapping[str, int]) -> None:
        super().__init__(spot)
        self.topic = topic
        self._heard = heard
        #: When it last came, when silence is to be looked at, and until when it counts as faulty.
        self.last_us = 0
        self.due_us = NEVER_US
        self.faulty_until_us = 0
        ten_s = 10_000_000 // self.tick_us
        self._ten = SlidingCounts(ten_s, len(_KINDS))
        self._reasons = SlidingCounts(ten_s, 1)
        self._refused = EvidenceWindow(ten_s)
        self._seen: list[float] = []
        self._run = 0

    def new_detector(self) -> FeedFault:
        """With the memory of the settings."""
        return FeedFault(self.spot.settings.memory.half_life_s)

    def begin(self, since_s: float) -> None:
        """The input is listened to since then, and had no fault."""
        self.listen_from(since_s)

    def come(self, tick: int, others_us: int, book: BookSnapshot | None, evidence: EvidenceWindow) -> list[Signal]:
        """Score a tick in which the input came; `others_us` is when other inputs were heard before."""
        end_us = (tick + 1) * self.tick_us
        x: Features = {"time_s": self.time_s(tick), "came": 1.0}
        if self.last_us and not self._all_silent(end_us, others_us):
            x["gap_s"] = (end_us - self.last_us) / 1e6
        if book is not None:
            x["unchanged"] = float(self._count_unchanged(book))
        found = self.judge(tick, x, evidence)
        self.last_us = end_us
        if self.detector.ready:
            self.due_us = end_us + max(int(1e6 * self.detector.due_s(_SILENCE_DECADES)), _SOONEST_US)
        return [self._told(signal, end_us) for signal in found]

    def count(self, tick: int, faults: Faults, evidence: EvidenceWindow) -> list[Signal]:
        """Score a tick in which something was wrong."""
        end_us, time_s = (tick + 1) * self.tick_us, self.time_s(tick)
        self.learn_silence(time_s)
        # Nothing was wrong until now: the first fault is to be believed.
        self.detector.learn_one({"time_s": time_s})
        counts = faults.counts()
        self._ten.add(tick, {_ALL: counts})
        self._reasons.add(tick, {reason: [many] for reason, many in faults.refused.items()})
        self._refused.add(tick, faults.evidence)
        x: Features = {"time_s": time_s}
        for kind, now, ten in zip(_KINDS, counts, self._ten.get(_ALL), strict=True):
            x[f"{kind}_tick"], x[f"{kind}_10s"] = now, ten
        return [self._with_refused(self._told(signal, end_us)) for signal in self.judge(tick, x, evidence)]

    def _with_refused(self, signal: Signal) -> Signal:
        return msgspec.structs.replace(signal, evidence=merge_evidence((*signal.evidence, *self._refused.merged())))

    def miss(self, tick: int, others_us: int, evidence: EvidenceWindow) -> list[Signal]:
        """Look at a silence that is due, when other inputs have been heard until `others_us`; nothing is learned."""
        end_us, time_s = (tick + 1) * self.tick_us, self.time_s(tick)
        silent_us = end_us - self.last_us
        if self._all_silent(end_us, others_us):
            self.due_us = end_us + _SOONEST_US
            return []
        self.due_us = self.last_us + max(2 * silent_us, silent_us + _SOONEST_US)
        x: Features = {"time_s": time_s, "gap_s": silent_us / 1e6}
        verdict = self.scorer.judge(self.detector.score_one(x), time_s)
        if verdict is None:
            return []
        verdict = msgspec.structs.replace(verdict, contributions=self.detector.explain_one(x))
        return [self._told(self._signal(tick, verdict, evidence), end_us)]

    def _all_silent(self, end_us: int, others_us: int) -> bool:
        """Whether other inputs have been silent for half of this one's silence: it may be the symbol that is."""
        silent_us = end_us - self.last_us
        return silent_us > _SOONEST_US and others_us < self.last_us + silent_us // 2

    def shown_by(self, tick: int, length: int) -> tuple[str, ...]:
        """Every topic of the symbol that came of late: what is wrong with one is seen beside the others."""
        since_us = (tick + 1 - length) * self.tick_us
        return tuple(sorted(topic for topic, us in self._heard.items() if us > since_us)) or (self.topic,)

    def _signal(self, tick: int, verdict: Verdict, evidence: EvidenceWindow) -> Signal:
        return signal_of(
            verdict,
            (tick + 1) * self.tick_us,
            detector=self.name,
            pattern=self.pattern,
            scope=self.scope,
            entity=self.spot.entity,
            symbol=self.spot.symbol,
            accounts=(),
            notional=0.0,
            evidence=evidence,
            topics=self.shown_by(tick, evidence.length),
        )

    def _told(self, signal: Signal, end_us: int) -> Signal:
        """Name the topic and why records were refused, and hold back what rests on it if this is worth an alert."""
        if severity_of(self.pattern, signal.per_day, self.spot.settings.alerts) is not None:
            self.faulty_until_us = end_us + _HOLD_US
        parts = tuple(
            msgspec.structs.replace(part, signal=f"{self.topic}, {self._named(part.signal)}")
            for part in signal.contributions
        )
        return msgspec.structs.replace(signal, contributions=parts)

    def _named(self, label: str) -> str:
        if label != _REFUSED:
            return label
        return f"refused: {', '.join(reason.replace('_', ' ') for reason in self._reasons.most(1))}"

    def _count_unchanged(self, book: BookSnapshot) -> int:
        """Snapshots in a row whose outermost levels are those of the one before."""
        ends = [side[place] for side in (book.bids, book.asks) if side for place in (0, -1)]
        seen = [number for level in ends for number in level]
        self._run = self._run + 1 if seen == self._seen else 0
        self._seen = seen
        return self._run

    def rest(self) -> Any:  # noqa: ANN401 - see Watch
        """Times, the last snapshot's ends, and the faults of ten seconds."""
        times = [self.last_us, self.due_us, self.faulty_until_us]
        faults = [[tick, counts[_ALL]] for tick, counts in self._ten.state()]
        return [times, self._seen, self._run, faults, self._reasons.state(), self._refused.state()]

    def take_rest(self, rest: Any) -> None:  # noqa: ANN401 - see Watch
        """Take up what `rest()` gave."""
        times, self._seen, self._run, faults, reasons, refused = rest
        self.last_us, self.due_us, self.faulty_until_us = times
        for tick, counts in faults:
            self._ten.add(tick, {_ALL: counts})
        self._reasons.restore(reasons)
        self._refused.restore(refused)


class TopicWatch(FeedWatch):
    """`FeedFault` on a topic of the whole partition, for what was refused and does not say whose it is."""

    scope = "market"
