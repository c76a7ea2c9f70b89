"""Stages that only count, with the API of the real ones: what they took is to be read in the frames that they send.

An event whose amount is `BIG` becomes a signal, and a signal an alert, so that one record can be followed to the end.
The newest event of every topic stays open until its topic is stated to be at rest, and cancels stay open for `HELD_US`
in any case, as in a tick that may still grow.
"""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Any

from detectors.account_stage import AccountOutput
from detectors.config import Timing
from detectors.correlation_stage import CorrelationOutput
from detectors.decisions import Decisions, Feedback, Override, StressFrame
from detectors.entities import Entities
from detectors.events import Event, Trade
from detectors.market_stage import MarketOutput
from detectors.results import ActivityFrame, Alert, Evidence, Refusal, RefusedRecord, Signal, SignalFrame, SignalTick
from detectors.timing import Watermark
from streams.agents import StageMakers

BIG = 1_000.0
FUTURE = 4_000_000_000_000_000
HELD_US = 500_000


class Untimed:
    """What a stage says of event time: these know none."""

    closed_us = settled_us = 0
    tick_us = 100_000

    def __init__(self) -> None:
        self.watermark = Watermark((), Timing())
        self.faults: deque[str] = deque()
        self.one_in = 1

    def sample(self, one_in: int) -> None:
        """Note it."""
        self.one_in = one_in

    def head(self) -> dict[str, Any]:
        """Nothing is worth keeping: what stands in closed ticks has been told."""
        return {}

    def kept(self) -> dict[str, Entities[Any]]:
        """Nothing."""
        return {}

    def resume(self, head: dict[str, Any], cells: Mapping[str, Mapping[Any, Any]], notes: list[str]) -> None:
        """Begin with nothing, behind what was told."""


class CountingEvents(Untimed):
    """Takes events; closes them on `poll`, all but the newest of each topic that is not at rest."""

    def __init__(self, source: str, partition: int) -> None:
        super().__init__()
        self.source = source
        self.partition = partition
        self.counters: Counter[str] = Counter()
        self.seen: dict[str, int] = {}
        self.open: dict[str, list[tuple[int, Event]]] = {}
        self.held_until_us: dict[tuple[str, int], int] = {}
        self.closed: dict[str, int] = {}
        self.resting: set[str] = set()
        self.frames = 0

    @property
    def open_ticks(self) -> int:
        """One, while an event is open."""
        return int(any(self.open.values()))

    def push(
        self,
        topic: str,
        offsets: Sequence[int],
        events: Sequence[Event],
        now_us: int,
        refused: Sequence[RefusedRecord] = (),
    ) -> list[Refusal]:
        """Take events not seen before; those far in the future are refused."""
        refusals: list[Refusal] = []
        for index, (offset, event) in enumerate(zip(offsets, events, strict=True)):
            if event.timestamp >= FUTURE:
                refusals.append(Refusal(index, "future", "Expected a time that may be"))
            self.open.setdefault(topic, []).append((offset, event))
            if topic == "cancels":
                self.held_until_us[topic, offset] = now_us + HELD_US
            self.seen[topic] = offset
        self.counters["events"] += len(events)
        self.resting.discard(topic)
        return refusals

    def rest(self, topic: str, now_us: int) -> None:
        """Note it."""
        self.resting.add(topic)

    def safe_offset(self, topic: str) -> int | None:
        """Behind the last closed event."""
        return self.closed.get(topic)

    def close(self, now_us: int) -> SignalTick | None:
        """Close what can be closed, as a tick whose evidence is the offsets taken."""
        evidence: list[Evidence] = []
        signals: list[Signal] = []
        for topic, held in self.open.items():
            newest = held[-1][0] if held and topic not in self.resting else None
            done = [
                item for item in held if item[0] != newest and self.held_until_us.get((topic, item[0]), 0) <= now_us
            ]
            if not done:
                continue
            self.open[topic] = held[len(done) :]
            self.closed[topic] = done[-1][0] + 1
            evidence.append(Evidence(topic, self.partition, done[0][0], done[-1][0]))
            signals.extend(_signal(event) for _, event in done if isinstance(event, Trade) and event.amount >= BIG)
        if not evidence:
            return None
        self.frames += 1
        self.counters["ticks"] += 1
        return SignalTick(self.frames, tuple(signals), evidence=tuple(evidence))

    def frame(self, tick: SignalTick) -> SignalFrame:
        """Wrap it."""
        return SignalFrame(self.source, tick.tick, at_rest=False, ticks=(tick,))


class CountingMarket(CountingEvents):
    """Sends an empty activity frame to each account partition beside its signals."""

    def __init__(self, partition: int, partitions: int) -> None:
        super().__init__(f"market/{partition}", partition)
        self.partitions = partitions

    def poll(self, now_us: int) -> MarketOutput | None:
        """Close and say."""
        tick = self.close(now_us)
        if tick is None:
            return None
        activity = ActivityFrame(self.source, tick.tick, at_rest=False, ticks=())
        return MarketOutput((activity,) * self.partitions, self.frame(tick))


class CountingAccount(CountingEvents):
    """Counts activity frames too."""

    def __init__(self, partition: int) -> None:
        super().__init__(f"account/{partition}", partition)
        self.followed_below = 0

    def push_frame(self, frame: ActivityFrame, offset: int, now_us: int) -> None:
        """Nothing of it stays open."""
        self.counters["frames"] += 1
        self.closed["account-activity"] = offset + 1

    def push_stress(self, frame: StressFrame, offset: int, now_us: int) -> None:
        """Nothing of it stays open."""
        self.closed["stress"] = offset + 1

    def obey(self, order: Override) -> None:
        """Count it."""
        self.counters["orders"] += 1

    def poll(self, now_us: int) -> AccountOutput | None:
        """Close and say."""
        tick = self.close(now_us)
        return None if tick is None else AccountOutput(self.frame(tick), Decisions())


class CountingCorrelation(Untimed):
    """Makes an alert of every signal."""

    def __init__(self) -> None:
        super().__init__()
        self.counters: Counter[str] = Counter()
        self.open_ticks = 0
        self.followed_below = 0
        self._alerts: list[Alert] = []
        self._closed: int | None = None

    def push_frame(self, frame: SignalFrame, offset: int, now_us: int) -> None:
        """Take its signals."""
        self.counters["frames"] += 1
        for tick in frame.ticks:
            self._alerts.extend(_alert(signal) for signal in tick.signals)
        self._closed = offset + 1

    def hear(self, feedback: Feedback) -> None:
        """Count it."""
        self.counters["feedback"] += 1

    def poll(self, now_us: int) -> CorrelationOutput:
        """Give the alerts made since."""
        made, self._alerts = tuple(self._alerts), []
        return CorrelationOutput(made, None)

    def safe_offset(self, topic: str) -> int | None:
        """Behind the last frame."""
        return self._closed


def counting_makers(partitions: int) -> StageMakers:
    """Three counting stages."""
    return StageMakers(
        market=lambda partition: CountingMarket(partition, partitions),
        account=CountingAccount,
        correlation=lambda _partition: CountingCorrelation(),
    )


def _signal(event: Trade) -> Signal:
    return Signal(
        timestamp=event.timestamp,
        detector="counting",
        pattern="trade_burst",
        scope="symbol",
        entity=str(event.trade_id),
        symbol=event.symbol,
        p_value=0.5,
        per_day=1.0,
        score=event.amount,
        contributions=(),
    )


def _alert(signal: Signal) -> Alert:
    return Alert(
        alert_id=signal.entity,
        revision=1,
        status="open",
        timestamp=signal.timestamp,
        pattern=signal.pattern,
        severity="info",
        score=signal.score,
        rank=1,
        p_value=signal.p_value,
        symbol=signal.symbol,
        accounts=(),
        window_start=signal.timestamp,
        window_end=signal.timestamp,
        title="counted",
        explanation=(),
        evidence=(),
        notional_at_risk=0.0,
        runbook="",
        model_version="0",
    )
