"""`squall override` against a broker: what is ordered, what is refused before it is sent, what stands."""

import asyncio
import json
import pwd
import re
import shlex
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner, Result

from detectors.decisions import Override
from streams.broker import Broker
from streams.cli import app
from streams.orders import decode_order
from streams.settings import Settings
from streams.topic_reading import TopicRecord, read_topic
from streams.topics import OVERRIDES
from tests.streams.decided import NOW_US, SECOND_US, send, sent

WHY = ("--for", "10m", "--reason", "ticket 4711")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.setenv("LOGNAME", "ann")


@pytest.fixture
def url(own_broker: Broker) -> str:
    send(own_broker.url, [])
    return own_broker.url


def override(url: str, *arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(app, ["override", *arguments, "--broker", url], input=answer)


def records(url: str) -> list[TopicRecord]:
    found: list[TopicRecord] = []
    asyncio.run(read_topic(Settings(broker=url), OVERRIDES, found.append))
    return found


def orders(url: str) -> list[Override]:
    return [decode_order(record.value or b"") for record in records(url)]


def test_a_pin_is_sent_with_author_reason_and_end_under_its_scope(url: str) -> None:
    done = override(url, "pin", "acct-7", "--multiplier", "0.2", *WHY)
    assert done.exit_code == 0, done.output
    (record,) = records(url)
    order = decode_order(record.value or b"")
    assert (record.key, order.scope, order.action) == (b"account:acct-7", "account:acct-7", "pin")
    assert (order.author, order.reason, order.limit, order.multiplier) == ("ann", "ticket 4711", "throttle", 0.2)
    assert order.expires_at - order.timestamp == 600 * SECOND_US
    assert order.timestamp > NOW_US
    assert re.fullmatch("[0-9a-f]{32}", order.override_id)
    assert "pin account:acct-7 to throttle, 0.2 of the baseline" in done.output


@pytest.mark.parametrize(
    ("arguments", "scope", "action", "limit"),
    [
        (("pin", "a b", "--action", "reduce_only"), "account:a b", "pin", "reduce_only"),
        (("pin", "a b", "--action", "none"), "account:a b", "pin", "none"),
        (("pin", "a b", "--action", "block", "--yes"), "account:a b", "pin", "block"),
        (("release", "a b"), "account:a b", "release", "throttle"),
        (("freeze",), "controller", "freeze", "throttle"),
        (("resume",), "controller", "resume", "throttle"),
        (("kill", "--yes"), "controller", "kill", "throttle"),
        (("silence", "thin_book"), "pattern:thin_book", "silence", "throttle"),
    ],
)
def test_every_order_is_one_that_workers_take_and_tells_a_command_that_ends_it(
    own_broker: Broker, arguments: tuple[str, ...], scope: str, action: str, limit: str
) -> None:
    url = own_broker.url
    send(url, [])
    done = override(url, *arguments, *WHY, "--author", "bob")
    assert done.exit_code == 0, done.output
    (order,) = orders(url)
    assert (order.scope, order.action, order.limit, order.author) == (scope, action, limit, "bob")
    squall, command, *undoing = shlex.split(done.output.partition("take it back")[2])
    assert (squall, command) == ("squall", "override")
    undone = override(url, *(word.replace("TIME", "1s") for word in undoing))
    assert undone.exit_code == 0, undone.output
    assert "in place of" in undone.output
    assert [order.scope for order in orders(url)] == [scope, scope]


def test_what_an_order_takes_the_place_of_is_told_with_its_author(url: str) -> None:
    override(url, "freeze", *WHY, "--author", "bob")
    done = override(url, "kill", "--yes", *WHY, "--json")
    told = json.loads(done.stdout)
    assert (told["ordered"]["action"], told["replaced"]["action"]) == ("kill", "freeze")
    assert told["replaced"]["author"] == "bob"
    assert [msgspec.to_builtins(order) for order in orders(url)] == [told["replaced"], told["ordered"]]


@pytest.mark.parametrize("arguments", [("kill",), ("pin", "acct-7", "--action", "block")])
def test_what_stops_an_account_or_everything_is_asked_for_first(own_broker: Broker, arguments: tuple[str, ...]) -> None:
    url = own_broker.url
    send(url, [])
    for answer in ("n\n", ""):
        assert override(url, *arguments, *WHY, answer=answer).exit_code == 1
        assert records(url) == []
    assert override(url, *arguments, *WHY, answer="y\n").exit_code == 0
    assert len(orders(url)) == 1


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("pin", "a", "--multiplier", "0.2", "--for", "10m"), "--reason"),
        (("pin", "a", "--multiplier", "0.2", "--reason", "x"), "--for"),
        (("pin", "a", *WHY), "--multiplier: expected a share"),
        (("pin", "a", "--multiplier", "0", *WHY), "> 0.0"),
        (("pin", "a", "--multiplier", "1.1", *WHY), "<= 1.0"),
        (("pin", "a", "--multiplier", "nan", *WHY), "Expected `float`"),
        (("pin", "a", "--action", "none", "--multiplier", "0.5", *WHY), "multiplier of 1.0"),
        (("pin", "a", "--action", "explode", *WHY), "explode"),
        (("pin", "", "--multiplier", "0.2", *WHY), "$.scope"),
        (("silence", "thin_bok", *WHY), "Expected a pattern of"),
        (("freeze", "--for", "ten minutes", "--reason", "x"), "expected a stretch of time like"),
        (("freeze", "--for", "31d", "--reason", "x"), "at most 30 days"),
        (("freeze", "--for", "0s", "--reason", "x"), "Expected an expiry after"),
        (("freeze", "--for", "999999999d", "--reason", "x"), "$.expires_at"),
        (("freeze", "--for", "1m", "--reason", "  "), "$.reason"),
    ],
)
def test_an_order_that_would_be_refused_is_wrong_use_and_needs_no_broker(arguments: tuple[str, ...], why: str) -> None:
    done = override("127.0.0.1:1", *arguments)
    assert done.exit_code == 2, done.output
    assert why in done.output


def test_without_a_login_name_the_author_has_to_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_uid: int) -> None:
        raise KeyError("uid not found")

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    done = override("127.0.0.1:1", "freeze", *WHY)
    assert done.exit_code == 2
    assert "--author: expected a name" in done.output


def test_a_broker_that_is_away_or_has_no_topics_ends_with_1_and_nothing_is_created(own_broker: Broker) -> None:
    away = override("127.0.0.1:1", "freeze", *WHY)
    assert (away.exit_code, "expected to read overrides" in away.output) == (1, True)
    for _ in range(2):
        without = override(own_broker.url, "freeze", *WHY)
        assert (without.exit_code, "expected a topic overrides" in without.output) == (1, True)


def test_the_list_shows_what_is_in_force_and_passes_over_what_is_no_order(own_broker: Broker) -> None:
    url = own_broker.url
    hostile = "\x1b[2Jnobody"
    standing = Override("one", "account:a", "release", hostile, "x", NOW_US, NOW_US + 3_600 * SECOND_US)
    over = Override("two", "controller", "freeze", "bob", "y", NOW_US - 2, NOW_US - 1)
    replaced = Override("three", "account:a", "release", "bob", "z", NOW_US, NOW_US + 3_600 * SECOND_US)
    bad = (OVERRIDES, "account:a", b"{}")
    send(url, [sent(OVERRIDES, one.scope, one) for one in (replaced, standing, over)] + [bad])
    shown = override(url, "list")
    assert shown.exit_code == 0
    assert "release account:a" in shown.output
    assert "\x1b" not in shown.output
    assert "nobody" in shown.output
    assert "freeze" not in shown.output
    assert "1 records of overrides cannot be read" in shown.output
    assert "(over)" in override(url, "list", "--all").output
    assert [one["override_id"] for one in json.loads(override(url, "list", "--json").stdout)] == ["one"]


def test_an_empty_list_says_so(url: str) -> None:
    assert override(url, "list").output == "no order is in force\n"
    assert json.loads(override(url, "list", "--json").stdout) == []
