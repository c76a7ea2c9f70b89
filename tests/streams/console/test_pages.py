"""Pages over a real broker: what the topics say stands there, for people, machines and readers without scripts."""

import asyncio
import logging
import re
import time
from html.parser import HTMLParser
from pathlib import Path

import aiohttp
import msgspec
import pytest
from prometheus_client import CollectorRegistry

from detectors.decisions import AuditRecord, LimitAck, Override
from detectors.errors import ConfigError
from detectors.results import Evidence, LearnedRank, Signal, SignalFrame, SignalTick
from streams.broker import Broker, EmbeddedBroker
from streams.console.console_settings import ConsoleSettings
from streams.console.serving import serve
from streams.health import HealthServer
from streams.settings import Settings
from streams.topics import ALERTS, AUDIT, GUARDRAILS, LIMIT_ACKS, OVERRIDES, RATE_LIMITS, SIGNALS
from tests.streams.console.served import Visitor, served, token_file, visited
from tests.streams.decided import ALERT_ID, CANCELS, NOW_US, SECOND_US, Sent, a_limit, a_trip, an_alert, send, sent

pytestmark = pytest.mark.asyncio

HOSTILE = '<script>alert("x")</script>&'
FREEZE = Override("f1", "controller", "freeze", "bob", "maintenance", NOW_US, NOW_US + 3_600 * SECOND_US)
ALL_PAGES = (
    "/",
    f"/alerts/{ALERT_ID}",
    f"/alerts/{ALERT_ID}/replay",
    "/limits",
    "/account?name=acct-7",
    "/guardrails",
    "/orders",
    "/pipeline",
    "/login",
)


def signals(*ages_s: float, p_value: float = 1e-6) -> Sent:
    found = tuple(
        Signal(
            NOW_US - round(age_s * SECOND_US), "cancel_burst", "cancel_burst", "account", "acct-7", "BTC-PERP",
            p_value, 0.1, 9.0, (CANCELS,), ("acct-7",),
        )
        for age_s in ages_s
    )  # fmt: skip
    return sent(SIGNALS, None, SignalFrame("market/0", NOW_US, False, (SignalTick(0, found),)))


def records() -> list[Sent]:
    alert = msgspec.structs.replace(an_alert(), evidence=(Evidence("cancels", 2, 1_041, 1_097),))
    later = msgspec.structs.replace(alert, revision=2, status="update", severity="critical", timestamp=NOW_US + 500_000)
    over = an_alert("old", revision=3, status="resolved", at=NOW_US - 60 * SECOND_US, title="Thin book on ETH-PERP")
    limit = a_limit(alert_ids=(ALERT_ID,))
    audited = AuditRecord("x1", "limit", NOW_US, "acct-7", "squall", limit.reason, 1.0, limit=limit)
    return [
        *(sent(ALERTS, one.alert_id, one) for one in (alert, later, over)),
        sent(RATE_LIMITS, "acct-7", limit),
        sent(RATE_LIMITS, "gone", a_limit("gone", lasts_us=1)),
        sent(AUDIT, "acct-7", audited),
        sent(LIMIT_ACKS, "acct-7", LimitAck("acct-7", 1, "rejected", "engine-1", NOW_US, "no such account")),
        sent(GUARDRAILS, "mark_index|BTC-PERP", a_trip()),
        sent(GUARDRAILS, "mark_index|ETH-PERP", a_trip("ETH-PERP", state="cleared")),
        sent(OVERRIDES, "controller", FREEZE),
        signals(0.1, 5.0, 30.0),
    ]


async def test_every_page_shows_what_the_topics_say(own_broker: Broker) -> None:
    async with visited(own_broker.url, records()) as visitor:
        pages = {path: await visitor.get(path) for path in ALL_PAGES}
        filtered = await visitor.get("/limits?account=nobody")
        missing = [await visitor.get(path) for path in ("/alerts/none", "/alerts/none/replay", "/nowhere")]
    assert {path: page.status for path, page in pages.items()} == dict.fromkeys(ALL_PAGES, 200)
    for path, wanted in {
        "/": ("Cancel burst by acct-7", "critical", "1 in mode shadow", "Thin book on ETH-PERP", "nobody yet"),
        f"/alerts/{ALERT_ID}": (
            "cancels in 1 s", "57", "3.14", "18 times", "75%", "1041", "1097", "in the explanation", "rank 1",
            "deploy/runbook.md#cancel-burst", "alert opened, warning", "limit of acct-7 tightened", "2 of 2 revisions",
        ),
        "/limits": ("acct-7", "throttle", "50%", "rejected v1", "cancel pressure at 62%", "shadow"),
        "/account?name=acct-7": ("15 orders/s", "no such account", "Cancel burst by acct-7", "freeze controller"),
        "/guardrails": ("mark index", "0.071", "0.05", "share", "halt", "mark is far from index", "cleared"),
        "/orders": ("freeze controller", "bob", "maintenance"),
        "/pipeline": ("limit-acks", "broker answers", "Not configured", "console.workers", "console.notifiers"),
    }.items():  # fmt: skip
        for words in wanted:
            assert words in pages[path].text, (path, words)
    assert all("Limits are frozen as they are" in page.text for page in pages.values())
    assert "gone" not in pages["/limits"].text
    assert "No limit is in force for accounts with “nobody”" in filtered.text
    assert [page.status for page in missing] == [404] * 3


async def test_what_verdicts_did_to_an_alerts_place_is_shown_and_orders_the_queue(own_broker: Broker) -> None:
    ranked = [
        msgspec.structs.replace(
            an_alert(name, score=score, title=name), rank=rank, ranker=LearnedRank(likely, factor, 64, 3 - rank)
        )
        for name, score, rank, likely, factor in (("noisy", 12.0, 2, 0.23, 0.69), ("telling", 10.0, 1, 0.75, 1.41))
    ]
    async with visited(own_broker.url, [sent(ALERTS, one.alert_id, one) for one in ranked]) as visitor:
        queue, noisy = (await visitor.get("/")).text, (await visitor.get("/alerts/noisy")).text
    assert queue.index("telling") < queue.index("noisy")
    assert re.search(r"by verdicts . 0\.69", queue)
    assert "rank 2, by score alone 1: 64 verdicts make it 23% likely to be called true" in noisy


async def test_what_topics_say_is_shown_and_never_obeyed(own_broker: Broker) -> None:
    part = msgspec.structs.replace(CANCELS, signal=HOSTILE, unit=HOSTILE)
    alert = msgspec.structs.replace(
        an_alert(title=HOSTILE, accounts=(HOSTILE,)), explanation=(part,), symbol=HOSTILE, runbook=HOSTILE
    )
    said = [
        sent(ALERTS, ALERT_ID, alert),
        sent(RATE_LIMITS, HOSTILE, a_limit(HOSTILE, reason=HOSTILE)),
        sent(GUARDRAILS, "x", msgspec.structs.replace(a_trip(HOSTILE), reason=HOSTILE)),
        sent(OVERRIDES, "controller", msgspec.structs.replace(FREEZE, author=HOSTILE, reason=HOSTILE)),
        signals(0.1),
    ]
    async with visited(own_broker.url, said) as visitor:
        for path in (
            *ALL_PAGES,
            "/account?name=%3Cscript%3E",
            "/limits?account=%3Cscript%3E",
            "/login?back=%3Cscript%3E",
        ):
            page = await visitor.get(path)
            assert page.status == 200
            assert "<script>" not in page.text, path
            assert " style=" not in page.text, path


async def test_every_answer_forbids_what_pages_of_ours_do_not_need(own_broker: Broker) -> None:
    async with visited(own_broker.url, []) as visitor:
        for path in ("/", "/nowhere", "/static/console.css", "/static/console.js", "/metrics", "/livez"):
            headers = (await visitor.get(path)).headers
            assert headers["Content-Security-Policy"].startswith("default-src 'self';"), path
            assert "unsafe" not in headers["Content-Security-Policy"]
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["X-Frame-Options"] == "DENY"
            assert headers["Referrer-Policy"] == "same-origin"
            assert headers["Cache-Control"] == "no-store"
        assert (await visitor.get("/static/../app.py")).status == 404
        assert (await visitor.get("/static/%2e%2e/app.py")).status == 404


class _References(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("src", "href", "action", "srcset") and value]


async def test_pages_load_nothing_from_elsewhere(own_broker: Broker) -> None:
    async with visited(own_broker.url, records()) as visitor:
        for path in ALL_PAGES:
            parser = _References()
            parser.feed((await visitor.get(path)).text)
            assert parser.found
            assert all(one.startswith(("/", "#", "?")) and not one.startswith("//") for one in parser.found)
        style = (await visitor.get("/static/console.css")).text + (await visitor.get("/static/console.js")).text
        assert re.findall(r"(?:https?:)?//[\w.]+\.\w+|@import|url\(", style) == []


async def test_a_replay_steps_through_what_was_known_when_by_links(own_broker: Broker) -> None:
    path = f"/alerts/{ALERT_ID}/replay"
    async with visited(own_broker.url, records()) as visitor:
        seen, at = [], "?step=0"
        for _ in range(20):
            page = (await visitor.get(path + at)).text
            title = re.search(r"<h2>(.*?)</h2>", page)
            assert title is not None
            seen.append((title.group(1), page.count('class="stem'), "critical" in page))
            following = re.search(r'rel="next" href="(\?step=\d+)"', page)
            if following is None:
                break
            assert following.group(1) != at
            at = following.group(1)
        beyond = (await visitor.get(f"{path}?step=999999")).text
        wrong = (await visitor.get(f"{path}?step=-1;")).text
    titles = [title for title, _, _ in seen]
    assert titles[0] == "No alert yet"
    assert titles.count("Now known: Cancel burst by acct-7 on BTC-PERP") == 2
    assert [critical for _, _, critical in seen] == sorted(critical for _, _, critical in seen)
    assert seen[-1][2]
    assert f"Step {len(seen)} of {len(seen)}" in beyond
    assert "Step 1 of" in wrong


async def test_a_recording_is_shown_at_the_time_that_its_records_tell(own_broker: Broker) -> None:
    then = 1_700_000_000 * SECOND_US
    frame = SignalFrame("market/0", then, False, ())
    limit = a_limit("of-then", at=then - SECOND_US, lasts_us=60 * SECOND_US)
    said = [sent(SIGNALS, None, frame), sent(RATE_LIMITS, "of-then", limit)]
    async with visited(own_broker.url, said, venue_clock=True) as visitor:
        page = (await visitor.get("/limits")).text
    assert "Page made 2023-11-14T22:13:20.000Z" in page
    assert "of-then" in page
    assert "59 s left" in page


async def test_runbooks_are_links_where_it_is_said_where_they_are(own_broker: Broker) -> None:
    async with visited(own_broker.url, records(), runbook_url="https://git.example/squall/deploy") as visitor:
        page = (await visitor.get(f"/alerts/{ALERT_ID}")).text
    assert 'href="https://git.example/squall/deploy/runbook.md#cancel-burst"' in page


async def test_other_names_than_its_own_are_refused_but_by_probes(own_broker: Broker) -> None:
    async with visited(own_broker.url, [], hosts=["ops.example"]) as visitor:
        assert (await visitor.get("/", Host="evil.example")).status == 421
        assert (await visitor.get("/events", Host="evil.example:8066")).status == 421
        for host in ("ops.example", "localhost:8066", "10.0.0.7"):
            assert (await visitor.get("/", Host=host)).status == 200
        for page in ("/livez", "/readyz", "/metrics"):
            assert (await visitor.get(page, Host="pod.cluster.local")).status == 200


async def test_a_private_console_shows_pages_to_those_alone_who_may_act(own_broker: Broker, tmp_path: Path) -> None:
    async with visited(own_broker.url, records(), private=True, token_file=token_file(tmp_path)) as visitor:
        for path in (*ALL_PAGES[:-1], "/events"):
            page = await visitor.get(path)
            assert (page.status, page.headers["Location"], "acct-7" in page.text) == (303, "/login", False)
        assert (await visitor.get("/login")).status == 200
        assert (await visitor.get("/static/console.css")).status == 200
        await visitor.log_in()
        assert "Cancel burst" in (await visitor.get("/")).text


async def test_news_come_by_the_stream_and_browsers_are_bounded(own_broker: Broker) -> None:
    async with visited(own_broker.url, [], max_clients=1) as visitor:
        timeout = aiohttp.ClientTimeout(total=20.0)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"{visitor.url}/events") as stream,
        ):
            assert stream.headers["Content-Type"] == "text/event-stream"
            first = await stream.content.readuntil(b"\n\n") + await stream.content.readuntil(b"\n\n")
            assert b"event: state" in first
            assert await visitor.metric("squall_console_clients") == 1.0
            refused = await visitor.get("/events")
            assert (refused.status, refused.headers["Retry-After"]) == (503, "30")
            await asyncio.to_thread(send, own_broker.url, [sent(ALERTS, ALERT_ID, an_alert())])
            said = b""
            while b"New warning alert" not in said:
                said = await stream.content.readuntil(b"\n\n")
            state = msgspec.json.decode(said.partition(b"data: ")[2])
            assert state["news"] == ["New warning alert: Cancel burst by acct-7 on BTC-PERP"]
            assert state["versions"][ALERTS] == 1
            assert abs(state["now"] / 1e6 - time.time()) < 5.0
        await visitor.until("/metrics", lambda page: "squall_console_clients 0.0" in page.text)


@pytest.mark.slow
async def test_a_broker_that_goes_is_told_and_read_again_when_it_is_back() -> None:
    with EmbeddedBroker() as first:
        port = int(first.url.rpartition(":")[2])
        await asyncio.to_thread(send, first.url, records())
        async with served(first.url) as url, Visitor(url) as visitor:
            await visitor.until("/readyz", lambda answer: answer.status == 200)
            first.__exit__(None, None, None)
            gone = await visitor.until("/readyz", lambda answer: answer.status == 503)
            assert "the broker does not answer" in gone.text
            page = await visitor.get("/")
            assert "Feed silent since" in page.text
            assert "Cancel burst by acct-7" in page.text
            assert await visitor.metric("squall_console_feed_connected") == 0.0
            assert (await visitor.get("/livez")).status == 200
            with EmbeddedBroker(port) as second:
                await asyncio.to_thread(send, second.url, [sent(ALERTS, "new", an_alert("new", title="After it"))])
                await visitor.until("/readyz", lambda answer: answer.status == 200, 30.0)
                assert "Feed silent" not in (await visitor.get("/")).text


async def test_without_topics_it_says_what_is_missing(own_broker: Broker) -> None:
    async with served(own_broker.url) as url, Visitor(url) as visitor:
        told = await visitor.until("/readyz", lambda answer: "expected a topic" in answer.text)
        assert told.status == 503
        assert "No feed yet" in (await visitor.get("/")).text


async def test_records_are_counted_unreadable_ones_told_apart_and_acks_measured(own_broker: Broker) -> None:
    async with visited(own_broker.url, [*records(), (ALERTS, "bad", b"{}")]) as visitor:
        assert await visitor.metric('squall_console_records_total{topic="alerts"}') == 4.0
        assert await visitor.metric('squall_console_unreadable_total{topic="alerts"}') == 1.0
        assert await visitor.metric("squall_console_feed_connected") == 1.0
        # What was answered before this console began says nothing of how long it takes now.
        assert await visitor.metric('squall_limit_acks_total{status="rejected"}') == 0.0
        now = [
            sent(LIMIT_ACKS, "acct-7", LimitAck("acct-7", 1, "applied", "engine-1", NOW_US + 40_000)),
            sent(LIMIT_ACKS, "acct-7", LimitAck("acct-7", 1, "stale", "engine-2", NOW_US)),
        ]
        await asyncio.to_thread(send, own_broker.url, now)
        await visitor.until("/metrics", lambda page: 'squall_limit_acks_total{status="stale"} 1.0' in page.text)
        assert await visitor.metric("squall_limit_ack_seconds_sum") == pytest.approx(0.04)
        assert await visitor.metric('squall_limit_acks_total{status="applied"}') == 1.0


async def test_workers_are_asked_how_they_are(own_broker: Broker) -> None:
    registry, problems = CollectorRegistry(), ["agent market: no tick for 9.1 s"]
    with HealthServer("127.0.0.1", 0, registry, lambda: [], lambda: problems) as worker:
        address = f"http://127.0.0.1:{worker.port}"
        async with visited(own_broker.url, [], workers=[address, "http://127.0.0.1:1"], notifiers=[address]) as visitor:
            page = await visitor.until("/pipeline", lambda one: "not ready" in one.text)
            assert problems[0] in page.text
            assert "does not answer" in page.text
            assert "0 of 2 workers ready" in (await visitor.get("/")).text


async def test_no_account_is_logged(own_broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    bad = [(ALERTS, "acct-7", b"{}"), sent(RATE_LIMITS, "acct-7", {"account": "acct-7", "version": "x"})]
    async with visited(own_broker.url, [*records(), *bad]) as visitor:
        for path in ALL_PAGES:
            await visitor.get(path)
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith(("aiokafka", "asyncio"))]
    assert any("expected a record of alerts" in line for line in ours)
    assert not any("acct-7" in line for line in ours)


async def test_a_port_that_is_taken_is_told(own_broker: Broker) -> None:
    async with served(own_broker.url) as url:
        taken = Settings(broker=own_broker.url, console={"port": int(url.rpartition(":")[2])})
        with pytest.raises(ConfigError, match=r"console\.port: expected to listen on 127\.0\.0\.1"):
            await serve(taken, lambda _: None)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"port": 65_536}, r"console\.port must be in"),
        ({"max_clients": 0}, r"console\.max_clients must be >= 1"),
        ({"max_accounts": 9}, r"console\.max_accounts must be >= 10"),
        ({"session_hours": 0.0}, r"console\.session_hours must be in"),
        ({"user_header": "X-Forwarded-User"}, r"need each other"),
        ({"user_header": "X-Forwarded-User", "trusted_proxies": ("10.0.0.1/8",)}, r"expected networks like"),
        ({"workers": ("localhost:6066",)}, r"console\.workers: expected an address"),
        ({"notifiers": ("http://user:secret@host",)}, r"console\.notifiers: expected an address"),
        ({"runbook_url": "javascript:alert(1)"}, r"console\.runbook_url: expected an address"),
        ({"private": True}, r"console\.private needs"),
    ],
)
async def test_settings_that_cannot_work_are_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ConsoleSettings(**given)  # type: ignore[arg-type]


async def test_settings_come_from_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQUALL_CONSOLE__WORKERS", '["http://one:6066", "http://two:6066"]')
    monkeypatch.setenv("SQUALL_CONSOLE__PORT", "9000")
    assert Settings().console == ConsoleSettings(port=9_000, workers=("http://one:6066", "http://two:6066"))
