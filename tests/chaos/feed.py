"""The producer of a run, as a process of its own: `python -m tests.chaos.feed ORDER`.

It sends slice after slice at its pace, each only when the one before is acknowledged, and behind its pace as fast as it
can. A broker that is away is waited for: aiokafka sends again for `_PATIENCE_S`, in the order of each partition. After
each slice it writes a line to the journal: which slice, when, and where each partition it touched ends now.
"""

import asyncio
import sys
import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import msgspec
import uvloop
from aiokafka import AIOKafkaProducer

from streams.topics import bootstrap_servers
from tests.chaos.load import SLICE_US, Load, Planned

_PATIENCE_S = 180.0
_LONGEST_RECORD_BYTES = 16_777_216


class FeedOrder(msgspec.Struct, frozen=True):
    """What to send, where to, and where the journal is."""

    broker: str
    idempotent: bool
    journal: str
    load: Load


class Sent(msgspec.Struct, frozen=True, array_like=True):
    """A line of the journal; `ends` are the offsets behind the last record of each partition touched."""

    slice_number: int
    at_s: float
    ends: dict[str, int]


def feed_command(order: FeedOrder) -> list[str]:
    """Write the command that runs the feed."""
    return [sys.executable, "-m", "tests.chaos.feed", msgspec.json.encode(order).decode()]


def place_of(name: str) -> tuple[str, int]:
    """Read a topic partition as the journal writes it.

    Examples
    --------
    >>> place_of("trades/2")
    ('trades', 2)
    """
    topic, _, partition = name.rpartition("/")
    return topic, int(partition)


def read_journal(path: Path) -> list[Sent]:
    """Read all whole lines."""
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    decode = msgspec.json.Decoder(Sent).decode
    return [decode(line) for line in whole.splitlines()]


async def _send(producer: AIOKafkaProducer, records: Iterator[Planned]) -> dict[str, int]:
    futures = [
        await producer.send(record.topic, record.value, record.key.encode(), record.partition) for record in records
    ]
    ends: dict[str, int] = {}
    for sent in await asyncio.gather(*futures):
        place = f"{sent.topic}/{sent.partition}"
        ends[place] = max(ends.get(place, 0), sent.offset + 1)
    return ends


async def _feed(order: FeedOrder) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers(order.broker),
        acks="all",
        enable_idempotence=order.idempotent,
        compression_type="lz4",
        linger_ms=0,
        max_request_size=_LONGEST_RECORD_BYTES,
        request_timeout_ms=int(_PATIENCE_S * 1_000),
    )
    await producer.start()
    pace_s = SLICE_US / 1e6 / order.load.speed
    try:
        with Path(order.journal).open("wb", buffering=0) as journal:  # noqa: ASYNC230 - short lines to a local file
            began_s, first = time.monotonic(), None
            for number, records in groupby(order.load.records(), key=lambda record: record.slice_number):
                first = number if first is None else first
                await asyncio.sleep(max(0.0, began_s + (number - first) * pace_s - time.monotonic()))
                ends = await _send(producer, records)
                journal.write(msgspec.json.encode(Sent(number, time.monotonic(), ends)) + b"\n")
    finally:
        await producer.stop()


if __name__ == "__main__":
    uvloop.run(_feed(msgspec.json.decode(sys.argv[1], type=FeedOrder)))
