"""Shared by the tests: a small seeded order flow with stress planted in it, and its log as Kafka would keep it."""

import random
import zlib
from collections.abc import Callable, Iterable, Iterator

from detectors.config import Alerts, Calibration, CoreSettings, Timing
from detectors.events import BookSnapshot, Cancel, Event, LeverageChange, Trade, key_of
from detectors.results import RefusedRecord

SECOND_US = 1_000_000
#: Where the flow begins: an odd microsecond of an odd second, so that no tick begins with it by luck.
START_US = 1_700_000_003_141_593
SYMBOLS = ("BTC-PERP", "ETH-PERP", "SOL-PERP")
MID = {"BTC-PERP": 30_000.0, "ETH-PERP": 2_000.0, "SOL-PERP": 20.0}
ACCOUNTS = tuple(f"acct-{number:02d}" for number in range(24))
#: A topic with one of its events, in the order in which the events come.
Arrival = tuple[str, Event]


def quick_settings() -> CoreSettings:
    """Settings under which a flow of two minutes is history enough."""
    return CoreSettings(
        # Long enough that no input is taken for dead, however long the test leaves it unread.
        timing=Timing(source_timeout_ms=10_000_000),
        calibration=Calibration(level=0.05, warm_up=40, warm_up_s=0.0),
        alerts=Alerts(
            false_alarms_per_day=500.0,
            info_per_day=5_000.0,
            critical_per_day=100.0,
            resolve_after_s=12,
            update_every_s=2,
        ),
    )


def partitioner(partitions: int) -> Callable[[str], int]:
    """Any stable partitioner does for the core; the shell passes Kafka's."""
    return lambda key: zlib.crc32(key.encode()) % partitions


def at_us(seconds: float) -> int:
    """The time that lies so many seconds after the beginning of the flow."""
    return START_US + int(seconds * SECOND_US)


class Flow:
    """An order flow in the making: quiet at first, with stress planted by the other methods.

    Every method may be called again; `arrivals` gives everything in order of time.

    Parameters
    ----------
    seed
        Seed of all chance.
    seconds
        Length of the flow.
    cancels_per_s, trades_per_s
        Of each symbol.
    books_per_s
        Snapshots of each symbol.
    raises_per_s
        Changes of leverage of all accounts and symbols.
    """

    def __init__(
        self,
        seed: int,
        seconds: float,
        cancels_per_s: float = 8.0,
        trades_per_s: float = 4.0,
        books_per_s: float = 2.0,
        raises_per_s: float = 3.0,
    ) -> None:
        self._random = random.Random(seed)
        self._arrivals: list[Arrival] = []
        self._orders = 0
        self._thin: list[tuple[str, float, float, float]] = []
        self._books_per_s = books_per_s
        self._seconds = seconds
        for symbol in SYMBOLS:
            for time_s in self._poisson(cancels_per_s, 0.0, seconds):
                self.cancel(time_s, symbol, self._random.choice(ACCOUNTS), age_s=self._random.expovariate(1 / 20.0))
            for time_s in self._poisson(trades_per_s, 0.0, seconds):
                self.trade(time_s, symbol)
        for time_s in self._poisson(raises_per_s, 0.0, seconds):
            factor = self._random.choice((0.5, 0.8, 1.25, 2.0))
            self.leverage(time_s, self._random.choice(ACCOUNTS), self._random.choice(SYMBOLS), factor)

    def cancel(self, time_s: float, symbol: str, account: str, age_s: float) -> None:
        """One order taken back, `age_s` after it was placed."""
        self._orders += 1
        side = self._random.choice(("buy", "sell"))
        placed_us = at_us(time_s - age_s)
        amount = round(self._random.lognormvariate(0.0, 0.5), 3)
        price = round(MID[symbol] * (1 + self._random.gauss(0.0, 1e-3)), 2)
        event = Cancel(at_us(time_s), symbol, account, f"o{self._orders}", side, price, amount, placed_us)  # type: ignore[arg-type]
        self._arrivals.append(("cancels", event))

    def trade(self, time_s: float, symbol: str) -> None:
        """One trade between two random accounts."""
        taker, maker = self._random.sample(ACCOUNTS, 2)
        side = self._random.choice(("buy", "sell"))
        event = Trade(at_us(time_s), symbol, MID[symbol], 1.0, side, "", taker, maker)  # type: ignore[arg-type]
        self._arrivals.append(("trades", event))

    def leverage(self, time_s: float, account: str, symbol: str, factor: float, before: float = 5.0) -> None:
        """One change of leverage by `factor`."""
        position = self._random.choice((-1.0, 1.0)) * self._random.lognormvariate(2.0, 1.0)
        event = LeverageChange(at_us(time_s), account, symbol, before * factor, before, position, MID[symbol])
        self._arrivals.append(("leverage", event))

    def burst(self, begin_s: float, symbol: str, account: str, cancels: int, within_s: float = 1.0) -> "Flow":
        """An account takes back many young orders."""
        for _ in range(cancels):
            self.cancel(begin_s + self._random.random() * within_s, symbol, account, age_s=0.2)
        return self

    def ring(self, begin_s: float, symbol: str, accounts: Iterable[str], cancels: int = 3, beats: int = 8) -> "Flow":
        """Accounts of which each cancels little, but all in the same seconds."""
        gaps = [self._random.choice((2, 3, 4)) for _ in range(beats)]
        # The middle of a second of venue time, so that all fall into it.
        time_s = begin_s - (at_us(begin_s) % SECOND_US) / SECOND_US + 0.5
        for gap_s in gaps:
            for account in accounts:
                for _ in range(cancels):
                    self.cancel(time_s + self._random.uniform(-0.3, 0.3), symbol, account, age_s=30.0)
            time_s += gap_s
        return self

    def thin(self, begin_s: float, end_s: float, symbol: str, share: float = 0.1) -> "Flow":
        """Most of a book goes away for a while."""
        self._thin.append((symbol, begin_s, end_s, share))
        return self

    def rush(self, begin_s: float, symbol: str, raises: int, within_s: float = 4.0, factor: float = 4.0) -> "Flow":
        """Many accounts raise their leverage together."""
        for number in range(raises):
            self.leverage(begin_s + self._random.random() * within_s, ACCOUNTS[number % len(ACCOUNTS)], symbol, factor)
        return self

    def arrivals(self) -> list[Arrival]:
        """Everything, in order of time."""
        events = [*self._arrivals, *(("books", book) for book in self._books())]
        return sorted(events, key=lambda arrival: arrival[1].timestamp)

    def _books(self) -> Iterator[BookSnapshot]:
        chance = random.Random(self._orders)
        for symbol in SYMBOLS:
            time_s = chance.random() / self._books_per_s
            while time_s < self._seconds:
                yield self._book(time_s, symbol, chance)
                time_s += 1.0 / self._books_per_s

    def _book(self, time_s: float, symbol: str, chance: random.Random) -> BookSnapshot:
        scale = 1.0
        for name, begin_s, end_s, share in self._thin:
            if name == symbol and begin_s <= time_s < end_s:
                scale *= share
        mid, levels = MID[symbol], range(1, 16)
        sides = []
        for sign in (-1, 1):
            amounts = [round(scale * chance.lognormvariate(0.0, 0.3) * 3e5 / mid, 6) for _ in levels]
            sides.append(
                [
                    (round(mid * (1 + sign * level * 3e-4), 4), max(amount, 1e-6))
                    for level, amount in zip(levels, amounts, strict=True)
                ]
            )
        return BookSnapshot(at_us(time_s), symbol, *sides)

    def _poisson(self, rate_per_s: float, begin_s: float, end_s: float) -> Iterator[float]:
        time_s = begin_s + self._random.expovariate(rate_per_s)
        while time_s < end_s:
            yield time_s
            time_s += self._random.expovariate(rate_per_s)


def stressed_flow(seed: int = 1) -> list[Arrival]:
    """Two quiet minutes, then everything at once, then a quiet end in which alerts are resolved."""
    flow = Flow(seed, seconds=150.0, cancels_per_s=3.0, trades_per_s=1.0, books_per_s=1.0, raises_per_s=1.0)
    flow.burst(112.2, "BTC-PERP", "acct-03", cancels=80)
    flow.ring(111.0, "BTC-PERP", [f"ring-{number}" for number in range(5)])
    flow.thin(113.0, 124.0, "BTC-PERP").thin(116.0, 121.0, "ETH-PERP", share=0.2)
    flow.rush(114.0, "BTC-PERP", raises=40)
    flow.burst(140.0, "SOL-PERP", "acct-07", cancels=60)
    return flow.arrivals()


def shuffled_within(arrivals: Iterable[Arrival], lateness_us: int, seed: int) -> list[Arrival]:
    """The same events in another order, none later than the lateness allows."""
    chance = random.Random(seed)
    delayed = [
        (event.timestamp + chance.randrange(lateness_us), index, topic, event)
        for index, (topic, event) in enumerate(arrivals)
    ]
    return [(topic, event) for _, _, topic, event in sorted(delayed, key=lambda entry: entry[:2])]


def refused_as(reason: str, offset: int, event: Event) -> RefusedRecord:
    """The event's record as the shell tells of it when it refuses it: what is malformed says nothing of itself."""
    if reason == "malformed":
        return RefusedRecord(offset, reason)
    return RefusedRecord(offset, reason, event.timestamp, getattr(event, "symbol", ""))


class Log:
    """Events by topic partition; the place in the list is the offset.

    Parameters
    ----------
    arrivals
        Events in the order in which they were produced.
    partitions
        Partitions of each topic.
    refuse
        Gives the reason why the record of an event is refused; None: it is taken.
    """

    def __init__(
        self, arrivals: Iterable[Arrival], partitions: int, refuse: Callable[[Arrival], str | None] = lambda _: None
    ) -> None:
        self.partitions = partitions
        self.partition_of = partitioner(partitions)
        self.events: dict[tuple[str, int], list[Event]] = {}
        #: (topic, offset, event) in the order of production.
        self.records: list[tuple[str, int, Event]] = []
        #: By topic, partition and offset, what is refused.
        self.refused: dict[tuple[str, int, int], RefusedRecord] = {}
        for topic, event in arrivals:
            place = self.events.setdefault((topic, self.partition_of(key_of(topic, event))), [])
            reason = refuse((topic, event))
            if reason is not None:
                at = topic, self.partition_of(key_of(topic, event)), len(place)
                self.refused[at] = refused_as(reason, len(place), event)
            self.records.append((topic, len(place), event))
            place.append(event)

    def of(self, topic: str, partition: int) -> list[Event]:
        """The events of a topic partition."""
        return self.events.get((topic, partition), [])
