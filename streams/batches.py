"""The unit in which records travel from the broker to an agent: many at once, from one partition."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol


class RawRecord(Protocol):
    """What we need of a fetched record."""

    @property
    def offset(self) -> int:
        """Its place in the partition."""
        ...

    @property
    def value(self) -> bytes | None:
        """Its bytes, unread; None is Kafka's null."""
        ...

    @property
    def timestamp(self) -> int | None:
        """When it was sent (or appended, as the topic says), in milliseconds since the epoch."""
        ...


class RecordBatch(NamedTuple):
    """Consecutive records of one partition, undecoded.

    `offsets` rise, and may leave gaps where the log was compacted. `start` is where reading stood before: there is
    nothing between it and the first record. `sent_ms` is the broker's timestamp of the last record, in milliseconds
    since the epoch; -1: it has none.
    """

    topic: str
    partition: int
    start: int
    offsets: list[int]
    values: list[bytes | None]
    sent_ms: int = -1

    @property
    def next_offset(self) -> int:
        """The offset behind the last record."""
        return self.offsets[-1] + 1

    def from_offset(self, offset: int) -> "RecordBatch":
        """The part of the batch that does not stand before `offset`; all of it in the common case."""
        if self.offsets[0] >= offset:
            return self
        kept = [index for index, at in enumerate(self.offsets) if at >= offset]
        return self._replace(
            start=offset, offsets=[self.offsets[i] for i in kept], values=[self.values[i] for i in kept]
        )


def cut_batches(
    topic: str, partition: int, start: int, records: Sequence[RawRecord], *, max_records: int, max_bytes: int
) -> Iterator[RecordBatch]:
    """Cut fetched records into batches, so that one step of an agent stays short.

    Parameters
    ----------
    topic, partition
        Where the records were read.
    start
        The position before they were fetched.
    records
        In order of their offsets.
    max_records
        At most so many in a batch.
    max_bytes
        The record that reaches so many bytes of values closes a batch, so that a single large record still passes.

    Examples
    --------
    >>> from collections import namedtuple
    >>> Record = namedtuple("Record", "offset value timestamp")
    >>> records = [Record(4, b"aa", 90), Record(5, b"b" * 50, 91), Record(7, None, 95)]
    >>> cut = cut_batches("trades", 0, 4, records, max_records=10, max_bytes=20)
    >>> [(batch.offsets, batch.sent_ms) for batch in cut]
    [([4, 5], 91), ([7], 95)]
    """
    values = [record.value for record in records]
    offsets = [record.offset for record in records]
    if len(values) <= max_records and sum(map(len, filter(None, values))) < max_bytes:
        if values:
            yield RecordBatch(topic, partition, start, offsets, values, _sent_ms(records[-1]))
        return
    first = size = 0
    for index, value in enumerate(values):
        size += len(value or b"")
        last = index == len(values) - 1
        if last or size >= max_bytes or index + 1 - first >= max_records:
            end = index + 1
            yield RecordBatch(topic, partition, start, offsets[first:end], values[first:end], _sent_ms(records[index]))
            start, first, size = offsets[index] + 1, end, 0


def _sent_ms(record: RawRecord) -> int:
    # Of the last record only: the others would cost as much as fetching them.
    return -1 if record.timestamp is None else record.timestamp
