"""Sends answers to `limit-acks`, beside the reading: a broker that takes none holds nothing up."""

import asyncio
import logging
from asyncio import Queue, QueueFull
from collections import Counter
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams.client.limits import LimitAck

_log = logging.getLogger(__name__)
_MOST_WAITING = 10_000
#: Answers remembered, so that none is given twice.
_MOST_REMEMBERED = 65_536
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 10.0


class AckSender:
    """Sends each answer once, keyed by account as the limits are.

    What cannot be sent is counted and dropped: an answer is worth nothing when it is old, and the limit holds without.

    Parameters
    ----------
    topic
        Where to.
    connection
        Keyword arguments of aiokafka's clients.
    """

    def __init__(self, topic: str, connection: dict[str, Any]) -> None:
        self._topic = topic
        self._connection = connection
        self._waiting: Queue[LimitAck] = Queue(_MOST_WAITING)
        self._answered: dict[tuple[str, int], None] = {}
        #: `sent`, `failed`, and `dropped` because too many were waiting.
        self.counts: Counter[str] = Counter()

    def put(self, ack: LimitAck) -> None:
        """Have an answer sent, unless this version of the account's limit was answered before."""
        version = (ack.account, ack.version)
        if version in self._answered:
            return
        if len(self._answered) >= _MOST_REMEMBERED:
            del self._answered[next(iter(self._answered))]
        self._answered[version] = None
        try:
            self._waiting.put_nowait(ack)
        except QueueFull:
            self.counts["dropped"] += 1

    async def run(self) -> None:
        """Send until cancelled; connects again for ever."""
        pause_s = _FIRST_PAUSE_S
        while True:
            producer = AIOKafkaProducer(**self._connection)
            try:
                await producer.start()
                pause_s = _FIRST_PAUSE_S
                await self._send_all(producer)
            except (KafkaError, OSError) as error:
                _log.warning("no answers can be sent to %s, trying again in %.1f s: %s", self._topic, pause_s, error)
            finally:
                await producer.stop()
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def drained(self) -> None:
        """Wait until everything that was put is sent, or given up."""
        await self._waiting.join()

    async def _send_all(self, producer: AIOKafkaProducer) -> None:
        while True:
            ack = await self._waiting.get()
            try:
                sent = await producer.send(self._topic, msgspec.json.encode(ack), key=ack.account.encode())
            except BaseException:
                self._done("failed")
                raise
            sent.add_done_callback(self._sent)

    def _sent(self, sent: "asyncio.Future[Any]") -> None:
        self._done("failed" if sent.cancelled() or sent.exception() is not None else "sent")

    def _done(self, what: str) -> None:
        self.counts[what] += 1
        self._waiting.task_done()
