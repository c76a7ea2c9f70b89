"""Whole notifiers: processes between a broker and receivers, stopped, killed, and looked at from outside."""

import asyncio
from pathlib import Path

import pytest

from detectors.decisions import Override
from streams.broker import Broker
from streams.demo.ports import free_port
from streams.orders import encode_order
from streams.times import now_us
from streams.topics import OVERRIDES, ensure_topics
from tests.streams.notify.bench import AT_ONCE, SECRET, Notifier, alert, receiving, send_alerts
from tests.streams.worker_bench import producing, until, watching_commits

pytestmark = pytest.mark.asyncio

QUICK = {"kind": "webhook", "secret": SECRET} | AT_ONCE


async def test_what_is_open_at_the_first_start_and_what_comes_is_delivered_and_history_is_not(
    own_broker: Broker, tmp_path: Path
) -> None:
    url = own_broker.url
    await ensure_topics(url, 1)
    async with receiving() as receiver, producing(url) as producer:
        now = now_us()
        old = [alert("old", symbol="OLD", timestamp=now), alert("old", 2, "resolved", symbol="OLD", timestamp=now)]
        ancient = alert("ancient", symbol="ANCIENT", timestamp=now - 3 * 86_400_000_000)
        silence = Override("1", "pattern:thin_book", "silence", "ann", "a test", now, now + 3_600_000_000)
        await producer.send(OVERRIDES, encode_order(silence)[1], key=encode_order(silence)[0])
        await send_alerts(producer, *old, ancient, alert("still", symbol="STILL", timestamp=now))
        with Notifier(url, tmp_path / "state", {"hook": QUICK | {"url": receiver.url}}) as notifier:
            await notifier.ready()
            silent = [alert("thin", pattern="thin_book"), alert("thin", 2, "resolved", pattern="thin_book")]
            await send_alerts(producer, *silent)
            await send_alerts(producer, alert("new", symbol="NEW"), alert("new", 2, "resolved", symbol="NEW"))

            async def all_told() -> bool:
                return receiver.told("alert.opened").keys() >= {"still", "new"} and bool(
                    receiver.told("alert.resolved")
                )

            await until(all_told, 10.0)
            async with watching_commits(url, "squall-notify") as committed:

                async def all_committed() -> bool:
                    return sum((await committed(["alerts"], 1)).values()) == 8

                await until(all_committed, 10.0)
            status, body = await notifier.probe("/metrics")
            assert (status, 'squall_notify_sent_total{outcome="delivered",sink="hook"} 3.0' in body) == (200, True)
            assert 'squall_notify_dropped_total{reason="silenced",sink="hook"} 1.0' in body
            assert await notifier.probe("/livez") == (200, '{"status": "ok"}')
            status, said = await notifier.stopped()
        assert (status, SECRET in said) == (0, False), said
    assert receiver.told("alert.opened") == {"still": 1, "new": 1}
    assert receiver.told("alert.resolved") == {"new": 1}
    assert receiver.all_signed()


@pytest.mark.slow
async def test_a_notifier_killed_again_and_again_loses_nothing_and_doubles_nothing(
    own_broker: Broker, tmp_path: Path
) -> None:
    url = own_broker.url
    await ensure_topics(url, 1)
    many, kills = 240, 6
    async with receiving() as receiver, producing(url) as producer:
        # Slow machines start slowly: what comes meanwhile has to find room.
        sink = QUICK | {"url": receiver.url, "queue_size": 2 * many}
        with Notifier(url, tmp_path / "state", {"hook": sink}) as notifier:
            await notifier.ready()

            async def load() -> None:
                for number in range(many):
                    name, now = f"a{number}", now_us()
                    await send_alerts(producer, alert(name, symbol=name, timestamp=now))
                    await send_alerts(producer, alert(name, 2, "resolved", symbol=name, timestamp=now))
                    if number % 50 == 7:
                        receiver.answers += [(503, {})] * 2
                    await asyncio.sleep(0.03)

            loading = asyncio.create_task(load())
            for kill in range(kills):
                heard = len(receiver.got)

                async def has_gone_on(least: int = heard + 5 + 7 * kill % 11) -> bool:
                    return len(receiver.got) >= least or loading.done()

                await until(has_gone_on, 30.0)
                notifier.kill()
                notifier.start_again()
            await loading

            async def all_told() -> bool:
                return sum(receiver.told("alert.resolved").values()) >= many

            await until(all_told, 60.0)
            status, said = await notifier.stopped()
        assert status == 0, said
    names = {f"a{number}": 1 for number in range(many)}
    assert receiver.told("alert.opened") == names
    assert receiver.told("alert.resolved") == names
    assert receiver.all_signed()


async def test_a_notifier_that_is_stopped_waits_for_no_sink_and_begins_again_with_the_same_message(
    own_broker: Broker, tmp_path: Path
) -> None:
    url = own_broker.url
    await ensure_topics(url, 1)
    async with receiving() as receiver, producing(url) as producer:
        receiver.delay_s = 60.0
        sink = QUICK | {"url": receiver.url, "timeout_s": 120.0}
        with Notifier(url, tmp_path / "state", {"hook": sink}) as notifier:
            await notifier.ready()
            await send_alerts(producer, alert("a1"))

            async def was_sent(times: int = 1) -> bool:
                return len(receiver.got) >= times

            await until(was_sent, 10.0)
            assert (await notifier.stopped())[0] == 0
            receiver.delay_s = 0.0
            notifier.start_again()
            await until(lambda: was_sent(2), 30.0)
            assert (await notifier.stopped())[0] == 0
    assert [got.id for got in receiver.got] == ["a1.1.firing"] * 2


@pytest.mark.slow
async def test_what_was_queued_is_delivered_without_a_broker(own_broker: Broker, tmp_path: Path) -> None:
    url = own_broker.url
    await ensure_topics(url, 1)
    async with receiving() as receiver, producing(url) as producer:
        receiver.otherwise = (503, {})
        with Notifier(url, tmp_path / "state", {"hook": QUICK | {"url": receiver.url}}) as notifier:
            await notifier.ready()
            await send_alerts(producer, alert("a1"))

            async def was_tried() -> bool:
                return len(receiver.got) > 0

            await until(was_tried, 10.0)
            notifier.kill()
            receiver.otherwise = (200, {})
            receiver.got.clear()
            config = tmp_path / "state.toml"
            config.write_text(config.read_text().replace(url, f"kafka://127.0.0.1:{free_port()}"))
            notifier.start_again()
            await until(was_tried, 40.0)
            assert receiver.told("alert.opened") == {"a1": 1}
            status, body = await notifier.probe("/readyz")
            assert (status, body["reasons"][0][:21]) == (503, "alerts cannot be read")
            status, _ = await notifier.stopped()
            assert status == 0
