"""Inputs in the order in which they were read: what is behind it, and what was refused, by ticks of event time."""

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from detectors.base import State
from detectors.config import Timing
from detectors.events import Event
from detectors.results import RefusedRecord

#: Symbol and topic; the symbol is empty where it is not known.
Place = tuple[str, str]
#: Where records of more places than this wait for their ticks, further ones are put to their topic as a whole.
_MOST_PLACES = 10_000
_BY_PLACE = itemgetter(0, 1, 2)


class Refusals:
    """Refused records of one place in one tick: how many by reason, and where they lie."""

    __slots__ = ("first_offset", "last_offset", "reasons")

    def __init__(self, offset: int) -> None:
        self.reasons: dict[str, int] = {}
        self.first_offset = self.last_offset = offset

    def add(self, reasons: dict[str, int], first_offset: int, last_offset: int) -> None:
        """Add further ones."""
        for reason, many in reasons.items():
            self.reasons[reason] = self.reasons.get(reason, 0) + many
        self.first_offset = min(self.first_offset, first_offset)
        self.last_offset = max(self.last_offset, last_offset)

    def row(self) -> list[Any]:
        """As plain values."""
        return [dict(sorted(self.reasons.items())), self.first_offset, self.last_offset]

    @classmethod
    def of_row(cls, row: list[Any]) -> "Refusals":
        """What gave that row."""
        found = cls(row[1])
        found.add(*row)
        return found


class ReadingOrder:
    """What was read of a partition's topics, in the order of their offsets, each record once over all restarts.

    A refused record belongs to its own tick where its time can be read and is neither behind its topic nor further
    ahead of it than an event may be. Where not, it waits for the next event of its topic that is taken, and belongs to
    the newest tick then: so its place depends on offsets alone. Of a topic that never has such an event again, records
    without a time are never placed.

    Parameters
    ----------
    timing
        The settings of time.
    ordered
        Topics whose events are expected in order, but for the lateness.
    """

    def __init__(self, timing: Timing, ordered: Sequence[str]) -> None:
        self._ordered = ordered
        self._tick_us = timing.tick_us
        self._lateness_us = timing.lateness_us
        self._ahead_us = timing.future_limit_s * 1_000_000
        #: By topic, the newest time that was read; by tick and place, events that were behind it.
        self._newest_us: dict[str, int] = {}
        self._behind: dict[int, dict[Place, int]] = {}
        #: By tick and place, records refused; and by topic, those that have no tick yet.
        self._refused: dict[int, dict[Place, Refusals]] = {}
        self._waiting: dict[str, dict[Place, Refusals]] = {}
        self._places = 0

    def read(self, topic: str, events: Sequence[Event], refused: Sequence[tuple[int, RefusedRecord]] = ()) -> None:
        """Look at events, each handed in once, in the order of their offsets, and at what was refused between them.

        Each refused record comes with the number of `events` that were before it.
        """
        done = 0
        for before, record in refused:
            self._read_events(topic, events[done:before])
            self._read_refused(topic, record)
            done = before
        self._read_events(topic, events[done:] if done else events)

    def _read_events(self, topic: str, events: Sequence[Event]) -> None:
        if not events:
            return
        newest_us, lateness_us = self._newest_us.get(topic, 0), self._lateness_us
        if topic in self._waiting:
            self._place_waiting(topic, max(newest_us, events[0].timestamp))
        for event in events:
            timestamp = event.timestamp
            if timestamp >= newest_us:
                newest_us = timestamp
            elif timestamp < newest_us - lateness_us and topic in self._ordered:
                of_tick = self._behind.setdefault(newest_us // self._tick_us, {})
                place = str(getattr(event, "symbol", "")), topic
                of_tick[place] = of_tick.get(place, 0) + 1
        self._newest_us[topic] = newest_us

    def _read_refused(self, topic: str, record: RefusedRecord) -> None:
        newest_us, place = self._newest_us.get(topic, 0), (record.symbol, topic)
        found = Refusals(record.offset)
        found.add({record.reason: 1}, record.offset, record.offset)
        if newest_us and newest_us - self._lateness_us <= record.timestamp <= newest_us + self._ahead_us:
            self._put(self._refused.setdefault(record.timestamp // self._tick_us, {}), place, found)
        else:
            self._put(self._waiting.setdefault(topic, {}), place, found)

    def _place_waiting(self, topic: str, newest_us: int) -> None:
        waiting = self._waiting.pop(topic, {})
        self._places -= len(waiting)
        for place, found in waiting.items():
            self._put(self._refused.setdefault(newest_us // self._tick_us, {}), place, found)

    def _put(self, places: dict[Place, Refusals], place: Place, found: Refusals) -> None:
        if place not in places and self._places >= _MOST_PLACES:
            place = "", place[1]
        self._places += place not in places
        _add(places, place, found)

    def behind_until(self, tick: int) -> dict[Place, int]:
        """Events that were behind, of ticks up to this one; each is given once."""
        found: dict[Place, int] = {}
        for due in sorted(number for number in self._behind if number <= tick):
            for place, count in self._behind.pop(due).items():
                found[place] = found.get(place, 0) + count
        return found

    def refused_until(self, tick: int) -> dict[Place, Refusals]:
        """Records refused, of ticks up to this one; each is given once."""
        found: dict[Place, Refusals] = {}
        for due in sorted(number for number in self._refused if number <= tick):
            refused = self._refused.pop(due)
            self._places -= len(refused)
            for place, one in refused.items():
                _add(found, place, one)
        return found

    def state(self) -> State:
        """How far each topic was read, and what waits for its tick."""
        behind = [[tick, symbol, topic, n] for tick, of in self._behind.items() for (symbol, topic), n in of.items()]
        refused = [[tick, *place, *one.row()] for tick, of in self._refused.items() for place, one in of.items()]
        waiting = [[0, *place, *one.row()] for of in self._waiting.values() for place, one in of.items()]
        found = {"newest_us": dict(sorted(self._newest_us.items())), "behind": sorted(behind)}
        return found | {"refused": sorted(refused, key=_BY_PLACE), "waiting": sorted(waiting, key=_BY_PLACE)}

    def restore(self, state: State) -> None:
        """Take up where `state()` was made."""
        self._newest_us = dict(state["newest_us"])
        self._behind, self._refused, self._waiting = {}, {}, {}
        for tick, symbol, topic, count in state["behind"]:
            self._behind.setdefault(tick, {})[symbol, topic] = count
        # State of before refused records were looked at has none.
        for tick, symbol, topic, *row in state.get("refused", ()):
            self._refused.setdefault(tick, {})[symbol, topic] = Refusals.of_row(row)
        for _, symbol, topic, *row in state.get("waiting", ()):
            self._waiting.setdefault(topic, {})[symbol, topic] = Refusals.of_row(row)
        self._places = sum(map(len, (*self._refused.values(), *self._waiting.values())))


def _add(places: dict[Place, Refusals], place: Place, found: Refusals) -> None:
    known = places.get(place)
    if known is None:
        places[place] = found
    else:
        known.add(found.reasons, found.first_offset, found.last_offset)
