"""The account stage: everything that is keyed by account."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import Any

import msgspec

from detectors.account_guardrails import AccountGuardrails
from detectors.account_limits import AccountLimits
from detectors.account_watch import AccountWatch, totals_of
from detectors.base import State
from detectors.config import CoreSettings
from detectors.decisions import Decisions, Override, StressFrame, Trip
from detectors.entities import Entities
from detectors.events import Event, LeverageChange
from detectors.ledger import EvidenceWindow, InputLedger
from detectors.leverage_watch import LeverageWatch
from detectors.limit_records import audit_of_trip
from detectors.measures import Measure
from detectors.results import Activity, ActivityFrame, Evidence, LeverageMove, Signal, SignalFrame, SignalTick
from detectors.stage import Cells, Stage
from detectors.timing import BEGINNING_US, Watermark

ACTIVITY = "account-activity"
STRESS = "stress"
#: Who sends it.
CORRELATION = "correlation/0"
_EVIDENCE_S = 10
_BY_TIME = attrgetter("timestamp")


class AccountTick:
    """One partition's accounts in one tick."""

    __slots__ = ("evidence", "interest", "leverage", "rows")

    def __init__(self) -> None:
        self.rows: list[Activity] = []
        self.evidence: list[Evidence] = []
        self.leverage: list[LeverageChange] = []
        self.interest: dict[str, float] = {}


class AccountOutput(msgspec.Struct, frozen=True):
    """What an account stage has to say: its signals, and what it has decided."""

    signals: SignalFrame
    decisions: Decisions


class AccountStage(Stage[AccountTick]):
    """From leverage changes and account activity of one partition to signals, leverage moves of symbols, and limits.

    Parameters
    ----------
    partition
        The partition it stands for.
    partitions
        Partitions of the market stage, each a source of activity.
    settings
        The settings of the core.
    partition_of
        Kafka's partition of a key, to know whose orders are its own, and where a symbol's evidence lies; None: its own.
    """

    name = "account"

    def __init__(
        self,
        partition: int,
        partitions: int,
        settings: CoreSettings,
        partition_of: Callable[[str], int] | None = None,
    ) -> None:
        sources = [f"market/{source}" for source in range(partitions)]
        super().__init__(("leverage",), sources, partition, settings)
        self.source = f"{self.name}/{partition}"
        self._frames = InputLedger(ACTIVITY, partition, settings.timing)
        self._last_tick: dict[str, int] = {}
        owner_of = partition_of or (lambda _key: partition)
        self._accounts = AccountWatch(settings, self.counters, owner_of)
        self._leverage = LeverageWatch(settings, self.counters)
        self._evidence = EvidenceWindow(_EVIDENCE_S * self._second_ticks)
        self._said: list[SignalTick] = []
        self._limits = AccountLimits(settings, partition, partitions, self.counters, owner_of)
        self._guardrails = AccountGuardrails(settings, self.counters)
        self._trips: list[Trip] = []
        self._stress_frames = InputLedger(STRESS, partition, settings.timing)
        self._stress = Watermark((), settings.timing, (CORRELATION,))
        #: Records of `overrides` before this offset were taken.
        self.followed_below = 0

    def push_frame(self, frame: ActivityFrame, offset: int, now_us: int) -> None:
        """Fold what one market stage handed on.

        Ticks of a source that came before are skipped: its worker began again.
        """
        self._frames.read(offset)
        if not self.watermark.knows(frame.source):
            self.counters["unknown_source"] += 1
            return
        last = self._last_tick.get(frame.source, self._taken_up_tick)
        for tick, evidence, rows in frame.ticks:
            if tick <= last:
                self.counters["duplicate_frame_ticks"] += 1
            elif self._is_closed(tick):
                self.counters["late"] += len(rows)
            else:
                state = self.open_tick(tick)
                state.rows += rows
                state.evidence += evidence
                self._frames.note(tick, offset, offset)
        for tick, symbol, interest in frame.interest:
            if tick > last and not self._is_closed(tick):
                self.open_tick(tick).interest[symbol] = interest
                self._frames.note(tick, offset, offset)
        newest = [tick for tick, *_ in (*frame.ticks[-1:], *frame.interest[-1:])]
        self._last_tick[frame.source] = max(last, *newest) if newest else last
        self.watermark.frame(frame.source, frame.closed_us, frame.at_rest, now_us)

    def push_stress(self, frame: StressFrame, offset: int, now_us: int) -> None:
        """Take what the correlation stage said of alerts."""
        self._stress_frames.read(offset)
        if not self._stress.knows(frame.source):
            self.counters["unknown_source"] += 1
            return
        self._limits.hear(frame)
        # At rest or not, it has come as far as it says; only one that is not heard of is not waited for.
        self._stress.observe(frame.source, frame.closed_us, now_us)

    @property
    def settled_us(self) -> int:
        """The time before which all limits are decided: until then what was closed is kept."""
        heard_us = self._stress.reached_us()[CORRELATION]
        # While the correlation stage has said nothing there is nothing to keep pace with.
        return self.closed_us if heard_us == BEGINNING_US else min(self.closed_us, self._limits.controller.now_us)

    @property
    def open_ticks(self) -> int:
        """Ticks that wait for their end, or for the decision on them."""
        return super().open_ticks + (self.closed_us - self.settled_us) // self.tick_us

    def obey(self, order: Override) -> None:
        """Let an operator's order be in force from now on."""
        self._limits.obey(order)

    def poll(self, now_us: int) -> AccountOutput | None:
        """Close what the watermark allows, and say what came of it; None when there is nothing to say."""
        at_rest = self.advance(now_us)
        decisions = self._decide(now_us)
        if not self.must_speak(now_us, bool(self._said or decisions)):
            return None
        return AccountOutput(self._speak(at_rest), decisions)

    def flush(self) -> AccountOutput:
        """Close everything: the input has ended; what waits for the correlation stage still waits."""
        self.close_until(self.end_us())
        return AccountOutput(self._speak(at_rest=True), Decisions())

    def finish(self) -> Decisions:
        """Decide on everything that was closed: the correlation stage has said all it has to say."""
        return self._decisions(None)

    def ledgers(self) -> Mapping[str, InputLedger]:
        """What was read of leverage changes, and of frames of both kinds."""
        return {**super().ledgers(), ACTIVITY: self._frames, STRESS: self._stress_frames}

    def measures(self) -> Iterator[Measure]:
        """Give what can be shown of calibrations, limits and guardrails too."""
        yield from super().measures()
        yield self._accounts.measure()
        yield self._leverage.measure()
        yield from self._limits.controller.measures()
        yield from self._guardrails.measures()

    def kept(self) -> dict[str, Entities[Any]]:
        """Accounts, their positions, and the last ticks."""
        return {**self._accounts.kept(), **self._leverage.kept(), **self._limits.kept(), **self._guardrails.kept()}

    def head(self) -> State:
        """What is not of an account."""
        return super().head() | {
            "evidence": self._evidence.state(),
            "accounts": self._accounts.head(),
            "leverage": self._leverage.head(),
            "limits": self._limits.head(),
            "guardrails": self._guardrails.head(),
            "orders_below": self.followed_below,
        }

    def resume(self, head: State, cells: Cells, notes: list[str]) -> None:
        """Let the last ticks enter the windows of the accounts again."""
        super().resume(head, cells, notes)
        self._evidence.restore(head["evidence"])
        self._accounts.resume(head["accounts"], notes)
        self._leverage.resume(head["leverage"], notes)
        self._limits.resume(head["limits"])
        self._guardrails.resume(head["guardrails"], notes)
        self.followed_below = head["orders_below"]

    def new_tick(self) -> AccountTick:
        """An empty tick."""
        return AccountTick()

    def fold(self, topic: str, state: AccountTick, tick: int, events: Sequence[Event]) -> None:
        """Keep leverage changes until the tick closes: their order matters, and is made there."""
        changes: Any = events
        state.leverage.extend(changes)

    def judge(self, topic: str, events: Sequence[Event]) -> None:
        """Let the guardrails look at positions, at once."""
        changes: Any = events
        self._trips += self._guardrails.on_events(changes)

    def close_tick(self, tick: int, state: AccountTick, evidence: tuple[Evidence, ...]) -> None:
        """Judge the accounts of a tick."""
        self._frames.close(tick)
        self._evidence.add(tick, (*sorted(state.evidence), *evidence))
        totals = totals_of(state.rows)
        # Changes of the same microsecond stay in the order of their offsets: the venue's.
        state.leverage.sort(key=_BY_TIME)
        signals = self.guarded(
            "accounts", partial(self._accounts.close_tick, tick, state.rows, totals, self._evidence), list[Signal]()
        )
        nothing: tuple[tuple[LeverageMove, ...], list[Signal]] = ((), [])
        moves, jumps = self.guarded(
            "leverage", partial(self._leverage.close_tick, tick, state.leverage, self._evidence), nothing
        )
        self._limits.close_tick(tick, state.rows, totals, (*signals, *jumps))
        self._trips += self._guardrails.close_tick((tick + 1) * self.tick_us, state.leverage, state.interest)
        if signals or moves or jumps:
            self._said.append(SignalTick(tick, (*signals, *jumps), moves, evidence if moves else ()))

    def _decide(self, now_us: int) -> Decisions:
        lost = self._stress.at_rest(now_us)
        return self._decisions(None if lost else self._stress.reached_us()[CORRELATION])

    def _decisions(self, heard_us: int | None) -> Decisions:
        limits, audit = self._limits.decide(self.closed_us, heard_us)
        trips, self._trips = tuple(self._trips), []
        return Decisions(limits=limits, trips=trips, audit=(*audit, *map(audit_of_trip, trips)))

    def _speak(self, at_rest: bool) -> SignalFrame:
        ticks, self._said = tuple(self._said), []
        return SignalFrame(self.source, self.closed_us, at_rest, ticks)
