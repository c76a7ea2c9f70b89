"""Everything that is known of a run when it is over."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from detectors.results import Alert
from streams.codecs import decode_alert
from streams.simulator import Incident
from streams.topics import ALERTS, AUDIT, GUARDRAILS, RATE_LIMITS
from tests.chaos.feed import Sent
from tests.chaos.oracle import Expected, Place
from tests.chaos.watch import Kept, Sample

#: What is decided, and by whom it is read.
DECISIONS = (RATE_LIMITS, GUARDRAILS, AUDIT)
#: topic, partition, offset, element: what a dead letter is about.
LetterKey = tuple[str, int, int, int]


@dataclass(slots=True)
class Facts:
    """Everything that is known of a run when it is over.

    Parameters
    ----------
    incidents, poison
        What was planted: incidents, and how many records no worker may take.
    expected
        What the oracle gave.
    log
        Record values of every input topic partition.
    event_us
        The time of the newest event of each record of the log; None: nothing of it is to be taken.
    frames
        Record values of each partition of `account-activity` and `signals`.
    outputs
        Records of the output topics, in order.
    samples
        What was committed over time.
    journal
        What the feed sent when.
    lateness_us, tick_us
        Of the workers.
    last_fault_s
        When the last fault ended, on the clock of samples and journal; None: there was none.
    checkpoints
        How many were begun.
    memory
        Resident memory of each worker process over time.
    """

    incidents: Sequence[Incident]
    poison: int
    expected: Expected
    log: Mapping[Place, Sequence[bytes]]
    event_us: Mapping[Place, Sequence[int | None]]
    frames: Mapping[Place, Sequence[bytes]]
    outputs: Mapping[str, Sequence[Kept]]
    samples: Sequence[Sample]
    journal: Sequence[Sent]
    lateness_us: int
    tick_us: int
    last_fault_s: float | None
    checkpoints: int = 0
    memory: Mapping[str, Sequence[tuple[float, int]]] = field(default_factory=dict)


def identity(alert: Alert) -> tuple[str, int]:
    """What makes two records of an alert the same."""
    return alert.alert_id, alert.revision


def letter_key(record: Kept) -> LetterKey:
    """What a dead letter is about."""
    header = record.headers
    place = header["__connect.errors.topic"].decode(), int(header["__connect.errors.partition"])
    return *place, int(header["__connect.errors.offset"]), int(header["squall.element"])


def identities(values: Iterable[bytes], cutoff_us: int) -> set[tuple[str, int]]:
    """Identities of alert records up to an event time."""
    alerts = map(decode_alert, values)
    return {identity(alert) for alert in alerts if alert.timestamp <= cutoff_us}


def final_alerts(outputs: Mapping[str, Sequence[tuple[bytes, bytes]]], cutoff_us: int) -> list[Alert]:
    """The oracle's alerts up to an event time, in order."""
    alerts = (decode_alert(value) for _, value in outputs.get(ALERTS, []))
    return [alert for alert in alerts if alert.timestamp <= cutoff_us]


def decisions(outputs: Mapping[str, Iterable[tuple[bytes, bytes]]], until_us: int) -> set[tuple[str, bytes, bytes]]:
    """Topic, key and value of what was decided up to an event time."""
    found = set()
    for topic in DECISIONS:
        for key, value in outputs.get(topic, []):
            decided = msgspec.json.decode(value)
            if decided.get("issued_at", decided.get("timestamp", 0)) <= until_us:
                found.add((topic, key, value))
    return found
