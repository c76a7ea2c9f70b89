"""The inputs of a partition's symbols: which are faulty, and what must not rest on them meanwhile."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from detectors.base import State
from detectors.config import CoreSettings
from detectors.due_times import DueTimes
from detectors.entities import Entities
from detectors.events import Event
from detectors.features.market import MarketTick, SymbolTick
from detectors.feed_watch import NEVER_US, FeedWatch
from detectors.ledger import EvidenceWindow
from detectors.results import Pattern, Signal
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
#: Topics of a symbol's events, other than the account's.
_TOPICS = ("trades", "cancels", "books", "tickers")


class _SymbolFeeds:
    """When each topic of a symbol was last heard, and the watches of those that need one."""

    __slots__ = ("heard", "since_s", "turn", "watches")

    def __init__(self, since_s: float) -> None:
        self.since_s = since_s
        self.heard: dict[str, int] = {}
        self.watches: dict[str, FeedWatch] = {}
        self.turn = -1

    def state(self) -> State:
        watches = {topic: watch.state() for topic, watch in sorted(self.watches.items())}
        return {"now": [self.since_s, self.turn], "heard": dict(sorted(self.heard.items())), "watches": watches}


class Feeds:
    """Faults of the inputs of each symbol.

    Parameters
    ----------
    settings
        The settings of the core.
    counters
        The stage's counters.
    """

    def __init__(self, settings: CoreSettings, counters: Counter[str]) -> None:
        self._settings = settings
        self._counters = counters
        self._tick_us = settings.timing.tick_us
        self._lateness_us = settings.timing.lateness_us
        self._symbols: Entities[_SymbolFeeds] = Entities(
            settings.memory.max_symbols,
            save=_SymbolFeeds.state,
            load=self._load,
            turn=lambda feeds: feeds.turn,
        )
        self._due: DueTimes[tuple[str, ...]] = DueTimes()
        #: By topic, the newest time that was read; by tick, symbol and topic, events that were behind it.
        self._newest_us: dict[str, int] = {}
        self._behind: dict[int, dict[tuple[str, str], int]] = {}

    def read(self, topic: str, events: Sequence[Event]) -> None:
        """Look at the order of events, each handed in once, in the order of their offsets."""
        if topic not in _TOPICS:
            return
        newest_us = self._newest_us.get(topic, 0)
        for event in events:
            timestamp = event.timestamp
            if timestamp >= newest_us:
                newest_us = timestamp
            elif timestamp < newest_us - self._lateness_us:
                of_tick = self._behind.setdefault(newest_us // self._tick_us, {})
                place = str(getattr(event, "symbol", "")), topic
                of_tick[place] = of_tick.get(place, 0) + 1
        self._newest_us[topic] = newest_us

    def close_tick(self, tick: int, state: MarketTick, evidence: EvidenceWindow) -> list[Signal]:
        """Judge what came in a tick, and what failed to."""
        behind = self._behind_until(tick)
        signals: list[Signal] = []
        for symbol in sorted({*state.symbols, *(symbol for symbol, _ in behind)}):
            signals += self._look(tick, symbol, state.symbols.get(symbol), behind, evidence)
        for symbol, topic in self._due.take((tick + 1) * self._tick_us):
            if symbol in self._symbols:
                feeds = self._symbols.change(symbol)
                watch = feeds.watches.get(topic)
                if watch is None:
                    continue
                signals += watch.miss(tick, _others_us(feeds.heard, topic), evidence)
                self._due.set((symbol, topic), watch.due_us)
        return signals

    def hold_back(self, symbol: str, tick: int, signals: list[Signal]) -> list[Signal]:
        """Leave out signals that rest on a faulty input of the symbol; they are counted."""
        feeds = self._symbols.get(symbol)
        if feeds is None or not signals:
            return signals
        end_us = (tick + 1) * self._tick_us
        faulty = {topic for topic, watch in feeds.watches.items() if watch.faulty_until_us >= end_us}
        kept = [signal for signal in signals if RESTS_ON.get(signal.pattern) not in faulty]
        self._counters["held_back"] += len(signals) - len(kept)
        return kept

    def _look(
        self,
        tick: int,
        symbol: str,
        state: SymbolTick | None,
        behind: dict[tuple[str, str], int],
        evidence: EvidenceWindow,
    ) -> list[Signal]:
        feeds = self._symbols.touch(symbol)
        end_us = (tick + 1) * self._tick_us
        if feeds is None:
            feeds = self._symbols.add(symbol, _SymbolFeeds(end_us / 1e6))
        feeds.turn = tick
        came, heard_before = _came(state), dict(feeds.heard)
        signals: list[Signal] = []
        for topic in (*came, *(topic for name, topic in sorted(behind) if name == symbol and topic not in came)):
            faults = [came.get(topic, 0), behind.get((symbol, topic), 0)]
            if topic in came:
                feeds.heard[topic] = end_us
            watch = feeds.watches.get(topic)
            if watch is None and (topic in CLOCKED or any(faults)):
                watch = feeds.watches[topic] = self._new(symbol, topic)
                watch.begin(feeds.since_s)
            if watch is not None and (watch.clocked or any(faults)):
                book = state.book if state is not None and topic == "books" else None
                others_us = _others_us(heard_before, topic)
                signals += watch.come(tick, faults, others_us if topic in came else None, book, evidence)
                if watch.due_us != NEVER_US:
                    self._due.set((symbol, topic), watch.due_us)
        return signals

    def _behind_until(self, tick: int) -> dict[tuple[str, str], int]:
        found: dict[tuple[str, str], int] = {}
        for due in sorted(number for number in self._behind if number <= tick):
            for place, count in self._behind.pop(due).items():
                found[place] = found.get(place, 0) + count
        return found

    def _new(self, symbol: str, topic: str) -> FeedWatch:
        spot = Spot.of_symbol(symbol, self._settings, self._counters)
        return FeedWatch(spot, topic, topic in CLOCKED)

    def kept(self) -> dict[str, Entities[Any]]:
        """The inputs of each symbol."""
        return {"feed": self._symbols}

    def head(self) -> State:
        """How far each topic was read, and what was behind it."""
        behind = [[tick, symbol, topic, n] for tick, of in self._behind.items() for (symbol, topic), n in of.items()]
        return {"newest_us": dict(sorted(self._newest_us.items())), "behind": sorted(behind)}

    def resume(self, head: State) -> None:
        """Take up how far each topic was read, and when silences are due, after the symbols themselves."""
        self._newest_us = dict(head["newest_us"])
        self._behind = {}
        for tick, symbol, topic, count in head["behind"]:
            self._behind.setdefault(tick, {})[symbol, topic] = count
        self._due = DueTimes()
        for symbol, feeds in self._symbols.items():
            for topic, watch in feeds.watches.items():
                if watch.due_us != NEVER_US:
                    self._due.set((symbol, topic), watch.due_us)

    def _load(self, symbol: str, state: State, notes: list[str]) -> _SymbolFeeds:
        feeds = _SymbolFeeds(0.0)
        feeds.since_s, feeds.turn = state["now"]
        feeds.heard = dict(state["heard"])
        for topic, saved in state["watches"].items():
            feeds.watches[topic] = self._new(symbol, topic)
            feeds.watches[topic].restore(saved, notes)
        return feeds


def _others_us(heard: dict[str, int], topic: str) -> int:
    """When topics other than this one were last heard."""
    return max((us for other, us in heard.items() if other != topic), default=0)


def _came(state: SymbolTick | None) -> dict[str, int]:
    """The topics that came in a tick, and how many of their events are there twice."""
    found: dict[str, int] = {}
    if state is None:
        return found
    if state.trades:
        found["trades"] = _repeated(trade.trade_id for trade in state.traded)
    if state.cancelled:
        found["cancels"] = _repeated(cancel.order_id for cancel in state.cancelled)
    if state.books:
        found["books"] = state.books - len(state.book_times)
    if state.references is not None:
        found["tickers"] = 0
    return found


def _repeated(names: Iterable[str | int]) -> int:
    """How many names were there before; those that are empty do not count."""
    named = [name for name in names if name != ""]
    return len(named) - len(set(named))
