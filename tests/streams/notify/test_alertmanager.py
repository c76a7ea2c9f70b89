"""A real Alertmanager: what we send is open there while it is open here, and over once."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from streams.demo.ports import free_port
from streams.notify.sink_settings import SinkSettings
from streams.times import now_us
from tests.streams.notify.bench import AT_ONCE, alert, delivering, receiving
from tests.streams.worker_bench import probe, until

BINARY = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.skipif(BINARY is None, reason="needs an Alertmanager (Debian: prometheus-alertmanager)"),
]


@asynccontextmanager
async def alertmanager(directory: Path, receiver: str) -> AsyncIterator[str]:
    """An Alertmanager that passes on what it is sent; gives its address."""
    config = directory / "alertmanager.yml"
    route = {"receiver": "us", "group_by": ["..."], "group_wait": "50ms", "group_interval": "200ms"}
    receivers = [{"name": "us", "webhook_configs": [{"url": receiver, "send_resolved": True}]}]
    config.write_text(json.dumps({"route": route, "receivers": receivers}))
    port = free_port()
    command = [
        str(BINARY),
        f"--config.file={config}",
        f"--storage.path={directory / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    with (directory / "alertmanager.log").open("w") as log:
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
    try:

        async def is_ready() -> bool:
            return (await asyncio.to_thread(probe, port, "/-/ready"))[0] == 200

        await until(is_ready, 20.0)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        await process.wait()


async def active(url: str) -> list[Any]:
    """What is open there."""
    status, body = await asyncio.to_thread(probe, urlsplit(url).port or 0, "/api/v2/alerts?active=true")
    assert status == 200, body
    found: list[Any] = json.loads(body)
    return found


async def test_an_alert_is_open_there_as_long_as_here_and_resolved_once(tmp_path: Path) -> None:
    async with receiving() as receiver, alertmanager(tmp_path, receiver.url) as url:
        sink = SinkSettings("alertmanager", url=url, **AT_ONCE)
        async with delivering(tmp_path / "state", {"am": sink}) as bench:

            async def severities() -> list[str]:
                return [one["labels"]["severity"] for one in await active(url)]

            bench.take(alert("a1", timestamp=now_us()))

            async def is_open() -> bool:
                return await severities() == ["warning"]

            await until(is_open, 10.0)
            (first,) = await active(url)
            assert first["labels"] == {
                "alertname": "SquallCancelBurst",
                "pattern": "cancel_burst",
                "symbol": "BTC-PERP",
                "severity": "warning",
                "service": "squall",
            }
            # Sent again: it is the same alert there, and ends later.
            await bench.tasks["am"]._resend()
            (again,) = await active(url)
            assert again["fingerprint"] == first["fingerprint"]
            assert again["endsAt"] > first["endsAt"]
            # It becomes worse: another alert there, and the milder one is over.
            bench.take(alert("a1", 2, "update", "critical", timestamp=now_us()))

            async def is_worse() -> bool:
                return await severities() == ["critical"]

            await until(is_worse, 10.0)
            bench.take(alert("a1", 3, "resolved", "critical", timestamp=now_us()))

            async def is_over() -> bool:
                return await severities() == []

            await until(is_over, 10.0)
            await bench.tasks["am"]._resend()
            assert await severities() == []

        async def both_resolved() -> bool:
            return len([got for got in receiver.got if got.body["status"] == "resolved"]) >= 2

        await until(both_resolved, 20.0)
        said = [(got.body["status"], got.body["commonLabels"]["severity"]) for got in receiver.got]
    assert sorted(said) == [
        ("firing", "critical"),
        ("firing", "warning"),
        ("resolved", "critical"),
        ("resolved", "warning"),
    ]


async def test_alerts_of_another_day_are_opened_and_resolved_as_well(tmp_path: Path) -> None:
    async with receiving() as receiver, alertmanager(tmp_path, receiver.url) as url:
        sink = SinkSettings("alertmanager", url=url, **AT_ONCE)
        async with delivering(tmp_path / "state", {"am": sink}) as bench:
            for begin_us in (1_400_000_000_000_000, now_us() + 86_400_000_000):
                bench.take(alert(f"a{begin_us}", symbol=f"S{begin_us}", timestamp=begin_us))

            async def both_open() -> bool:
                found = await active(url)
                return len(found) == 2

            await until(both_open, 10.0)
            for begin_us in (1_400_000_000_000_000, now_us() + 86_400_000_000):
                known = [name for (name,) in bench.db.execute("SELECT alert_id FROM alerts WHERE NOT resolved")]
                one = known[0]
                bench.take(alert(one, 2, "resolved", symbol=f"S{one[1:]}", timestamp=begin_us + 60_000_000))

            async def none_open() -> bool:
                return not await active(url)

            await until(none_open, 10.0)
            assert bench.count("squall_notify_dead_letters_total", sink="am") == 0
