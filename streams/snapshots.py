"""Reads a partition of the topic `snapshots` to its end."""

from streams.checkpoints import Record
from streams.settings import Settings
from streams.topic_reading import read_topic
from streams.topics import SNAPSHOTS


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
    records: list[Record] = []
    await read_topic(
        settings, SNAPSHOTS, lambda record: records.append((record.key, record.value)), partitions=[partition]
    )
    return records
