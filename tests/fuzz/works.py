"""All stages behind their stations, without a broker: bytes in, and the records that would be sent."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from prometheus_client import CollectorRegistry

from detectors.account_stage import AccountStage
from detectors.correlation_stage import CorrelationStage
from detectors.decisions import AuditRecord, RateLimit, StressFrame, Trip
from detectors.events import EVENT_TYPES
from detectors.market_stage import MarketStage
from detectors.pipeline import source_names
from detectors.results import ActivityFrame, Alert, SignalFrame
from streams.agents import account_station, correlation_station, market_station
from streams.batches import cut_batches
from streams.codecs import (
    decode_activity_frame,
    decode_alert,
    decode_signal_frame,
    decode_stress_frame,
    encode_alert,
    encode_decision,
    encode_frame,
)
from streams.dead_letters import LONGEST_VALUE_BYTES, dead_letter
from streams.metrics import Metrics
from streams.stations import OutgoingRecord, Station
from streams.topics import ALERTS, AUDIT, DEAD_LETTERS, GUARDRAILS, RATE_LIMITS, SIGNALS, STRESS
from tests.helpers import quick_settings

MAX_RECORD_BYTES = 1_048_576
#: By the clock of the stations, between two batches.
_STEP_US = 1_000
_DECISIONS: dict[str, Any] = {RATE_LIMITS: RateLimit, GUARDRAILS: Trip, AUDIT: AuditRecord}
Read = ActivityFrame | SignalFrame | StressFrame | Alert | RateLimit | Trip | AuditRecord
_HEADERS = {
    "__connect.errors.topic",
    "__connect.errors.partition",
    "__connect.errors.offset",
    "__connect.errors.connector.name",
    "__connect.errors.stage",
    "__connect.errors.class.name",
    "__connect.errors.exception.class.name",
    "__connect.errors.exception.message",
    "squall.reason",
    "squall.element",
}


class Violation(AssertionError):
    """A property that must hold does not; `raw` is the input."""

    def __init__(self, message: str, raw: bytes = b"") -> None:
        super().__init__(message)
        self.raw = raw


class Escape(Violation):
    """An exception came out of what must not raise one."""


class RawRecord(NamedTuple):
    """A record as it is fetched; its key and time are nobody's promise."""

    offset: int
    value: bytes | None
    key: bytes | None = None
    timestamp: int = 0


class Letter(NamedTuple):
    """A dead letter, read back from its headers."""

    topic: str
    offset: int
    element: int
    reason: str
    value: bytes


class Works:
    """One partition of every stage, by a clock that the caller moves."""

    def __init__(self) -> None:
        settings = quick_settings()
        metrics = Metrics.create(CollectorRegistry())
        market = MarketStage(0, 1, settings, lambda _: 0)
        account = AccountStage(0, 1, settings)
        self._correlation = correlation_station(0, CorrelationStage(source_names(1), settings), metrics, 1)
        self._account = account_station(0, account, metrics, MAX_RECORD_BYTES)
        self._market = market_station(0, market, metrics, MAX_RECORD_BYTES)
        self._counters = (market.counters, account.counters)
        self._stations = (self._market, self._account, self._correlation)
        self._station_of: dict[str, Station] = {
            topic: station for station in self._stations for topic in station.inputs
        }
        self._next_offset: Counter[str] = Counter()
        self._now_us = 0
        self.refused: Counter[str] = Counter()
        self.letters: list[Letter] = []
        self.alerts: list[Alert] = []
        #: Every signal, with the tick it came of.
        self.signals: list[tuple[int, object]] = []

    @property
    def events(self) -> int:
        """Events that the stages took, late ones included."""
        return sum(counters["events"] + counters["late"] for counters in self._counters)

    @property
    def held_back(self) -> int:
        """Signals that were left out because their input was faulty."""
        return sum(counters["held_back"] for counters in self._counters)

    def take(self, topic: str, values: Sequence[bytes | None], keys: Sequence[bytes | None] = ()) -> None:
        """Let the station of a topic take records, send on what comes of it, and keep what was refused."""
        self._take(topic, values, keys, own=topic not in EVENT_TYPES)

    def _take(self, topic: str, values: Sequence[bytes | None], keys: Sequence[bytes | None], *, own: bool) -> None:
        station, start = self._station_of[topic], self._next_offset[topic]
        times = (0, -1, 2**63 - 1)
        records = [
            RawRecord(start + place, value, keys[place % len(keys)] if keys else None, times[place % 3])
            for place, value in enumerate(values)
        ]
        self._next_offset[topic] += len(records)
        self._now_us += _STEP_US
        for batch in cut_batches(topic, 0, start, records, max_records=2_000, max_bytes=524_288):
            try:
                taken = station.take(batch, self._now_us)
                outgoing = station.poll({}, self._now_us)
            except Exception as error:
                raise Escape(f"{topic}: {error!r}", b"\n".join(value or b"" for value in batch.values)) from error
            if taken.records != len(batch.offsets):
                raise Violation(f"expected {len(batch.offsets)} records taken, found {taken.records}")
            if own and taken.refused:
                raise Violation(f"expected frames of our own to be taken, found {taken.refused[0].message}")
            for refused in taken.refused:
                self.refused[refused.reason] += 1
                self.letters.append(read_letter(*dead_letter(topic, 0, refused, "squall"), refused.raw))
            self._send(outgoing)

    def take_own(self, topic: str, value: bytes) -> None:
        """Let the stage behind a topic take a record that is perhaps none of ours."""
        self._take(topic, [value], (), own=False)

    def finish(self) -> None:
        """Let every input rest until all that is open is closed."""
        for _ in range(40):
            self._now_us += 500_000
            for station in self._stations:
                ends = {topic: (0, self._next_offset[topic], self._now_us) for topic in station.resting_topics()}
                self._send(station.poll(ends, self._now_us))

    def _send(self, records: Sequence[OutgoingRecord]) -> None:
        for record in records:
            read = read_back(record)
            if isinstance(read, Alert):
                self.alerts.append(read)
            if record.topic not in self._station_of:
                continue
            if isinstance(read, SignalFrame):
                self.signals += [(tick.tick, part) for tick in read.ticks for part in (*tick.signals, *tick.moves)]
            self.take(record.topic, [record.value])


def read_back(record: OutgoingRecord) -> Read:
    """Read what a stage sent, as whoever is next would; it must be strict JSON, and say the same again."""
    value = record.value or b""
    json.loads(value, parse_constant=_no_number)
    read: Read
    if record.topic in _DECISIONS:
        decided: Any = msgspec.json.decode(value, type=_DECISIONS[record.topic])
        read, again = decided, encode_decision(decided)
    elif record.topic == STRESS:
        read = decode_stress_frame(value)
        again = encode_frame(read)
    elif record.topic == ALERTS:
        read = decode_alert(value)
        again = encode_alert(read)
    elif record.topic == SIGNALS:
        read = decode_signal_frame(value)
        again = encode_frame(read)
    else:
        read = decode_activity_frame(value)
        again = encode_frame(read)
    if again != value:
        raise Violation("expected a record to be the same when read and written again", value)
    return read


def _no_number(name: str) -> None:
    raise Violation(f"expected finite numbers, found {name}")


def read_letter(value: bytes, headers: Sequence[tuple[str, bytes]], raw: bytes) -> Letter:
    """Read a dead letter by its headers alone, and compare it with what was refused."""
    said = {name: text.decode("utf-8") for name, text in headers}
    cut = said.pop("squall.truncated", None)
    if said.keys() != _HEADERS or len(headers) != len(_HEADERS) + (cut is not None):
        raise Violation(f"expected the headers of {DEAD_LETTERS}, found {sorted(said)}", raw)
    if value != raw[:LONGEST_VALUE_BYTES] or cut != (str(len(raw)) if len(raw) > LONGEST_VALUE_BYTES else None):
        raise Violation(f"expected the refused bytes, or their beginning and their number, found {cut}", raw)
    offset, element = int(said["__connect.errors.offset"]), int(said["squall.element"])
    return Letter(said["__connect.errors.topic"], offset, element, said["squall.reason"], value)
