"""Follows `rate-limits` on a broker, keeps a view of it, and answers."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from streams.client.answers import AckSender
from streams.client.bucket import TokenBuckets
from streams.client.following import Following
from streams.client.settings import Baseline, Baselines, Trust
from streams.client.stopping import stop_consumer
from streams.client.view import Limit, LimitView

RATE_LIMITS = "rate-limits"
LIMIT_ACKS = "limit-acks"

_log = logging.getLogger(__name__)
#: How long the broker may wait with the answer that there is nothing new.
_FETCH_WAIT_MS = 500
_REQUEST_TIMEOUT_MS = 10_000
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0
_LAST_ANSWERS_S = 2.0


def _wall_clock_us() -> int:
    return time.time_ns() // 1_000


class LimitReader:
    """What a matching engine asks before it takes an order; an asynchronous context manager.

    It reads `rate-limits` from the beginning, in no consumer group, and follows it. Until it has read all of it, while
    the broker is away, and whenever else it cannot know, every account has its baseline. It connects again for ever.

    Parameters
    ----------
    bootstrap_servers
        Brokers as `host:port`, one or several.
    engine
        The name that answers carry, 1 to 128 characters.
    default
        The baseline of accounts that `baselines` does not name.
    baselines
        The baselines of the others: a mapping, or a callable that answers None for those that have the default.
    trust
        How far clocks and the feed are trusted.
    clock_us
        The engine's clock: microseconds since the epoch.
    connection
        More keyword arguments of aiokafka's clients, such as `security_protocol` and `ssl_context`.

    Raises
    ------
    ValueError
        The name is empty or too long.
    """

    def __init__(
        self,
        bootstrap_servers: str | Sequence[str],
        engine: str,
        default: Baseline,
        baselines: Baselines | None = None,
        *,
        trust: Trust | None = None,
        clock_us: Callable[[], int] = _wall_clock_us,
        connection: Mapping[str, Any] | None = None,
    ) -> None:
        self._connection = {
            "bootstrap_servers": bootstrap_servers,
            "client_id": f"squall-limits-{engine}",
            "request_timeout_ms": _REQUEST_TIMEOUT_MS,
        } | dict(connection or {})
        self._trust = trust or Trust()
        self._clock_us = clock_us
        self.view = LimitView(engine, default, baselines, self._trust)
        self.buckets = TokenBuckets(self.view)
        self.answers = AckSender(LIMIT_ACKS, self._connection)
        self._ready = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def allow(self, account: str, kind: str = "new") -> bool:
        """Say whether an account may send an order now, and count it if so.

        Raises
        ------
        ValueError
            The kind is none of `new`, `post_only`, `reduce_only`, `cancel`.
        """
        return self.buckets.allow(account, kind, self._clock_us())

    def limit_of(self, account: str) -> Limit | None:
        """Tell the limit in force for an account, with its reasons; None: its baseline holds."""
        return self.view.limit_of(account, self._clock_us())

    @property
    def silent(self) -> bool:
        """Whether all accounts have their baseline because nothing was heard of the feed for too long."""
        return self.view.silent(self._clock_us())

    async def ready(self) -> None:
        """Wait until the topic was read to its end once; an engine may open before, with baselines."""
        await self._ready.wait()

    async def start(self) -> None:
        """Begin to read; a broker that is away is waited for, in the background."""
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self.answers.run())]

    async def stop(self) -> None:
        """End: nothing more is read, and what was answered is sent if the broker takes it soon."""
        tasks, self._tasks = self._tasks, []
        if not tasks:
            return
        reading, answering = tasks
        try:
            await _end(reading)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.answers.drained(), _LAST_ANSWERS_S)
        finally:
            await _end(answering)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _read(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            consumer = AIOKafkaConsumer(
                **self._connection,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                fetch_max_wait_ms=_FETCH_WAIT_MS,
            )
            following = Following(
                consumer, RATE_LIMITS, self.view, self.answers.put, self._clock_us, self._trust.silence_s
            )
            try:
                await consumer.start()
                await following.run(self._ready.set)
            except (KafkaError, OSError) as error:
                pause_s = _FIRST_PAUSE_S if following.caught_up else min(2 * pause_s, _LONGEST_PAUSE_S)
                _log.warning("%s cannot be read, trying again in %.1f s: %s", RATE_LIMITS, pause_s, error)
            finally:
                await stop_consumer(consumer)
            await asyncio.sleep(pause_s)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
