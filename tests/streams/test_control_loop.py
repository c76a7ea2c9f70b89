"""The control loop through real workers: limits and trips as from a file, and orders that every worker follows soon."""

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from detectors.decisions import AuditRecord, Override, RateLimit, Trip
from detectors.events import Cancel, DerivativeTicker, Event, key_of
from streams.broker import Broker
from streams.codecs import encode_event
from streams.simulator import Exchange, ExchangeSettings, Incident
from streams.topics import (
    AUDIT,
    DEAD_LETTERS,
    GUARDRAILS,
    INPUT_TOPICS,
    OVERRIDES,
    RATE_LIMITS,
    ensure_topics,
    partition_of,
)
from tests.chaos.facts import DECISIONS, decisions
from tests.streams.test_file_and_broker import SOON, RealWorker, squall
from tests.streams.worker_bench import ROOT, Log, Worker, producing, reading, until, watching_commits

pytestmark = [pytest.mark.asyncio, pytest.mark.slow]

PARTITIONS = 4
SECOND_US = 1_000_000
ORDER_S = 2.0
#: An account for each partition, so that each worker has some.
ACCOUNTS = tuple(
    next(name for name in (f"acct-{number}" for number in range(100)) if partition_of(name, PARTITIONS) == partition)
    for partition in range(PARTITIONS)
)
#: What a worker closes behind the end of its input depends on how long it waits: lateness, and the delay of feedback.
_UNCERTAIN_US = 5 * SECOND_US
_LETTERS = re.compile(r'^squall_dead_letters_total\{topic="overrides"\} (\S+)$', re.MULTILINE)
WHY = ("--reason", "ticket 4711", "--author", "ann", "--for", "10m")


@asynccontextmanager
async def two_workers(url: str, **environment: str) -> AsyncIterator[list[Worker]]:
    """Two workers, each with half of the partitions."""
    await ensure_topics(url, PARTITIONS)
    async with AsyncExitStack() as stack:
        workers: list[Worker] = [stack.enter_context(RealWorker(url, environment)) for _ in range(2)]
        await asyncio.gather(*(worker.ready() for worker in workers))

        async def shared() -> bool:
            pages = [(await worker.probe("/metrics"))[1] or "" for worker in workers]
            return all('squall_assigned_partitions{stage="account"} 2.0' in page for page in pages)

        await until(shared, 30.0)
        yield workers


class Decided:
    """What stands in the topics of decisions."""

    def __init__(self, logs: Mapping[str, Log]) -> None:
        self._logs = logs

    async def outputs(self) -> dict[str, list[tuple[bytes, bytes]]]:
        return {topic: [(one.key, one.value) for one in await log.read()] for topic, log in self._logs.items()}

    async def limits(self) -> list[RateLimit]:
        return [msgspec.json.decode(one.value, type=RateLimit) for one in await self._logs[RATE_LIMITS].read()]

    async def trips(self) -> list[Trip]:
        return [msgspec.json.decode(one.value, type=Trip) for one in await self._logs[GUARDRAILS].read()]

    async def audit(self) -> list[AuditRecord]:
        return [msgspec.json.decode(one.value, type=AuditRecord) for one in await self._logs[AUDIT].read()]

    async def ordered(self, override_id: str) -> dict[str, RateLimit]:
        """By account, the limit that follows from an order."""
        return {one.account: one for one in await self.limits() if one.override_id == override_id}


@asynccontextmanager
async def deciding(url: str) -> AsyncIterator[Decided]:
    """A reader of what is decided."""
    async with (
        reading(url, RATE_LIMITS, PARTITIONS) as limits,
        reading(url, GUARDRAILS) as trips,
        reading(url, AUDIT) as audit,
    ):
        yield Decided({RATE_LIMITS: limits, GUARDRAILS: trips, AUDIT: audit})


async def send(url: str, topic: str, events: Sequence[Event]) -> None:
    async with producing(url) as producer:
        for event in events:
            key = key_of(topic, event)
            await producer.send(topic, encode_event(event), key.encode(), partition_of(key, PARTITIONS))


async def send_order(url: str, key: str, value: bytes | None) -> None:
    async with producing(url, linger_ms=0) as producer:
        await producer.send_and_wait(OVERRIDES, value, key.encode(), 0)


async def followed(url: str, decided: Decided, accounts: Sequence[str], *arguments: str) -> tuple[Override, float]:
    """Give an order on the command line; tells how long, in seconds, it was in its topic until all accounts had it."""
    command = [sys.executable, "-m", "streams", "override", *arguments, *WHY, "--broker", url]
    async with reading(url, OVERRIDES) as orders:
        before = len(await orders.read())
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=subprocess.DEVNULL)

        async def given() -> list[Any]:
            return (await orders.read())[before:]

        (record,) = await until(given, 60.0)
        order = msgspec.json.decode(record.value, type=Override)

        async def all_told() -> bool:
            return set(await decided.ordered(order.override_id)) == set(accounts)

        await until(all_told, 10.0)
        took_s = time.time() - record.timestamp / 1e3
        assert await process.wait() == 0
    return order, took_s


def now_us() -> int:
    return time.time_ns() // 1_000


def cancels_of(account: str, many: int = 40) -> list[Event]:
    """As many young cancels as it takes to be limited to the floor."""
    time_us = now_us()
    return [Cancel(time_us, "BTC", account, number, "buy", 100.0, 1.0, time_us - 100_000) for number in range(many)]


async def limit_all(url: str, decided: Decided) -> dict[str, int]:
    """Let every account be limited; gives the versions."""
    await send(url, "cancels", [cancel for account in ACCOUNTS for cancel in cancels_of(account)])

    async def limited() -> bool:
        return {one.account for one in await decided.limits() if one.action == "throttle"} == set(ACCOUNTS)

    await until(limited, 30.0)
    return {one.account: one.version for one in await decided.limits()}


async def test_a_kill_ends_the_limits_of_every_worker_within_2_seconds(own_broker: Broker) -> None:
    url = own_broker.url
    async with two_workers(url), deciding(url) as decided:
        versions = await limit_all(url, decided)
        order, took_s = await followed(url, decided, ACCOUNTS, "kill", "--yes")
        assert took_s < ORDER_S
        for account, limit in (await decided.ordered(order.override_id)).items():
            assert (limit.action, limit.multiplier, limit.indicator) == ("none", 1.0, "override")
            assert limit.version > versions[account]
            assert limit.reason == "ticket 4711"

        async def audited() -> bool:
            return len([one for one in await decided.audit() if one.author == "ann"]) >= 1 + len(ACCOUNTS)

        await until(audited, ORDER_S)
        mine = [one for one in await decided.audit() if one.author == "ann"]
        assert [one.override for one in mine if one.kind == "override"] == [order]
        ended = {one.entity: one for one in mine if one.kind == "limit"}
        assert set(ended) == set(ACCOUNTS)
        for one in ended.values():
            assert one.previous_multiplier < 1.0
            assert one.limit is not None
            assert one.limit.override_id == order.override_id


async def test_a_pin_holds_on_whichever_worker_has_the_account_within_2_seconds(own_broker: Broker) -> None:
    url = own_broker.url
    async with two_workers(url), deciding(url) as decided:
        pinned = []
        for account in ACCOUNTS:
            arguments = ("pin", account, "--action", "post_only", "--multiplier", "0.2")
            order, took_s = await followed(url, decided, [account], *arguments)
            assert took_s < ORDER_S
            pinned.append(order)
        for account, order in zip(ACCOUNTS, pinned, strict=True):
            limit = (await decided.ordered(order.override_id))[account]
            assert (limit.action, limit.multiplier, limit.orders_per_second) == ("post_only", 0.2, 6.0)
            assert limit.exempt == ("cancel", "reduce_only")
            assert limit.expires_at == order.expires_at
        assert len(await decided.limits()) == len(ACCOUNTS)

        async def audited() -> bool:
            return [one.override for one in await decided.audit() if one.kind == "override"] == pinned

        await until(audited, ORDER_S)


async def test_what_is_no_order_changes_nothing_and_is_one_dead_letter(own_broker: Broker) -> None:
    url = own_broker.url
    kept = ACCOUNTS[0]
    good = msgspec.json.encode(
        Override("good", f"account:{kept}", "pin", "ann", "ticket 1", now_us(), now_us() + 600 * SECOND_US, "block")
    )
    bad = {
        f"account:{kept}": b'{"override_id":"1","scope":"account:' + kept.encode() + b'","action":"release"}',
        "controller": good.replace(b"good", b"evil").replace(b"account:" + kept.encode(), b"controller"),
        "": b"{not json",
    }
    async with two_workers(url) as workers, deciding(url) as decided, reading(url, DEAD_LETTERS) as dead:
        await send_order(url, f"account:{kept}", good)
        for key, value in bad.items():
            await send_order(url, key, value)
        await send_order(url, f"account:{kept}", None)
        # Stages take orders as they stand in the topic, and tell of them in that order.
        last = {}
        for account in ACCOUNTS[1:]:
            order, _ = await followed(url, decided, [account], "pin", account, "--multiplier", "0.5")
            last[account] = order.override_id
        order, _ = await followed(url, decided, [kept], "release", kept)
        last[kept] = order.override_id
        letters = await dead.read()
        assert [letter.value for letter in letters] == list(bad.values())
        for offset, letter in enumerate(letters, 1):
            headers = dict(letter.headers)
            assert headers["__connect.errors.topic"] == b"overrides"
            assert headers["__connect.errors.offset"] == str(offset).encode()
            assert headers["squall.reason"] == b"schema"
            assert headers["__connect.errors.exception.message"].startswith(b"record of overrides: ")
        limits = [(one.account, one.override_id) for one in await decided.limits()]
        assert sorted(limits) == sorted([(kept, "good"), *last.items()])
        pages = [(await worker.probe("/metrics"))[1] for worker in workers]
        counted = [float(found) for page in pages for found in _LETTERS.findall(page)]
        assert sum(counted) == len(bad)


async def test_a_mark_6_percent_from_its_index_is_told_with_exact_numbers(own_broker: Broker) -> None:
    url = own_broker.url
    # In floats it would be 0.06000000000000002.
    event = DerivativeTicker(now_us(), "BTC-PERP", mark_price=63600.106, index_price=60000.1)
    async with two_workers(url), deciding(url) as decided:
        await send(url, "tickers", [event])

        async def told() -> bool:
            return bool(await decided.trips() and await decided.audit())

        await until(told, 10.0)
        (trip,) = await decided.trips()
        assert (trip.rule, trip.entity, trip.state, trip.level) == ("mark_index", "BTC-PERP", "tripped", "hard")
        assert (trip.value, trip.limit, trip.action) == (Decimal("0.06"), Decimal("0.05"), "halt")
        assert trip.timestamp == event.timestamp
        ((key, value),) = (await decided.outputs())[GUARDRAILS]
        assert key == b"mark_index/BTC-PERP"
        assert b'"value":0.06,"limit":0.05,' in value
        (record,) = await decided.audit()
        assert (record.kind, record.author, record.trip) == ("trip", "squall", trip)


def eventful() -> Iterator[Event]:
    """Eighty seconds: a ring and a burst that are limited, marks that leave their index."""
    settings = ExchangeSettings(seed=3, symbols=("BTC-PERP", "ETH-PERP"), accounts=400, events_per_s=150, duration_s=80)
    traders = settings.account_names()[settings.makers :]
    begin_us = settings.start_us + 45 * SECOND_US
    incidents = [
        Incident("ring", "cancel_ring", "BTC-PERP", tuple(traders[20:28]), begin_us, begin_us + 12 * SECOND_US, 4.0),
        Incident("burst", "cancel_burst", "ETH-PERP", (traders[30],), begin_us, begin_us + 8 * SECOND_US, 4.0),
    ]
    for _, event in Exchange(settings, incidents).events():
        if isinstance(event, DerivativeTicker) and event.mark_price and begin_us <= event.timestamp:
            yield msgspec.structs.replace(event, mark_price=round(event.mark_price * 1.06, 2))
        else:
            yield event


def decisions_of_file(recording: Path, out: Path) -> dict[str, list[tuple[bytes, bytes]]]:
    """What a replay writes, each with the key that its record has."""
    squall("replay", str(recording), "--out", str(out), environment=SOON)
    found = {topic: (out / f"{topic}.ndjson").read_bytes().splitlines() for topic in DECISIONS}
    return {topic: [(_key_of(topic, value), value) for value in values] for topic, values in found.items()}


def _key_of(topic: str, value: bytes) -> bytes:
    decided = json.loads(value)
    if topic == GUARDRAILS:
        return f"{decided['rule']}/{decided['entity']}".encode()
    return str(decided["account" if topic == RATE_LIMITS else "entity"]).encode()


async def test_limits_trips_and_audit_are_the_same_from_a_file_and_from_two_workers(
    own_broker: Broker, tmp_path: Path
) -> None:
    url = own_broker.url
    recording = tmp_path / "eventful.ndjson"
    events = list(eventful())
    recording.write_bytes(b"".join(encode_event(event) + b"\n" for event in events))
    until_us = events[-1].timestamp - _UNCERTAIN_US
    expected = decisions(await asyncio.to_thread(decisions_of_file, recording, tmp_path / "out"), until_us)
    assert {topic for topic, _, _ in expected} == set(DECISIONS)
    async with two_workers(url, **SOON, SQUALL_WORKER__SNAPSHOT_INTERVAL_S="1"), deciding(url) as decided:
        await asyncio.to_thread(squall, "produce", str(recording), "--broker", url, environment=SOON)

        async with watching_commits(url) as committed:

            async def all_committed() -> bool:
                return sum((await committed(INPUT_TOPICS)).values()) == len(events)

            await until(all_committed, 60.0)

        async def all_there() -> bool:
            return len(decisions(await decided.outputs(), until_us)) >= len(expected)

        await until(all_there, 30.0)
        assert decisions(await decided.outputs(), until_us) == expected
