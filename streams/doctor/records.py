"""Single records, read without a group: nothing is committed, and nobody else notices."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from aiokafka import TopicPartition

from detectors.events import EVENT_TYPES
from streams.codecs import RecordDecoder
from streams.doctor.clients import Clients
from streams.mapping.field_mapping import NO_MAPPING, FieldMapping

#: How long records are waited for, and how long whoever asks for them should wait.
_DEADLINE_S = 5.0
DEADLINE_S = 2 * _DEADLINE_S
#: Kafka's mark of a time that the broker set, not the producer.
_LOG_APPEND_TIME = 1
#: A transaction's mark at the end of a partition is no record: look a little further back.
_LOOK_BACK = 3


Bounds = Mapping[TopicPartition, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Moment:
    """One record: when it was written, by whose clock, the newest event in it (None: there is none), and its fault."""

    topic: str
    partition: int
    written_us: int
    by_broker: bool
    event_us: int | None
    fault: str = ""


class Tail(NamedTuple):
    """The end of a partition as a fetch shows it, and its newest record."""

    end: int
    newest: Moment


async def read_tails(
    clients: Clients, bounds: Bounds, mapping: FieldMapping = NO_MAPPING
) -> dict[TopicPartition, Tail]:
    """The ends of partitions that hold records; the embedded broker's own answer forgets most of the last batch."""
    ranges = {tp: (max(start, end - _LOOK_BACK), end) for tp, (start, end) in bounds.items() if end > start}
    ends: dict[TopicPartition, int] = {}

    def at_the_end(tp: TopicPartition, position: int) -> bool:
        highwater = clients.consumer.highwater(tp)
        if highwater is None:
            return False
        # The end as it was first seen: those who write go on writing.
        return position >= ends.setdefault(tp, max(ranges[tp][1], highwater))

    found = await _read(clients, {tp: first for tp, (first, _) in ranges.items()}, at_the_end)
    return {tp: Tail(records[-1].offset + 1, _moment(records[-1], mapping)) for tp, records in found.items()}


async def written_at(clients: Clients, offsets: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
    """When the records at these offsets were written, in microseconds."""
    found = await _read(clients, offsets, lambda tp, position: position > offsets[tp])
    return {tp: records[0].timestamp * 1_000 for tp, records in found.items()}


async def _read(
    clients: Clients, firsts: Mapping[TopicPartition, int], is_enough: Callable[[TopicPartition, int], bool]
) -> dict[TopicPartition, list[Any]]:
    """Records from these offsets on, at least one of each partition, as far as they come before the deadline."""
    consumer, found = clients.consumer, dict[TopicPartition, list[Any]]()
    if not firsts:
        return found
    consumer.assign(list(firsts))
    for tp, first in firsts.items():
        consumer.seek(tp, first)
    waiting, deadline_s = set(firsts), time.monotonic() + _DEADLINE_S
    while waiting and time.monotonic() < deadline_s:
        for tp, records in (await consumer.getmany(*waiting, timeout_ms=200)).items():
            found.setdefault(tp, []).extend(records)
        done = {tp for tp in waiting if is_enough(tp, await consumer.position(tp))}
        if done:
            consumer.pause(*done)
        waiting -= done
    consumer.unsubscribe()
    return found


def _moment(record: Any, mapping: FieldMapping) -> Moment:  # noqa: ANN401 - has no types
    events, fault = [], ""
    topic = mapping.names.get(record.topic, record.topic)
    if topic in EVENT_TYPES:
        decoder = RecordDecoder(topic, reader=mapping.streams.get(topic))
        decoded = decoder.decode([record.value], [record.offset])
        events = decoded.events
        fault = decoded.refused[0].message if decoded.refused else ""
    return Moment(
        record.topic,
        record.partition,
        record.timestamp * 1_000,
        record.timestamp_type == _LOG_APPEND_TIME,
        max((event.timestamp for event in events), default=None),
        fault,
    )
