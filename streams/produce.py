"""Lines of events into Kafka, in order of time, each with the key its topic wants."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from detectors.errors import BrokerError
from streams.dead_letters import dead_letter
from streams.files import NO_PARTITION, Line, UnroutableLine
from streams.mapping.mapping_file import read_mapping
from streams.security import client_security
from streams.settings import Settings
from streams.topics import DEAD_LETTERS, bootstrap_servers, ensure_topics, partition_of

#: Above what a broker takes by default, so that it is the broker's limit that counts.
_LONGEST_RECORD_BYTES = 16_777_216
#: A longer frame is sent in parts: brokers and our own decoders take twice as much, unless told otherwise.
_LONGEST_FRAME_BYTES = 524_288
_LINES_BETWEEN_REPORTS = 2_000


@dataclass(slots=True)
class Produced:
    """What was sent: lines and records by topic, and unroutable lines by reason."""

    lines: Counter[str] = field(default_factory=Counter)
    records: Counter[str] = field(default_factory=Counter)
    unroutable: Counter[str] = field(default_factory=Counter)


async def produce(
    settings: Settings,
    lines: Iterable[Line | UnroutableLine],
    *,
    speed: float | None = None,
    frame: int = 1,
    on_line: Callable[[int], None] = lambda _: None,
) -> Produced:
    """Send lines; topics that are missing are created first.

    What can be routed is sent as it stands, be it valid or not: judging it is the readers' part. What cannot be routed
    goes to the dead letters.

    Parameters
    ----------
    settings
        The broker, the number of partitions, and the group `produce`.
    lines
        In order of time.
    speed
        How many times faster than the events' own time; None: as fast as the broker takes them. > 0.
    frame
        At most so many consecutive lines of the same key are sent as one record, an array; fewer when they are long,
        so that lines that are taken alone are taken together. >= 1.
    on_line
        Called now and then with the number of lines sent.

    Raises
    ------
    BrokerError
        The broker cannot be reached, its topics do not fit, or it refuses a record.
    """
    sources = read_mapping(settings.mapping.file).sources
    await ensure_topics(settings.broker, settings.partitions, settings.replication, settings.security, sources)
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers(settings.broker),
        client_id=f"{settings.app_id}-produce",
        acks="all",
        linger_ms=settings.produce.linger_ms,
        max_batch_size=settings.produce.batch_bytes,
        max_request_size=_LONGEST_RECORD_BYTES,
        **client_security(settings.security),
    )
    sending = _Sending(producer, settings, frame, sources)
    try:
        await producer.start()
        pace = _Pace(speed)
        number = 0
        for number, line in enumerate(lines, 1):
            await pace.wait_for(line.timestamp, sending.send_frame)
            await sending.take(line)
            if number % _LINES_BETWEEN_REPORTS == 0:
                on_line(number)
        await sending.finish()
        on_line(number)
    except (KafkaError, OSError) as error:
        message = f"expected {settings.broker} to take the records, found: {str(error) or type(error).__name__}"
        raise BrokerError(message) from error
    finally:
        await producer.stop()
    return sending.produced


class _Pace:
    """Keeps events as far apart as they were, divided by the speed."""

    def __init__(self, speed: float | None) -> None:
        self._speed = speed
        self._began: tuple[float, int] | None = None

    async def wait_for(self, timestamp_us: int, before_waiting: Callable[[], Awaitable[None]]) -> None:
        if self._speed is None:
            return
        if self._began is None:
            self._began = (time.monotonic(), timestamp_us)
        began_s, first_us = self._began
        wait_s = began_s + (timestamp_us - first_us) / 1e6 / self._speed - time.monotonic()
        if wait_s > 0:
            await before_waiting()
            await asyncio.sleep(wait_s)


class _Sending:
    """Frames and sends, and keeps the order of time across topics.

    A reader that finds a topic partition at rest for a while stops waiting for it. So the first record after a silence
    is acknowledged before anything later is sent: it cannot be overtaken by what other partitions show.
    """

    def __init__(self, producer: AIOKafkaProducer, settings: Settings, frame: int, sources: Mapping[str, str]) -> None:
        self._sources = sources
        self.produced = Produced()
        self._producer = producer
        self._app_id = settings.app_id
        self._partitions = settings.partitions
        self._frame = frame
        self._silence_s = settings.produce.silence_ms / 1_000
        self._last_sent_s: dict[tuple[str, int], float] = {}
        self._waiting: list[Line] = []
        self._waiting_bytes = 0
        self._longest_frame_bytes = min(_LONGEST_FRAME_BYTES, settings.worker.max_record_bytes)
        self._failure: BaseException | None = None

    async def take(self, line: Line | UnroutableLine) -> None:
        if isinstance(line, UnroutableLine):
            self.produced.unroutable[line.refused.reason] += 1
            value, headers = dead_letter(line.file, NO_PARTITION, line.refused, self._app_id)
            await self._send(DEAD_LETTERS, value, headers=headers)
            return
        waiting = self._waiting
        # Each takes a comma or a bracket with it; one more bracket closes the frame.
        longer_bytes = self._waiting_bytes + len(line.raw) + 2
        if waiting and (
            (waiting[0].topic, waiting[0].key) != (line.topic, line.key) or longer_bytes > self._longest_frame_bytes
        ):
            await self.send_frame()
        self._waiting.append(line)
        self._waiting_bytes += len(line.raw) + 1
        self.produced.lines[line.topic] += 1
        if len(self._waiting) >= self._frame:
            await self.send_frame()

    async def send_frame(self) -> None:
        """Send the lines that wait for others of their key."""
        if not self._waiting:
            return
        lines, self._waiting, self._waiting_bytes = self._waiting, [], 0
        topic, key = lines[0].topic, lines[0].key
        value = lines[0].raw if len(lines) == 1 else b"[" + b",".join(line.raw for line in lines) + b"]"
        self.produced.records[topic] += 1
        await self._send(self._sources.get(topic, topic), value, key)

    async def finish(self) -> None:
        """Send what waits, and see all of it acknowledged."""
        await self.send_frame()
        await self._producer.flush()
        self._raise_failure()

    async def _send(
        self, topic: str, value: bytes, key: str | None = None, headers: list[tuple[str, bytes]] | None = None
    ) -> None:
        self._raise_failure()
        partition = 0 if key is None else partition_of(key, self._partitions)
        encoded_key = None if key is None else key.encode()
        future = await self._producer.send(topic, value, encoded_key, partition, headers=headers)
        future.add_done_callback(self._note)
        now_s, place = time.monotonic(), (topic, partition)
        if now_s - self._last_sent_s.get(place, float("-inf")) > self._silence_s:
            await future
        self._last_sent_s[place] = time.monotonic()

    def _note(self, future: "asyncio.Future[object]") -> None:
        if not future.cancelled() and future.exception() is not None:
            self._failure = self._failure or future.exception()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure
