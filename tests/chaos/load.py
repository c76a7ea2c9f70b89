"""The load of a run: a seeded, simulated exchange with planted incidents, spoiled in the ways a scenario asks for.

A load is cut into slices of one tick of arrival time. The feed sends a slice only when the one before it is
acknowledged, on all topics: however long a broker is away, no topic is later than another by more than a slice, so
that the allowed lateness need cover the reordering of the load and nothing else. What producers do in production is up
to them: `timing.lateness_ms` has to cover it.

Every topic partition that a worker reads speaks at least once a second of event time (`_pulses`), so that no watermark
depends on how long an input was silent by the clock on the wall, which no oracle could know.
"""

import heapq
from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import NamedTuple

import msgspec

from detectors.events import Cancel, Event, Latency, LeverageChange, Liquidation, key_of
from streams.codecs import encode_event
from streams.simulator import Exchange, ExchangeSettings, Incident, plant
from streams.topics import partition_of
from tests.chaos.poison import KINDS, OVERSIZED, poison

SLICE_US = 100_000
SYMBOLS = ("BTC-PERP", "ETH-PERP", "SOL-PERP", "XRP-PERP")
#: Nothing is planted at the end: alerts are resolved by time that passes, and the workers are seen to catch up.
TAIL_S = 50.0
#: One round of five incidents, each in a slot of its own.
_ROUND_S = 300.0
#: What comes each minute for an hour is usual, and no incident: long loads have more time between them, not more.
_MOST_ROUNDS = 3
_PULSE_US = 1_000_000
_OVERSIZED_EVERY_US = 40_000_000
_OFF_EVERY_US = 3_000_000
#: "An hour, and some": by less, an event is taken as it stands.
_OFF_US = 3_700_000_000


class Planned(NamedTuple):
    """A record to send: the slice it belongs to, where it goes, and what is wrong with it ("" for nothing)."""

    slice_number: int
    topic: str
    partition: int
    key: str
    value: bytes
    fault: str = ""


class Load(msgspec.Struct, frozen=True):
    """What is sent in a run.

    Parameters
    ----------
    seed
        The same load gives the same records, byte for byte.
    wall_s
        How long it takes to send when nothing is in the way.
    speed
        Event time passes so many times faster than on the wall.
    events_per_s
        In event time.
    partitions
        Of each topic; the symbols must cover them (`SYMBOLS` cover up to three).
    warm_up_s
        Event time before the first incident.
    poison
        Share of records that a poison record is put before, [0, 1).
    duplicates
        Share of records that are sent a second time, as records of their own.
    reorder_ms
        A record may be late by so much event time, against its own topic partition and all others.
    clock_off
        One producer's clock is an hour and some ahead, and now and then as far behind.
    """

    seed: int = 1
    wall_s: float = 50.0
    speed: float = 7.0
    events_per_s: float = 120.0
    partitions: int = 3
    warm_up_s: float = 100.0
    poison: float = 0.0
    duplicates: float = 0.0
    reorder_ms: int = 0
    clock_off: bool = False

    @property
    def duration_s(self) -> float:
        """Event time in all."""
        return self.wall_s * self.speed

    def exchange(self) -> ExchangeSettings:
        """The exchange that is simulated."""
        return ExchangeSettings(
            seed=self.seed,
            symbols=SYMBOLS,
            accounts=600,
            events_per_s=self.events_per_s,
            duration_s=self.duration_s,
        )

    def incidents(self) -> list[Incident]:
        """Rounds of one incident of each family, from the end of the warm-up to the beginning of the tail."""
        exchange = self.exchange()
        room_s = self.duration_s - self.warm_up_s - TAIL_S
        rounds = min(max(1, round(room_s / _ROUND_S)), _MOST_ROUNDS)
        found: list[Incident] = []
        for number in range(rounds):
            begin_us = exchange.start_us + round((self.warm_up_s + number * room_s / rounds) * 1e6)
            there = replace(exchange, start_us=begin_us, duration_s=room_s / rounds)
            planted = plant(self.seed + number, there, warmup_s=0.0, intensity=1.5)
            found += [msgspec.structs.replace(one, id=f"{number + 1}-{one.id}") for one in planted]
        return found

    def records(self) -> Iterator[Planned]:
        """Everything to send, slice by slice."""
        spoiler = _Spoiler(self)
        waiting: list[tuple[int, int, str, Event, str]] = []
        added = 0
        for topic, event in self._events():
            for late_us, spoiled, fault in spoiler.arrivals(topic, event):
                added += 1
                heapq.heappush(waiting, (event.timestamp + late_us, added, topic, spoiled, fault))
            while waiting and waiting[0][0] <= event.timestamp:
                yield from self._planned(spoiler, *heapq.heappop(waiting))
        while waiting:
            yield from self._planned(spoiler, *heapq.heappop(waiting))

    def _planned(
        self, spoiler: "_Spoiler", arrival_us: int, _number: int, topic: str, event: Event, fault: str
    ) -> Iterator[Planned]:
        key = key_of(topic, event)
        place = (arrival_us // SLICE_US, topic, partition_of(key, self.partitions), key)
        value = encode_event(event)
        kind = "" if fault else spoiler.poison_before(arrival_us)
        if kind:
            yield Planned(*place, poison(kind, topic, key, value, spoiler.chance), kind)
        yield Planned(*place, value, fault)

    def _events(self) -> Iterator[tuple[str, Event]]:
        exchange = Exchange(self.exchange(), self.incidents())
        return heapq.merge(exchange.events(), self._pulses(), key=lambda found: found[1].timestamp)

    def _pulses(self) -> Iterator[tuple[str, Event]]:
        """Small events without meaning, for inputs that the exchange itself would leave silent for long."""
        settings = self.exchange()
        accounts = self._one_of_each_partition(f"pulse-{number}" for number in range(100))
        symbols = self._one_of_each_partition(iter(SYMBOLS))
        components = self._one_of_each_partition(f"gateway-{number}" for number in range(100))
        for time_us in range(settings.start_us, settings.end_us, _PULSE_US):
            for account, symbol, component in zip(accounts, symbols, components, strict=True):
                yield "leverage", LeverageChange(time_us, account, symbol, 5.0, 5.0)
                yield "liquidations", Liquidation(time_us, symbol, "buy", 100.0, 0.0)
                yield "latency", Latency(time_us, component, 50.0)

    def _one_of_each_partition(self, keys: Iterator[str]) -> list[str]:
        found: dict[int, str] = {}
        for key in keys:
            found.setdefault(partition_of(key, self.partitions), key)
        if len(found) < self.partitions:
            raise ValueError(f"expected keys for {self.partitions} partitions, found some for {sorted(found)} only")
        return [found[number] for number in range(self.partitions)]


class _Spoiler:
    """What chance does to a load."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.chance = Random(load.seed * 7_919 + 1)
        self._oversized_us = load.exchange().start_us + _OVERSIZED_EVERY_US
        self._off_us = load.exchange().start_us + round(load.warm_up_s * 1e6)
        self._ahead = True

    def arrivals(self, topic: str, event: Event) -> Iterator[tuple[int, Event, str]]:
        """How much later than its time each copy of an event arrives, the event as it is sent, what is wrong."""
        if self.load.clock_off and topic == "cancels" and event.timestamp >= self._off_us:
            # Alone among others of its partition: the third wild time in a row would be believed.
            self._off_us = event.timestamp + _OFF_EVERY_US
            self._ahead = not self._ahead
            yield 0, *self._with_wrong_clock(event)
            return
        yield self._late_us(), event, ""
        if self.load.duplicates and self.chance.random() < self.load.duplicates:
            yield self._late_us(), event, "duplicate"

    def poison_before(self, arrival_us: int) -> str:
        """The kind of poison that comes before a record; "" for none."""
        if not self.load.poison or self.chance.random() >= self.load.poison:
            return ""
        if arrival_us >= self._oversized_us:
            self._oversized_us = arrival_us + _OVERSIZED_EVERY_US
            return OVERSIZED
        return self.chance.choice(KINDS)

    def _with_wrong_clock(self, event: Event) -> tuple[Event, str]:
        assert isinstance(event, Cancel)
        off_us = _OFF_US if self._ahead else -_OFF_US
        return msgspec.structs.replace(event, timestamp=event.timestamp + off_us), "ahead" if self._ahead else "behind"

    def _late_us(self) -> int:
        return self.chance.randrange(self.load.reorder_ms * 1_000) if self.load.reorder_ms else 0
