"""The core alone: stages fed from memory in batches, as workers feed them, without bytes, broker or event loop."""

import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from detectors.account_stage import AccountStage
from detectors.config import CoreSettings
from detectors.correlation_stage import CorrelationStage
from detectors.events import Event
from detectors.market_stage import MarketOutput, MarketStage
from detectors.pipeline import source_names
from streams.topics import partition_of
from tests.benchmarks.backlog import PARTITIONS, Item
from tests.benchmarks.three import strip, three_detectors

#: Records that a worker takes from all partitions between two looks at the clock.
_ROUND_EVENTS = 4_000
_LONGEST_STEP_US = 500_000


class Round(NamedTuple):
    """What one fetch brings: for each topic partition, offsets and events; and the newest time among them."""

    batches: list[tuple[str, int, list[int], list[Event]]]
    newest_us: int


class CoreRun(NamedTuple):
    """Events of one pass, and what it took."""

    events: int
    wall_s: float
    cpu_s: float
    alerts: int


def rounds(items: Sequence[Item]) -> list[Round]:
    """Cut items into fetches."""
    offsets: dict[tuple[str, int], int] = {}
    made: list[Round] = []
    for begin in range(0, len(items), _ROUND_EVENTS):
        batches: dict[tuple[str, int], tuple[list[int], list[Event]]] = {}
        for item in items[begin : begin + _ROUND_EVENTS]:
            place = item.topic, item.partition
            offset = offsets.get(place, 0)
            offsets[place] = offset + 1
            taken, events = batches.setdefault(place, ([], []))
            taken.append(offset)
            events.append(item.event)
        newest_us = items[min(begin + _ROUND_EVENTS, len(items)) - 1].event.timestamp
        made.append(Round([(*place, *batch) for place, batch in batches.items()], newest_us))
    return made


class Core:
    """Every stage of every partition, with frames handed from one to the next as they are."""

    def __init__(self) -> None:
        settings = CoreSettings()
        numbers = range(PARTITIONS)
        self.markets = [
            MarketStage(number, PARTITIONS, settings, lambda key: partition_of(key, PARTITIONS)) for number in numbers
        ]
        self.accounts = [AccountStage(number, PARTITIONS, settings) for number in numbers]
        self.correlation = CorrelationStage(source_names(PARTITIONS), settings)
        self.alerts = 0
        self._activity_offsets = [0] * PARTITIONS
        self._signal_offset = 0
        self._stress_offset = 0

    def take(self, fetched: Round, now_us: int) -> None:
        """Push one fetch, and let every stage close what it can."""
        seen = set()
        for topic, partition, offsets, events in fetched.batches:
            stage = self.accounts[partition] if topic == "leverage" else self.markets[partition]
            stage.push(topic, offsets, events, now_us)
            seen.add((topic, partition))
        for topic, partition in self._inputs():
            if (topic, partition) not in seen:
                stage = self.accounts[partition] if topic == "leverage" else self.markets[partition]
                stage.rest(topic, now_us)
        for market in self.markets:
            output = market.poll(now_us)
            if output is not None:
                self._hand_on(output, now_us)
        for account in self.accounts:
            found = account.poll(now_us)
            if found is not None:
                self.correlation.push_frame(found.signals, self._signal_offset, now_us)
                self._signal_offset += 1
        judged = self.correlation.poll(now_us)
        self.alerts += len(judged.alerts)
        if judged.stress is not None:
            for account in self.accounts:
                account.push_stress(judged.stress, self._stress_offset, now_us)
            self._stress_offset += 1

    def _inputs(self) -> Iterator[tuple[str, int]]:
        for partition in range(PARTITIONS):
            yield "leverage", partition
            for topic in self.markets[partition].inputs:
                yield topic, partition

    def _hand_on(self, output: MarketOutput, now_us: int) -> None:
        for partition, frame in enumerate(output.activity):
            self.accounts[partition].push_frame(frame, self._activity_offsets[partition], now_us)
            self._activity_offsets[partition] += 1
        self.correlation.push_frame(output.signals, self._signal_offset, now_us)
        self._signal_offset += 1


def run_three(fetches: Sequence[Round]) -> CoreRun:
    """As `run_core`, with the three first detectors alone."""
    with three_detectors():
        core = Core()
        for market in core.markets:
            strip(market)
        return _run(core, fetches)


def run_core(fetches: Sequence[Round]) -> CoreRun:
    """One pass of fresh stages over all fetches, by a clock that runs with event time, as before an exchange."""
    return _run(Core(), fetches)


def _run(core: Core, fetches: Sequence[Round]) -> CoreRun:
    for silent_us in range(20_000_000, 0, -500_000):
        # Topics that stay empty have been known to be for longer than any time-out.
        core.take(Round([], 0), fetches[0].newest_us - silent_us)
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    now_us = fetches[0].newest_us
    for fetched in fetches:
        # A longer step would count as a process that stood still.
        now_us += min(fetched.newest_us - now_us, _LONGEST_STEP_US)
        core.take(fetched, now_us)
    cpu_s, wall_s = time.process_time() - began_cpu_s, time.perf_counter() - began_s
    events = sum(len(offsets) for fetched in fetches for _, _, offsets, _ in fetched.batches)
    return CoreRun(events, wall_s, cpu_s, core.alerts)
