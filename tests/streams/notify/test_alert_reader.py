"""Reading alerts from a broker: where it begins, what it passes over, and what its group shows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from detectors.decisions import Feedback
from streams.broker import Broker
from streams.notify.alert_reader import AlertReader
from streams.notify.database import open_database
from streams.notify.intake import Intake
from streams.notify.notify_metrics import NotifyMetrics
from streams.settings import Settings
from streams.times import now_us
from streams.topics import ALERTS, FEEDBACK, ensure_topics
from tests.streams.notify.bench import alert, send_alerts, webhook
from tests.streams.worker_bench import producing, until, watching_commits

pytestmark = pytest.mark.asyncio
SINK = webhook()


class Reading:
    """A reader, and what it has taken."""

    def __init__(self, broker: str, directory: Path) -> None:
        self.registry = CollectorRegistry()
        self.db = open_database(directory)
        intake = Intake(self.db, {"hook": SINK})
        settings = Settings(broker=broker, config="/dev/null")
        metrics = NotifyMetrics.create(self.registry, ["hook"])
        self.reader = AlertReader(settings, intake, metrics, frozenset, lambda: None)

    def alerts(self) -> dict[str, int]:
        return dict(self.db.execute("SELECT alert_id, revision FROM alerts").fetchall())

    async def has(self, *names: str) -> None:
        async def found() -> bool:
            return self.alerts().keys() >= set(names)

        await until(found, 15.0)


@asynccontextmanager
async def reading(broker: str, directory: Path) -> AsyncIterator[Reading]:
    one = Reading(broker, directory)
    task = asyncio.create_task(one.reader.run())
    try:
        yield one
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        one.db.close()


async def test_it_goes_on_where_it_was_and_without_its_state_where_the_group_was(
    own_broker: Broker, tmp_path: Path
) -> None:
    url = own_broker.url
    await ensure_topics(url, 1)
    async with producing(url) as producer:
        await send_alerts(producer, alert("a1", timestamp=now_us()))
        async with reading(url, tmp_path / "one") as one, watching_commits(url, "squall-notify") as committed:
            await one.has("a1")

            async def is_committed() -> bool:
                return list((await committed([ALERTS], 1)).values()) == [1]

            await until(is_committed, 15.0)
        await send_alerts(producer, alert("b1"), alert("a1", 2, "resolved"))
        # Nothing is kept there: what the group has committed is done, and what came since is not.
        async with reading(url, tmp_path / "two") as two:
            await two.has("a1", "b1")
            assert two.alerts() == {"a1": 2, "b1": 1}
            assert two.db.execute("SELECT count(*) FROM told").fetchone() == (2,)
        # By now the group has gone further: what is kept counts.
        async with reading(url, tmp_path / "one") as one:
            await one.has("a1", "b1")
            assert one.alerts() == {"a1": 2, "b1": 1}


async def test_what_is_no_alert_is_counted_and_kept_and_nothing_waits_for_it(
    own_broker: Broker, tmp_path: Path
) -> None:
    url = own_broker.url
    await ensure_topics(url, 1)
    async with producing(url) as producer, reading(url, tmp_path) as one:
        await one.has()
        for value in (b"{not json", b"[]", b"\xff", b"[" * 5_000):
            await producer.send(ALERTS, value, key=b"bad")
        await producer.send(ALERTS, None, key=b"gone")
        await producer.send(FEEDBACK, b"{}", key=b"bad")
        said = Feedback("a1", "ann", now_us(), acknowledged=True)
        await producer.send(FEEDBACK, msgspec.json.encode(said), key=b"a1")
        await send_alerts(producer, alert("a1", timestamp=now_us()))
        await one.has("a1")

        async def all_read() -> bool:
            return one.reader.problem == "" and one.db.execute("SELECT count(*) FROM acks").fetchone() == (1,)

        await until(all_read, 15.0)
        refused = one.db.execute("SELECT topic, offset FROM refused ORDER BY topic, offset").fetchall()
        # On the very first start what is no alert is history, too.
        assert [row for row in refused if row[0] == FEEDBACK] == [(FEEDBACK, 0)]
        await producer.send(ALERTS, b"[]", key=b"bad")
        await send_alerts(producer, alert("b1"))
        await one.has("b1")
        assert (one.registry.get_sample_value("squall_notify_refused_total", {"topic": ALERTS}) or 0.0) >= 1


async def test_while_there_is_no_broker_it_says_so_and_tries_again(tmp_path: Path) -> None:
    async with reading("127.0.0.1:1", tmp_path) as one:

        async def says_so() -> bool:
            return one.reader.problem.startswith("alerts cannot be read: ")

        await until(says_so, 15.0)


async def test_topics_that_are_missing_are_told_and_waited_for(own_broker: Broker, tmp_path: Path) -> None:
    async with reading(own_broker.url, tmp_path) as one:

        async def says_so() -> bool:
            return "expected a topic alerts" in one.reader.problem

        await until(says_so, 15.0)
        await ensure_topics(own_broker.url, 1)

        async def goes_on() -> bool:
            return one.reader.problem == ""

        await until(goes_on, 15.0)
