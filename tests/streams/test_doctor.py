"""`squall doctor` against a broker: what is healthy, what is wrong, and that it changes nothing."""

import asyncio
import json
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from typer.testing import CliRunner, Result

from streams.broker import Broker
from streams.cli import app
from streams.demo.ports import free_port
from streams.topics import TOPICS, bootstrap_servers, ensure_topics
from tests.streams.counting_worker import PARTITIONS
from tests.streams.worker_bench import Worker, cancel_value, producing, trade_value, until, watching_commits


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")


def doctor(broker: str, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["doctor", "--broker", broker, "--partitions", str(PARTITIONS), *arguments])


def marks(result: Result) -> dict[str, str]:
    return {line["check"]: line["mark"] for line in json.loads(result.stdout)["lines"]}


def line_of(result: Result, check: str) -> dict[str, str]:
    found: dict[str, str] = next(line for line in json.loads(result.stdout)["lines"] if line["check"] == check)
    return found


async def create(
    url: str, partitions: Mapping[str, int] | None = None, settings: Mapping[str, dict[str, str]] | None = None
) -> None:
    """All topics, some of them otherwise than they should be; 0 partitions: not at all."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers(url))
    await admin.start()
    try:
        counts = {name: topic.partitions(PARTITIONS) for name, topic in TOPICS.items()} | dict(partitions or {})
        await admin.create_topics(
            [
                NewTopic(name, many, 1, topic_configs=TOPICS[name].configuration | (settings or {}).get(name, {}))
                for name, many in counts.items()
                if many
            ]
        )

        async def all_there() -> bool:
            there = {topic["topic"] for topic in await admin.describe_topics() if topic["partitions"]}
            return {name for name, many in counts.items() if many} <= there

        await until(all_there, 20.0)
    finally:
        await admin.close()


def test_it_explains_itself_with_an_example() -> None:
    result = CliRunner().invoke(app, ["doctor", "--help"])
    assert result.exit_code == 0
    assert "Example: squall doctor" in result.output


def test_a_healthy_setup_under_work_has_no_fault_and_ends_with_0(own_broker: Broker) -> None:
    url = own_broker.url

    async def work(worker: Worker) -> None:
        await worker.ready()
        async with producing(url) as producer, watching_commits(url) as committed:
            for number in range(40):
                await producer.send("trades", trade_value(number), partition=number % PARTITIONS)
                await producer.send("cancels", cancel_value(number), partition=number % PARTITIONS)
            await producer.flush()

            async def all_committed() -> bool:
                return sum((await committed(["trades", "cancels"])).values()) == 80

            await until(all_committed, 20.0)

    asyncio.run(ensure_topics(url, PARTITIONS))
    with Worker(url) as worker:
        asyncio.run(work(worker))
        result = doctor(url, "--json")
        worker.process.send_signal(signal.SIGTERM)
        worker.process.communicate(timeout=20)
    found = marks(result)
    assert {check: mark for check, mark in found.items() if mark in ("WARN", "FAIL")} == {}
    assert result.exit_code == 0
    assert json.loads(result.stdout)["status"] == "SKIP" or "SKIP" not in found.values()
    for check in ("settings", "settings together", "topics", "co-partitioning", "replication", "cleanup policy"):
        assert found[check] == "OK"
    for check in ("group squall", "offsets", "lag", "clock of trades", "event time of cancels"):
        assert found[check] == "OK"


def test_it_changes_nothing_on_an_empty_broker_and_says_how_to_begin(own_broker: Broker) -> None:
    async def existing() -> list[Any]:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers(own_broker.url))
        await admin.start()
        try:
            return [name for name in await admin.list_topics() if name in TOPICS]
        finally:
            await admin.close()

    result = doctor(own_broker.url, "--json")
    assert result.exit_code == 1
    assert line_of(result, "topics")["mark"] == "FAIL"
    assert f"squall topics --partitions {PARTITIONS}" in line_of(result, "topics")["mend"]
    assert asyncio.run(existing()) == []


def test_nobody_listening_is_a_failure_and_the_rest_is_not_checked() -> None:
    result = doctor(f"127.0.0.1:{free_port()}")
    assert result.exit_code == 1
    assert "FAIL  broker 127.0.0.1:" in result.stdout
    assert "mend: start it, or set `broker` (SQUALL_BROKER)" in result.stdout
    assert "SKIP  topics, rights, group, clocks: not checked: no broker answers" in result.stdout
    assert "\x1b" not in result.stdout


def test_one_dead_address_of_two_is_a_warning(own_broker: Broker) -> None:
    dead = f"127.0.0.1:{free_port()}"
    asyncio.run(ensure_topics(own_broker.url, PARTITIONS))
    result = doctor(f"{own_broker.url},{dead}", "--json")
    assert result.exit_code == 0
    assert line_of(result, f"broker {dead}")["mark"] == "WARN"


def test_settings_that_cannot_be_read_are_a_failure() -> None:
    Path("squall.toml").write_text("[timing]\ntick_msec = 1\n", encoding="utf-8")
    result = doctor("127.0.0.1:1", "--json")
    assert result.exit_code == 1
    assert "squall.toml: unknown setting `timing.tick_msec`" in line_of(result, "settings")["found"]


def test_settings_are_said_to_come_from_where_they_were_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQUALL_ALERTS__MAX_OPEN", "1")
    result = doctor(f"127.0.0.1:{free_port()}", "--json")
    assert line_of(result, "settings")["found"] == "readable, from SQUALL_ALERTS__MAX_OPEN, flag"
    assert line_of(result, "alerts.max_open")["mark"] == "WARN"


def test_a_missing_topic_is_named(own_broker: Broker) -> None:
    asyncio.run(create(own_broker.url, partitions={"books": 0}))
    result = doctor(own_broker.url, "--json")
    assert result.exit_code == 1
    assert line_of(result, "topics")["found"] == "missing, or hidden from us: books"


def test_a_topic_with_another_number_of_partitions_is_named(own_broker: Broker) -> None:
    asyncio.run(create(own_broker.url, partitions={"leverage": 3, "signals": 2}))
    result = doctor(own_broker.url, "--json")
    assert result.exit_code == 1
    assert line_of(result, "co-partitioning")["found"] == "expected 4 partitions each, found leverage 3"
    assert line_of(result, "topic signals")["found"] == "expected 1 partition, found 2"


def test_topics_cut_alike_but_otherwise_than_set_ask_for_the_setting(own_broker: Broker) -> None:
    asyncio.run(ensure_topics(own_broker.url, PARTITIONS + 1))
    mend = line_of(doctor(own_broker.url, "--json"), "co-partitioning")["mend"]
    assert mend.startswith(f"set partitions = {PARTITIONS + 1} ")


def test_a_wrong_cleanup_policy_and_a_short_retention_are_named(own_broker: Broker) -> None:
    settings = {"snapshots": {"cleanup.policy": "delete"}, "trades": {"retention.ms": "60000"}}
    asyncio.run(create(own_broker.url, settings=settings))
    result = doctor(own_broker.url, "--json")
    assert result.exit_code == 1
    assert line_of(result, "topic snapshots")["mark"] == "FAIL"
    assert "expected cleanup.policy=compact, found delete" in line_of(result, "topic snapshots")["found"]
    assert "--add-config cleanup.policy=compact" in line_of(result, "topic snapshots")["mend"]
    assert line_of(result, "topic trades")["mark"] == "WARN"


def test_a_producer_whose_clock_is_ahead_is_a_warning(own_broker: Broker) -> None:
    url, ahead_ms = own_broker.url, int(time.time() * 1_000) + 120_000

    async def produce() -> None:
        await ensure_topics(url, PARTITIONS)
        ahead = json.dumps(json.loads(trade_value(1)) | {"timestamp": ahead_ms * 1_000}).encode()
        old = json.dumps(json.loads(cancel_value(1)) | {"timestamp": 1_430_438_400_000_000}).encode()
        async with producing(url) as producer:
            await producer.send_and_wait("trades", ahead, partition=2, timestamp_ms=ahead_ms)
            await producer.send_and_wait("cancels", old, partition=1)
            await producer.send_and_wait("books", b"no event", partition=0)

    asyncio.run(produce())
    result = doctor(url, "--json")
    assert result.exit_code == 0
    assert line_of(result, "clock of trades")["mark"] == "WARN"
    assert "ahead of our clock, by a producer's clock" in line_of(result, "clock of trades")["found"]
    assert "ahead of our clock" in line_of(result, "event time of trades")["found"]
    assert line_of(result, "clock of cancels")["mark"] == "OK"
    assert line_of(result, "event time of cancels")["mark"] == "WARN"
    assert "replaying history?" in line_of(result, "event time of cancels")["mend"]
    assert line_of(result, "clock of books")["mark"] == "OK"
    assert "event time of books" not in marks(result)


def test_a_group_without_workers_is_told_with_how_far_it_is_behind(own_broker: Broker) -> None:
    url = own_broker.url

    async def leave_behind() -> None:
        await ensure_topics(url, PARTITIONS)
        written_ms = int(time.time() * 1_000) - 300_000
        async with producing(url) as producer:
            for number in range(10):
                await producer.send_and_wait("trades", trade_value(number), partition=0, timestamp_ms=written_ms)
        consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap_servers(url), group_id="squall", enable_auto_commit=False
        )
        await consumer.start()
        consumer.assign([TopicPartition("trades", 0)])
        await consumer.commit({TopicPartition("trades", 0): 4})
        await consumer.stop()

    asyncio.run(leave_behind())
    result = doctor(url, "--json")
    assert result.exit_code == 0
    assert line_of(result, "group squall")["found"] == "no worker is in it: nobody reads"
    assert line_of(result, "lag of trades/0")["found"].startswith("6 records, the oldest written 0:05:0")
