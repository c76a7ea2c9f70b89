"""Real requests to real receivers: what is sent again, what is given up, and what nobody may read."""

import asyncio
from pathlib import Path

import pytest
from pydantic import SecretStr

from detectors.errors import ConfigError
from streams.notify.dead_letters import dead_letters, redeliver
from streams.notify.posting import tls_context
from streams.notify.sink_settings import SinkSettings
from streams.times import now_us
from tests.streams.notify.bench import AT_ONCE, SECRET, alert, delivering, receiving, webhook
from tests.streams.worker_bench import until

OTHER_SECRET = "whsec_" + "b2xkZXIgc2VjcmV0IG9mIGEgdGVzdA=="


@pytest.mark.asyncio
async def test_a_webhook_is_signed_with_each_secret_and_says_what_happened(tmp_path: Path) -> None:
    async with receiving() as receiver:
        sink = webhook(receiver.url, secret=SecretStr(f"{SECRET} {OTHER_SECRET}"))
        async with delivering(tmp_path, {"hook": sink}) as bench:
            bench.take(alert("a1", 1), alert("a1", 2, "resolved"))
            await bench.counted("squall_notify_sent_total", 2, sink="hook", outcome="delivered")
    assert [(got.id, got.body["type"]) for got in receiver.got] == [
        ("a1.2.firing", "alert.opened"),
        ("a1.2.resolved", "alert.resolved"),
    ]
    assert receiver.all_signed(SECRET)
    assert receiver.all_signed(OTHER_SECRET)
    assert receiver.got[0].body["data"]["alerts"][0]["status"] == "open"


@pytest.mark.asyncio
async def test_a_receiver_that_stumbles_gets_the_same_message_again_with_the_same_id(tmp_path: Path) -> None:
    async with receiving() as receiver:
        receiver.answers = [(500, {}), (503, {})]
        async with delivering(tmp_path, {"hook": webhook(receiver.url)}) as bench:
            bench.take(alert("a1"))
            await bench.counted("squall_notify_sent_total", 1, sink="hook", outcome="delivered")
            assert bench.count("squall_notify_retries_total", sink="hook") == 2
    assert [got.id for got in receiver.got] == ["a1.1.firing"] * 3
    assert len({got.raw for got in receiver.got}) == 1


@pytest.mark.asyncio
async def test_a_receiver_that_asks_for_peace_gets_it(tmp_path: Path) -> None:
    async with receiving() as receiver:
        receiver.answers = [(429, {"Retry-After": "6"})]
        async with delivering(tmp_path, {"hook": webhook(receiver.url)}) as bench:
            bench.take(alert("a1"), alert("b1", symbol="OTHER"))
            await bench.counted("squall_notify_sent_total", 1, sink="hook", outcome="failed")
            (due_us,) = bench.db.execute("SELECT due_us FROM messages").fetchone()
            left_s = (due_us - now_us()) / 1e6
            resting_s = (bench.tasks["hook"]._breaker.rests_until_us - now_us()) / 1e6
    assert len(receiver.got) == 1
    assert 5.0 < left_s <= 6.0
    assert 5.0 < resting_s <= 6.0


@pytest.mark.asyncio
async def test_what_a_receiver_will_never_take_is_given_up_at_once_and_can_be_sent_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with receiving() as receiver:
        receiver.answers = [(400, {})]
        receiver.body = f"no such thing as {SECRET}"
        async with delivering(tmp_path, {"hook": webhook(receiver.url)}) as bench:
            bench.take(alert("a1"))
            await bench.counted("squall_notify_dead_letters_total", 1, sink="hook")
            (letter,) = dead_letters(bench.db)
            assert (letter.why, letter.attempts) == ("HTTP 400: no such thing as ***", 1)
            assert redeliver(bench.db, now_us(), "hook") == (1, 0)
            bench.tasks["hook"].wake()
            bench.take(alert("a1", 2, "resolved"))
            await bench.counted("squall_notify_sent_total", 2, sink="hook", outcome="delivered")
            assert dead_letters(bench.db) == []
    assert [got.id for got in receiver.got] == ["a1.1.firing", "a1.1.firing", "a1.2.resolved"]
    assert "given up: HTTP 400: no such thing as ***" in caplog.text
    assert SECRET.removeprefix("whsec_") not in caplog.text


@pytest.mark.asyncio
async def test_a_receiver_that_is_gone_is_left_alone_and_its_queue_is_kept(tmp_path: Path) -> None:
    async with receiving() as receiver:
        receiver.otherwise = (410, {})
        async with delivering(tmp_path, {"hook": webhook(receiver.url)}) as bench:
            bench.take(alert("a1"))
            await asyncio.gather(*bench.running)
            bench.take(alert("b1", symbol="OTHER"))
            bench.tasks["hook"].show()
            assert bench.count("squall_notify_breaker_open", sink="hook") == 1
            assert bench.count("squall_notify_queue_size", sink="hook") == 2
        assert len(receiver.got) == 1
        receiver.otherwise = (200, {})
        async with delivering(tmp_path, {"hook": webhook(receiver.url)}) as bench:
            await bench.counted("squall_notify_sent_total", 1, sink="hook", outcome="delivered")
    assert set(receiver.first_of_each()) >= {"a1.1.firing"}


@pytest.mark.asyncio
async def test_a_dead_sink_is_probed_seldom_and_holds_up_nobody(tmp_path: Path) -> None:
    async with receiving() as dead, receiving() as slow, receiving() as good:
        dead.otherwise = (500, {})
        slow.delay_s = 60.0
        broken = {"breaker_failures": 2, "breaker_s": 0.4}
        sinks = {
            "dead": webhook(dead.url, **broken),
            "slow": webhook(slow.url, timeout_s=0.3, **broken),
            "absent": webhook("http://127.0.0.1:1/", **broken),
            "good": webhook(good.url),
        }
        async with delivering(tmp_path, sinks) as bench:
            bench.take(*(alert(f"a{number}", symbol=f"S{number}") for number in range(8)))
            await bench.counted("squall_notify_sent_total", 8, sink="good", outcome="delivered")
            for name in ("dead", "slow", "absent"):
                await bench.counted("squall_notify_sent_total", 3, sink=name, outcome="failed")
                bench.tasks[name].show()
                assert bench.count("squall_notify_breaker_open", sink=name) == 1
                assert bench.count("squall_notify_sent_total", sink=name, outcome="delivered") == 0
            for task in bench.tasks.values():
                task.show()
            assert bench.count("squall_notify_queue_size", sink="good") == 0
            assert bench.count("squall_notify_oldest_seconds", sink="dead") > 0
            # It answers again: what was kept is delivered, with what it fails no more.
            dead.otherwise = (200, {})
            await bench.counted("squall_notify_sent_total", 5, sink="dead", outcome="delivered")
            bench.tasks["dead"].show()
            assert bench.count("squall_notify_breaker_open", sink="dead") == 0
    # The first two messages were tried thrice each, then one at a time.
    assert len(dead.got) <= 6 + 8 + 8


@pytest.mark.asyncio
async def test_what_cannot_be_delivered_in_time_is_given_up(tmp_path: Path) -> None:
    sink = webhook("http://127.0.0.1:1/", give_up_s=0.5)
    async with delivering(tmp_path, {"hook": sink}) as bench:
        bench.take(alert("a1"))
        await bench.counted("squall_notify_dead_letters_total", 1, sink="hook")
        (letter,) = dead_letters(bench.db)
        assert letter.why.startswith("ClientConnectorError")


@pytest.mark.asyncio
async def test_secrets_are_not_carried_where_a_redirect_points_to(tmp_path: Path) -> None:
    async with receiving() as receiver, receiving() as elsewhere:
        receiver.otherwise = (307, {"Location": elsewhere.url})
        async with delivering(tmp_path, {"hook": webhook(receiver.url)}) as bench:
            bench.take(alert("a1"))
            await bench.counted("squall_notify_dead_letters_total", 1, sink="hook")
    assert elsewhere.got == []


@pytest.mark.asyncio
async def test_an_alertmanager_hears_again_of_what_is_open_at_a_start_and_soon_when_it_did_not_listen(
    tmp_path: Path,
) -> None:
    async with receiving() as receiver:
        sinks = {"am": SinkSettings("alertmanager", url=receiver.url, **AT_ONCE)}
        async with delivering(tmp_path, sinks) as bench:
            bench.take(alert("a1"), alert("b1", symbol="OVER"), alert("b1", 2, "resolved", symbol="OVER"))
            await bench.counted("squall_notify_sent_total", 3, sink="am", outcome="delivered")
        receiver.got.clear()
        receiver.answers = [(500, {})] * 3
        async with delivering(tmp_path, sinks) as bench:

            async def heard_again() -> bool:
                return len(receiver.got) > 3

            await until(heard_again, 20.0)
    assert [[post["labels"]["symbol"] for post in got.body] for got in receiver.got] == [["BTC-PERP"]] * 4
    assert receiver.got[-1].body[0]["endsAt"] > receiver.got[0].body[0]["endsAt"]


@pytest.mark.asyncio
async def test_requests_go_through_a_proxy_where_one_is_set(tmp_path: Path) -> None:
    async with receiving() as proxy:
        sink = webhook("http://receiver.invalid/hook")
        async with delivering(tmp_path, {"hook": sink}, proxy.url) as bench:
            bench.take(alert("a1"))
            await bench.counted("squall_notify_sent_total", 1, sink="hook", outcome="delivered")
    assert [got.headers["Host"] for got in proxy.got] == ["receiver.invalid"]


def test_certificates_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    assert tls_context("") is True
    (tmp_path / "ca.pem").write_text("none")
    for file in ("ca.pem", "absent.pem"):
        with pytest.raises(ConfigError, match=r"notify\.ca_file: expected PEM in"):
            tls_context(str(tmp_path / file))


@pytest.mark.asyncio
async def test_each_kind_says_it_in_its_own_way(tmp_path: Path) -> None:
    async with receiving() as pager, receiving() as slack, receiving() as alertmanager:
        sinks = {
            "pager": SinkSettings("pagerduty", url=pager.url, secret=SecretStr("R0123456789"), **AT_ONCE),
            "slack": SinkSettings("slack", secret=SecretStr(slack.url), **AT_ONCE),
            "am": SinkSettings("alertmanager", url=alertmanager.url, secret=SecretStr("token-of-ours"), **AT_ONCE),
        }
        async with delivering(tmp_path, sinks) as bench:
            bench.take(alert("a1"), alert("a1", 2, "resolved"))
            for name in sinks:
                await bench.counted("squall_notify_sent_total", 2, sink=name, outcome="delivered")
    assert [(got.body["event_action"], got.body["dedup_key"]) for got in pager.got] == [
        ("trigger", "a1"),
        ("resolve", "a1"),
    ]
    assert [got.body["text"].partition(":  ")[0].split()[0] for got in slack.got] == [":warning:", ":white_check_mark:"]
    assert [got.headers["Authorization"] for got in alertmanager.got] == ["Bearer token-of-ours"] * 2
    ends = [got.body[0]["endsAt"] for got in alertmanager.got]
    assert ends[0] > ends[1]
