"""Records of alerts, limits, trips and orders, as the core makes them, and what puts them into a broker's topics."""

import asyncio
import time
from collections.abc import Iterable
from decimal import Decimal

import msgspec
from aiokafka import AIOKafkaProducer

from detectors.decisions import EXEMPT, LimitAction, NextLimit, Override, RateLimit, Trip, TripState
from detectors.results import Alert, Contribution, Pattern, Severity, Status
from streams.topics import bootstrap_servers, ensure_topics

SECOND_US = 1_000_000
#: A little ago: what lasts a minute from then is in force while the tests run.
NOW_US = time.time_ns() // 1_000 - SECOND_US
CANCELS = Contribution("cancels in 1 s", 57.0, 3.14, "cancels", 1e-9, 0.75)
YOUNG = Contribution("share of young cancels", 0.9, 0.2, "share", 1e-4, 0.25)
ALERT_ID = "3f9a" + "0" * 28

Sent = tuple[str, str | None, bytes | None]


def an_alert(
    alert_id: str = ALERT_ID,
    *,
    revision: int = 1,
    status: Status = "open",
    accounts: tuple[str, ...] = ("acct-7",),
    severity: Severity = "warning",
    pattern: Pattern = "cancel_burst",
    score: float = 12.5,
    at: int = NOW_US,
    title: str = "Cancel burst by acct-7 on BTC-PERP",
) -> Alert:
    return Alert(
        alert_id=alert_id,
        revision=revision,
        status=status,
        timestamp=at,
        pattern=pattern,
        severity=severity,
        score=score,
        rank=1,
        p_value=2e-9,
        symbol="BTC-PERP",
        accounts=accounts,
        window_start=at - SECOND_US,
        window_end=at,
        title=title,
        explanation=(CANCELS, YOUNG),
        evidence=(),
        notional_at_risk=0.0,
        runbook="deploy/runbook.md#cancel-burst",
        model_version="1",
    )


def a_limit(
    account: str = "acct-7",
    version: int = 1,
    *,
    multiplier: float = 0.5,
    action: LimitAction = "throttle",
    at: int = NOW_US,
    lasts_us: int = 3_600 * SECOND_US,
    alert_ids: tuple[str, ...] = (),
    order: Override | None = None,
    reason: str = "cancel pressure at 62% of the account's cap; limits begin at 50%",
) -> RateLimit:
    return RateLimit(
        account=account,
        version=version,
        mode="shadow",
        action=action,
        orders_per_second=30.0 * multiplier,
        burst=60.0 * multiplier,
        multiplier=multiplier,
        issued_at=at,
        expires_at=at + lasts_us,
        exempt=EXEMPT,
        indicator="pressure" if order is None else "override",
        value=0.62,
        trigger=0.5,
        reason=reason,
        alert_ids=alert_ids,
        next=NextLimit(1.0, at + lasts_us),
        override_id="" if order is None else order.override_id,
    )


def a_trip(
    entity: str = "BTC-PERP", *, rule: str = "mark_index", state: TripState = "tripped", at: int = NOW_US
) -> Trip:
    return Trip(
        rule, entity, state, "hard", Decimal("0.071"), Decimal("0.05"), "share", at, "halt", "mark is far from index"
    )


def sent(topic: str, key: str | None, record: object) -> Sent:
    """One record to send; bytes go as they are, None deletes."""
    value = record if record is None or isinstance(record, bytes) else msgspec.json.encode(record)
    return topic, key, value


def send(url: str, records: Iterable[Sent], partitions: int = 3) -> None:
    """Make the topics where they are missing, and send records in order."""

    async def run() -> None:
        await ensure_topics(url, partitions)
        async with AIOKafkaProducer(bootstrap_servers=bootstrap_servers(url), acks="all") as producer:
            for topic, key, value in records:
                await producer.send_and_wait(topic, value, None if key is None else key.encode())

    asyncio.run(run())
