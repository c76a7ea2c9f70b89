"""What the stages have in common: inputs, open ticks, and the order in which ticks close."""

import heapq
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, Generic, TypeVar

from detectors.base import State
from detectors.config import CoreSettings
from detectors.entities import Entities, Name
from detectors.events import Event
from detectors.ledger import InputLedger
from detectors.measures import Measure, entity_measures
from detectors.results import Evidence, Refusal, RefusedRecord
from detectors.timing import BEGINNING_US, Watermark

TickState = TypeVar("TickState")
Result = TypeVar("Result")
#: State of entities: kind -> name -> plain values.
Cells = Mapping[str, Mapping[Name, Any]]

_REFUSED_FUTURE = "future"
_BY_OFFSET = attrgetter("offset")
_MOST_FAULTS = 10


class Stage(Generic[TickState]):
    """Takes events or frames in any order within the lateness, and gives its ticks back in order.

    A subclass says what an empty tick is (`new_tick`), how events fold into one (`fold`), and what closing one gives
    (`close_tick`). Folding must not depend on the order of events inside a tick: that, and nothing else, makes the
    output independent of batch sizes and interleaving.

    Parameters
    ----------
    topics
        Topics read, each with events.
    sources
        Stages upstream read through frames; they count as inputs of the watermark.
    partition
        The partition of all topics that this stage stands for.
    settings
        The settings of the core.
    """

    def __init__(self, topics: Sequence[str], sources: Sequence[str], partition: int, settings: CoreSettings) -> None:
        self.inputs = tuple(topics)
        self.partition = partition
        self.settings = settings
        self.counters: Counter[str] = Counter()
        self.watermark = Watermark(topics, settings.timing, sources)
        self.closed_us = BEGINNING_US
        self.tick_us = settings.timing.tick_us
        self._second_ticks = 1_000_000 // self.tick_us
        self._ledgers = {topic: InputLedger(topic, partition, settings.timing) for topic in topics}
        self._open: dict[int, TickState] = {}
        self._order: list[int] = []
        #: The last tick that was closed before this stage took over.
        self._taken_up_tick = -1
        self._said_us = BEGINNING_US
        self._said_at_us = -1
        self.one_in = 1
        #: What failed lately, for whoever runs the stage to tell.
        self.faults: deque[str] = deque(maxlen=_MOST_FAULTS)

    def sample(self, one_in: int) -> None:
        """Let heavy models look at one observation in so many, from the next tick on; 1: at all.

        Which ones follows from a count. Counts, rates and cheap scores are made of everything all the same.
        """
        self.one_in = one_in

    def guarded(self, model: str, work: Callable[[], Result], nothing: Result) -> Result:
        """Let models work; where one fails, that is counted and told, and the stage goes on without what it had to say.

        Guardrails, limits and all other models must not end with it.
        """
        try:
            return work()
        except Exception as error:
            self.counters["model_failed"] += 1
            self.faults.append(f"{model}: {type(error).__name__}: {error}")
            return nothing

    def push(
        self,
        topic: str,
        offsets: Sequence[int],
        events: Sequence[Event],
        now_us: int,
        refused: Sequence[RefusedRecord] = (),
    ) -> list[Refusal]:
        """Fold events of one topic partition, in offset order, into their ticks.

        `refused` is what the same records held that could not be taken.

        Returns
        -------
        list[Refusal]
            Events too far ahead of their topic; `element` is the place in `events`.
        """
        ledger = self._ledgers[topic]
        untold = [one for one in refused if one.offset >= ledger.read_below]
        start = ledger.seen_of(offsets)
        if start:
            self.counters["duplicate"] += start
        if start == len(events):
            self._tell_refused(topic, ledger, (), (), untold)
            return []
        early, guard, tick_us, known_below = [], ledger.guard, self.tick_us, ledger.known_below
        again = ledger.refused_before(offsets)
        run_start, run_tick = start, -1
        for index in range(start, len(events)):
            timestamp = events[index].timestamp
            # What is read again was judged before, by what was known then.
            if (again and index in again) or (
                timestamp > guard.newest_us and (offsets[index] < known_below or not guard.accepts(timestamp))
            ):
                ahead_s = (timestamp - guard.newest_us) / 1e6
                message = f"expected a timestamp near the newest of the topic, {guard.newest_us}"
                message = f"{message}, found one {ahead_s:.0f} s ahead - at `$.timestamp`"
                early.append(Refusal(index, _REFUSED_FUTURE, message))
                if index not in again:
                    ledger.refuse(offsets, index)
                tick = -1
            else:
                if guard.ahead and offsets[index] >= known_below:
                    guard.ahead = 0
                tick = timestamp // tick_us
            if tick != run_tick:
                if run_tick >= 0:
                    self._take(topic, ledger, run_tick, events[run_start:index], offsets, run_start)
                run_start, run_tick = index, tick
        if run_tick >= 0:
            self._take(topic, ledger, run_tick, events[run_start:], offsets, run_start)
        fresh, at = _fresh(events, offsets, start, known_below, early)
        self.judge(topic, fresh)
        untold += [_without_time(events[one.element], offsets[one.element]) for one in early]
        self._tell_refused(topic, ledger, fresh, at, untold)
        ledger.read(offsets[-1])
        newest_us = ledger.newest_us(events)
        if newest_us != BEGINNING_US:
            complete_us = newest_us - self.settings.timing.lateness_us
            self.watermark.observe(topic, complete_us, now_us, newest_us)
        return early

    def _tell_refused(
        self,
        topic: str,
        ledger: InputLedger,
        fresh: Sequence[Event],
        offsets: Sequence[int],
        untold: list[RefusedRecord],
    ) -> None:
        """Let it be noticed what came for the first time: `fresh` events with their offsets, and what was refused."""
        # What is read again was told before.
        told = sorted((one for one in untold if one.offset >= ledger.known_below), key=_BY_OFFSET)
        self.notice(topic, fresh, [(bisect_right(offsets, one.offset), one) for one in told])
        if told:
            ledger.read(told[-1].offset)

    def _take(
        self, topic: str, ledger: InputLedger, tick: int, events: Sequence[Event], offsets: Sequence[int], first: int
    ) -> None:
        if self._is_closed(tick):
            known = offsets[first] < ledger.known_below
            self.counters["read_again" if known else "late"] += len(events)
            return
        ledger.note(tick, offsets[first], offsets[first + len(events) - 1])
        self.counters["events"] += len(events)
        self.fold(topic, self.open_tick(tick), tick, events)

    def open_tick(self, tick: int) -> TickState:
        """The state of an open tick, made when it is not there."""
        state = self._open.get(tick)
        if state is None:
            state = self._open[tick] = self.new_tick()
            heapq.heappush(self._order, tick)
        return state

    def complete(self, complete_us: int) -> None:
        """State that every topic is complete to a time, as a file in order of time is."""
        for topic in self.inputs:
            self.watermark.observe(topic, complete_us, 0)

    def rest(self, topic: str, seen_us: int) -> None:
        """State that a topic partition was read to its end when the broker last answered, at `seen_us`."""
        self.watermark.rest(topic, seen_us)

    def safe_offset(self, topic: str) -> int | None:
        """Every record of `topic` below it is in a closed tick; None when nothing was read."""
        return self.ledgers()[topic].safe_offset

    @property
    def open_ticks(self) -> int:
        """Ticks that wait for their end."""
        return len(self._open)

    @property
    def settled_us(self) -> int:
        """The time before which nothing waits any more."""
        return self.closed_us

    def close_until(self, watermark_us: int) -> None:
        """Close every tick up to the watermark, in order; closing one may open later ones."""
        while self._order and (self._order[0] + 1) * self.tick_us <= watermark_us:
            tick = heapq.heappop(self._order)
            parts = [ledger.close(tick) for ledger in self._ledgers.values()]
            self.counters["ticks"] += 1
            self.closed_us = max(self.closed_us, (tick + 1) * self.tick_us)
            self.close_tick(tick, self._open.pop(tick), tuple(part for part in parts if part is not None))
        if watermark_us != BEGINNING_US:
            self.closed_us = max(self.closed_us, watermark_us // self.tick_us * self.tick_us)

    def advance(self, now_us: int) -> bool:
        """Close what the watermark allows, and every open tick when all inputs are at rest; whether they are."""
        watermark_us = self.watermark.value(now_us)
        at_rest = self.watermark.at_rest(now_us)
        self.close_until(max(watermark_us, self.end_us()) if at_rest else watermark_us)
        return at_rest

    def must_speak(self, now_us: int, something: bool) -> bool:
        """Whether a frame is due: there is something, time has come on, or it was silent for a quarter of `idle_ms`."""
        waited = now_us - self._said_at_us >= self.settings.timing.idle_us // 4 or self._said_at_us < 0
        if not (something or self.closed_us > self._said_us or waited):
            return False
        self._said_us, self._said_at_us = self.closed_us, now_us
        return True

    def end_us(self) -> int:
        """Where event time ends when no more input comes: the end of the last open tick."""
        return (max(self._order) + 1) * self.tick_us if self._order else self.closed_us

    def last_of_second(self, tick: int) -> int:
        """The last tick of the second that a tick lies in."""
        return tick - tick % self._second_ticks + self._second_ticks - 1

    def ledgers(self) -> Mapping[str, InputLedger]:
        """What was read of each topic."""
        return self._ledgers

    def measures(self) -> Iterator[Measure]:
        """Give what can be shown of the stage, as it is now; a look at it changes nothing."""
        yield from entity_measures(self.kept())

    def kept(self) -> dict[str, Entities[Any]]:
        """By kind, the entities that are saved one by one when they have changed."""
        return {}

    def head(self) -> State:
        """The rest of what a successor needs, small enough to be saved each time, as plain values.

        Open ticks are not in it, but for their numbers: they are folded again from the safe offsets on.
        """
        return {
            "closed_us": self.closed_us,
            "newest_us": self.watermark.newest_us,
            "read": {topic: ledger.state() for topic, ledger in self.ledgers().items()},
            "open": sorted(self._order),
        }

    def resume(self, head: State, cells: Cells, notes: list[str]) -> None:
        """Take up where another stage was when it gave its `head` and its entities, before anything is pushed.

        Parameters
        ----------
        head
            What `head()` gave.
        cells
            By kind, every entity that was kept, by name.
        notes
            Where it is noted what begins afresh, since it was saved by other parameters.
        """
        self.closed_us = head["closed_us"]
        self._taken_up_tick = self.closed_us // self.tick_us - 1
        self.watermark.resume(self.closed_us, head["newest_us"])
        for topic, ledger in self.ledgers().items():
            ledger.resume(head["read"][topic])
        for tick in head["open"]:
            self.open_tick(tick)
        for kind, entities in self.kept().items():
            entities.restore(cells.get(kind, {}).items(), notes)

    def _is_closed(self, tick: int) -> bool:
        return (tick + 1) * self.tick_us <= self.closed_us

    def new_tick(self) -> TickState:
        """An empty tick."""
        raise NotImplementedError

    def fold(self, topic: str, state: TickState, tick: int, events: Sequence[Event]) -> None:
        """Fold events of one tick into its state, whatever their order."""
        raise NotImplementedError

    def judge(self, topic: str, events: Sequence[Event]) -> None:
        """Judge events at once, in the order of their offsets, each once over all restarts: late ones too."""

    def notice(self, topic: str, events: Sequence[Event], refused: Sequence[tuple[int, RefusedRecord]]) -> None:
        """See in which order an input comes, and what of it was refused, each once over all restarts.

        Each refused record comes with the number of `events` that were before it.
        """

    def close_tick(self, tick: int, state: TickState, evidence: tuple[Evidence, ...]) -> None:
        """Take a closed tick; ticks come in order, each once."""
        raise NotImplementedError


def _fresh(
    events: Sequence[Event], offsets: Sequence[int], start: int, known_below: int, refused: Sequence[Refusal]
) -> tuple[Sequence[Event], Sequence[int]]:
    """The events that nobody has taken or refused before, and their offsets."""
    if not start and not refused and offsets[0] >= known_below:
        return events, offsets
    gone = {refusal.element for refusal in refused}
    kept = [i for i in range(start, len(events)) if offsets[i] >= known_below and i not in gone]
    return [events[i] for i in kept], [offsets[i] for i in kept]


def _without_time(event: Event, offset: int) -> RefusedRecord:
    """An event that was refused for its time: it says nothing of when it came."""
    return RefusedRecord(offset, _REFUSED_FUTURE, symbol=str(getattr(event, "symbol", "")))
