"""The wiring: settings in, a Faust application out. `faust -A streams.app worker` finds it too."""

import asyncio
import gc
import logging
import secrets
import time
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import Any, cast

import faust
from faust.assignor.partition_assignor import PartitionAssignor
from faust.types import TP
from faust.types.assignor import PartitionAssignorT
from faust.types.transports import TransportT
from mode import Service
from mode.utils.objects import cached_property
from prometheus_client import CollectorRegistry

from streams import agents
from streams.agents import StageMakers
from streams.backlog import Backlog
from streams.desks import Keeping
from streams.faust_options import faust_options
from streams.feedback import FeedbackLog
from streams.fetching import FetchLimits, InputEnd
from streams.health import HealthServer, liveness_problems
from streams.ledger import Acknowledgement
from streams.mapping.mapping_file import read_mapping
from streams.metrics import Metrics
from streams.orders import OrderLog
from streams.pressure import Pressure
from streams.rooms import Room, agent_of
from streams.settings import Settings
from streams.snapshots import read_snapshots
from streams.stations import OutgoingRecord, Station
from streams.symbol_labels import SymbolLabels
from streams.topic_feed import TopicFeed
from streams.topics import ACCOUNT_ACTIVITY, FEEDBACK, OVERRIDES, SIGNALS, STRESS, ensure_topics, partition_of
from streams.transport import BatchConsumer, BatchTransport

log = logging.getLogger(__name__)

_BEAT_INTERVAL_S = 0.25
_SHOW_INTERVAL_S = 1.0
#: Looking at every symbol takes a while when there are thousands.
_MEASURE_INTERVAL_S = 5.0
#: What operators said before a worker began counts from its first step on, unless the broker takes longer to tell.
_FOLLOWED_WITHIN_S = 5.0
#: Only our own workers write them.
_GAPLESS = frozenset({ACCOUNT_ACTIVITY, SIGNALS, STRESS})


class SquallApp(faust.App):
    """Faust's application with our transport, three rooms, and health.

    It is the transport's `Committer`: it knows what the rooms have done.
    """

    def __init__(self, settings: Settings, registry: CollectorRegistry, makers: StageMakers) -> None:
        worker = settings.worker
        super().__init__(settings.app_id, **faust_options(settings))
        self.settings = settings
        self.registry = registry
        symbols = SymbolLabels(worker.metric_symbols, worker.metric_symbols_max)
        self.metrics = Metrics.create(registry, settings.core, symbols)
        self.fetch_limits = FetchLimits(
            worker.max_batch_records, worker.max_batch_bytes, worker.fetch_max_wait_ms, gapless=_GAPLESS
        )
        self.idempotent_producer = worker.idempotent_producer
        self.committer = self
        self.failure: str | None = None
        self.joined = False
        self.orders = TopicFeed(settings, OVERRIDES, OrderLog())
        self.feedback = TopicFeed(settings, FEEDBACK, FeedbackLog())
        self.mapping = read_mapping(settings.mapping.file)
        self.rooms = _rooms(self, makers)
        self.pressure = Pressure(self.rooms, worker.degrade_lag_s, self.metrics)
        self.health: HealthServer | None = None
        self._beat_s = time.monotonic()
        for room in self.rooms:
            topic = self.topic(
                *room.topics, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw", acks=False
            )
            self.agent(topic, name=room.name, concurrency=1)(cast("Any", agent_of(room, self.fail)))
        self.on_partitions_assigned.connect(cast("Any", self._on_assigned), weak=False)

    def _new_transport(self) -> TransportT:
        return BatchTransport(self.conf.broker_consumer, self)

    @cached_property
    def assignor(self) -> PartitionAssignorT:
        """Faust's own assignor, which keeps partitions of the topics together, told that there is nothing to replicate.

        Else each worker may keep so many partitions that one that joins gets none.
        """
        return cast("PartitionAssignorT", PartitionAssignor(self, replicas=0))

    def _new_producer_transport(self) -> TransportT:
        return BatchTransport(self.conf.broker_producer, self)

    def _create_directories(self) -> None:
        """Faust would make directories for tables, which we have not."""

    async def on_first_start(self) -> None:
        """Begin to answer probes, then refuse topics that do not fit."""
        self._beat_s = time.monotonic()
        _rest_the_garbage_collector()
        worker = self.settings.worker
        self.health = HealthServer(
            worker.web_host, worker.web_port, self.registry, self.liveness_problems, self.readiness_problems
        )
        await ensure_topics(
            self.settings.broker,
            self.settings.partitions,
            self.settings.replication,
            self.settings.security,
            self.mapping.sources,
        )
        await asyncio.gather(self.orders.start(_FOLLOWED_WITHIN_S), self.feedback.start(_FOLLOWED_WITHIN_S))
        await super().on_first_start()

    async def on_shutdown(self) -> None:
        """Follow operators no more, and stop answering probes."""
        await super().on_shutdown()
        await asyncio.gather(self.orders.stop(), self.feedback.stop())
        self.close_health()

    def close_health(self) -> None:
        """Stop answering probes, if the worker ever began to."""
        server, self.health = self.health, None
        if server is not None:
            server.close()

    async def fail(self, where: str, error: BaseException) -> None:
        """End the worker: from here on nothing is committed, so that its successor reads again what was in hand."""
        if self.failure is None:
            self.failure = f"{where}: {type(error).__name__}: {error}"
            log.critical("%s", self.failure, exc_info=error)
        await self.crash(error)

    def liveness_problems(self) -> Sequence[str]:
        """Why this worker should be replaced."""
        return liveness_problems(time.monotonic(), self._beat_s, self.rooms, self.failure)

    def readiness_problems(self) -> Sequence[str]:
        """Why this worker does no work yet, or no more."""
        if self.failure is not None:
            return [self.failure]
        if self.should_stop:
            return ["stopping"]
        if not self.joined:
            return ["the consumer group has not given out partitions yet"]
        return ["the consumer group is rebalancing"] if self.rebalancing else []

    def committable(self) -> Mapping[TP, int]:
        """See `Committer`."""
        if self.failure is not None:
            return {}
        return {tp: offset for room in self.rooms for tp, offset in room.committable().items()}

    def on_committed(self, offsets: Mapping[TP, int]) -> None:
        """See `Committer`."""
        self.metrics.commits.inc()
        for room in self.rooms:
            room.on_committed(offsets)

    def on_seek(self, committed: Mapping[TP, int | None]) -> None:
        """See `Committer`."""
        self.metrics.rebalances.inc()
        for room in self.rooms:
            room.assign(committed)
        self.joined = True

    async def settle(self) -> None:
        """See `Committer`."""
        if self.failure is not None:
            # Nothing of what is in hand may be stored: its successor reads it again.
            for room in self.rooms:
                room.close()
            return
        await asyncio.gather(*(room.settle(self.settings.worker.settle_timeout_s) for room in self.rooms))

    async def send(self, record: OutgoingRecord) -> Acknowledgement:  # type: ignore[override]
        """Give a record to the producer; the answer comes later."""
        sent: Awaitable[Any] = await self.producer.send(
            record.topic, record.key, record.value, record.partition, None, cast("Any", record.headers)
        )
        return cast("Acknowledgement", sent)

    async def first_offsets(self, partitions: Iterable[TP]) -> Mapping[TP, int]:
        """Tell where the broker's records of these partitions begin."""
        found = await self.consumer.earliest_offsets(*partitions)
        return {TP(tp.topic, tp.partition): offset for tp, offset in found.items()}

    def input_end(self, tp: TP) -> InputEnd:
        """Tell how far a partition could be read."""
        return cast("BatchConsumer", self.consumer).input_end(tp)

    async def _on_assigned(self, _app: object, assigned: set[TP], **_: object) -> None:
        if not assigned:
            self.on_seek({})

    @Service.task
    async def _beat(self) -> None:
        shown_s = measured_s = 0.0
        while not self.should_stop:
            self._beat_s = time.monotonic()
            if self._beat_s - shown_s >= _SHOW_INTERVAL_S and self.joined:
                shown_s = self._beat_s
                for room in self.rooms:
                    room.show()
                self.pressure.relieve(self._beat_s, time.process_time())
            if self._beat_s - measured_s >= _MEASURE_INTERVAL_S and self.joined:
                measured_s = self._beat_s
                for room in self.rooms:
                    room.show_measures()
            asked_s = time.monotonic()
            await asyncio.sleep(_BEAT_INTERVAL_S)
            self.metrics.event_loop_delay_seconds.observe(max(time.monotonic() - asked_s - _BEAT_INTERVAL_S, 0.0))

    @Service.task
    async def _tick(self) -> None:
        interval_s = self.settings.worker.poll_interval_ms / 1_000
        try:
            while not self.should_stop:
                await asyncio.sleep(interval_s)
                await asyncio.gather(*(room.tick() for room in self.rooms))
                if self.joined and not self.rebalancing:
                    consumer = cast("BatchConsumer", self.consumer)
                    consumer.hold(self.pressure.held(consumer.assignment))
        except Exception as error:
            await self.fail("periodic tick", error)
            raise


def build_app(
    settings: Settings, registry: CollectorRegistry | None = None, makers: StageMakers | None = None
) -> SquallApp:
    """Make the application of one worker; nothing is connected before it is started.

    Parameters
    ----------
    settings
        All settings.
    registry
        Where its metrics go; a new one unless given.
    makers
        The stages; those of `detectors` unless given.
    """
    return SquallApp(settings, registry or CollectorRegistry(), makers or _stage_makers(settings))


def __getattr__(name: str) -> SquallApp:
    """Give `streams.app.app`, made of the settings in file and environment when it is first asked for."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    made = build_app(Settings())
    globals()["app"] = made
    return made


def _rest_the_garbage_collector() -> None:
    """Look for cycles after 100,000 new objects, not 700, and no more among those that stay.

    Fetched records are thousands of short-lived objects without cycles: looking at each 700 took a third of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)


def _stage_makers(settings: Settings) -> StageMakers:
    from detectors.account_stage import AccountStage  # noqa: PLC0415 - the models load slowly, and tests bring their own
    from detectors.correlation_stage import CorrelationStage  # noqa: PLC0415
    from detectors.market_stage import MarketStage  # noqa: PLC0415

    partitions, core = settings.partitions, settings.core
    sources = [f"{stage}/{partition}" for stage in ("market", "account") for partition in range(partitions)]
    return StageMakers(
        market=lambda partition: MarketStage(partition, partitions, core, lambda key: partition_of(key, partitions)),
        account=lambda partition: AccountStage(partition, partitions, core, lambda key: partition_of(key, partitions)),
        correlation=lambda _partition: CorrelationStage(sources, core),
    )


def _rooms(app: SquallApp, makers: StageMakers) -> list[Room]:
    metrics, longest = app.metrics, app.settings.worker.max_record_bytes
    interval_s = app.settings.worker.snapshot_interval_s
    keeping = Keeping(app.settings.partitions, interval_s, secrets.token_hex(4))
    mapping = app.mapping
    market_topics = [mapping.source_of(topic) for topic in agents.MARKET_TOPICS]
    account_topics = [mapping.source_of(topic) for topic in agents.ACCOUNT_TOPICS]
    upstream = {"market": market_topics, "account": (mapping.source_of(agents.ACCOUNT_EVENT_TOPIC), ACCOUNT_ACTIVITY)}
    most_ticks = app.settings.worker.max_open_ticks

    def room(name: str, topics: Sequence[str], make_station: Any) -> Room:  # noqa: ANN401
        return Room(
            name,
            topics,
            make_station,
            make_backlog=lambda partition: Backlog(partition, topics, upstream, most_ticks, mapping.sources),
            send=app.send,
            input_end=app.input_end,
            first_offsets=app.first_offsets,
            read_snapshots=lambda partition: read_snapshots(app.settings, partition),
            keeping=keeping,
            metrics=metrics,
            app_id=app.settings.app_id,
        )

    def market(partition: int) -> Station:
        return agents.market_station(partition, makers.market(partition), metrics, longest, mapping)

    def account(partition: int) -> Station:
        stage, since = makers.account(partition), app.orders.since
        return agents.account_station(partition, stage, metrics, longest, since, mapping)

    def correlation(partition: int) -> Station:
        stage, since = makers.correlation(partition), app.feedback.since
        return agents.correlation_station(partition, stage, metrics, app.settings.partitions, since, mapping)

    return [
        room("market", market_topics, market),
        room("account", account_topics, account),
        room("correlation", (SIGNALS,), correlation),
    ]
