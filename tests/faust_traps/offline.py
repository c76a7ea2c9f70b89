"""Faust from the conductor to the commit in this process: everything but the fetch and the broker is the real thing."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar, cast

import faust
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, FutureMessage, Message, PendingMessage
from faust.types.topics import TopicT
from faust.types.transports import ConsumerT, TransportT

from streams.app import SquallApp, build_app
from streams.fetching import BatchThread
from streams.settings import Settings
from streams.transport import BatchConsumer, BatchTransport
from tests.streams.counting import counting_makers

#: Nobody listens there: whatever went to a broker by mistake would be refused.
NO_BROKER = "kafka://127.0.0.1:1"
INPUT = TP("input", 0)
PARTITIONS = 4


def mended(fault: str, workaround: str) -> str:
    """What to say when Faust has repaired a fault."""
    return f"Faust no longer {fault}: look whether {workaround} can go"


class OfflineConsumer(driver.Consumer):
    """Stock Faust's consumer, with the partitions that a test gives it; it writes down what it would commit."""

    def __post_init__(self) -> None:
        """Begin with nothing read."""
        super().__post_init__()
        self.owned: set[TP] = {INPUT}
        self.commits: list[dict[TP, int]] = []
        self.group_offsets: dict[TP, int | None] = {}
        #: What a fetch would bring.
        self.fetched: list[Message] = []
        self.waits = 0

    def assignment(self) -> set[TP]:
        """Tell what is owned."""
        return self.owned

    async def seek_to_committed(self) -> Any:  # noqa: ANN401 - Faust's type leaves out the None that it gives
        """Tell what the group had committed."""
        return self.group_offsets

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:  # noqa: ASYNC109 - Faust's signature
        """Give what is there, then stop for good."""
        for one in self.fetched:
            yield one.tp, one
        self._stopped.set()

    async def wait_first(self, *coroutines: Any, timeout: Any = None) -> Any:  # noqa: ANN401, ASYNC109
        """Count how often it is called."""
        self.waits += 1
        return await super().wait_first(*coroutines, timeout=timeout)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        self.commits.append(dict(offsets))
        return True

    def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
        # It is never started; a loop of its own would be left open.
        return driver.AIOKafkaConsumerThread(self, loop=self.loop, thread_loop=self.loop, beacon=self.beacon)


class OfflineBatchConsumer(BatchConsumer):
    """Our consumer, in the same way."""

    def __post_init__(self) -> None:
        """Begin with nothing read."""
        super().__post_init__()
        self.owned: set[TP] = set()
        self.commits: list[dict[TP, int]] = []
        self.group_offsets: dict[TP, int | None] = {}
        #: Whether commits fail, as they do behind a rebalance.
        self.refuses = False

    def assignment(self) -> set[TP]:
        """Tell what is owned."""
        return self.owned

    async def seek_to_committed(self) -> Any:  # noqa: ANN401 - Faust's type leaves out the None that it gives
        """Tell what the group had committed."""
        return self.group_offsets

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        self.commits.append(dict(offsets))
        return not self.refuses

    def _new_consumer_thread(self) -> BatchThread:
        return BatchThread(self, loop=self.loop, thread_loop=self.loop, beacon=self.beacon)


class _OfflineTransport(driver.Transport):
    Consumer: ClassVar[type[ConsumerT]] = OfflineConsumer


class _OfflineBatchTransport(BatchTransport):
    Consumer: ClassVar[type[ConsumerT]] = OfflineBatchConsumer


class StockApp(faust.App):
    """A stock application: settings are Faust's own, but for what is given."""

    def __init__(self, **options: object) -> None:
        super().__init__("faust-traps", broker=NO_BROKER, autodiscover=False, **cast("Any", options))

    def _new_transport(self) -> TransportT:
        return _OfflineTransport(self.conf.broker_consumer, self)

    def _create_directories(self) -> None:
        """There are no tables."""

    @property
    def reader(self) -> OfflineConsumer:
        """Its consumer."""
        return cast("OfflineConsumer", self.consumer)

    def input(self, value_type: Any = bytes, value_serializer: str = "raw") -> TopicT:  # noqa: ANN401
        """Make the topic that its agent reads."""
        return self.topic(INPUT.topic, value_type=value_type, value_serializer=value_serializer)

    async def deliver(self, offsets: Iterable[int], value: bytes = b"1") -> None:
        """Hand records to the agents as the consumer would."""
        for offset in offsets:
            await self.topics.on_message(self.message(offset, value))

    def message(self, offset: int, value: bytes = b"1") -> ConsumerMessage:
        """Make what Faust makes of a fetched record."""
        at_s, size = time.time(), len(value)
        return ConsumerMessage(
            *(INPUT.topic, INPUT.partition, offset, at_s, 0, [], None, value, None, 0, size, INPUT),
            generation_id=self.consumer_generation_id,
        )


def squall() -> SquallApp:
    """Make our application with counting stages, of which nothing goes to a broker."""
    app = build_app(Settings(broker=NO_BROKER, partitions=PARTITIONS), makers=counting_makers(PARTITIONS))
    app.transport = _OfflineBatchTransport(app.conf.broker_consumer, app)
    return app


def inputs(app: SquallApp) -> list[str]:
    """Give all topics that our application reads."""
    return [topic for room in app.rooms for topic in room.topics]


def reader_of(app: SquallApp) -> OfflineBatchConsumer:
    """Give the consumer of our application."""
    return cast("OfflineBatchConsumer", app.consumer)


@asynccontextmanager
async def working(app: faust.App, owned: Iterable[TP] = (INPUT,)) -> AsyncIterator[None]:
    """Start the application's agents, and give them partitions."""
    for agent in app.agents.values():
        await agent.start()
    await cast("Any", app.topics)._update_indices()
    await app.topics.on_partitions_assigned(set(owned))
    app.flow_control.resume()
    try:
        yield
    finally:
        for agent in app.agents.values():
            await _end(agent)


async def _end(agent: Any) -> None:  # noqa: ANN401 - Faust's agent
    # Its own stop waits for ever once an actor was replaced.
    agent._stopped.set()
    agent.supervisor._stopped.set()
    # One that was just begun anew must have taken its first step, or its coroutine is lost.
    for _ in range(5):
        await asyncio.sleep(0)
    tasks = [actor.actor_task for actor in agent._actors]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await agent.supervisor.stop()


async def until(found: Callable[[], object], deadline_s: float = 20.0) -> None:
    """Let other tasks work until it is so; fails at the deadline."""
    end_s = time.monotonic() + deadline_s
    while not found():
        assert time.monotonic() < end_s, f"not within {deadline_s} s"
        await asyncio.sleep(0.001)


class StuckChannel:
    """Where records are sent that never get to the broker."""

    def __init__(self) -> None:
        self.asked = 0

    async def publish_message(self, _message: object, wait: bool = True) -> None:
        """Wait for ever."""
        self.asked += 1
        await asyncio.Event().wait()

    def record(self) -> FutureMessage:
        """Make a record to send."""
        return FutureMessage(PendingMessage(cast("Any", self), None, b"", None, None, None, None, None, None, None))
