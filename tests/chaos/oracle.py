"""What should have come out: the same stations as a worker's, in one process, without a broker, over the same log.

"The same log" is what the input topics hold in the end, duplicates included: the promise is that each record of the log
counts once, whatever happens to workers. Whether an event stands in the log twice is the producer's affair.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from prometheus_client import CollectorRegistry

from detectors.account_stage import AccountStage
from detectors.correlation_stage import CorrelationStage
from detectors.market_stage import MarketStage
from detectors.pipeline import source_names
from streams.agents import account_station, correlation_station, market_station
from streams.batches import RecordBatch
from streams.codecs import RefusedElement
from streams.metrics import Metrics
from streams.settings import Settings
from streams.stations import OutgoingRecord, Station
from streams.topics import ACCOUNT_ACTIVITY, SIGNALS, STRESS, partition_of

Place = tuple[str, int]
#: The record values of each topic partition, from offset 0.
InputLog = Mapping[Place, Sequence[bytes]]
_SLICES_A_TURN = 5
#: The stages' clock goes on by so much a turn: no time-out may ever strike.
_TURN_US = 1_000


class Expected(NamedTuple):
    """What a run must have given.

    `outputs` holds, per output topic, key and value of every record in order; `refused` what belongs in the dead
    letters; `safe` the offset that must be committed of each input in the end; `cutoff_us` the event time up to which
    all of it is final, whatever comes after the log; `late` the events that came after their tick.
    """

    outputs: dict[str, list[tuple[bytes, bytes]]]
    refused: dict[Place, list[RefusedElement]]
    safe: dict[Place, int]
    cutoff_us: int
    late: int


class Oracle:
    """Every station of every partition, and the internal topics between them as lists.

    Parameters
    ----------
    settings
        Those of the workers.
    """

    def __init__(self, settings: Settings) -> None:
        partitions, core, longest = settings.partitions, settings.core, settings.worker.max_record_bytes
        metrics = Metrics.create(CollectorRegistry())
        numbers = range(partitions)

        def part(key: str) -> int:
            return partition_of(key, partitions)

        self._markets = [market_station(n, MarketStage(n, partitions, core, part), metrics, longest) for n in numbers]
        accounts = [AccountStage(n, partitions, core, part) for n in numbers]
        self._accounts = [account_station(n, stage, metrics, longest) for n, stage in enumerate(accounts)]
        self._correlation_stage = CorrelationStage(source_names(partitions), core)
        self._correlation = correlation_station(0, self._correlation_stage, metrics, partitions)
        self._outputs: dict[str, list[tuple[bytes, bytes]]] = {}
        self._refused: dict[Place, list[RefusedElement]] = {}
        self._frames: dict[Place, int] = {}
        self._now_us = 1

    def run(self, log: InputLog, slices: Iterable[Mapping[Place, int]]) -> Expected:
        """Read the log in the order in which it was sent.

        Parameters
        ----------
        log
            All records.
        slices
            In order, where each topic partition ends when a slice was sent.
        """
        read: dict[Place, int] = dict.fromkeys(log, 0)
        for number, ends in enumerate(slices, 1):
            for place, end in sorted(ends.items()):
                self._take(place, log[place], read[place], end)
                read[place] = max(read[place], end)
            if number % _SLICES_A_TURN == 0:
                self._turn()
        for place, values in sorted(log.items()):
            self._take(place, values, read[place], len(values))
        for _ in range(3):
            self._turn()
        return Expected(self._outputs, self._refused, self._safe(), self._correlation_stage.closed_us, self._late())

    def _take(self, place: Place, values: Sequence[bytes], begin: int, end: int) -> None:
        if begin >= end:
            return
        topic, partition = place
        station = (self._accounts if topic in self._accounts[0].inputs else self._markets)[partition]
        batch = RecordBatch(topic, partition, begin, list(range(begin, end)), list(values[begin:end]))
        refused = station.take(batch, self._now_us).refused
        if refused:
            self._refused.setdefault(place, []).extend(refused)

    def _turn(self) -> None:
        self._now_us += _TURN_US
        for stations in (self._markets, self._accounts, [self._correlation]):
            made = [record for station in stations for record in station.poll({}, self._now_us)]
            for record in made:
                self._hand_on(record)

    def _hand_on(self, record: OutgoingRecord) -> None:
        if record.topic in (ACCOUNT_ACTIVITY, SIGNALS, STRESS):
            partition = record.partition or 0
            to = self._correlation if record.topic == SIGNALS else self._accounts[partition]
            offset = self._frames.get((record.topic, partition), 0)
            to.take(RecordBatch(record.topic, partition, offset, [offset], [record.value]), self._now_us)
            self._frames[record.topic, partition] = offset + 1
        else:
            self._outputs.setdefault(record.topic, []).append((record.key or b"", record.value or b""))

    def _safe(self) -> dict[Place, int]:
        return {
            (topic, station.partition): offset
            for stations in (self._markets, self._accounts)
            for station in stations
            for topic, offset in station.safe_offsets().items()
            if topic not in (ACCOUNT_ACTIVITY, STRESS)
        }

    def _late(self) -> int:
        stations: list[Station] = [*self._markets, *self._accounts, self._correlation]
        return sum(station.stage.counters["late"] for station in stations)
