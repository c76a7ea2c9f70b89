"""We do not inherit it: what belongs together stays together, whoever joins or leaves (G11 to G14, G26)."""

import asyncio
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.app import SquallApp
from streams.faust_options import faust_options
from streams.settings import Settings
from tests.faust_traps.membership import Group
from tests.faust_traps.offline import PARTITIONS, inputs, squall
from tests.faust_traps.test_stock_membership import strategies


@pytest.mark.asyncio
async def test_the_group_is_offered_fausts_own_assignor_and_no_other() -> None:
    app = squall()
    assert app.conf.table_standby_replicas >= 1
    assert await strategies(app) == [app.assignor]


def topics_of(app: SquallApp, partitions: int) -> dict[str, int]:
    return {topic: 1 if topic == "signals" else partitions for topic in inputs(app)}


def assert_together(app: SquallApp, group: Group) -> None:
    """Partition p of all inputs of a stage is on one worker, and every partition on exactly one."""
    given_out = [tp for owned in group.owned.values() for tp in owned]
    assert len(given_out) == len(set(given_out)) == group.all_partitions
    for owned in group.owned.values():
        for room in app.rooms:
            of_topic = [{tp.partition for tp in owned if tp.topic == topic} for topic in room.topics]
            assert all(numbers == of_topic[0] for numbers in of_topic), (room.name, of_topic)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.lists(st.sampled_from("abcdef"), min_size=1, max_size=8))
def test_partition_p_of_all_inputs_of_a_stage_is_always_on_one_worker(partitions: int, moves: list[str]) -> None:
    async def scenario() -> None:
        app = squall()
        group = Group(app, topics_of(app, partitions), app.conf.table_standby_replicas)
        for member in moves:
            if member in group.owned:
                group.leave(member)
            else:
                group.join(member)
            if group.owned:
                assert_together(app, group)

    asyncio.run(scenario())


def market_partitions(group: Group) -> list[int]:
    """How many market partitions each worker has, least first."""
    return sorted(sum(tp.topic == "trades" for tp in owned) for owned in group.owned.values())


@pytest.mark.asyncio
async def test_no_worker_is_without_work_while_there_are_partitions_enough() -> None:
    app = squall()
    group = Group(app, topics_of(app, PARTITIONS), cast("Any", app.assignor).replicas)
    for member in ("a", "b", "c"):
        group.join(member)
    assert market_partitions(group) == [1, 1, 2]


@pytest.mark.asyncio
async def test_an_assignor_without_replicas_gives_every_worker_work_and_keeps_topics_together() -> None:
    """What would mend it: the setting keeps Faust's assignor, which itself is made with no replicas."""
    app = squall()
    group = Group(app, topics_of(app, PARTITIONS), replicas=0)
    for member in ("a", "b", "c"):
        group.join(member)
        assert_together(app, group)
    assert market_partitions(group) == [1, 1, 2]


@given(st.floats(1.0, 600.0))
def test_any_session_time_out_that_is_set_leaves_requests_longer(session_timeout_s: float) -> None:
    options = faust_options(Settings(worker={"session_timeout_s": session_timeout_s}))
    assert options["broker_session_timeout"] == session_timeout_s
    assert options["broker_request_timeout"] > session_timeout_s
    assert options["broker_heartbeat_interval"] < session_timeout_s / 3
