"""Reads topics to their end, outside every consumer group: what stands in them now."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, TypeVar

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from detectors.errors import BrokerError, DecodeError
from streams.client.stopping import stop_consumer
from streams.security import client_security, connection_fault
from streams.settings import Settings
from streams.topics import bootstrap_servers

_DEADLINE_S = 60.0
_POLL_MS = 100
#: How long the broker may hold an empty fetch: it is how long the reading of an empty topic takes.
_FETCH_WAIT_MS = 50
_FETCH_BYTES = 16_777_216
#: All that msgspec raises on hostile bytes: bad JSON or types, bad UTF-8, nesting deeper than the C stack may go.
_DECODING_ERRORS = (msgspec.DecodeError, UnicodeError, RecursionError)

_Value = TypeVar("_Value")


class TopicRecord(NamedTuple):
    """One record as it stands in its partition; without a value it says that what had its key is gone."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


async def read_topic(
    settings: Settings,
    topic: str,
    take: Callable[[TopicRecord], None],
    *,
    partitions: Sequence[int] | None = None,
    deadline_s: float = _DEADLINE_S,
) -> None:
    """Read a topic from its beginning to its end, each partition in the order of its log.

    Parameters
    ----------
    settings
        Where the broker is.
    topic
        Its name.
    take
        Called with each record.
    partitions
        Which ones; None: all that the topic has.
    deadline_s
        How long it may take, in seconds, > 0.

    Raises
    ------
    BrokerError
        The broker does not answer, has no such topic, or does not get to the end.
    """
    try:
        numbers = await existing_partitions(settings, topic) if partitions is None else partitions
        tps = [TopicPartition(topic, number) for number in numbers]
        async with lone_consumer(settings, topic) as consumer:
            consumer.assign(tps)
            await consumer.seek_to_beginning(*tps)
            await _to_the_end(consumer, tps, take, deadline_s)
    except (KafkaError, OSError) as error:
        servers = bootstrap_servers(settings.broker)
        why = await connection_fault(servers, settings.security) or str(error) or type(error).__name__
        raise BrokerError(f"expected to read {topic} from {settings.broker}, found: {why}") from error


async def read_values(
    settings: Settings,
    topic: str,
    decode: Callable[[bytes], _Value],
    take: Callable[[bytes, _Value | None], None],
    *,
    deadline_s: float = _DEADLINE_S,
) -> int:
    """Read a topic to its end, decoded; give the number of records that could not be decoded, which are passed over.

    Parameters
    ----------
    settings, topic, deadline_s
        As `read_topic` has them.
    decode
        Makes a value of the bytes, or raises DecodeError.
    take
        Called with the key (empty: it has none) and the value of each record; None: what had that key is gone.

    Raises
    ------
    BrokerError
        As `read_topic`.
    """
    unreadable = 0

    def take_record(record: TopicRecord) -> None:
        nonlocal unreadable
        if record.value is None:
            take(record.key or b"", None)
            return
        try:
            value = decode(record.value)
        except DecodeError:
            unreadable += 1
        else:
            take(record.key or b"", value)

    await read_topic(settings, topic, take_record, deadline_s=deadline_s)
    return unreadable


def decoder_of(kind: type[_Value], topic: str) -> Callable[[bytes], _Value]:
    """Make what decodes the values of a topic of ours; it raises DecodeError.

    Examples
    --------
    >>> from detectors.decisions import AuditRecord
    >>> decoder_of(AuditRecord, "audit")(b"[]")
    Traceback (most recent call last):
    detectors.errors.DecodeError: record of audit: Expected `object`, got `array`
    """
    decoder = msgspec.json.Decoder(kind)

    def decode(value: bytes) -> _Value:
        try:
            return decoder.decode(value)
        except _DECODING_ERRORS as error:
            raise DecodeError(f"record of {topic}: {error}") from error

    return decode


@asynccontextmanager
async def lone_consumer(
    settings: Settings, topic: str, *, fetch_wait_ms: int = _FETCH_WAIT_MS
) -> AsyncIterator[AIOKafkaConsumer]:
    """Open a consumer that belongs to no group and commits nothing; it is to be assigned.

    Raises
    ------
    KafkaError, OSError
        The broker does not answer.
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers(settings.broker),
        client_id=f"{settings.app_id}-{topic}",
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=fetch_wait_ms,
        max_partition_fetch_bytes=_FETCH_BYTES,
        **client_security(settings.security),
    )
    try:
        await consumer.start()
        yield consumer
    finally:
        await stop_consumer(consumer)


async def existing_partitions(settings: Settings, topic: str) -> list[int]:
    """Tell the partitions that a topic has.

    Raises
    ------
    BrokerError
        There is no such topic, or the broker does not show it.
    KafkaError, OSError
        The broker does not answer.
    """
    admin = AIOKafkaAdminClient(
        bootstrap_servers=bootstrap_servers(settings.broker),
        client_id=f"{settings.app_id}-{topic}",
        **client_security(settings.security),
    )
    try:
        await admin.start()
        # Asked for all topics: asking for one by name may make the broker create it.
        described = {one["topic"]: one["partitions"] for one in await admin.describe_topics()}
    finally:
        await admin.close()
    if not described.get(topic):
        raise BrokerError(f"expected a topic {topic}, the broker has none (or does not show it); see `squall topics`")
    return sorted(one["partition"] for one in described[topic])


async def _to_the_end(
    consumer: AIOKafkaConsumer, tps: Sequence[TopicPartition], take: Callable[[TopicRecord], None], deadline_s: float
) -> None:
    taken = 0
    deadline = time.monotonic() + deadline_s
    while True:
        fetched: dict[TopicPartition, list[Any]] = await consumer.getmany(*tps, timeout_ms=_POLL_MS)
        for tp, records in fetched.items():
            taken += len(records)
            for record in records:
                take(TopicRecord(tp.partition, record.offset, record.key, record.value))
        behind = [tp for tp in tps if not await is_at_end(consumer, tp)]
        if not behind:
            return
        if time.monotonic() > deadline:
            left = ", ".join(f"{tp.topic}[{tp.partition}] (end: {consumer.highwater(tp)})" for tp in behind)
            raise BrokerError(
                f"expected to read to the end in {deadline_s:.0f} s, found {taken} records and more: {left}"
            )


async def is_at_end(consumer: AIOKafkaConsumer, tp: TopicPartition) -> bool:
    """Whether a consumer has read all of a partition, as its latest fetch tells."""
    # Brokers that are not Kafka may state another end when they are asked for it.
    end: int | None = consumer.highwater(tp)
    return end is not None and bool(await consumer.position(tp) >= end)
