"""`squall explain` against a broker: the story of an alert or an account, and that it needs no order of records."""

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from detectors.decisions import AuditRecord, Override, RateLimit
from detectors.errors import SquallError
from detectors.limit_records import audit_of_limit, audit_of_order, audit_of_trip
from detectors.results import Alert
from streams.broker import Broker
from streams.cli import app
from streams.story import Story
from streams.story_text import step_lines
from streams.topics import ALERTS, AUDIT, OVERRIDES, RATE_LIMITS
from tests.streams.decided import (
    ALERT_ID,
    CANCELS,
    NOW_US,
    SECOND_US,
    YOUNG,
    a_limit,
    a_trip,
    an_alert,
    send,
    sent,
)

PIN = Override(
    "pin-1",
    "account:acct-7",
    "pin",
    "ann",
    "ticket 4711",
    NOW_US + 4 * SECOND_US,
    NOW_US + 64 * SECOND_US,
    "reduce_only",
    0.2,
)
FREEZE = Override("freeze-1", "controller", "freeze", "bob", "maintenance", NOW_US, NOW_US + 9 * SECOND_US)
LATER = Override("kill-1", "controller", "kill", "bob", "later", NOW_US + 99 * SECOND_US, NOW_US + 100 * SECOND_US)
OTHER = Override("pin-2", "account:acct-8", "pin", "mallory", "another", NOW_US, NOW_US + 9 * SECOND_US)
RELEASE = Override("release-1", "account:acct-7", "release", "ann", "calm", NOW_US + 9 * SECOND_US, NOW_US + 10**8)
TIGHTENED = a_limit(version=1, at=NOW_US + 2 * SECOND_US, alert_ids=(ALERT_ID,))
PINNED = a_limit(version=2, multiplier=0.2, action="reduce_only", at=NOW_US + 5 * SECOND_US, order=PIN, reason="pinned")
FOREIGN = a_limit("acct-8", 1, at=NOW_US + SECOND_US)
HISTORY: list[tuple[str, str, Alert | AuditRecord | RateLimit | Override]] = [
    (ALERTS, ALERT_ID, an_alert(at=NOW_US + SECOND_US)),
    (ALERTS, ALERT_ID, an_alert(revision=2, status="resolved", at=NOW_US + 7 * SECOND_US)),
    (ALERTS, "3f9b", an_alert("3f9b", accounts=("acct-9",), pattern="thin_book")),
    (OVERRIDES, PIN.scope, PIN),
    (OVERRIDES, OTHER.scope, OTHER),
    (OVERRIDES, RELEASE.scope, RELEASE),
    (AUDIT, "acct-7", audit_of_limit(TIGHTENED, 1.0, (CANCELS, YOUNG))),
    (AUDIT, "acct-7", audit_of_limit(PINNED, 0.5, (), author="ann")),
    (AUDIT, "acct-8", audit_of_limit(FOREIGN, 1.0, (CANCELS,))),
    (AUDIT, "account_exposure/acct-7", audit_of_trip(a_trip("acct-7", rule="account_exposure", at=NOW_US))),
    (AUDIT, "leverage_cap/acct-7/X", audit_of_trip(a_trip("acct-7/X", rule="leverage_cap", at=NOW_US + 1))),
    (AUDIT, "leverage_cap/acct-77/X", audit_of_trip(a_trip("acct-77/X", rule="leverage_cap", at=NOW_US))),
    (AUDIT, PIN.scope, audit_of_order(PIN, NOW_US + 5 * SECOND_US)),
    (AUDIT, FREEZE.scope, audit_of_order(FREEZE, NOW_US + 1)),
    (AUDIT, FREEZE.scope, audit_of_order(FREEZE, NOW_US + 9 * SECOND_US, ended=True)),
    (AUDIT, LATER.scope, audit_of_order(LATER, NOW_US + 99 * SECOND_US)),
    (RATE_LIMITS, "acct-7", PINNED),
    (RATE_LIMITS, "acct-8", FOREIGN),
]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")


def explain(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["explain", *arguments, "--broker", url])


def story_of(asked: str, history: list[tuple[str, str, Alert | AuditRecord | RateLimit | Override]]) -> Story:
    story = Story(asked)
    for _, _, record in history:
        match record:
            case Alert():
                story.take_alert(record)
            case AuditRecord():
                story.take_audit(record)
            case RateLimit():
                story.take_limit(record)
            case Override():
                story.take_order(record)
    return story


def heads(story: Story) -> list[str]:
    return [step_lines(step, story)[0] for step in story.steps()]


ACCOUNTS_STORY = [
    "guardrail account_exposure tripped (hard) for acct-7: 0.071 share, limit 0.05",
    "guardrail leverage_cap tripped (hard) for acct-7/X: 0.071 share, limit 0.05",
    "order taken up: freeze controller",
    "alert opened, warning, score 12.5: Cancel burst by acct-7 on BTC-PERP",
    "limit of acct-7 tightened from 1 to 0.5 of the baseline: throttle, 15 orders/s, burst 30 [shadow]",
    "order taken up: pin account:acct-7 to reduce_only, 0.2 of the baseline",
    "limit of acct-7 tightened from 0.5 to 0.2 of the baseline: reduce_only, 6 orders/s, burst 12 [shadow]",
    "alert resolved, warning, score 12.5: Cancel burst by acct-7 on BTC-PERP",
    "order given, not taken up: release account:acct-7",
    "order is over: freeze controller",
]


@given(st.permutations(HISTORY), st.lists(st.sampled_from(HISTORY), max_size=5))
def test_the_story_is_the_same_whatever_the_order_of_records_and_however_often_they_come(
    history: list[tuple[str, str, Alert | AuditRecord | RateLimit | Override]],
    again: list[tuple[str, str, Alert | AuditRecord | RateLimit | Override]],
) -> None:
    assert sorted(heads(story_of("acct-7", history + again))) == sorted(ACCOUNTS_STORY)
    times = [step.at for step in story_of("acct-7", history + again).steps()]
    assert times == sorted(times)


def test_an_account_is_explained_from_the_topics_with_numbers_thresholds_ends_and_authors(own_broker: Broker) -> None:
    send(own_broker.url, [sent(*one) for one in HISTORY])
    done = explain(own_broker.url, "acct-7")
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert lines[0].startswith("account acct-7: 10 steps")
    for said in (
        *ACCOUNTS_STORY,
        "cancels in 1 s: seen 57 cancels, expected 3.14 cancels; share 75%; by chance p = 1e-09",
        "share of young cancels: seen 0.9 share, expected 0.2 share; share 25%; by chance p = 0.0001",
        "threshold: pressure 0.62 against 0.5",
        f"alerts: {ALERT_ID}",
        "unless renewed; then 1 of the baseline from",
        "by squall",
        "by ann, order pin-1",
        "by bob, order freeze-1",
        "because: ticket 4711",
        "asked of the venue: halt, until it clears",
    ):
        assert said in done.output, said
    for other in ("acct-8", "acct-77", "mallory", "later"):
        assert other not in done.output, other


def test_an_alert_is_explained_by_its_id_or_its_beginning_with_the_limits_it_led_to(own_broker: Broker) -> None:
    send(own_broker.url, [sent(*one) for one in HISTORY])
    whole, beginning = explain(own_broker.url, ALERT_ID), explain(own_broker.url, "3f9a")
    assert (whole.exit_code, whole.output) == (0, beginning.output)
    assert "limit of acct-7 tightened from 1 to 0.5" in whole.output
    assert "order taken up: freeze controller" in whole.output
    assert "guardrail" not in whole.output
    assert "pin" not in whole.output
    told = json.loads(explain(own_broker.url, "3f9a", "--json").stdout)
    assert told["alert"] == ALERT_ID
    assert [(step["topic"], step["at"] - NOW_US) for step in told["story"]] == [
        (AUDIT, 1),
        (ALERTS, SECOND_US),
        (AUDIT, 2 * SECOND_US),
        (ALERTS, 7 * SECOND_US),
        (AUDIT, 9 * SECOND_US),
    ]
    assert told["story"][2]["record"]["limit"]["alert_ids"] == [ALERT_ID]


def test_what_nobody_knows_ends_with_1_and_names_what_is_near(own_broker: Broker) -> None:
    send(own_broker.url, [sent(*one) for one in HISTORY])
    for asked, near in (
        ("acct7", "did you mean 'acct-"),
        ("cct-9", "did you mean 'acct-9'?"),
        ("zzz", "about 'zzz'\n"),
    ):
        done = explain(own_broker.url, asked)
        assert done.exit_code == 1
        assert f"found nothing in alerts, overrides, audit, rate-limits about '{asked}'" in done.output
        assert near in done.output
    several = explain(own_broker.url, "3f9")
    assert several.exit_code == 1
    assert f"found 2 alerts that begin with '3f9': '{ALERT_ID}', '3f9b'" in several.output


@pytest.mark.parametrize("topic", [ALERTS, OVERRIDES, AUDIT, RATE_LIMITS])
def test_records_that_cannot_be_read_are_counted_and_control_characters_are_not_obeyed(
    own_broker: Broker, topic: str
) -> None:
    hostile = "acct\x1b[2J\n[/bold]"
    limit = audit_of_limit(a_limit(hostile, reason="\x07bell"), 1.0, ())
    send(own_broker.url, [sent(AUDIT, hostile, limit), sent(topic, "x", b"["), sent(topic, "x", b"[" * 100_000)])
    done = explain(own_broker.url, hostile)
    assert done.exit_code == 0, done.output
    assert not {"\x1b", "\x07"} & set(done.output)
    assert "limit of acct\ufffd[2J\ufffd[/bold] tightened" in done.stdout
    assert f"warning: 2 records of {topic} cannot be read" in done.stderr
    for unknown in ("\x1b[2Jnobody", "acct"):
        refused = explain(own_broker.url, unknown)
        assert (refused.exit_code, "\x1b" in refused.output) == (1, False)


def test_an_account_that_is_named_like_the_beginning_of_an_alert_is_the_account() -> None:
    story = story_of("3f9a", [(ALERTS, "", an_alert()), (RATE_LIMITS, "", a_limit("3f9a"))])
    assert story.subject() == ("account", "3f9a")
    assert [step.source for step in story.steps()] == [RATE_LIMITS]


def test_an_account_of_which_only_an_order_is_known_has_a_story() -> None:
    assert heads(story_of("acct-7", [(OVERRIDES, "", PIN)])) == [
        "order given, not taken up: pin account:acct-7 to reduce_only, 0.2 of the baseline"
    ]


@given(st.text(max_size=8))
def test_whatever_is_asked_for_is_told_or_refused(asked: str) -> None:
    story = story_of(asked, HISTORY)
    try:
        steps = story.steps()
    except SquallError as error:
        assert repr(asked) in str(error)
    else:
        assert steps
        assert all(line for line in itertools.chain.from_iterable(step_lines(step, story) for step in steps))
