"""What operators say, as it comes: every worker follows such a topic by itself, whichever partitions it has."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Protocol

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from detectors.errors import BrokerError
from streams.settings import Settings
from streams.topic_reading import existing_partitions, is_at_end, lone_consumer

_POLL_MS = 200
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 1.0

_log = logging.getLogger(__name__)


class RecordLog(Protocol):
    """What is remembered of a topic."""

    #: Records before this offset were taken.
    end: int

    def take(self, offset: int, value: bytes | None) -> None:
        """Take the next record; what was taken before is passed over."""
        ...

    def since(self, offset: int) -> Sequence[tuple[int, bytes]]:
        """Give offset and value of the records from `offset` on, in order."""
        ...


class TopicFeed:
    """Follows a topic of one partition in a task of its own, outside every group: each worker sees every record.

    It reads from the beginning, then goes on; while the broker is away it tries again, at least once a second.

    Parameters
    ----------
    settings
        Where the broker is.
    topic
        Its name.
    log
        What of it is remembered.
    """

    def __init__(self, settings: Settings, topic: str, log: RecordLog) -> None:
        self._settings = settings
        self._topic = topic
        self._records = log
        self._caught_up = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def caught_up(self) -> bool:
        """Whether all that stood there has been read once."""
        return self._caught_up.is_set()

    async def start(self, wait_s: float = 0.0) -> None:
        """Begin to read, and wait at most so long, in seconds, until it has caught up."""
        self._task = asyncio.create_task(self._follow(), name=f"feed of {self._topic}")
        if wait_s:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._caught_up.wait(), wait_s)

    async def stop(self) -> None:
        """End reading; what was read stays."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            # What ended it before, if anything, was told by `since`.
            await asyncio.gather(task, return_exceptions=True)

    def since(self, offset: int) -> Sequence[tuple[int, bytes]]:
        """Give offset and value of the records from `offset` on, in order, as far as the log remembers them.

        A value is as it was sent. What ended the reading, if anything but `stop` did, is raised here.
        """
        if self._task is not None and self._task.done():
            self._task.result()
        return self._records.since(offset)

    async def _follow(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            end = self._records.end
            try:
                await self._read()
            except (KafkaError, OSError, BrokerError) as error:
                _log.warning("expected to follow %s, found: %s", self._topic, str(error) or type(error).__name__)
            pause_s = _FIRST_PAUSE_S if self._records.end > end else min(2 * pause_s, _LONGEST_PAUSE_S)
            await asyncio.sleep(pause_s)

    async def _read(self) -> None:
        tp = TopicPartition(self._topic, 0)
        await existing_partitions(self._settings, self._topic)
        async with lone_consumer(self._settings, self._topic, fetch_wait_ms=_POLL_MS) as consumer:
            consumer.assign([tp])
            await consumer.seek_to_beginning(tp)
            while True:
                fetched: dict[TopicPartition, list[Any]] = await consumer.getmany(tp, timeout_ms=_POLL_MS)
                for record in fetched.get(tp, ()):
                    self._records.take(record.offset, record.value)
                if not self.caught_up and await is_at_end(consumer, tp):
                    self._caught_up.set()
