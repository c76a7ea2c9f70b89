"""Reads `rate-limits` over one connection: from its beginning to its end, then on."""

import asyncio
import time
from collections.abc import Callable

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.errors import UnknownTopicOrPartitionError

from streams.client.limits import LimitAck, read_account, read_limit
from streams.client.view import LimitView

_POLL_MS = 200
#: The engine's own work waits while so many are applied: some milliseconds.
_MOST_AT_ONCE = 1_000
_FORGET_EVERY_S = 60.0


class Following:
    """Feeds a view from a started consumer without a group.

    A feed that answers is alive, whether it has records or not: a broker answers every fetch in time. While the topic
    is read for the first time, only what stands at its end is answered: the rest was answered long ago.

    Parameters
    ----------
    consumer
        Started, without a subscription.
    topic
        What to read.
    view
        What to feed.
    answer
        Takes the answers.
    clock_us
        The engine's clock.
    silence_s
        After so long without an answer from the broker the connection is given up.
    """

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        topic: str,
        view: LimitView,
        answer: Callable[[LimitAck], None],
        clock_us: Callable[[], int],
        silence_s: float,
    ) -> None:
        self._consumer = consumer
        self._topic = topic
        self._view = view
        self._answer = answer
        self._clock_us = clock_us
        self._silence_s = silence_s
        self._held_back: dict[str, LimitAck] = {}
        self._polled_ms: int | None = None
        self.caught_up = False

    async def run(self, when_caught_up: Callable[[], None]) -> None:
        """Read until cancelled; tell when the end of the topic is reached for the first time.

        Raises
        ------
        KafkaError
            The topic is not there, or the broker refuses.
        ConnectionError
            The broker has not answered for too long.
        """
        # Asked for all topics: asking for one by name may make the broker create it.
        if self._topic not in await self._consumer.topics():
            raise UnknownTopicOrPartitionError(f"expected a topic {self._topic}, found none")
        self._consumer.subscribe([self._topic])
        alive_s = forgot_s = time.monotonic()
        while True:
            batches = await self._consumer.getmany(timeout_ms=_POLL_MS, max_records=_MOST_AT_ONCE)
            for records in batches.values():
                for record in records:
                    self._take(record)
            now_s = time.monotonic()
            if await self._heard():
                self._view.feed_seen(self._clock_us())
                if not self.caught_up:
                    self.caught_up = True
                    self._answer_held_back()
                    when_caught_up()
                alive_s = now_s
            elif batches:
                alive_s = now_s
            elif now_s - alive_s > self._silence_s:
                raise ConnectionError(f"expected an answer within {self._silence_s:g} s, found none")
            if now_s - forgot_s > _FORGET_EVERY_S:
                forgot_s = now_s
                self._view.forget_old(self._clock_us())
            # A full buffer is handed out without a pause.
            await asyncio.sleep(0)

    def _take(self, record: ConsumerRecord) -> None:
        account = read_account(record.key)
        if account is None:
            self._view.counts["account"] += 1
            return
        said = None if record.value is None else read_limit(account, record.value)
        ack = self._view.apply(account, said, self._clock_us())
        if self.caught_up:
            if ack is not None:
                self._answer(ack)
        elif said is None:
            self._held_back.pop(account, None)
        elif ack is not None and not self._is_older(ack):
            self._held_back[account] = ack

    def _is_older(self, ack: LimitAck) -> bool:
        before = self._held_back.get(ack.account)
        return before is not None and ack.status == "stale" and ack.version < before.version

    def _answer_held_back(self) -> None:
        for ack in self._held_back.values():
            if ack.status != "stale":
                self._answer(ack)
        self._held_back.clear()

    async def _heard(self) -> bool:
        """Whether all partitions were polled since it last was so, and everything that they have was taken."""
        places = self._consumer.assignment()
        polled_ms = [self._consumer.last_poll_timestamp(place) for place in places]
        if not polled_ms or None in polled_ms or min(polled_ms) == self._polled_ms:
            return False
        for place, end in [(place, self._consumer.highwater(place)) for place in places]:
            if await self._consumer.position(place) < end:
                return False
        self._polled_ms = min(polled_ms)
        return True
