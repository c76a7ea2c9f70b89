"""Files into a real broker: keys, order, frames, dead letters, pace."""

import asyncio
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from detectors.errors import BrokerError
from detectors.events import Cancel, Event, Trade
from streams.broker import Broker
from streams.codecs import RecordDecoder
from streams.files import EventFiles, Line, line_of
from streams.produce import Produced, produce
from streams.settings import Settings
from streams.topics import DEAD_LETTERS, bootstrap_servers, partition_of

PARTITIONS = 3


@pytest.fixture
def settings(own_broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(tmp_path)
    return Settings(broker=own_broker.url, partitions=PARTITIONS)


Record = tuple[bytes | None, bytes, dict[str, bytes]]


async def records_of(settings: Settings, topic: str, partition: int) -> list[Record]:
    """Read a partition to its high watermark, as fetched: the embedded broker's list of end offsets lags behind it."""
    place = TopicPartition(topic, partition)
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap_servers(settings.broker)) as consumer:
        consumer.assign([place])
        consumer.seek(place, 0)
        found: list[Record] = []
        async with asyncio.timeout(10):
            while consumer.highwater(place) is None or len(found) < consumer.highwater(place):
                fetched = (await consumer.getmany(timeout_ms=100)).get(place, [])
                found += [(record.key, record.value, dict(record.headers)) for record in fetched]
        return found


def trades(count: int, symbols: int = 5) -> list[Line]:
    return [line_of("trades", Trade(i, f"S{i % symbols}", 100.0, 1.0, "buy", i)) for i in range(count)]


def events_in(records: list[Record]) -> list[Event]:
    values = [value for _, value, _ in records]
    return RecordDecoder("trades").decode(values, range(len(values))).events


def test_every_line_arrives_unchanged_in_order_on_the_partition_of_its_key(settings: Settings) -> None:
    async def scenario() -> None:
        lines = trades(2_000)
        produced = await produce(settings, lines)
        assert produced == Produced({"trades": 2_000}, {"trades": 2_000}, {})  # type: ignore[arg-type]
        for partition in range(PARTITIONS):
            expected: list[Record] = [
                (line.key.encode(), line.raw, {}) for line in lines if partition_of(line.key, PARTITIONS) == partition
            ]
            assert await records_of(settings, "trades", partition) == expected

    asyncio.run(scenario())


def test_frames_hold_consecutive_lines_of_one_key_and_lose_none(settings: Settings) -> None:
    async def scenario() -> None:
        lines = [
            *trades(10, symbols=1),
            line_of("cancels", Cancel(10, "S0", "a", 1, "buy", 1.0, 1.0)),
            *trades(3, symbols=3),
        ]
        produced = await produce(settings, lines, frame=4)
        assert produced.records == {"trades": 3 + 3, "cancels": 1}
        partition = partition_of("S0", PARTITIONS)
        found = events_in(await records_of(settings, "trades", partition))
        assert [event for event in found if isinstance(event, Trade) and event.symbol == "S0"][:10] == [
            Trade(i, "S0", 100.0, 1.0, "buy", i) for i in range(10)
        ]

    asyncio.run(scenario())


def test_invalid_lines_are_sent_and_unroutable_ones_become_dead_letters(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    invalid = b'{"type":"trade","symbol":"S0","price":-1}'
    path.write_bytes(invalid + b'\n{"type":"quote"}\n')

    async def scenario() -> None:
        produced = await produce(settings, EventFiles([path]))
        assert produced.unroutable == {"schema": 1}
        assert [value for _, value, _ in await records_of(settings, "trades", partition_of("S0", PARTITIONS))] == [
            invalid
        ]
        ((key, value, headers),) = await records_of(settings, DEAD_LETTERS, 0)
        assert (key, value) == (None, b'{"type":"quote"}')
        assert headers["__connect.errors.topic"] == b"a.ndjson"
        assert headers["__connect.errors.offset"] == b"2"

    asyncio.run(scenario())


def test_speed_stretches_the_time_between_events(settings: Settings) -> None:
    lines = [line_of("trades", Trade(i * 1_000_000, "S0", 100.0, 1.0, "buy")) for i in range(4)]

    async def scenario() -> float:
        await produce(settings, lines[:1])
        began = time.monotonic()
        await produce(settings, lines, speed=10.0)
        return time.monotonic() - began

    assert asyncio.run(scenario()) >= 0.3


def test_a_broker_that_is_not_there_is_an_error_not_a_wait() -> None:
    with pytest.raises(BrokerError, match=r"127\.0\.0\.1:1"):
        asyncio.run(produce(Settings(broker="127.0.0.1:1"), trades(1)))
