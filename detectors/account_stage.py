"""The account stage: everything that is keyed by account."""

from collections.abc import Mapping, Sequence
from typing import Any

from detectors.account_watch import AccountWatch
from detectors.base import State
from detectors.config import CoreSettings
from detectors.entities import Entities
from detectors.events import Event, LeverageChange
from detectors.ledger import EvidenceWindow, InputLedger
from detectors.leverage_watch import LeverageWatch
from detectors.results import Activity, ActivityFrame, Evidence, SignalFrame, SignalTick
from detectors.stage import Cells, Stage

ACTIVITY = "account-activity"
_EVIDENCE_S = 10


class AccountTick:
    """One partition's accounts in one tick."""

    __slots__ = ("evidence", "leverage", "rows")

    def __init__(self) -> None:
        self.rows: list[Activity] = []
        self.evidence: list[Evidence] = []
        self.leverage: list[LeverageChange] = []


class AccountStage(Stage[AccountTick]):
    """From leverage changes and account activity of one partition to signals, and leverage moves of symbols.

    Parameters
    ----------
    partition
        The partition it stands for.
    partitions
        Partitions of the market stage, each a source of activity.
    settings
        The settings of the core.
    """

    name = "account"

    def __init__(self, partition: int, partitions: int, settings: CoreSettings) -> None:
        sources = [f"market/{source}" for source in range(partitions)]
        super().__init__(("leverage",), sources, partition, settings)
        self.source = f"{self.name}/{partition}"
        self._frames = InputLedger(ACTIVITY, partition, settings.timing)
        self._last_tick: dict[str, int] = {}
        self._accounts = AccountWatch(settings, self.counters)
        self._leverage = LeverageWatch(settings, self.counters)
        self._evidence = EvidenceWindow(_EVIDENCE_S * self._second_ticks)
        self._said: list[SignalTick] = []

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
        if frame.ticks:
            self._last_tick[frame.source] = max(last, frame.ticks[-1][0])
        self.watermark.frame(frame.source, frame.closed_us, frame.at_rest, now_us)

    def poll(self, now_us: int) -> SignalFrame | None:
        """Close what the watermark allows, and say what came of it; None when there is nothing to say."""
        at_rest = self.advance(now_us)
        if not self.must_speak(now_us, bool(self._said)):
            return None
        return self._speak(at_rest)

    def flush(self) -> SignalFrame:
        """Close everything: the input has ended."""
        self.close_until(self.end_us())
        return self._speak(at_rest=True)

    def safe_offset(self, topic: str) -> int | None:
        """Every record of `topic` below it is in a closed tick; None when nothing was read."""
        return self.ledgers()[topic].safe_offset

    def ledgers(self) -> Mapping[str, InputLedger]:
        """What was read of leverage changes, and of frames."""
        return {**super().ledgers(), ACTIVITY: self._frames}

    def kept(self) -> dict[str, Entities[Any]]:
        """Accounts, their positions, and the last ticks."""
        return {**self._accounts.kept(), **self._leverage.kept()}

    def head(self) -> State:
        """What is not of an account."""
        return super().head() | {
            "evidence": self._evidence.state(),
            "accounts": self._accounts.head(),
            "leverage": self._leverage.head(),
        }

    def resume(self, head: State, cells: Cells, notes: list[str]) -> None:
        """Let the last ticks enter the windows of the accounts again."""
        super().resume(head, cells, notes)
        self._evidence.restore(head["evidence"])
        self._accounts.resume(head["accounts"], notes)
        self._leverage.resume(head["leverage"], notes)

    def new_tick(self) -> AccountTick:
        """An empty tick."""
        return AccountTick()

    def fold(self, topic: str, state: AccountTick, tick: int, events: Sequence[Event]) -> None:
        """Keep leverage changes until the tick closes: their order matters, and is made there."""
        changes: Any = events
        state.leverage.extend(changes)

    def close_tick(self, tick: int, state: AccountTick, evidence: tuple[Evidence, ...]) -> None:
        """Judge the accounts of a tick."""
        self._frames.close(tick)
        self._evidence.add(tick, (*sorted(state.evidence), *evidence))
        signals = self._accounts.close_tick(tick, state.rows, self._evidence)
        moves, jumps = self._leverage.close_tick(tick, state.leverage, self._evidence)
        if signals or moves or jumps:
            self._said.append(SignalTick(tick, (*signals, *jumps), moves, evidence if moves else ()))

    def _speak(self, at_rest: bool) -> SignalFrame:
        ticks, self._said = tuple(self._said), []
        return SignalFrame(self.source, self.closed_us, at_rest, ticks)
