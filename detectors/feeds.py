"""The inputs of a partition's symbols: which are faulty, and what must not rest on them meanwhile."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from detectors.base import State
from detectors.config import CoreSettings
from detectors.due_times import DueTimes
from detectors.entities import Entities
from detectors.events import Event
from detectors.features.market import MarketTick, SymbolTick
from detectors.feed_order import ReadingOrder
from detectors.feed_watch import NEVER_US, Faults, FeedWatch, TopicWatch
from detectors.id_gaps import IdGaps, number_of
from detectors.ledger import EvidenceWindow, merge_evidence
from detectors.results import Evidence, Pattern, RefusedRecord, Signal
from detectors.watch import Spot

#: Topics that come by the clock, whatever the market does: only these can stall.
CLOCKED = ("books", "tickers")
#: The topic that signals of a pattern rest on: while it is faulty, they say nothing about the market.
RESTS_ON: dict[Pattern, str] = {
    "cancel_burst": "cancels",
    "layering": "cancels",
    "thin_book": "books",
    "trade_burst": "trades",
    "mark_divergence": "tickers",
    "leverage_temperature": "tickers",
}
#: Topics of a symbol's events, other than the account's, that are expected in order.
_TOPICS = ("trades", "cancels", "books", "tickers")
#: In the place of a symbol: a topic of the partition as a whole.
_WHOLE = ""
#: Ends the name of a watch on the faults of a topic whose clock is watched too.
_FAULTS = " (faults)"
_NO_FAULTS = Faults()


class _SymbolFeeds:
    """When each topic of a symbol was last heard, its trades' ids, and the watches of topics that need one."""

    __slots__ = ("heard", "ids", "since_s", "turn", "watches")

    def __init__(self, since_s: float, half_life_s: float) -> None:
        self.since_s = since_s
        self.heard: dict[str, int] = {}
        self.watches: dict[str, FeedWatch] = {}
        self.ids = IdGaps(half_life_s)
        self.turn = -1

    def state(self) -> State:
        watches = {topic: watch.state() for topic, watch in sorted(self.watches.items())}
        now, heard = [self.since_s, self.turn], dict(sorted(self.heard.items()))
        return {"now": now, "heard": heard, "watches": watches, "ids": self.ids.state()}


class Feeds:
    """Faults of the inputs of each symbol.

    What was refused of a symbol that is not known is a fault of its topic in the whole partition.

    Parameters
    ----------
    settings
        The settings of the core.
    partition
        The partition of all topics.
    counters
        The stage's counters.
    """

    def __init__(self, settings: CoreSettings, partition: int, counters: Counter[str]) -> None:
        self._settings = settings
        self._partition = partition
        self._counters = counters
        self._tick_us = settings.timing.tick_us
        self._half_life_s = settings.memory.half_life_s
        self._symbols: Entities[_SymbolFeeds] = Entities(
            settings.memory.max_symbols,
            save=_SymbolFeeds.state,
            load=self._load,
            turn=lambda feeds: feeds.turn,
        )
        self._due: DueTimes[tuple[str, ...]] = DueTimes()
        self._order = ReadingOrder(settings.timing, _TOPICS)
        #: Since when anything is listened to.
        self._since_s = -1.0

    def read(self, topic: str, events: Sequence[Event], refused: Sequence[tuple[int, RefusedRecord]] = ()) -> None:
        """Look at the order of events, and at what was refused between them; as `ReadingOrder.read`."""
        self._order.read(topic, events, refused)

    def close_tick(self, tick: int, state: MarketTick, evidence: EvidenceWindow) -> list[Signal]:
        """Judge what came in a tick, and what failed to."""
        if self._since_s < 0.0:
            self._since_s = (tick + 1) * self._tick_us / 1e6
        faults = self._faults(tick, state)
        signals: list[Signal] = []
        for symbol in sorted({*state.symbols, *faults}):
            signals += self._look(tick, symbol, state.symbols.get(symbol), faults.get(symbol, {}), evidence)
        for symbol, topic in self._due.take((tick + 1) * self._tick_us):
            if symbol in self._symbols:
                feeds = self._symbols.change(symbol)
                watch = feeds.watches.get(topic)
                if watch is None:
                    continue
                signals += watch.miss(tick, _others_us(feeds.heard, topic), evidence)
                self._due.set((symbol, topic), watch.due_us)
        return signals

    def _faults(self, tick: int, state: MarketTick) -> dict[str, dict[str, Faults]]:
        """What was read out of order, and refused, by symbol and topic."""
        faults: dict[str, dict[str, Faults]] = {}
        for (symbol, topic), count in self._order.behind_until(tick).items():
            faults.setdefault(symbol, {}).setdefault(topic, Faults()).behind += count
        for (symbol, topic), refused in self._order.refused_until(tick).items():
            known = symbol in self._symbols or symbol in state.symbols
            found = faults.setdefault(symbol if known else _WHOLE, {}).setdefault(topic, Faults())
            for reason, many in refused.reasons.items():
                found.refused[reason] = found.refused.get(reason, 0) + many
            lies = Evidence(topic, self._partition, refused.first_offset, refused.last_offset)
            found.evidence = merge_evidence((*found.evidence, lies))
        return faults

    def hold_back(self, symbol: str, tick: int, signals: list[Signal]) -> list[Signal]:
        """Leave out signals that rest on a faulty input of the symbol; they are counted."""
        feeds = self._symbols.get(symbol)
        if feeds is None or not signals:
            return signals
        end_us = (tick + 1) * self._tick_us
        whole = self._symbols.get(_WHOLE)
        watches = [*feeds.watches.values(), *(whole.watches.values() if whole is not None else ())]
        faulty = {watch.topic for watch in watches if watch.faulty_until_us >= end_us}
        kept = [signal for signal in signals if RESTS_ON.get(signal.pattern) not in faulty]
        self._counters["held_back"] += len(signals) - len(kept)
        return kept

    def _look(
        self, tick: int, symbol: str, state: SymbolTick | None, faults: dict[str, Faults], evidence: EvidenceWindow
    ) -> list[Signal]:
        feeds = self._symbols.touch(symbol)
        end_us = (tick + 1) * self._tick_us
        if feeds is None:
            since_s = end_us / 1e6 if symbol != _WHOLE else self._since_s
            feeds = self._symbols.add(symbol, _SymbolFeeds(since_s, self._half_life_s))
        feeds.turn = tick
        self._add_faults(tick, feeds, state, faults)
        came, heard_before = _came(state), dict(feeds.heard)
        signals: list[Signal] = []
        for topic in (*came, *sorted(topic for topic in faults if topic not in came)):
            found = faults.get(topic, _NO_FAULTS)
            if topic in came or found.refused:
                # What was refused came too: it is no silence.
                feeds.heard[topic] = end_us
                if topic in CLOCKED and symbol != _WHOLE:
                    book = state.book if state is not None and topic == "books" else None
                    clock = self._watch(feeds, symbol, topic, topic)
                    signals += clock.come(tick, _others_us(heard_before, topic), book, evidence)
                    if clock.due_us != NEVER_US:
                        self._due.set((symbol, topic), clock.due_us)
            if any(found.counts()):
                name = f"{topic}{_FAULTS}" if topic in CLOCKED else topic
                signals += self._watch(feeds, symbol, topic, name).count(tick, found, evidence)
        return signals

    def _watch(self, feeds: _SymbolFeeds, symbol: str, topic: str, name: str) -> FeedWatch:
        watch = feeds.watches.get(name)
        if watch is None:
            watch = feeds.watches[name] = self._new(symbol, topic, feeds.heard)
            watch.begin(feeds.since_s)
        return watch

    def _add_faults(self, tick: int, feeds: _SymbolFeeds, state: SymbolTick | None, faults: dict[str, Faults]) -> None:
        """Add what can be seen of the events of the tick: those that are there twice, and those that lack."""
        if state is None:
            return
        for topic, repeated in state.repeated.items():
            faults.setdefault(topic, Faults()).repeated = repeated
        if state.traded:
            ids = {number for trade in state.traded if (number := number_of(trade.trade_id)) is not None}
            missing = feeds.ids.take(tick * self._tick_us, ids) if ids else 0
            if missing:
                faults.setdefault("trades", Faults()).missing = missing

    def _new(self, symbol: str, topic: str, heard: dict[str, int]) -> FeedWatch:
        if symbol == _WHOLE:
            entity = f"{topic}[{self._partition}]"
            spot = Spot.of_market(entity, self._settings, self._counters)
            return TopicWatch(spot, topic, heard)
        spot = Spot.of_symbol(symbol, self._settings, self._counters)
        return FeedWatch(spot, topic, heard)

    def kept(self) -> dict[str, Entities[Any]]:
        """The inputs of each symbol."""
        return {"feed": self._symbols}

    def head(self) -> State:
        """How far each topic was read, what was behind it or refused, and since when."""
        return {**self._order.state(), "since_s": self._since_s}

    def resume(self, head: State) -> None:
        """Take up how far each topic was read, and when silences are due, after the symbols themselves."""
        self._order.restore(head)
        self._since_s = head.get("since_s", -1.0)
        self._due = DueTimes()
        for symbol, feeds in self._symbols.items():
            for topic, watch in feeds.watches.items():
                if watch.due_us != NEVER_US:
                    self._due.set((symbol, topic), watch.due_us)

    def _load(self, symbol: str, state: State, notes: list[str]) -> _SymbolFeeds:
        feeds = _SymbolFeeds(0.0, self._half_life_s)
        feeds.since_s, feeds.turn = state["now"]
        feeds.heard = dict(state["heard"])
        if "ids" in state:
            feeds.ids.restore(state["ids"])
        for name, saved in state["watches"].items():
            feeds.watches[name] = self._new(symbol, name.removesuffix(_FAULTS), feeds.heard)
            feeds.watches[name].restore(saved, notes)
        return feeds


def _others_us(heard: dict[str, int], topic: str) -> int:
    """When topics other than this one were last heard."""
    return max((us for other, us in heard.items() if other != topic), default=0)


def _came(state: SymbolTick | None) -> list[str]:
    """The topics that came in a tick."""
    if state is None:
        return []
    came = {
        "trades": state.trades,
        "cancels": state.cancelled,
        "books": state.books,
        "tickers": state.references is not None,
    }
    return [topic for topic, some in came.items() if some]
