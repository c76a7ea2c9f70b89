"""The trap is still there: how stock Faust gives out partitions, and how late it notices the dead (G11 to G17).

Each test asserts a fault. One that fails says that an upgrade has mended it, and what of ours may go.
"""

import inspect
import pkgutil
from pathlib import Path
from typing import Any, cast

import aiokafka
import faust
import pytest
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from faust.exceptions import ImproperlyConfigured
from faust.transport.drivers import aiokafka as driver
from mode.threads import ServiceThread

from tests.faust_traps.membership import Cluster, Group
from tests.faust_traps.offline import StockApp, mended

pytestmark = pytest.mark.asyncio


async def strategies(app: faust.App) -> list[object]:
    """Ask Faust's consumer thread which assignors the group would be offered."""
    thread = cast("Any", app.consumer)._thread
    consumer = thread._create_worker_consumer(app.transport)
    try:
        return list(consumer._partition_assignment_strategy)
    finally:
        await consumer.stop()


async def test_aiokafka_knows_neither_cooperative_rebalancing_nor_groups_led_by_the_broker() -> None:
    package = Path(inspect.getfile(aiokafka)).parent
    source = "".join(path.read_text(encoding="utf-8") for path in package.rglob("*.py")).lower()
    assert "joingroup" in source
    found = [word for word in ("cooperativesticky", "consumergroupheartbeat") if word in source]
    assert not found, mended("stops the world at every rebalance", "keeping stations in Room.assign")
    assignors = pkgutil.iter_modules([str(Path(inspect.getfile(AbstractPartitionAssignor)).parent)])
    assert "cooperative" not in " ".join(module.name for module in assignors)


async def test_without_tables_and_standbys_stock_faust_forgets_that_topics_belong_together() -> None:
    app = StockApp(table_standby_replicas=0)
    assert await strategies(app) == [RoundRobinPartitionAssignor], mended(
        "falls back to round robin", "table_standby_replicas in streams/faust_options.py"
    )


async def test_round_robin_gives_the_same_partition_of_two_topics_to_different_workers() -> None:
    topics = {"trades": 3, "cancels": 3}
    offered = {member: RoundRobinPartitionAssignor.metadata(list(topics)) for member in ("a", "b")}
    given = RoundRobinPartitionAssignor.assign(cast("Any", Cluster(topics)), offered)
    of_a = {(topic, number) for topic, numbers in given["a"].assignment for number in numbers}
    assert {topic for topic, number in of_a if number == 0} != set(topics)


async def test_a_worker_that_joins_a_group_with_standbys_may_be_left_without_work() -> None:
    group = Group(StockApp(), {"trades": 4}, replicas=1)
    for member in ("a", "b", "c"):
        group.join(member)
    assert sorted(map(len, group.owned.values())) == [0, 2, 2], mended(
        "leaves workers idle", "the expected failure in test_ours.py"
    )


async def test_stock_faust_notices_a_dead_worker_after_a_minute_and_a_stuck_one_after_17() -> None:
    conf = StockApp().conf
    assert (conf.broker_session_timeout, conf.broker_rebalance_timeout) == (60.0, 60.0), mended(
        "waits a minute for the dead", "session and rebalance time-outs in streams/faust_options.py"
    )
    assert conf.broker_max_poll_interval == 1_000.0


async def test_heartbeats_go_on_while_a_stock_workers_main_loop_is_stuck() -> None:
    assert issubclass(driver.AIOKafkaConsumerThread, ServiceThread), mended(
        "sends heartbeats from a thread of its own", "the watch on the event loop in streams/health.py"
    )


async def test_a_topic_that_is_added_late_is_read_45_seconds_later() -> None:
    conductor = cast("Any", StockApp().topics)
    assert conductor._resubscribe_sleep_lock_seconds == 45.0, mended("waits 45 s for new topics", "nothing of ours")


async def test_a_request_time_out_below_the_session_time_out_stops_a_stock_worker_at_its_start() -> None:
    app = StockApp(broker_session_timeout=100.0)
    assert app.conf.broker_request_timeout == 90.0
    with pytest.raises(ImproperlyConfigured, match="cannot be greater"):
        await strategies(app)


async def test_aiokafka_warns_of_the_api_version_that_older_fausts_gave() -> None:
    with pytest.warns(DeprecationWarning, match="api_version"):
        consumer = aiokafka.AIOKafkaConsumer(api_version="auto")
    await consumer.stop()
    assert not driver._AIOKAFKA_HAS_API_VERSION
