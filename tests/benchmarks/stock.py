"""Stock Faust before the same stages, event by event: `python -m tests.benchmarks.stock BROKER GROUP EVENTS`.

Nothing of Faust is replaced: its own transport, one message a record, acknowledged and committed as it does it.
Decoders, stages, frames and the interval between two polls are those of the real worker.
"""

import asyncio
import json
import os
import sys
import time
from typing import Any, cast

import faust
import uvloop
from faust.types import TP
from prometheus_client import CollectorRegistry

from streams import agents
from streams.codecs import RecordDecoder, decode_activity_frame, decode_signal_frame, decode_stress_frame
from streams.metrics import Metrics
from streams.stations import EventStage, Station
from streams.topics import ACCOUNT_ACTIVITY, SIGNALS, STRESS
from tests.benchmarks.core import Core

_SESSION_S = 6.0
_LONGEST_BYTES = 1_048_576


class StockApp(faust.App):
    """Three agents and a timer, as one would write them without a transport of one's own."""

    def __init__(self, broker: str, group: str, events: int) -> None:
        super().__init__(
            group,
            broker=broker,
            autodiscover=False,
            key_serializer="raw",
            value_serializer="raw",
            broker_session_timeout=_SESSION_S,
            broker_rebalance_timeout=_SESSION_S,
            consumer_auto_offset_reset="earliest",
            producer_linger=0.005,
            producer_compression_type="lz4",
            table_standby_replicas=1,
            topic_allow_declare=False,
            topic_disable_leader=True,
            web_enabled=False,
        )
        self.events, self.taken = events, 0
        self.began = (0.0, 0.0)
        self.done = asyncio.Event()
        core, metrics = Core(), Metrics.create(CollectorRegistry())
        self.markets = [agents.market_station(n, one, metrics, _LONGEST_BYTES) for n, one in enumerate(core.markets)]
        self.accounts = [agents.account_station(n, one, metrics, _LONGEST_BYTES) for n, one in enumerate(core.accounts)]
        self.correlation = agents.correlation_station(0, core.correlation, metrics, len(core.accounts))
        self.decoders = {topic: RecordDecoder(topic) for topic in (*agents.MARKET_TOPICS, agents.ACCOUNT_EVENT_TOPIC)}
        self.positions: dict[TP, int] = {}
        self._listen(agents.MARKET_TOPICS, self.market)
        self._listen(agents.ACCOUNT_TOPICS, self.account)
        self._listen((SIGNALS,), self.correlate)
        self.timer(0.025)(self.poll)

    def _listen(self, topics: tuple[str, ...], agent: Any) -> None:  # noqa: ANN401 - as Faust has it
        channel = self.topic(*topics, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
        self.agent(channel, name=agent.__name__, concurrency=1)(agent)

    def _create_directories(self) -> None:
        """There are no tables."""

    async def market(self, stream: Any) -> None:  # noqa: ANN401
        """Take trades, cancels, books, tickers and liquidations."""
        async for event in stream.events():
            self.take(self.markets[event.message.partition], event.message)

    async def account(self, stream: Any) -> None:  # noqa: ANN401
        """Take leverage changes and activity frames."""
        async for event in stream.events():
            message = event.message
            station = self.accounts[message.partition]
            if message.topic == ACCOUNT_ACTIVITY:
                frame = decode_activity_frame(message.value)
                cast("agents.AccountStage", station.stage).push_frame(frame, message.offset, now_us())
            elif message.topic == STRESS:
                stress = decode_stress_frame(message.value)
                cast("agents.AccountStage", station.stage).push_stress(stress, message.offset, now_us())
            else:
                self.take(station, message)

    async def correlate(self, stream: Any) -> None:  # noqa: ANN401
        """Take signal frames."""
        async for event in stream.events():
            frame = decode_signal_frame(event.message.value)
            stage = cast("agents.CorrelationStage", self.correlation.stage)
            stage.push_frame(frame, event.message.offset, now_us())

    def take(self, station: Station, message: Any) -> None:  # noqa: ANN401
        """Decode and push one event."""
        if not self.taken:
            self.began = (time.perf_counter(), time.process_time())
        decoded = self.decoders[message.topic].decode((message.value,), (message.offset,))
        cast("EventStage", station.stage).push(message.topic, decoded.offsets, decoded.events, now_us())
        self.positions[message.tp] = message.offset + 1
        self.taken += 1
        if self.taken == self.events:
            self.done.set()

    async def poll(self) -> None:
        """Let every stage close what it can, and send what came of it."""
        for station in (*self.markets, *self.accounts, self.correlation):
            ends: dict[str, tuple[int | None, int | None, int]] = {}
            for topic in station.resting_topics():
                tp = TP(topic, station.partition)
                ends[topic] = (self.positions.get(tp, 0), cast("Any", self.consumer).highwater(tp), now_us())
            for record in station.poll(ends, now_us()):
                await self.producer.send(
                    record.topic, record.key, record.value, record.partition, None, cast("Any", record.headers)
                )


def now_us() -> int:
    """The clock of the shell."""
    return time.monotonic_ns() // 1_000


async def stock(broker: str, group: str, events: int) -> dict[str, float]:
    """Start the application, and measure from its first event to its last."""
    app = StockApp(broker, group, events)
    work = asyncio.ensure_future(app.start())
    await asyncio.wait({work, asyncio.ensure_future(app.done.wait())}, return_when=asyncio.ALL_COMPLETED)
    began_s, began_cpu_s = app.began
    return {
        "events": app.taken,
        "wall_s": time.perf_counter() - began_s,
        "cpu_s": time.process_time() - began_cpu_s,
    }


if __name__ == "__main__":
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    with asyncio.Runner() as runner:
        print(json.dumps(runner.run(stock(sys.argv[1], sys.argv[2], int(sys.argv[3])))), flush=True)
        # Leaving the group in good order would take longer than the measurement.
        os._exit(0)
