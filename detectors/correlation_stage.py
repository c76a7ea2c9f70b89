"""The correlation stage: everything together, and the alerts that come of it."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from detectors.alert_book import AlertBook
from detectors.base import State
from detectors.budget import STREAMS, severity_of
from detectors.cascade_pool import CascadePool
from detectors.coincidence import Coincidence
from detectors.config import CoreSettings
from detectors.correlation import Joint
from detectors.decisions import AlertMention, Feedback, StressFrame
from detectors.entities import Entities
from detectors.events import Event
from detectors.feedback_ranker import FeedbackRanker
from detectors.findings import Finding, of_joint, of_signal
from detectors.ledger import InputLedger, merge_evidence
from detectors.leverage_pool import LeveragePool
from detectors.measures import Measure
from detectors.results import Alert, BookProfile, Evidence, LeverageMove, Signal, SignalFrame
from detectors.revival import revived
from detectors.seeds import seed_of
from detectors.stage import Cells, Stage

SIGNALS = "signals"
#: p-value that the second family of a critical alert must reach by itself.
_CRITICAL_PART = 1e-3


class CorrelationTick:
    """What all sources said of one tick."""

    __slots__ = ("evidence", "moves", "profiles", "signals")

    def __init__(self) -> None:
        self.signals: list[Signal] = []
        self.moves: list[LeverageMove] = []
        self.profiles: list[BookProfile] = []
        #: By symbol, where its moves and its profile lie.
        self.evidence: dict[str, list[Evidence]] = {}


class CorrelationOutput(msgspec.Struct, frozen=True):
    """What the correlation stage has to say: alerts, and what account stages have to know of them, if that is due."""

    alerts: tuple[Alert, ...]
    stress: StressFrame | None


class CorrelationStage(Stage[CorrelationTick]):
    """Signals of every source to ranked alerts.

    Parameters
    ----------
    sources
        Names of the stages upstream: `market/0`, ..., `account/0`, ...
    settings
        The settings of the core.
    """

    name = "correlation"

    def __init__(self, sources: Sequence[str], settings: CoreSettings) -> None:
        super().__init__((), sources, 0, settings)
        self.source = f"{self.name}/0"
        self._frames = InputLedger(SIGNALS, 0, settings.timing)
        self._last_tick: dict[str, int] = {}
        self._leverage = LeveragePool(settings, self.counters)
        self.cascade = CascadePool(settings, self.counters)
        self._coincidence = Coincidence(settings, self.counters, self.tick_us)
        model_version = f"squall-1-{seed_of(repr(settings)):08x}"
        self._model_version = model_version
        self._ranker = FeedbackRanker(settings.ranker, self.counters)
        self._book = self._new_book()
        #: Records of `feedback` before this offset were taken.
        self.followed_below = 0
        self._alerts: list[Alert] = []
        self._mentions: list[tuple[int, tuple[AlertMention, ...]]] = []

    def push_frame(self, frame: SignalFrame, offset: int, now_us: int) -> None:
        """Fold what one source said; ticks of a source that came before (its worker began again) are skipped."""
        self._frames.read(offset)
        if not self.watermark.knows(frame.source):
            self.counters["unknown_source"] += 1
            return
        last = self._last_tick.get(frame.source, self._taken_up_tick)
        for said in frame.ticks:
            if said.tick <= last:
                self.counters["duplicate_frame_ticks"] += 1
            elif self._is_closed(said.tick):
                self.counters["late"] += len(said.signals)
            else:
                state = self.open_tick(said.tick)
                state.signals += said.signals
                state.moves += said.moves
                state.profiles += said.profiles
                for symbol in (*(move.symbol for move in said.moves), *(one.symbol for one in said.profiles)):
                    state.evidence.setdefault(symbol, []).extend(said.evidence)
                self._frames.note(said.tick, offset, offset)
        if frame.ticks:
            self._last_tick[frame.source] = max(last, frame.ticks[-1].tick)
        self.watermark.frame(frame.source, frame.closed_us, frame.at_rest, now_us)

    def hear(self, feedback: Feedback) -> None:
        """Take what an operator said of an alert; it counts some event time after it was said."""
        self._ranker.take(feedback)

    def poll(self, now_us: int) -> CorrelationOutput:
        """Close what the watermark allows; the alerts that came of it, in order."""
        at_rest = self.advance(now_us)
        speaks = self.must_speak(now_us, bool(self._mentions))
        return CorrelationOutput(self._take_alerts(), self._speak(at_rest) if speaks else None)

    def flush(self) -> CorrelationOutput:
        """Close what was said so far: the input has ended.

        Alerts that are open stay open: time has not passed for them.
        """
        self.close_until(self.end_us())
        return CorrelationOutput(self._take_alerts(), self._speak(at_rest=True))

    def end_us(self) -> int:
        """The end of the second that the sources have come to: open alerts wait for time that has not passed."""
        return -(-self.watermark.newest_us // 1_000_000) * 1_000_000

    def ledgers(self) -> Mapping[str, InputLedger]:
        """What was read of frames."""
        return {SIGNALS: self._frames}

    def measures(self) -> Iterator[Measure]:
        """Give what can be shown of calibrations and open alerts too."""
        yield from super().measures()
        yield self._leverage.measure()
        yield from self.cascade.measures()
        yield from self._coincidence.measures()
        yield from self._book.measures()
        yield from self._ranker.measures()

    def kept(self) -> dict[str, Entities[Any]]:
        """Symbols, what was lately seen of symbols, cohorts and the market, and alerts that can be judged."""
        judged = {"judged": self._ranker.kept()}
        return {**self._leverage.kept(), **self.cascade.kept(), **self._coincidence.kept(), **judged}

    def head(self) -> State:
        """Alerts, and what entities share."""
        return super().head() | {
            "leverage": self._leverage.head(),
            "cascade": self.cascade.head(),
            "coincidence": self._coincidence.head(),
            "book": self._book.state(),
            "ranker": self._ranker.state(),
            "followed_below": self.followed_below,
        }

    def resume(self, head: State, cells: Cells, notes: list[str]) -> None:
        """Take up alerts, and what entities share."""
        super().resume(head, cells, notes)
        self._leverage.resume(head["leverage"], notes)
        self.cascade.resume(head["cascade"], notes)
        self._coincidence.resume(head["coincidence"], notes)
        self._book = revived(self._new_book, head["book"], "open alerts", notes)
        self._ranker.resume(head["ranker"], notes)
        self.followed_below = head["followed_below"]

    def _new_book(self) -> AlertBook:
        alerts = self.settings.alerts
        return AlertBook(alerts, self._model_version, alerts.runbook, self.counters, self._ranker)

    def new_tick(self) -> CorrelationTick:
        """An empty tick."""
        return CorrelationTick()

    def fold(self, topic: str, state: CorrelationTick, tick: int, events: Sequence[Event]) -> None:
        """Nothing: this stage has frames, not events."""

    def close_tick(self, tick: int, state: CorrelationTick, evidence: tuple[Evidence, ...]) -> None:
        """Judge a tick: first alone, at the end of a second together, then end what is over."""
        self._frames.close(tick)
        now_us = (tick + 1) * self.tick_us
        self.guarded("ranker", partial(self._ranker.settle, now_us), None)
        self._leverage.one_in = self.one_in
        shown = {symbol: merge_evidence(parts) for symbol, parts in state.evidence.items()}
        pooled = partial(self._leverage.close_tick, tick, state.moves, shown)
        risky = partial(self.cascade.close_tick, tick, state.moves, state.profiles, shown)
        signals = [
            *state.signals,
            *self.guarded("leverage", pooled, list[Signal]()),
            *self.guarded("cascade", risky, list[Signal]()),
        ]
        signals.sort(key=lambda signal: (signal.detector, signal.scope, signal.entity, signal.symbol))
        findings: list[Finding] = []
        for signal in signals:
            self._coincidence.add(tick, signal)
            severity = severity_of(signal.pattern, signal.per_day, self.settings.alerts, signal.detector)
            if severity is not None:
                findings.append(of_signal(signal, severity, self.tick_us))
        if tick == self.last_of_second(tick):
            findings += self._together(tick)
        elif signals:
            self.open_tick(self.last_of_second(tick))
        alerts = [*self._book.take(findings, now_us), *self._book.resolve(now_us)]
        if alerts:
            self._alerts += alerts
            self._mentions.append((tick, tuple(_mention(alert) for alert in alerts)))
        due_us = self._book.resolve_due_us()
        if due_us is not None:
            self.open_tick(max(-(-due_us // self.tick_us) - 1, tick + 1))

    def _take_alerts(self) -> tuple[Alert, ...]:
        alerts, self._alerts = tuple(self._alerts), []
        return alerts

    def _speak(self, at_rest: bool) -> StressFrame:
        mentions, self._mentions = tuple(self._mentions), []
        return StressFrame(self.source, self.closed_us, at_rest, mentions)

    def _together(self, tick: int) -> Iterator[Finding]:
        for joint in self._coincidence.close_second(tick):
            severity = severity_of("correlated_stress", joint.per_day, self.settings.alerts)
            if severity == "warning" and self._is_critical(joint):
                severity = "critical"
            if severity is not None:
                yield of_joint(joint, severity, (tick + 1) * self.tick_us, self.tick_us)

    def _is_critical(self, joint: Joint) -> bool:
        """Rare enough together, and at least two families that stand out by themselves."""
        rare = joint.per_day <= self.settings.alerts.critical_per_day / STREAMS
        return rare and joint.family_p_values[1] <= _CRITICAL_PART


def _mention(alert: Alert) -> AlertMention:
    return AlertMention(alert.alert_id, alert.pattern, alert.severity, alert.status, alert.symbol, alert.accounts)
