"""Whole workers against a broker: nothing lost, nothing committed too early, and a sick worker says so."""

import asyncio
import signal
import statistics
import time

import pytest

from streams.broker import Broker
from streams.topics import ensure_topics
from tests.streams.counting import BIG
from tests.streams.counting_worker import PARTITIONS
from tests.streams.worker_bench import (
    FaustWorker,
    Worker,
    cancel_value,
    producing,
    reading,
    taken_offsets,
    trade_value,
    until,
    watching_commits,
)

pytestmark = pytest.mark.asyncio


async def test_a_worker_takes_all_commits_all_and_stops_in_time(own_broker: Broker) -> None:
    url = own_broker.url
    await ensure_topics(url, PARTITIONS)
    bad = {5: b"{not json", 6: b"", 17: b'{"type":"trade","price":"x"}', 18: trade_value(0)[:-9]}
    with Worker(url) as worker:
        await worker.ready()
        async with producing(url) as producer, reading(url, "signals") as signals, reading(url, "dead-letters") as dead:
            for number in range(400):
                value = bad.get(number, trade_value(number))
                await producer.send("trades", value, partition=0)
                await producer.send("cancels", cancel_value(number), partition=number % PARTITIONS)
            await producer.flush()
            good = set(range(400)) - set(bad)

            async def all_taken() -> bool:
                taken = taken_offsets(await signals.read())
                return set(taken["trades", 0]) >= good and sum(map(len, taken.values())) >= 800 - len(bad)

            await until(all_taken, 10.0)
            letters = await dead.read()
            taken = taken_offsets(signals.records)
            assert all(times == 1 for offsets in taken.values() for times in offsets.values())
        async with watching_commits(url) as committed:

            async def all_committed() -> bool:
                found = await committed(["trades", "cancels"])
                return sum(found.values()) == 800

            await until(all_committed, 10.0)
        assert [letter.value for letter in letters] == list(bad.values())
        headers = dict(letters[0].headers)
        assert headers["__connect.errors.topic"] == b"trades"
        assert headers["__connect.errors.offset"] == b"5"
        assert headers["squall.reason"] == b"malformed"
        worker.process.send_signal(signal.SIGTERM)
        status, _ = await worker.ended(20.0)
        assert status == 0


async def test_a_lone_record_goes_through_all_three_stages_at_once(own_broker: Broker) -> None:
    url = own_broker.url
    await ensure_topics(url, PARTITIONS)
    with Worker(url) as worker:
        await worker.ready()
        async with producing(url, linger_ms=0) as producer, reading(url, "alerts") as alerts:
            latencies_s = []
            for number in range(20):
                sent_s = time.monotonic()
                await producer.send_and_wait("trades", trade_value(number, BIG), partition=number % PARTITIONS)

                async def arrived(wanted: int = number + 1) -> bool:
                    return len(await alerts.read()) >= wanted

                await until(arrived, 5.0)
                latencies_s.append(time.monotonic() - sent_s)
        # Three stages and two topics between them; the tick that notices the rest runs every 25 ms.
        assert statistics.median(latencies_s) < 0.25
        status, body = await worker.probe("/metrics")
        assert status == 200
        assert 'squall_alerts_total{pattern="trade_burst",severity="info",status="open"} 20.0' in body


async def test_a_worker_killed_under_load_loses_nothing_and_another_takes_over(own_broker: Broker) -> None:
    url = own_broker.url
    await ensure_topics(url, PARTITIONS)
    records = 24_000
    with Worker(url) as first, Worker(url) as second:
        await asyncio.gather(first.ready(), second.ready())
        async with producing(url) as producer, reading(url, "signals") as signals, watching_commits(url) as committed:

            async def load() -> None:
                for number in range(records):
                    topic, value = ("trades", trade_value(number)) if number % 2 else ("cancels", cancel_value(number))
                    await producer.send(topic, value, partition=number // 2 % PARTITIONS)
                    if number % 400 == 0:
                        await producer.flush()
                        await asyncio.sleep(0.02)
                await producer.flush()

            async def check_commits() -> None:
                found = await committed(["trades", "cancels"])
                taken = taken_offsets(await signals.read())
                for tp, offset in found.items():
                    missing = set(range(offset)) - set(taken[tp.topic, tp.partition])
                    assert not missing, f"{tp} committed to {offset}, but {sorted(missing)[:5]} were not taken"

            async def done() -> bool:
                await check_commits()
                taken = taken_offsets(signals.records)
                return sum(map(len, taken.values())) == records

            loading = asyncio.create_task(load())

            async def half_way() -> bool:
                await check_commits()
                return sum(map(len, taken_offsets(signals.records).values())) > records // 4

            await until(half_way, 30.0)
            first.process.kill()
            await loading
            await until(done, 40.0)
        status, _ = await second.probe("/livez")
        assert status == 200


async def test_two_workers_share_and_one_that_stops_hands_over(own_broker: Broker) -> None:
    url = own_broker.url
    await ensure_topics(url, PARTITIONS)

    async def partitions_of(worker: Worker) -> float:
        _, body = await worker.probe("/metrics")
        shown = [line for line in body.splitlines() if line.startswith('squall_assigned_partitions{stage="market"}')]
        return float(shown[0].split()[-1]) if shown else 0.0

    with Worker(url) as first, Worker(url) as second:
        await asyncio.gather(first.ready(), second.ready())

        async def shared() -> bool:
            return [await partitions_of(first), await partitions_of(second)] == [2.0, 2.0]

        await until(shared, 20.0)
        async with producing(url) as producer, reading(url, "signals") as signals:
            for number in range(200):
                await producer.send("trades", trade_value(number), partition=number % PARTITIONS)
            await producer.flush()

            async def taken(wanted: int) -> bool:
                return sum(map(len, taken_offsets(await signals.read()).values())) >= wanted

            await until(lambda: taken(200), 10.0)
            first.process.send_signal(signal.SIGTERM)
            assert (await first.ended(20.0))[0] == 0

            async def handed_over() -> bool:
                return await partitions_of(second) == PARTITIONS

            await until(handed_over, 20.0)
            for number in range(200):
                await producer.send("trades", trade_value(number), partition=number % PARTITIONS)
            await producer.flush()
            await until(lambda: taken(400), 10.0)
            counts = [times for offsets in taken_offsets(signals.records).values() for times in offsets.values()]
        # A graceful hand-over commits everything that was closed: nothing is taken twice.
        assert counts == [1] * 400


async def test_an_agent_that_fails_ends_its_worker_and_commits_nothing_of_its_batch(own_broker: Broker) -> None:
    url = own_broker.url
    await ensure_topics(url, PARTITIONS)
    with Worker(url, "raise") as worker:
        await worker.ready()
        async with producing(url) as producer:
            await producer.send_and_wait("trades", trade_value(1, symbol="FAULT"), partition=0)
        status, said = await worker.ended(20.0)
        assert status == 1
        assert "agent market: ValueError: a fault was asked for" in said
    async with watching_commits(url) as committed:
        assert set((await committed(["trades"])).values()) == {0}


async def test_an_agent_that_hangs_turns_the_liveness_probe_within_10_seconds(own_broker: Broker) -> None:
    url = own_broker.url
    await ensure_topics(url, PARTITIONS)
    with Worker(url, "hang") as worker:
        await worker.ready()
        assert (await worker.probe("/livez"))[0] == 200
        async with producing(url) as producer:
            await producer.send_and_wait("trades", trade_value(1, symbol="FAULT"), partition=0)

        async def seen_stuck() -> bool:
            status, body = await worker.probe("/livez")
            return status == 503 and any(reason.startswith("event loop: stuck") for reason in body["reasons"])

        await until(seen_stuck, 10.0)


async def test_topics_with_another_number_of_partitions_are_refused(own_broker: Broker) -> None:
    await ensure_topics(own_broker.url, PARTITIONS - 1)
    with Worker(own_broker.url) as worker:
        status, said = await worker.ended(20.0)
        assert status != 0
        assert "BrokerError" in said
        assert "expected 4, found 3" in said


async def test_fausts_own_command_finds_the_application(own_broker: Broker) -> None:
    with FaustWorker(own_broker.url) as worker:
        await worker.ready()
        worker.process.send_signal(signal.SIGTERM)
        assert (await worker.ended(20.0))[0] == 0
