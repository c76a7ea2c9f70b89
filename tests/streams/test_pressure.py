"""A worker under pressure: partitions held by any stage are not fetched, and its lag decides how much is computed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from faust.types import TP
from prometheus_client import CollectorRegistry

from detectors.config import CoreSettings, Timing
from detectors.events import Trade
from detectors.market_stage import MarketStage
from streams.backlog import Backlog
from streams.batches import RecordBatch
from streams.metrics import Metrics
from streams.pressure import Pressure
from tests.helpers import partitioner

TOPICS = ("trades", "cancels", "books", "tickers", "liquidations")
CANCELS, LEVERAGE = TP("cancels", 0), TP("leverage", 0)


@dataclass
class StillRoom:
    """A room that says what it is told to say."""

    name: str
    held: frozenset[TP] = frozenset()
    lag_s: Mapping[TP, float] = field(default_factory=dict)
    one_in: int = 1

    def sample(self, one_in: int) -> None:
        self.one_in = one_in


class Worker:
    """Two rooms under pressure, with a registry of their own."""

    def __init__(self, lag_limit_s: float = 30.0) -> None:
        self.registry = CollectorRegistry()
        self.market, self.account = StillRoom("market"), StillRoom("account")
        self.pressure = Pressure([self.market, self.account], lag_limit_s, Metrics.create(self.registry))

    def shown(self, metric: str, stage: str) -> float | None:
        return self.registry.get_sample_value(f"squall_{metric}", {"stage": stage})


def test_only_partitions_of_this_worker_are_held_and_shown() -> None:
    worker = Worker()
    worker.account.held = frozenset({LEVERAGE, CANCELS, TP("cancels", 1)})
    assert worker.pressure.held(lambda: {LEVERAGE, CANCELS}) == {LEVERAGE, CANCELS}
    assert worker.shown("held_partitions", "account") == 2.0
    assert worker.shown("held_partitions", "market") == 0.0
    worker.account.held = frozenset()
    assert worker.pressure.held(lambda: {LEVERAGE}) == frozenset()
    assert worker.shown("held_partitions", "account") == 0.0


def test_every_room_degrades_by_the_longest_lag_and_recovers() -> None:
    worker = Worker()
    worker.market.lag_s = {CANCELS: 45.0}
    for now_s in (0.0, 5.0, 10.0):
        worker.pressure.relieve(now_s, cpu_s=0.0)
    assert (worker.market.one_in, worker.account.one_in) == (8, 8)
    assert worker.shown("degradation_level", "account") == 1.0
    worker.market.lag_s = {CANCELS: 0.0}
    for now_s in (11.0, 41.0):
        worker.pressure.relieve(now_s, cpu_s=0.0)
    assert (worker.market.one_in, worker.account.one_in) == (1, 1)
    assert worker.shown("degradation_level", "market") == 0.0


def test_the_lag_of_a_held_partition_is_no_reason_to_degrade_a_worker_that_waits() -> None:
    worker = Worker()
    worker.account.lag_s = {LEVERAGE: 900.0}
    worker.account.held = frozenset({LEVERAGE})
    for now_s in range(100):
        worker.pressure.relieve(float(now_s), cpu_s=0.1 * now_s)
    assert worker.account.one_in == 1


def test_a_busy_worker_degrades_though_its_inputs_are_held_by_turns() -> None:
    worker = Worker()
    worker.account.lag_s = {LEVERAGE: 45.0}
    for now_s in range(12):
        worker.account.held = frozenset({LEVERAGE}) if now_s % 2 else frozenset()
        worker.pressure.relieve(float(now_s), cpu_s=0.9 * now_s)
    assert worker.account.one_in == 8


def test_a_backlog_holds_the_input_that_is_read_ahead_until_the_other_catches_up() -> None:
    stage = MarketStage(0, 1, CoreSettings(timing=Timing(future_limit_s=1_000_000)), partitioner(1))
    backlog = Backlog(0, TOPICS, {}, max_open_ticks=100)
    second_us = 1_000_000
    for topic in ("cancels", "books", "tickers", "liquidations", "latency"):
        for half in range(5):
            stage.rest(topic, half * second_us // 2)
    stage.push("trades", range(300), [Trade((s + 1) * second_us, "S", 1.0, 1.0, "buy") for s in range(300)], 0)
    stage.poll(0)
    backlog.align(stage)
    assert backlog.held == frozenset()
    stage.watermark.observe("cancels", 2 * second_us, 0)
    stage.push(
        "trades", range(300, 900), [Trade((s + 1) * second_us, "S", 1.0, 1.0, "buy") for s in range(300, 900)], 0
    )
    stage.poll(0)
    backlog.align(stage)
    assert backlog.held == {TP("trades", 0)}
    stage.watermark.observe("cancels", 895 * second_us, 0)
    stage.poll(0)
    backlog.align(stage)
    assert backlog.held == frozenset()


def test_the_lag_of_every_input_is_kept_by_partition() -> None:
    backlog = Backlog(3, TOPICS, {}, max_open_ticks=100)
    backlog.take(RecordBatch("trades", 3, 0, [0], [b"{}"], sent_ms=1_000))
    lag_s = backlog.measure("trades", position=1, end=5)
    assert lag_s is not None
    assert lag_s > 1_000_000.0
    assert backlog.measure("cancels", position=None, end=5) is None
    assert backlog.lag_s == {TP("trades", 3): lag_s}
