"""Whole notifiers: processes between a broker and receivers, stopped, killed, and looked at from outside."""

from pathlib import Path

import pytest

from streams.broker import Broker
from streams.topics import ensure_topics
from tests.streams.notify.bench import SECRET, Notifier, alert, receiving, send_alerts
from tests.streams.worker_bench import producing, until, watching_commits

pytestmark = pytest.mark.asyncio

QUICK = {"kind": "webhook", "secret": SECRET, "group_wait_s": 0.0, "group_interval_s": 0.0, "min_severity": "info"}


async def test_what_is_open_at_the_first_start_and_what_comes_is_delivered_and_history_is_not(
    own_broker: Broker, tmp_path: Path
) -> None:
    url = own_broker.url
    await ensure_topics(url, 1)
    async with receiving() as receiver, producing(url) as producer:
        import time

        now = time.time_ns() // 1000
        old = [alert("old", symbol="OLD", timestamp=now), alert("old", 2, "resolved", symbol="OLD", timestamp=now)]
        ancient = alert("ancient", symbol="ANCIENT", timestamp=now - 3 * 86_400_000_000)
        await send_alerts(producer, *old, ancient, alert("still", symbol="STILL", timestamp=now))
        with Notifier(url, tmp_path / "state", {"hook": QUICK | {"url": receiver.url}}) as notifier:
            await notifier.ready()
            await send_alerts(producer, alert("new", symbol="NEW"), alert("new", 2, "resolved", symbol="NEW"))

            async def all_told() -> bool:
                return receiver.told("alert.opened").keys() >= {"still", "new"} and bool(
                    receiver.told("alert.resolved")
                )

            await until(all_told, 10.0)
            async with watching_commits(url, "squall-notify") as committed:

                async def all_committed() -> bool:
                    return sum((await committed(["alerts"], 1)).values()) == 6

                await until(all_committed, 10.0)
            status, body = await notifier.probe("/metrics")
            assert (status, 'squall_notify_sent_total{outcome="delivered",sink="hook"} 3.0' in body) == (200, True)
            assert await notifier.probe("/livez") == (200, '{"status": "ok"}')
            status, said = await notifier.stopped()
        assert (status, SECRET in said) == (0, False), said
    assert receiver.told("alert.opened") == {"still": 1, "new": 1}
    assert receiver.told("alert.resolved") == {"new": 1}
    assert receiver.all_signed()
