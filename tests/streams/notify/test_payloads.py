"""What is posted, by kind: as the samples show it, within the limits of receivers, without what must not be there."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

import streams.notify
from detectors.results import Alert, Contribution, LearnedRank
from streams.notify.alert_faults import alert_fault
from streams.notify.messages import SEVERITIES, Item, Message, Word, message_id
from streams.notify.rendering import render
from streams.notify.sink_settings import Kind
from streams.times import now_us
from tests.streams.notify.bench import alert
from tests.streams.notify.golden import NOW_US, body_of, endpoint_to, message, samples

ROOM = Path(streams.notify.__file__).parent
SAMPLES = ROOM / "payload_samples"
SCHEMA = json.loads((ROOM / "webhook.schema.json").read_text())
KINDS: tuple[Kind, ...] = ("webhook", "pagerduty", "slack", "alertmanager")
WORDS: tuple[Word, ...] = ("opened", "updated", "repeated", "resolved", "storm", "test")


@pytest.mark.parametrize("name", sorted(samples()))
def test_what_is_sent_is_what_the_sample_shows(name: str) -> None:
    assert samples()[name] == json.loads((SAMPLES / f"{name}.json").read_text())


def test_there_is_a_sample_of_nothing_else() -> None:
    assert {path.stem for path in SAMPLES.glob("*.json")} == set(samples())


@pytest.mark.parametrize("name", sorted(name for name in samples() if name.startswith("webhook.")))
def test_a_webhook_is_as_its_schema_says(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    Draft202012Validator(SCHEMA).validate(samples()[name])


def test_the_schema_knows_every_field_of_an_alert() -> None:
    of_alert = SCHEMA["$defs"]["alert"]
    assert set(of_alert["properties"]) == set(of_alert["required"]) | {"ranker"} == set(Alert.__struct_fields__)
    ranked = of_alert["properties"]["ranker"]
    assert set(ranked["properties"]) == set(ranked["required"]) == set(LearnedRank.__struct_fields__)
    explained = of_alert["properties"]["explanation"]["items"]
    assert set(explained["required"]) == set(Contribution.__struct_fields__)


def test_every_sample_and_type_stands_in_the_documentation() -> None:
    text = (ROOM / "payloads.md").read_text()
    for name in ("webhook.schema.json", *SCHEMA["properties"]["type"]["enum"]):
        assert f"`{name}`" in text


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=400)
nasty = st.one_of(text, st.just("<!channel> & <http://x|y>"), st.just("x" * 5_000), st.just("😀" * 2_000))


@st.composite
def messages(draw: st.DrawFn) -> Message:
    word = draw(st.sampled_from(WORDS))
    many = draw(st.integers(1, 50))
    severity = draw(st.sampled_from(SEVERITIES))
    part = Contribution(draw(nasty), 1e300, draw(st.floats(-1e9, 1e9)), draw(nasty), 0.5, 1.0)
    one = msgspec.structs.replace(
        alert(draw(st.text("0123456789abcdef", min_size=1, max_size=32)), severity=severity),
        title=draw(nasty),
        symbol=draw(nasty),
        accounts=tuple(draw(st.lists(nasty, max_size=20))),
        explanation=(part,) * draw(st.integers(0, 5)),
        runbook=draw(st.sampled_from(["deploy/runbook.md", "https://runbooks.example/#x", "https://x.example/<|>"])),
    )
    items = (Item(one),) * many
    return Message(message_id(word, items), "sample", word, {}, items, NOW_US, draw(st.integers(0, 10_000)))


@given(messages())
def test_slack_is_kept_within_its_limits_and_no_name_becomes_a_mention(one: Message) -> None:
    body = body_of("slack", one)
    assert 1 <= len(body["blocks"]) <= 50
    assert 1 <= len(body["text"]) <= 3_000
    total = 0
    for block in body["blocks"]:
        texts = block["elements"] if block["type"] == "context" else [block["text"]]
        for shown in texts:
            assert 1 <= len(shown["text"]) <= (150 if block["type"] == "header" else 3_000)
            total += len(shown["text"])
            if shown["type"] == "mrkdwn":
                assert "<!" not in shown["text"]
                assert "<http://x" not in shown["text"]
    assert total <= 13_000


@given(messages())
def test_pagerduty_is_kept_within_its_limits(one: Message) -> None:
    event = body_of("pagerduty", one)
    assert event["event_action"] in ("trigger", "resolve")
    assert 1 <= len(event["dedup_key"]) <= 255
    if event["event_action"] == "trigger":
        assert 1 <= len(event["payload"]["summary"]) <= 1_024
        assert event["payload"]["severity"] in ("critical", "error", "warning", "info")
        assert len(json.dumps(event)) < 512 * 1_024
        assert all(link["href"].startswith("https://") for link in event.get("links", []))


@given(messages())
def test_alertmanagers_labels_hold_what_stays_and_what_begins_ends_later(one: Message) -> None:
    for post in body_of("alertmanager", one):
        assert set(post["labels"]) <= {"alertname", "pattern", "symbol", "severity", "service"}
        assert post["startsAt"] < post["endsAt"]
        assert all(post["annotations"].values())


def test_an_open_alert_ends_in_the_future_there_and_one_that_is_over_in_the_past() -> None:
    (opened,) = body_of("alertmanager", message("opened"))
    (over,) = body_of("alertmanager", message("resolved"))
    assert opened["endsAt"] == "2026-01-01T00:04:05.000Z"
    assert over["endsAt"] <= "2026-01-01T00:00:05.000Z"
    assert over["labels"] == opened["labels"]


def test_what_is_over_there_is_what_was_open_there_though_it_became_worse_at_its_end() -> None:
    worse = msgspec.structs.replace(message("resolved").items[0].alert, severity="critical")
    ended = Message("m", "sample", "resolved", {}, (Item(worse, told_severity="warning"),), NOW_US)
    (post,) = body_of("alertmanager", ended)
    assert post["labels"]["severity"] == "warning"


@pytest.mark.parametrize("word", ["opened", "updated", "repeated", "resolved"])
def test_a_message_has_the_same_body_and_id_whenever_it_is_sent(word: Word) -> None:
    one = message(word, alerts=3)
    first, later = (render(one, endpoint_to("webhook"), at_us) for at_us in (NOW_US, NOW_US + 3_600_000_000))
    assert first.body == later.body
    assert first.headers["webhook-id"] == later.headers["webhook-id"] == one.message_id
    assert first.headers["webhook-signature"] != later.headers["webhook-signature"]


def test_a_signature_that_was_tampered_with_is_told_by_the_standards_own_library() -> None:
    request = render(message("opened"), endpoint_to("webhook"), now_us())
    verifier = Webhook("whsec_MDEyMzQ1Njc4OWFiY2RlZg==")
    verifier.verify(request.body, dict(request.headers))
    with pytest.raises(WebhookVerificationError):
        verifier.verify(request.body.replace(b"warning", b"critica"), dict(request.headers))


def test_a_storm_says_how_many_and_the_worst() -> None:
    posted: dict[Kind, Any] = {kind: body_of(kind, message("storm")) for kind in ("slack", "pagerduty", "alertmanager")}
    for body in posted.values():
        assert "storm: 212 alerts not sent singly; worst: warning: Cancel burst by sample-account" in json.dumps(body)


def test_slack_shows_ten_and_says_how_many_more() -> None:
    body = body_of("slack", message("opened", alerts=23))
    sections = [block["text"]["text"] for block in body["blocks"] if block["type"] == "section"]
    assert len(sections) == 11
    assert sections[-1] == "and 13 more"


texts = st.text(max_size=80)
numbers = st.integers(-(2**63), 2**64 - 1)


@given(texts, numbers, st.lists(numbers, min_size=3, max_size=3))
def test_whatever_is_not_refused_can_be_told_to_every_sink(alert_id: str, revision: int, times: list[int]) -> None:
    begin, end, timestamp = times
    one = msgspec.structs.replace(alert(alert_id, revision), window_start=begin, window_end=end, timestamp=timestamp)
    if alert_fault(one) is not None:
        return
    for kind in KINDS:
        for word in WORDS:
            request = render(
                Message(message_id(word, [Item(one)]), "sample", word, {}, (Item(one),), NOW_US),
                endpoint_to(kind),
                NOW_US,
            )
            assert all(header.isascii() and header.isprintable() for header in request.headers.values())


@pytest.mark.parametrize(
    ("name", "value"),
    [("alert_id", "a\n1"), ("alert_id", ""), ("timestamp", 2**62), ("window_start", -1), ("revision", 2**63)],
)
def test_what_could_not_be_told_is_refused(name: str, value: object) -> None:
    changed: dict[str, Any] = {name: value}
    assert name in (alert_fault(msgspec.structs.replace(alert(), **changed)) or "")
    assert alert_fault(alert()) is None
