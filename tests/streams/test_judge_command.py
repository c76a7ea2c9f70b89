"""`squall alerts judge` against a broker: what is said of which alert, with its line of audit, and what is refused."""

import asyncio
import json
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner, Result

from detectors.decisions import AuditRecord, Feedback
from streams.broker import Broker
from streams.cli import app
from streams.feedback import decode_feedback
from streams.settings import Settings
from streams.topic_reading import TopicRecord, read_topic
from streams.topics import ALERTS, AUDIT, FEEDBACK
from tests.streams.decided import ALERT_ID, NOW_US, an_alert, send, sent

OTHER_ID = "3f00" + "1" * 28


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.setenv("LOGNAME", "ann")


@pytest.fixture
def url(own_broker: Broker) -> str:
    send(own_broker.url, [sent(ALERTS, one, an_alert(one)) for one in (ALERT_ID, OTHER_ID)])
    return own_broker.url


def judge(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["alerts", "judge", *arguments, "--broker", url])


def records(url: str, topic: str) -> list[TopicRecord]:
    found: list[TopicRecord] = []
    asyncio.run(read_topic(Settings(broker=url), topic, found.append))
    return found


def said(url: str) -> list[Feedback]:
    return [decode_feedback(record.value or b"") for record in records(url, FEEDBACK)]


def test_a_verdict_is_sent_under_the_alerts_id_with_author_note_and_audit(url: str) -> None:
    done = judge(url, "3f9a", "--verdict", "noise", "--note", "their market maker")
    assert done.exit_code == 0, done.output
    (feedback,) = said(url)
    assert (feedback.alert_id, feedback.verdict, feedback.author, feedback.note, feedback.acknowledged) == (
        *(ALERT_ID, "noise", "ann", "their market maker"),
        True,
    )
    assert feedback.timestamp > NOW_US
    assert [record.key for record in records(url, FEEDBACK)] == [ALERT_ID.encode()]
    (line,) = records(url, AUDIT)
    assert msgspec.json.decode(line.value or b"", type=AuditRecord).feedback == feedback
    assert "noise: Cancel burst by acct-7 on BTC-PERP" in done.output


def test_the_broker_may_be_named_before_the_command_and_machines_get_json(url: str) -> None:
    done = CliRunner().invoke(
        app, ["alerts", "--broker", url, "judge", ALERT_ID, "--verdict", "true", "--author", "bob", "--json"]
    )
    assert done.exit_code == 0, done.output
    assert [msgspec.to_builtins(feedback) for feedback in said(url)] == [json.loads(done.stdout)]
    assert said(url)[0].author == "bob"


@pytest.mark.parametrize(
    ("arguments", "status", "why"),
    [
        (("3f", "--verdict", "true"), 1, "found 2 alerts that begin with '3f': '3f00"),
        (("beef", "--verdict", "true"), 1, "found 0 alerts that begin with 'beef'"),
        (("3f9a", "--verdict", "maybe"), 2, "'maybe'"),
        (("3f9a",), 2, "--verdict"),
        (("3f9a", "--verdict", "true", "--note", "x" * 501), 2, "500"),
        (("3f9a", "--verdict", "true", "--author", "x" * 129), 2, "128"),
    ],
)
def test_what_is_no_verdict_on_one_alert_is_refused_and_nothing_is_sent(
    url: str, arguments: tuple[str, ...], status: int, why: str
) -> None:
    done = judge(url, *arguments)
    assert done.exit_code == status
    assert why in done.output
    assert records(url, FEEDBACK) == records(url, AUDIT) == []
