"""A real worker in front of ten times the input that it can take: memory holds, its lag is seen, and falls again."""

import asyncio
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from detectors.events import Cancel, Event, LeverageChange
from streams.broker import Broker
from streams.codecs import encode_event
from streams.demo.ports import free_port
from streams.topics import ensure_topics
from tests.streams.slow_worker import PARTITIONS
from tests.streams.worker_bench import Worker, producing, until

#: Minutes of history, sent at once. Leverage comes in records of a tick and cancels in records of a second, so that a
#: reader who takes as many records of each is soon far ahead in leverage.
HISTORY_S = 350
START_US = 1_700_000_000_000_000
CANCELS_PER_S = 400
LEVERAGE_PER_TICK = 20
EVENT_US = 60
#: Beyond what the worker takes when it is ready: three agents with 16 batches of 512 KiB each in hand (24), one fetch
#: of a MiB of each of 15 partitions (15), and as much again to decode them, beside what its open ticks hold (some 20).
MEMORY_MB = 100
#: The 200 of the slow worker, what was in hand of leverage when it was held (some batches of 200), and what both market
#: stages had to say yet. Without alignment it is 2,700 here, and grows with the length of history.
OPEN_TICKS = 2_000
DEADLINE_S = 150.0
#: Each look takes the worker a few milliseconds.
LOOK_EVERY_S = 0.25


class SlowWorker(Worker):
    """The worker process of this test, and what it was seen to be at worst."""

    def __init__(self, broker: str, event_us: int) -> None:
        self.port = free_port()
        self._start(["-m", "tests.streams.slow_worker", broker, str(self.port), str(event_us)])
        self.most: dict[str, float] = {}
        self.now: dict[str, float] = {}

    def resident_mb(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) / 1_024

    async def look(self) -> dict[str, float]:
        """Take every gauge, by name and stage the largest of its partitions; remember the largest ever."""
        _, page = await self.probe("/metrics")
        self.now = {"resident_mb": self.resident_mb()}
        for name, labels, value in re.findall(r"^squall_(\w+)\{(.*)\} (\S+)$", page, re.MULTILINE):
            stage = re.findall(r'stage="(\w+)"', labels) + re.findall(r'outcome="(\w+)"', labels)
            key = " ".join([name, *stage])
            self.now[key] = max(self.now.get(key, 0.0), float(value))
        taken = re.findall(r'^squall_events_total\{topic="(?:cancels|leverage)"\} (\S+)$', page, re.MULTILINE)
        self.now["events"] = sum(map(float, taken))
        for key, found in self.now.items():
            self.most[key] = max(self.most.get(key, 0.0), found)
        return self.now


def history() -> Iterator[tuple[str, list[Event]]]:
    """Records of one partition."""
    for second in range(HISTORY_S):
        begin_us = START_US + second * 1_000_000
        for tick in range(10):
            time_us = begin_us + tick * 100_000
            yield (
                "leverage",
                [LeverageChange(time_us + n, f"acct-{n % 50}", "BTC", 2.0 + n % 7) for n in range(LEVERAGE_PER_TICK)],
            )
        yield (
            "cancels",
            [
                Cancel(begin_us + n * 1_000_000 // CANCELS_PER_S, "BTC", f"acct-{n % 50}", f"{n}", "buy", 100.0, 1.0)
                for n in range(CANCELS_PER_S)
            ],
        )


async def send_history(broker: str) -> int:
    """All of it, as fast as it goes; gives the number of events."""
    events = 0
    async with producing(broker) as producer:
        for topic, events_of_record in history():
            value = b"[" + b",".join(map(encode_event, events_of_record)) + b"]"
            for partition in range(PARTITIONS):
                await producer.send(topic, value, partition=partition)
                events += len(events_of_record)
        await producer.flush()
    return events


@pytest.mark.asyncio
@pytest.mark.benchmark
@pytest.mark.broker
@pytest.mark.timeout(240)
async def test_ten_times_the_input_a_worker_can_take_holds_its_memory_and_is_worked_off(own_broker: Broker) -> None:
    await ensure_topics(own_broker.url, PARTITIONS)
    with SlowWorker(own_broker.url, EVENT_US) as worker:
        await worker.ready()
        before_mb = worker.resident_mb()
        began_s = time.monotonic()
        events = await send_history(own_broker.url)
        sent_s = time.monotonic() - began_s

        async def worked_off() -> bool:
            await asyncio.sleep(LOOK_EVERY_S)
            now = await worker.look()
            closed = now.get("open_ticks market", 1.0) == now.get("open_ticks account", 1.0) == 0.0
            return now["events"] == events and closed and now.get("consumer_lag_seconds", 1.0) == 0.0

        await until(worked_off, DEADLINE_S)
        took_s = time.monotonic() - began_s
        grown_mb = worker.most["resident_mb"] - before_mb
        print(
            f"{events} events sent in {sent_s:.1f} s, worked off in {took_s:.1f} s; memory {before_mb:.0f} MB and at "
            f"most {grown_mb:.0f} more; lag at most {worker.most['consumer_lag_seconds']:.1f} s; open ticks at most "
            f"{worker.most['open_ticks market']:.0f} and {worker.most['open_ticks account']:.0f}; held at most "
            f"{worker.most.get('held_partitions account', 0):.0f}; "
            f"level {worker.most.get('degradation_level market', 0):.0f}"
        )
        assert worker.now.get("stage_outcomes_total account late", 0.0) == 0.0
    assert sent_s < took_s / 2
    assert worker.most["held_partitions account"] >= 1.0
    assert worker.now["held_partitions account"] == 0.0
    assert worker.most["open_ticks account"] <= OPEN_TICKS
    assert worker.most["consumer_lag_seconds"] > 5.0
    assert worker.most["degradation_level market"] >= 1.0
    assert grown_mb < MEMORY_MB
