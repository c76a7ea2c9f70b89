"""Single records, read without a group: nothing is committed, and nobody else notices."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka import TopicPartition

from streams.codecs import RecordDecoder
from streams.doctor.clients import Clients

#: How long records are waited for, and how long whoever asks for them should wait.
_DEADLINE_S = 5.0
DEADLINE_S = 2 * _DEADLINE_S
#: Kafka's mark of a time that the broker set, not the producer.
_LOG_APPEND_TIME = 1
#: A transaction's mark at the end of a partition is no record: look a little further back.
_LOOK_BACK = 3


@dataclass(frozen=True, slots=True)
class Moment:
    """One record: when it was written, by whose clock, and the newest event in it (None: none could be read)."""

    topic: str
    partition: int
    written_us: int
    by_broker: bool
    event_us: int | None


async def newest(clients: Clients, bounds: Mapping[TopicPartition, tuple[int, int]]) -> dict[TopicPartition, Moment]:
    """The newest record of each partition that holds any."""
    ranges = {tp: (max(start, end - _LOOK_BACK), end) for tp, (start, end) in bounds.items() if end > start}
    return {tp: _moment(records[-1]) for tp, records in (await _read(clients, ranges)).items()}


async def written_at(clients: Clients, offsets: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
    """When the records at these offsets were written, in microseconds."""
    ranges = {tp: (offset, offset + 1) for tp, offset in offsets.items()}
    return {tp: records[0].timestamp * 1_000 for tp, records in (await _read(clients, ranges)).items()}


async def _read(clients: Clients, ranges: Mapping[TopicPartition, tuple[int, int]]) -> dict[TopicPartition, list[Any]]:
    """At least the records of these ranges (first, behind the last), as far as they come before the deadline."""
    consumer, found = clients.consumer, dict[TopicPartition, list[Any]]()
    if not ranges:
        return found
    consumer.assign(list(ranges))
    for tp, (first, _) in ranges.items():
        consumer.seek(tp, first)
    waiting, deadline_s = set(ranges), time.monotonic() + _DEADLINE_S
    while waiting and time.monotonic() < deadline_s:
        for tp, records in (await consumer.getmany(*waiting, timeout_ms=200)).items():
            found.setdefault(tp, []).extend(records)
        done = {tp for tp in waiting if await consumer.position(tp) >= ranges[tp][1]}
        if done:
            consumer.pause(*done)
        waiting -= done
    consumer.unsubscribe()
    return found


def _moment(record: Any) -> Moment:  # noqa: ANN401 - has no types
    events = RecordDecoder(record.topic).decode([record.value], [record.offset]).events
    return Moment(
        record.topic,
        record.partition,
        record.timestamp * 1_000,
        record.timestamp_type == _LOG_APPEND_TIME,
        max((event.timestamp for event in events), default=None),
    )
