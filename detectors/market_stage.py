"""The market stage: everything that is keyed by symbol."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import msgspec

from detectors.base import State
from detectors.book_profiles import BookProfiles
from detectors.config import CoreSettings
from detectors.decisions import Decisions, Trip
from detectors.entities import Entities
from detectors.events import Event
from detectors.features.market import AccountCounts, MarketTick, Told
from detectors.feeds import Feeds
from detectors.latency_watch import Components
from detectors.ledger import EvidenceWindow
from detectors.limit_records import audit_of_trip
from detectors.market_guardrails import MarketGuardrails
from detectors.measures import Measure
from detectors.recent_ticks import RecentTicks
from detectors.results import (
    Activity,
    ActivityFrame,
    BookProfile,
    Evidence,
    RefusedRecord,
    Signal,
    SignalFrame,
    SignalTick,
)
from detectors.stage import Cells, Stage
from detectors.symbol_watch import SymbolWatch

#: Evidence of a market signal is sought this many seconds back: the longest window of its detectors.
_EVIDENCE_S = 10


class MarketOutput(msgspec.Struct, frozen=True):
    """What a market stage has to say: one activity frame for each account partition, its signals, and trips."""

    activity: tuple[ActivityFrame, ...]
    signals: SignalFrame
    decisions: Decisions = Decisions()


class MarketStage(Stage[MarketTick]):
    """Trades, cancels and books of one partition to signals about symbols, and to activity of accounts.

    Parameters
    ----------
    partition
        The partition it stands for.
    partitions
        Partitions of every co-partitioned topic, that of account activity too.
    settings
        The settings of the core.
    partition_of
        Kafka's partition of a key: where an account's activity goes.
    """

    name = "market"

    def __init__(
        self, partition: int, partitions: int, settings: CoreSettings, partition_of: Callable[[str], int]
    ) -> None:
        super().__init__(("trades", "cancels", "books", "tickers", "liquidations", "latency"), (), partition, settings)
        self.source = f"{self.name}/{partition}"
        self._partitions = partitions
        self._partition_of = partition_of
        self._watches: Entities[SymbolWatch] = Entities(
            settings.memory.max_symbols,
            save=SymbolWatch.state,
            load=self._load_watch,
            turn=lambda watch: watch.turn,
            counters=self.counters,
            evicted="evicted_symbols",
        )
        self._feeds = Feeds(settings, partition, self.counters)
        self._components = Components(settings, self.counters)
        #: What accounts did in each tick of the longest window: symbol -> (trades, counts by account).
        self._recent: RecentTicks[dict[str, tuple[int, AccountCounts]]] = RecentTicks(_EVIDENCE_S * self._second_ticks)
        self._profiles = BookProfiles(settings, self.counters)
        self._evidence = EvidenceWindow(_EVIDENCE_S * self._second_ticks)
        self._signals: list[SignalTick] = []
        self._activity: list[list[tuple[int, tuple[Evidence, ...], tuple[Activity, ...]]]] = self._no_activity()
        self._interest: list[tuple[int, str, float]] = []
        self._guardrails = MarketGuardrails(settings, self.counters)
        self._trips: list[Trip] = []

    def poll(self, now_us: int) -> MarketOutput | None:
        """Close what the watermark allows, and say what came of it; None when there is nothing to say."""
        at_rest = self.advance(now_us)
        something = self._signals or self._interest or self._trips or any(self._activity)
        if not self.must_speak(now_us, bool(something)):
            return None
        return self._speak(at_rest)

    def flush(self) -> MarketOutput:
        """Close everything: the input has ended."""
        self.close_until(self.end_us())
        return self._speak(at_rest=True)

    def new_tick(self) -> MarketTick:
        """An empty tick."""
        return MarketTick()

    def fold(self, topic: str, state: MarketTick, tick: int, events: Sequence[Event]) -> None:
        """Count the events; cancels also open the last tick of their second, where lockstep is judged."""
        typed: Any = events
        if topic == "cancels":
            state.add_cancels(typed)
            self.open_tick(self.last_of_second(tick))
        elif topic == "trades":
            state.add_trades(typed)
        elif topic == "books":
            state.add_books(typed)
        elif topic == "tickers":
            state.add_tickers(typed)
        elif topic == "liquidations":
            state.add_liquidations(typed)
        elif topic == "latency":
            state.add_latencies(typed)

    def judge(self, topic: str, events: Sequence[Event]) -> None:
        """Let the guardrails look at raw values, at once."""
        self._trips += self._guardrails.on_events(topic, events)

    def notice(self, topic: str, events: Sequence[Event], refused: Sequence[tuple[int, RefusedRecord]]) -> None:
        """See whether the input is in order, and what of it was refused."""
        self._feeds.read(topic, events, refused)

    def close_tick(self, tick: int, state: MarketTick, evidence: tuple[Evidence, ...]) -> None:
        """Let every symbol of the tick be watched, and hand on what its accounts did."""
        self._evidence.add(tick, evidence)
        state.settle()
        signals = self.guarded("feeds", partial(self._feeds.close_tick, tick, state, self._evidence), list[Signal]())
        profiles: list[BookProfile] = []
        for symbol in sorted(state.symbols):
            profile = self._profiles.close_tick(tick, symbol, state.symbols[symbol])
            if profile is not None:
                profiles.append(profile)
            found = self._watch(symbol).close_tick(tick, state.symbols[symbol], self._evidence, self.guarded)
            signals += self._feeds.hold_back(symbol, tick, found)
        acted = {name: (one.trades, one.accounts) for name, one in state.symbols.items() if one.trades or one.accounts}
        self._recent.add(tick, acted)
        if tick == self.last_of_second(tick):
            for symbol in sorted(name for name, watch in self._watches.items() if watch.has_second):
                found = self._watch(symbol).close_second(tick, self._evidence, self.guarded)
                signals += self._feeds.hold_back(symbol, tick, found)
        for component in sorted(state.components):
            look = partial(
                self._components.watch(component).close_tick, tick, state.components[component], self._evidence
            )
            signals += self.guarded(component, look, list[Signal]())
        if signals or profiles:
            books = tuple(part for part in evidence if profiles and part.topic == "books")
            self._signals.append(SignalTick(tick, tuple(signals), evidence=books, profiles=tuple(profiles)))
        self._hand_on(tick, state, evidence)
        self._refer(tick, state)

    def _refer(self, tick: int, state: MarketTick) -> None:
        """Hand on what tickers told: the age of prices to the guardrails, open interest to the account stages."""
        told = {name: one.references for name, one in sorted(state.symbols.items()) if one.references is not None}
        ages = {name: (_time_of(one.mark), _time_of(one.index)) for name, one in told.items()}
        self._trips += self._guardrails.close_tick((tick + 1) * self.tick_us, ages)
        for symbol, found in told.items():
            if found.interest is not None:
                self._interest.append((tick, symbol, found.interest[1]))
                watch = self._watches.get(symbol)
                if watch is not None:
                    watch.open_interest = found.interest[1]

    def _hand_on(self, tick: int, state: MarketTick, evidence: tuple[Evidence, ...]) -> None:
        rows: list[list[Activity]] = [[] for _ in range(self._partitions)]
        partition_of = self._partition_of
        for symbol, symbol_tick in state.symbols.items():
            for account, (cancels, pressure, fills, cents) in symbol_tick.accounts.items():
                row = Activity(account, symbol, cancels, pressure, fills, cents)
                rows[partition_of(account)].append(row)
        for partition, partition_rows in enumerate(rows):
            if partition_rows:
                self._activity[partition].append((tick, evidence, tuple(partition_rows)))

    def _watch(self, symbol: str) -> SymbolWatch:
        watch = self._watches.touch(symbol)
        watch = watch or self._watches.add(symbol, SymbolWatch(symbol, self.settings, self.counters))
        watch.sample(self.one_in)
        return watch

    def measures(self) -> Iterator[Measure]:
        """Give what can be shown of symbols and guardrails too."""
        yield from super().measures()
        for _, watch in self._watches.items():
            yield from watch.measures()
        yield from self._guardrails.measures()

    def kept(self) -> dict[str, Entities[Any]]:
        """Symbols, components, the last ticks, and what guardrails remember."""
        kept: dict[str, Entities[Any]] = {"symbol": self._watches, "component": self._components.watches}
        return (
            kept | self._profiles.kept() | self._feeds.kept() | {"tick": self._recent.ticks} | self._guardrails.kept()
        )

    def head(self) -> State:
        """What is not of a symbol."""
        own = {"evidence": self._evidence.state(), "guardrails": self._guardrails.head(), "feeds": self._feeds.head()}
        return super().head() | own

    def resume(self, head: State, cells: Cells, notes: list[str]) -> None:
        """Let the last ticks enter the windows of the symbols again."""
        super().resume(head, cells, notes)
        self._evidence.restore(head["evidence"])
        self._guardrails.resume(head["guardrails"], notes)
        self._feeds.resume(head["feeds"])
        last_closed = self.closed_us // self.tick_us - 1
        for tick, symbols in self._recent.items():
            for symbol, (trades, accounts) in symbols.items():
                watch = self._watches.get(symbol)
                if watch is not None and (accounts or trades):
                    open_second = self.last_of_second(tick) > last_closed
                    watch.recount(tick, accounts, trades, in_this_second=open_second)

    def _load_watch(self, symbol: str, state: State, notes: list[str]) -> SymbolWatch:
        watch = SymbolWatch(symbol, self.settings, self.counters)
        watch.restore(state, notes)
        return watch

    def _speak(self, at_rest: bool) -> MarketOutput:
        ticks, self._signals = tuple(self._signals), []
        activity, self._activity = self._activity, self._no_activity()
        interest, self._interest = tuple(self._interest), []
        trips, self._trips = tuple(self._trips), []
        return MarketOutput(
            tuple(ActivityFrame(self.source, self.closed_us, at_rest, tuple(rows), interest) for rows in activity),
            SignalFrame(self.source, self.closed_us, at_rest, ticks),
            Decisions(trips=trips, audit=tuple(map(audit_of_trip, trips))),
        )

    def _no_activity(self) -> list[list[tuple[int, tuple[Evidence, ...], tuple[Activity, ...]]]]:
        return [[] for _ in range(self._partitions)]


def _time_of(told: Told | None) -> int | None:
    return None if told is None else told[0]
