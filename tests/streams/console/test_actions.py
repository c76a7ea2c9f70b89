"""Who may act from the console, what is refused, and that what is done stands in the topics with its audit."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from detectors.decisions import AuditRecord, Feedback, Override
from detectors.errors import ConfigError
from streams.broker import Broker, EmbeddedBroker
from streams.console.auth import Gate
from streams.console.console_settings import ConsoleSettings
from streams.orders import decode_order
from streams.settings import Settings
from streams.topic_reading import TopicRecord, read_topic
from streams.topics import ALERTS, AUDIT, FEEDBACK, OVERRIDES
from tests.streams.console.served import TOKEN, Visitor, token_file, visited
from tests.streams.decided import ALERT_ID, SECOND_US, Sent, an_alert, sent

pytestmark = pytest.mark.asyncio

ALERT: list[Sent] = [sent(ALERTS, ALERT_ID, an_alert())]
ACKNOWLEDGE, VERDICT = f"/alerts/{ALERT_ID}/acknowledge", f"/alerts/{ALERT_ID}/verdict"
WHY = {"reason": "ticket 4711", "for": "10m"}
PROXY = {"user_header": "X-Forwarded-User", "trusted_proxies": ["127.0.0.0/8"]}


async def records(url: str, topic: str) -> list[TopicRecord]:
    found: list[TopicRecord] = []
    await read_topic(Settings(broker=url), topic, found.append)
    return found


async def written(url: str) -> int:
    return sum([len(await records(url, topic)) for topic in (FEEDBACK, AUDIT, OVERRIDES)])


async def orders(url: str) -> list[Override]:
    return [decode_order(record.value or b"") for record in await records(url, OVERRIDES)]


async def test_an_alert_is_acknowledged_then_judged_each_with_its_line_of_audit(
    own_broker: Broker, tmp_path: Path
) -> None:
    url = own_broker.url
    async with visited(url, ALERT, token_file=token_file(tmp_path)) as visitor:
        await visitor.log_in("ann")
        form = {"csrf": await visitor.csrf(), "back": f"/alerts/{ALERT_ID}"}
        done = await visitor.post(ACKNOWLEDGE, form | {"note": "on it"})
        assert (done.status, done.headers["Location"]) == (303, f"/alerts/{ALERT_ID}?said=acknowledged")
        page = await visitor.get(f"/alerts/{ALERT_ID}?said=acknowledged")
        assert "taken by ann" in page.text
        assert "on it" in page.text
        judged = await visitor.post(VERDICT, form | {"verdict": "noise", "note": "known market maker"})
        assert judged.status == 303
        await visitor.post(ACKNOWLEDGE, form)
        page = await visitor.until(f"/alerts/{ALERT_ID}", lambda one: one.text.count("known market maker") >= 3)
        assert "judged noise by ann" in page.text
        assert "judged noise by ann" in (await visitor.get("/")).text
        assert await visitor.metric('squall_console_actions_total{action="acknowledge",outcome="done"}') == 2.0
    said = [msgspec.json.decode(record.value or b"", type=Feedback) for record in await records(url, FEEDBACK)]
    assert [(one.author, one.acknowledged, one.verdict, one.note) for one in said] == [
        ("ann", True, "", "on it"),
        ("ann", True, "noise", "known market maker"),
        # Who takes it up again takes no verdict back.
        ("ann", True, "noise", "known market maker"),
    ]
    assert {record.key for record in await records(url, FEEDBACK)} == {ALERT_ID.encode()}
    audit = [msgspec.json.decode(record.value or b"", type=AuditRecord) for record in await records(url, AUDIT)]
    assert [one.feedback for one in audit] == said
    assert {(one.kind, one.entity, one.author) for one in audit} == {("feedback", ALERT_ID, "ann")}
    assert len({one.audit_id for one in audit}) == 3


EVERY_ORDER: list[tuple[dict[str, str], str, str, str, float]] = [
    ({"action": "pin", "name": "a b", "multiplier": "0.2"}, "account:a b", "pin", "throttle", 0.2),
    ({"action": "pin", "name": "a", "limit": "reduce_only", "multiplier": ""}, "account:a", "pin", "reduce_only", 1.0),
    ({"action": "pin", "name": "a", "limit": "none", "multiplier": "0.5"}, "account:a", "pin", "none", 1.0),
    ({"action": "pin", "name": "a", "limit": "block", "confirm": "a"}, "account:a", "pin", "block", 1.0),
    ({"action": "release", "name": "a"}, "account:a", "release", "throttle", 1.0),
    ({"action": "silence", "name": "thin_book"}, "pattern:thin_book", "silence", "throttle", 1.0),
    ({"action": "freeze"}, "controller", "freeze", "throttle", 1.0),
    ({"action": "kill", "confirm": "KILL"}, "controller", "kill", "throttle", 1.0),
    ({"action": "resume"}, "controller", "resume", "throttle", 1.0),
]


async def test_every_order_is_one_that_workers_take_and_stands_on_the_page(own_broker: Broker, tmp_path: Path) -> None:
    async with visited(own_broker.url, [], token_file=token_file(tmp_path)) as visitor:
        await visitor.log_in("ann")
        csrf = await visitor.csrf()
        for number, (form, _, action, _, _) in enumerate(EVERY_ORDER):
            why = {"reason": f"ticket {number}", "for": "10m", "csrf": csrf, "back": "/orders"}
            done = await visitor.post("/orders", why | form)
            assert (done.status, done.headers["Location"]) == (303, "/orders?said=ordered")
            page = (await visitor.get("/orders")).text
            assert f"ticket {number}" in page
            assert ("Kill switch: no limits" in page) == (action == "kill")
            assert ("Limits are frozen" in page) == (action == "freeze")
    given = await orders(own_broker.url)
    assert [(one.scope, one.action, one.limit, one.multiplier) for one in given] == [
        tuple(wanted) for _, *wanted in EVERY_ORDER
    ]
    assert {(one.author, one.expires_at - one.timestamp) for one in given} == {("ann", 600 * SECOND_US)}


async def test_what_would_be_refused_or_is_not_confirmed_is_never_sent(own_broker: Broker, tmp_path: Path) -> None:
    refused = [
        ("/orders", {"action": "kill"}, "confirm: expected KILL"),
        ("/orders", {"action": "kill", "confirm": "kill"}, "confirm: expected KILL"),
        ("/orders", {"action": "pin", "name": "a", "limit": "block"}, "confirm: expected the account"),
        ("/orders", {"action": "pin", "name": "a", "limit": "block", "confirm": "b"}, "confirm: expected the account"),
        ("/orders", {"action": "pin", "name": "", "limit": "block", "confirm": ""}, "$.scope"),
        ("/orders", {"action": "pin", "name": "a", "multiplier": "nan"}, "Expected `float`"),
        ("/orders", {"action": "pin", "name": "a", "multiplier": "0"}, "&gt; 0.0"),
        ("/orders", {"action": "pin", "name": "a", "multiplier": ""}, "multiplier: expected a share"),
        ("/orders", {"action": "pin", "name": "a", "limit": "explode", "multiplier": "1"}, "explode"),
        ("/orders", {"action": "silence", "name": "thin_bok"}, "Expected a pattern of"),
        ("/orders", {"action": "freeze", "for": "soon"}, "expected a stretch of time"),
        ("/orders", {"action": "freeze", "for": "31d"}, "at most 30 days"),
        ("/orders", {"action": "freeze", "reason": " "}, "$.reason"),
        ("/orders", {"action": "explode"}, "action: expected one of"),
        (VERDICT, {"verdict": "maybe"}, "verdict: expected one of"),
        (VERDICT, {"verdict": "true", "note": "x" * 501}, "this would be refused"),
    ]
    async with visited(own_broker.url, ALERT, token_file=token_file(tmp_path)) as visitor:
        await visitor.log_in("ann")
        csrf = await visitor.csrf()
        for path, form, why in refused:
            answer = await visitor.post(path, {"csrf": csrf, **WHY, **form})
            assert (answer.status, why in answer.text) == (400, True), (form, answer.text)
        unknown = await visitor.post("/alerts/none/acknowledge", {"csrf": csrf})
        assert unknown.status == 404
        large = await visitor.post(ACKNOWLEDGE, {"csrf": csrf, "note": "x" * 20_000})
        assert large.status == 413
        assert await visitor.metric('squall_console_actions_total{action="kill",outcome="refused"}') == 2.0
    assert await written(own_broker.url) == 0


async def test_a_console_without_a_way_to_log_in_only_shows_and_says_so(own_broker: Broker) -> None:
    async with visited(own_broker.url, ALERT) as visitor:
        for path in (f"/alerts/{ALERT_ID}", "/orders", "/account?name=a"):
            page = (await visitor.get(path)).text
            assert "This console is read-only" in page
            assert 'method="post"' not in page
        for path in (ACKNOWLEDGE, VERDICT, "/orders"):
            answer = await visitor.post(path, {"action": "freeze", "verdict": "true", **WHY})
            assert (answer.status, "read-only" in answer.text) == (403, True)
        assert (await visitor.log_in()).status == 403
    assert await written(own_broker.url) == 0


async def test_forms_from_elsewhere_are_refused(own_broker: Broker, tmp_path: Path) -> None:
    freeze = {"action": "freeze", **WHY}
    async with (
        visited(own_broker.url, ALERT, token_file=token_file(tmp_path)) as visitor,
        Visitor(visitor.url) as other,
    ):
        await visitor.log_in("ann")
        await other.log_in("bob")
        csrf = await visitor.csrf()
        refused: list[tuple[dict[str, str], str | None]] = [
            ({}, ""),
            ({"csrf": ""}, ""),
            ({"csrf": "0" * 64}, ""),
            ({"csrf": "é" * 64}, ""),
            ({"csrf": await other.csrf()}, ""),
            ({"csrf": csrf}, "http://evil.example"),
            ({"csrf": csrf}, visitor.url.replace("127.0.0.1", "localhost")),
            ({"csrf": csrf}, "null"),
            ({"csrf": csrf}, None),
        ]
        for form, origin in refused:
            answer = await visitor.post("/orders", freeze | form, origin)
            assert (answer.status, "Nothing was done" in answer.text) == (403, True), (form, origin)
        async with Visitor(visitor.url) as stranger:
            assert (await stranger.post("/orders", freeze | {"csrf": csrf})).status == 403
        login = await other.post("/login", {"user": "eve", "token": TOKEN}, "http://evil.example")
        assert login.status == 403
    assert await written(own_broker.url) == 0


async def test_a_session_is_a_cookie_that_scripts_and_other_sites_do_not_get_and_ends_with_the_logout(
    own_broker: Broker, tmp_path: Path
) -> None:
    async with visited(own_broker.url, ALERT, token_file=token_file(tmp_path)) as visitor:
        done = await visitor.post("/login", {"user": "ann", "token": TOKEN, "back": "//evil.example"})
        assert (done.status, done.headers["Location"]) == (303, "/")
        cookie = done.headers["Set-Cookie"]
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
        assert TOKEN not in cookie
        csrf = await visitor.csrf()
        assert "ann" in (await visitor.get("/")).text
        assert (await visitor.post("/logout", {"csrf": csrf})).status == 303
        stolen = cookie.partition(";")[0]
        again = await visitor.post("/orders", {"action": "freeze", "csrf": csrf, **WHY}, "", Cookie=stolen)
        assert again.status == 403
    assert await written(own_broker.url) == 0


async def test_who_guesses_tokens_has_to_wait_and_the_token_helps_no_more(own_broker: Broker, tmp_path: Path) -> None:
    async with visited(own_broker.url, [], token_file=token_file(tmp_path)) as visitor:
        for guess in ("", "x", TOKEN[:-1], f"{TOKEN}x", TOKEN.upper()):
            assert (await visitor.log_in(token=guess)).status == 403
        waiting = await visitor.log_in()
        assert (waiting.status, "wait a minute" in waiting.text) == (429, True)
        assert "Set-Cookie" not in waiting.headers
        assert await visitor.metric('squall_console_actions_total{action="login",outcome="refused"}') == 6.0


@pytest.mark.parametrize("user", ["", "  ", "x" * 129, "ann\x1b[2J"])
async def test_a_name_that_an_audit_cannot_bear_is_no_login(own_broker: Broker, tmp_path: Path, user: str) -> None:
    async with visited(own_broker.url, [], token_file=token_file(tmp_path)) as visitor:
        assert (await visitor.log_in(user)).status == 400


async def test_scripts_act_with_the_bearer_token_and_a_name(own_broker: Broker, tmp_path: Path) -> None:
    bearer: dict[str, str] = {"Authorization": f"Bearer {TOKEN}"}
    async with visited(own_broker.url, ALERT, token_file=token_file(tmp_path)) as visitor:
        nameless = await visitor.post(ACKNOWLEDGE, {}, None, **bearer)
        wrong = await visitor.post(ACKNOWLEDGE, {}, None, Authorization="Bearer x", X_Squall_Author="bot")
        done = await visitor.post(ACKNOWLEDGE, {}, None, X_Squall_Author="bot", **bearer)
        assert (nameless.status, wrong.status, done.status) == (403, 403, 303)
        guesses = [
            await visitor.post(ACKNOWLEDGE, {}, None, Authorization="Bearer x", X_Squall_Author="e") for _ in "1234"
        ]
        late = await visitor.post(ACKNOWLEDGE, {}, None, X_Squall_Author="bot", **bearer)
        assert [answer.status for answer in (*guesses, late)] == [403] * 5
    (record,) = await records(own_broker.url, FEEDBACK)
    assert msgspec.json.decode(record.value or b"", type=Feedback).author == "bot"


async def test_a_user_is_taken_from_a_trusted_proxy_alone_and_forms_need_their_token_there_too(
    own_broker: Broker,
) -> None:
    named = {"X_Forwarded_User": "ann@example"}
    async with visited(own_broker.url, ALERT, **PROXY) as visitor:
        assert (await visitor.get("/orders")).text.count("The proxy names no user") == 1
        page = await visitor.get("/orders", **named)
        csrf = page.text.partition('name="csrf" value="')[2][:64]
        assert "<span>ann@example</span>" in page.text
        freeze = {"action": "freeze", **WHY}
        without = await visitor.post("/orders", freeze, "", **named)
        of_another = await visitor.post("/orders", freeze | {"csrf": csrf}, "", X_Forwarded_User="bob")
        foreign = await visitor.post("/orders", freeze | {"csrf": csrf}, "http://evil.example", **named)
        assert (without.status, of_another.status, foreign.status) == (403, 403, 403)
        assert (await visitor.post("/orders", freeze | {"csrf": csrf}, "", **named)).status == 303
    async with visited(own_broker.url, [], **(PROXY | {"trusted_proxies": ["10.0.0.0/8"]})) as visitor:
        page = await visitor.get("/orders", **named)
        assert "<span>ann@example</span>" not in page.text
        assert (await visitor.post("/orders", freeze | {"csrf": csrf}, "", **named)).status == 403
    assert [(order.author, order.action) for order in await orders(own_broker.url)] == [("ann@example", "freeze")]


async def test_what_the_broker_does_not_take_is_told_as_not_done(tmp_path: Path) -> None:
    with EmbeddedBroker() as broker:
        async with visited(broker.url, ALERT, token_file=token_file(tmp_path)) as visitor:
            await visitor.log_in()
            form = {"csrf": await visitor.csrf(), **WHY}
            await asyncio.to_thread(broker.__exit__, None, None, None)
            for path, more in ((ACKNOWLEDGE, {}), ("/orders", {"action": "freeze"})):
                answer = await visitor.post(path, form | more)
                assert (answer.status, "It may not have been done" in answer.text) == (503, True)
            assert await visitor.metric('squall_console_actions_total{action="freeze",outcome="failed"}') == 1.0


@pytest.mark.parametrize(
    ("content", "message"), [(None, "expected a token in"), (b"short\n", "at least 16 characters"), (b"", "found 0")]
)
async def test_a_token_that_keeps_nobody_out_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        Gate(ConsoleSettings(token_file=str(path)))


async def test_sessions_and_failures_are_bounded_and_sessions_end(tmp_path: Path) -> None:
    gate = Gate(ConsoleSettings(token_file=token_file(tmp_path), session_hours=1.0))
    names = [gate.open_session(f"user-{number}", 0.0) for number in range(1_500)]
    assert len(set(names)) == 1_500
    known: Callable[[str, float], Any] = lambda name, now_s: gate.identify(_request(name), now_s)  # noqa: E731
    assert known(names[0], 1.0) is None
    assert known(names[-1], 1.0).user == "user-1499"
    assert known(names[-1], 3_601.0) is None
    for number in range(11_000):
        gate.note_failure(f"10.0.{number}", 0.0)
    for _ in range(5):
        gate.note_failure("9.9.9.9", 100.0)
    assert gate.must_wait("9.9.9.9", 100.0)
    assert not gate.must_wait("9.9.9.9", 161.0)


def _request(cookie: str) -> Any:  # noqa: ANN401 - aiohttp's request for tests
    from aiohttp.test_utils import make_mocked_request  # noqa: PLC0415

    return make_mocked_request("GET", "/", headers={"Cookie": f"squall_session={cookie}"})
