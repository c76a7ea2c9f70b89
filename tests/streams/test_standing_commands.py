"""`squall limits`, `guardrails`, `alerts` against a broker: what stands now, the worst first."""

import json
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner, Result

from detectors.results import Alert, LearnedRank, Severity
from streams.broker import Broker
from streams.cli import app
from streams.topics import ALERTS, GUARDRAILS, RATE_LIMITS
from tests.streams.decided import NOW_US, SECOND_US, a_limit, a_trip, an_alert, send, sent


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")


def squall(url: str, *arguments: str) -> Result:
    done = CliRunner().invoke(app, [*arguments, "--broker", url])
    assert done.exit_code == 0, done.output
    return done


def names(url: str, field: str, *arguments: str) -> list[str]:
    return [one[field] for one in json.loads(squall(url, *arguments, "--json").stdout)]


def test_limits_in_force_come_the_tightest_first_from_every_partition(own_broker: Broker) -> None:
    limits = [
        a_limit("mild", multiplier=0.8),
        *(a_limit(f"acct-{number}", multiplier=0.5) for number in range(12)),
        a_limit("tight", multiplier=0.05),
        a_limit("over", at=NOW_US - 3_601 * SECOND_US),
        a_limit("lifted", multiplier=1.0, action="none"),
        a_limit("pinned", multiplier=1.0, action="reduce_only"),
        a_limit("deleted"),
    ]
    send(own_broker.url, [sent(RATE_LIMITS, limit.account, limit) for limit in limits])
    send(own_broker.url, [sent(RATE_LIMITS, "deleted", None)])
    twelve = sorted(f"acct-{number}" for number in range(12))
    assert names(own_broker.url, "account", "limits") == ["tight", *twelve, "mild", "pinned"]
    everything = names(own_broker.url, "account", "limits", "--all")
    assert sorted(everything) == sorted(["tight", *twelve, "mild", "over", "lifted", "pinned"])
    assert names(own_broker.url, "account", "limits", "tight") == ["tight"]
    shown = squall(own_broker.url, "limits", "--all").output
    assert shown.index("tight") < shown.index("mild")
    assert "(over)" in shown
    assert "cancel pressure at 62%" in shown
    nothing = squall(own_broker.url, "limits", "over").output
    assert nothing == "no limit in force for over: the static baseline holds; --all shows those lifted or over\n"


def test_of_an_accounts_limits_the_highest_version_counts_whoever_wrote_last(own_broker: Broker) -> None:
    versions = (1, 3, 2)
    send(own_broker.url, [sent(RATE_LIMITS, "a", a_limit("a", version)) for version in versions])
    assert [one["version"] for one in json.loads(squall(own_broker.url, "limits", "--json").stdout)] == [3]


def test_json_is_the_record_as_it_stands_in_the_topic(own_broker: Broker) -> None:
    limit, trip, alert = a_limit(), a_trip(), an_alert()
    topics = ((RATE_LIMITS, "limits", limit), (GUARDRAILS, "guardrails", trip), (ALERTS, "alerts", alert))
    send(own_broker.url, [sent(topic, "a", record) for topic, _, record in topics])
    for _, command, record in topics:
        assert json.loads(squall(own_broker.url, command, "--json").stdout) == [json.loads(msgspec.json.encode(record))]


def test_guardrails_show_what_is_tripped_and_not_what_has_cleared(own_broker: Broker) -> None:
    trips = [
        a_trip("ETH-PERP"),
        a_trip("BTC-PERP"),
        msgspec.structs.replace(a_trip("SOL-PERP"), level="soft"),
        a_trip("ETH-PERP", state="cleared"),
        a_trip("ETH-PERP", rule="price_move"),
    ]
    send(own_broker.url, [sent(GUARDRAILS, f"{trip.rule}/{trip.entity}", trip) for trip in trips])
    found = json.loads(squall(own_broker.url, "guardrails", "--json").stdout)
    assert [(one["rule"], one["entity"]) for one in found] == [
        ("mark_index", "BTC-PERP"),
        ("price_move", "ETH-PERP"),
        ("mark_index", "SOL-PERP"),
    ]
    shown = squall(own_broker.url, "guardrails").output
    assert "0.071" in shown
    assert "mark is far from index" in shown
    assert "cleared" not in shown
    assert "cleared" in squall(own_broker.url, "guardrails", "--all").output


def test_open_alerts_come_the_worst_first_each_by_its_latest_revision(own_broker: Broker) -> None:
    alerts = [
        an_alert("mild", score=5.0),
        an_alert("worst", score=50.0, severity="critical"),
        an_alert("over", score=90.0),
        an_alert("over", score=90.0, revision=2, status="resolved"),
        an_alert("worse", score=1.0),
        an_alert("worse", score=20.0, revision=2, status="update", accounts=("a", "b", "c", "d", "e")),
    ]
    send(own_broker.url, [sent(ALERTS, alert.alert_id, alert) for alert in alerts])
    assert names(own_broker.url, "alert_id", "alerts") == ["worst", "worse", "mild"]
    assert names(own_broker.url, "alert_id", "alerts", "--all") == ["worst", "worse", "mild", "over"]
    assert "a, b, c and 2 more" in squall(own_broker.url, "alerts").output


def test_alerts_stand_as_verdicts_have_ordered_them_within_their_severity(own_broker: Broker) -> None:
    def ranked(alert_id: str, severity: Severity, score: float, factor: float) -> Alert:
        learned = LearnedRank(probability=0.5, factor=factor, verdicts=64, rank_before=1)
        return msgspec.structs.replace(an_alert(alert_id, severity=severity, score=score), ranker=learned)

    alerts = [
        ranked("noisy", "warning", 12.0, 0.69),
        ranked("true", "warning", 10.0, 1.41),
        ranked("grave", "critical", 11.0, 0.5),
        an_alert("new", severity="info", score=20.0),
    ]
    send(own_broker.url, [sent(ALERTS, alert.alert_id, alert) for alert in alerts])
    assert names(own_broker.url, "alert_id", "alerts") == ["new", "grave", "true", "noisy"]
    assert "x 0.69" in squall(own_broker.url, "alerts").output
    told = squall(own_broker.url, "explain", "noisy").output
    assert "64 verdicts make it 50% likely to be called true, so that its score counts 0.69 times" in told


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("limits", "no limit in force: the static baseline holds\n"),
        ("guardrails", "no guardrail is tripped\n"),
        ("alerts", "no alert is open\n"),
    ],
)
def test_that_there_is_nothing_is_said(own_broker: Broker, command: str, said: str) -> None:
    send(own_broker.url, [])
    assert squall(own_broker.url, command).output == said
    assert squall(own_broker.url, command, "--json").output == "[]\n"


@pytest.mark.parametrize(
    ("topic", "command", "record"),
    [
        (RATE_LIMITS, "limits", a_limit("acct\x1b[2J\n")),
        (GUARDRAILS, "guardrails", a_trip("BTC\x1b[2J\n")),
        (ALERTS, "alerts", an_alert(accounts=("acct\x1b[2J\n",), title="\x1b[2J burst [/bold]")),
    ],
)
def test_text_from_a_topic_is_shown_not_obeyed_and_what_cannot_be_read_is_counted(
    own_broker: Broker, topic: str, command: str, record: object
) -> None:
    send(own_broker.url, [sent(topic, "a", record), sent(topic, "b", b"{"), sent(topic, "b", b"\xff")])
    done = squall(own_broker.url, command)
    assert "\x1b" not in done.output
    assert "\ufffd[2J" in done.stdout
    assert f"warning: 2 records of {topic} cannot be read" in done.stderr
