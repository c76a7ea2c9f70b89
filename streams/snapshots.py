"""Reads a partition of the topic `snapshots` to its end."""

import time

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from detectors.errors import BrokerError
from streams.checkpoints import Record
from streams.security import client_security
from streams.settings import Settings
from streams.topics import SNAPSHOTS, bootstrap_servers

_DEADLINE_S = 60.0
_POLL_MS = 100
_FETCH_BYTES = 16_777_216


async def read_snapshots(settings: Settings, partition: int) -> list[Record]:
    """Keys and values of the partition, in the order of its log.

    Parameters
    ----------
    settings
        Where the broker is.
    partition
        Which one.

    Raises
    ------
    BrokerError
        The broker does not answer, or does not get to the end.
    """
    tp = TopicPartition(SNAPSHOTS, partition)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers(settings.broker),
        client_id=f"{settings.app_id}-snapshots",
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=_FETCH_BYTES,
        **client_security(settings.security),
    )
    try:
        await consumer.start()
        consumer.assign([tp])
        await consumer.seek_to_beginning(tp)
        return await _to_the_end(consumer, tp)
    except (KafkaError, OSError) as error:
        why = str(error) or type(error).__name__
        raise BrokerError(f"expected to read {SNAPSHOTS}[{partition}] from {settings.broker}, found: {why}") from error
    finally:
        await consumer.stop()


async def _to_the_end(consumer: AIOKafkaConsumer, tp: TopicPartition) -> list[Record]:
    records: list[Record] = []
    deadline = time.monotonic() + _DEADLINE_S
    while True:
        fetched = await consumer.getmany(tp, timeout_ms=_POLL_MS)
        records += [(record.key, record.value) for record in fetched.get(tp, ())]
        # The end as a fetch tells it: brokers that are not Kafka may state another when they are asked for it.
        end = consumer.highwater(tp)
        if end is not None and await consumer.position(tp) >= end:
            return records
        if time.monotonic() > deadline:
            raise BrokerError(
                f"expected to read {tp.topic}[{tp.partition}] to its end ({end}) in {_DEADLINE_S:.0f} s, "
                f"found {len(records)} records"
            )
