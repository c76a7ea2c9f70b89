"""A wedged worker is ended, one that sleeps or is stopped for a while is not, and a stop has a deadline."""

import asyncio
import os
import signal
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.errors import ConfigError
from streams.broker import Broker, EmbeddedBroker
from streams.topics import ensure_topics
from streams.watchdog import Patience, Watchdog
from streams.worker_settings import WorkerSettings
from tests.streams.counting import HELD_US
from tests.streams.counting_worker import PARTITIONS
from tests.streams.worker_bench import Worker, cancel_value, producing, trade_value, until

STUCK = ["event loop: stuck for 9.0 s"]


def test_problems_that_last_are_too_much_and_those_that_pass_are_not() -> None:
    patience = Patience(patience_s=3.0, poll_s=1.0)
    assert not any(patience.is_over(now_s, STUCK) for now_s in (0.0, 1.0, 2.0))
    assert not patience.is_over(3.0, [])
    assert [patience.is_over(now_s, STUCK) for now_s in (4.0, 5.0, 6.0, 7.0)] == [False, False, False, True]


def test_a_clock_that_jumped_gives_no_less_patience() -> None:
    patience = Patience(patience_s=30.0, poll_s=1.0)
    assert not patience.is_over(0.0, STUCK)
    assert not patience.is_over(100_000.0, STUCK)
    assert not patience.is_over(99_000.0, STUCK)
    assert not any(patience.is_over(99_001.0 + look, STUCK) for look in range(28))
    assert patience.is_over(99_029.0, STUCK)


@given(steps_s=st.lists(st.floats(-1e6, 1e6)), poll_s=st.floats(0.01, 10.0), polls=st.integers(1, 50))
def test_it_is_over_only_after_so_many_looks_in_a_row(steps_s: list[float], poll_s: float, polls: int) -> None:
    patience, now_s = Patience(polls * poll_s, poll_s), 0.0
    looks = 0
    for step_s in [0.0, *steps_s]:
        now_s += step_s
        looks += 1
        if patience.is_over(now_s, STUCK):
            break
    else:
        return
    assert looks > polls - 1


def test_a_patience_below_zero_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"worker\.watchdog_s must be >= 0, was -1"):
        WorkerSettings(watchdog_s=-1.0)


@pytest.mark.asyncio
async def test_the_thread_ends_what_stays_stuck_and_says_why() -> None:
    ended: list[str] = []
    with Watchdog(0.06, lambda: STUCK, ended.append):

        async def seen() -> bool:
            return bool(ended)

        await until(seen, 10.0)
    assert ended == ["wedged for 0.06 s (event loop: stuck for 9.0 s)"]


@pytest.mark.parametrize("patience_s", [0.0, 60.0])
def test_a_watchdog_that_is_off_or_was_sent_to_rest_ends_nothing(patience_s: float) -> None:
    asked: list[int] = []

    def problems() -> list[str]:
        asked.append(1)
        return STUCK

    with Watchdog(patience_s, problems, ended_nothing) as watchdog:
        watchdog.rest()
    assert asked == []


def ended_nothing(why: str) -> None:
    raise AssertionError(why)


@pytest.mark.asyncio
async def test_a_worker_that_hangs_is_ended_and_its_stacks_name_what_blocks(
    own_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQUALL_WORKER__WATCHDOG_S", "2")
    await ensure_topics(own_broker.url, PARTITIONS)
    with Worker(own_broker.url, "hang") as worker:
        await worker.ready()
        began_s = time.monotonic()
        async with producing(own_broker.url) as producer:
            await producer.send_and_wait("trades", trade_value(1, symbol="FAULT"), partition=0)
        status, said = await worker.ended(30.0)
        # Eight seconds until liveness says so, and the patience of the watchdog.
        assert 8.0 <= time.monotonic() - began_s < 20.0
    assert status == 1
    assert "wedged for 2 s (event loop: stuck for" in said
    assert "tests/streams/counting_worker.py" in said
    assert "in push" in said


@pytest.mark.slow
@pytest.mark.asyncio
async def test_a_worker_that_was_stopped_and_wakes_up_lives_on(
    own_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQUALL_WORKER__WATCHDOG_S", "10")
    await ensure_topics(own_broker.url, PARTITIONS)
    with Worker(own_broker.url) as worker:
        await worker.ready()
        worker.process.send_signal(signal.SIGSTOP)
        try:
            # Longer than liveness and watchdog together would wait.
            await asyncio.to_thread(time.sleep, 20.0)
        finally:
            worker.process.send_signal(signal.SIGCONT)

        async def lives() -> bool:
            return (await worker.probe("/livez"))[0] == 200

        await until(lives, 20.0)
        await worker.ready()
        worker.process.send_signal(signal.SIGTERM)
        status, said = await worker.ended(20.0)
    assert (status, "wedged" in said) == (0, False)


@pytest.mark.slow
@pytest.mark.asyncio
async def test_a_worker_whose_event_loop_hangs_when_asked_to_stop_ends_in_time_with_1(
    own_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQUALL_WORKER__WATCHDOG_S", "0")
    monkeypatch.setenv("SQUALL_WORKER__STOP_TIMEOUT_S", "6")
    await ensure_topics(own_broker.url, PARTITIONS)
    with Worker(own_broker.url, "hang") as worker:
        await worker.ready()
        async with producing(own_broker.url) as producer:
            await producer.send_and_wait("trades", trade_value(1, symbol="FAULT"), partition=0)

        async def hangs() -> bool:
            return (await worker.probe("/livez"))[0] == 503

        await until(hangs, 15.0)
        asked_s = time.monotonic()
        worker.process.send_signal(signal.SIGTERM)
        status, said = await worker.ended(20.0)
        assert 5.0 < time.monotonic() - asked_s < 12.0
    assert status == 1
    assert "could not stop in 6 s" in said
    assert "in push" in said


@pytest.mark.asyncio
@pytest.mark.slow
async def test_a_worker_whose_broker_stands_still_with_outputs_in_hand_ends_in_time_with_1(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SQUALL_WORKER__STOP_TIMEOUT_S", "8")
    with EmbeddedBroker() as broker, Worker(broker.url) as worker:
        await ensure_topics(broker.url, PARTITIONS)
        await worker.ready()
        async with producing(broker.url) as producer:
            for number in range(300):
                await producer.send_and_wait("cancels", cancel_value(number), partition=number % PARTITIONS)
            assert broker.pid is not None
            os.kill(broker.pid, signal.SIGSTOP)
        try:
            # The stage holds cancels for `counting.HELD_US`: the last ones are sent on to a broker that stands still.
            await asyncio.sleep(4 * HELD_US / 1e6)
            asked_s = time.monotonic()
            worker.process.send_signal(signal.SIGTERM)
            status, said = await worker.ended(30.0)
            assert time.monotonic() - asked_s < 10.0
        finally:
            os.kill(broker.pid, signal.SIGCONT)
    assert status == 1, said
