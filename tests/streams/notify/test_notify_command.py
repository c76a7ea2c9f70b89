"""`squall notify` as it is typed: checks, samples, dead letters, and messages without secrets."""

import asyncio
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from detectors.errors import ConfigError
from streams.cli import app
from streams.notify.database import alone_in, open_database
from streams.notify.dead_letters import dead_letters
from streams.notify.intake import Batch, Intake
from streams.notify.outbox import Outbox
from streams.settings import Settings
from streams.times import now_us
from tests.streams.notify.bench import SECRET, alert, receiving, webhook

SLACK = "https://hooks.example/T0123/B0123/do-not-show-me"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "key").write_text("R0123456789\n")
    path = tmp_path / "squall.toml"
    path.write_text(
        f'[notify]\nstate_dir = "{tmp_path / "state"}"\n'
        f'[notify.sinks.hook]\nkind = "webhook"\nurl = "http://127.0.0.1:1/?q=hidden"\nsecret = "{SECRET}"\n'
        f'[notify.sinks.pager]\nkind = "pagerduty"\nsecret_file = "{tmp_path / "key"}"\n'
        f'[notify.sinks.chat]\nkind = "slack"\nsecret = "{SLACK}"\nmin_severity = "critical"\n'
    )
    return path


def squall(*arguments: object, **environment: str) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments], env=environment)


def test_a_check_tells_what_is_set_and_shows_no_secret(config: Path) -> None:
    said = squall("notify", "--check", "--config", config)
    assert said.exit_code == 0, said.output
    assert said.output.splitlines() == [
        "OK    hook: webhook to http://127.0.0.1:1, from warning on",
        "OK    pager: pagerduty to https://events.pagerduty.com, from warning on",
        "OK    chat: slack to the address in its secret, from critical on",
    ]


def test_the_settings_show_no_secret(config: Path) -> None:
    said = squall("config", "--config", config, COLUMNS="1000", SQUALL_NOTIFY__SINKS__CHAT__SECRET=SLACK + "-other")
    assert said.exit_code == 0, said.output
    assert "**********" in said.output
    for secret in (SECRET, "do-not-show-me"):
        assert secret not in said.output


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('kind = "webhook"\nsecret = "x"', "url is needed with kind 'webhook'"),
        ('kind = "webhook"\nurl = "http://x/"', "expected secret or secret_file with kind 'webhook', found neither"),
        ('kind = "webhook"\nurl = "ftp://x/"\nsecret = "x"', "url: expected http://HOST... or https://HOST..."),
        ('kind = "webhook"\nurl = "http://a:pw@x/"\nsecret = "x"', "url must hold no user and password"),
        ('kind = "webhook"\nurl = "http://x/"\nsecret = "tooshort"', "expected a secret like whsec_"),
        ('kind = "pagerduty"\nsecret_file = "/nowhere"', "expected a secret in /nowhere, found: No such file"),
        ('kind = "pagerduty"\nsecret = "two keys"', "expected one secret with kind 'pagerduty'"),
        ('kind = "slack"\nsecret = "not-an-address"', "the secret: expected http://HOST..."),
        ('kind = "slack"\nurl = "https://x"\nsecret = "https://x"', "url has no effect with kind 'slack'"),
        ('kind = "alertmanager"\nurl = "http://x"\nresend_s = 10', "resend_s must be in [30, 180], was 10"),
        ('kind = "alertmanager"\nurl = "http://x"\nqueue_size = 0', "queue_size must be >= 1, was 0"),
        ('kind = "pager"\nsecret = "x"', "Input should be 'webhook'"),
        ('kind = "pagerduty"\nsecret = "x"\nmin_severty = "info"', "min_severty"),
        ('kind = "pagerduty"\nsecret = "x"\npatterns = ["thin_bok"]', "patterns"),
    ],
)
def test_what_cannot_work_is_refused_with_the_name_of_the_sink(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "squall.toml"
    path.write_text(f"[notify.sinks.one]\n{text}\n")
    said = squall("notify", "--check", "--config", path)
    assert said.exit_code == 2
    assert "notify.sinks.one" in said.output
    assert why in said.output
    assert "pw" not in said.output


def test_a_sink_that_the_environment_cannot_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "squall.toml"
    path.write_text('[notify.sinks.Pager]\nkind = "pagerduty"\nsecret = "x"\n')
    with pytest.raises(ConfigError, match=r"lower case letters and digits.*found 'Pager'"):
        Settings(config=str(path))


def test_without_a_sink_it_does_not_start_and_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "squall.toml").touch()
    said = squall("notify", "--config", tmp_path / "squall.toml")
    assert (said.exit_code, "expected at least one sink" in said.output) == (2, True)
    said = squall("notify", "--check", "--config", tmp_path / "squall.toml")
    assert (said.exit_code, "FAIL" in said.output) == (1, True)


def test_wrong_use_is_told(config: Path) -> None:
    assert "expected one of --test" in squall("notify", "--test", "--dead", "--config", config).output
    assert (
        "expected one of hook, pager, chat, found 'hok'" in squall("notify", "hok", "--dead", "--config", config).output
    )
    assert "SINK: expected with --test" in squall("notify", "hook", "--config", config).output


def _point_at(config: Path, url: str) -> None:
    text = config.read_text().replace("http://127.0.0.1:1/?q=hidden", url).replace(SLACK, f"{url}/do-not-show-me")
    text = text.replace('kind = "pagerduty"', f'kind = "pagerduty"\nurl = "{url}"')
    config.write_text(text + f'[notify.sinks.am]\nkind = "alertmanager"\nurl = "{url}"\n')


async def _trial(config: Path, status: int) -> tuple[Result, list[str]]:
    async with receiving() as receiver:
        receiver.otherwise = (status, {})
        _point_at(config, receiver.url)
        receiver.body = "do-not-show-me"
        said = await asyncio.to_thread(squall, "notify", "--test", "--config", config)
        return said, [str(got.body)[:60] for got in receiver.got]


def test_a_sample_to_each_sink_tells_whether_it_was_taken(config: Path) -> None:
    said, got = asyncio.run(_trial(config, 200))
    assert said.exit_code == 0, said.output
    assert said.output.splitlines() == [f"OK    {name}: HTTP 200" for name in ("hook", "pager", "chat", "am")]
    # What would stay open is ended at once.
    assert len(got) == 6


def test_a_sample_that_was_not_taken_comes_with_the_mend_and_exit_status_one(config: Path) -> None:
    said, got = asyncio.run(_trial(config, 403))
    assert said.exit_code == 1
    lines = said.output.splitlines()
    assert lines[0] == "FAIL  hook: HTTP 403: do-not-show-me"
    assert lines[1] == "      it does not take our secret: see SQUALL_NOTIFY__SINKS__HOOK__SECRET"
    assert lines[4] == "FAIL  chat: HTTP 403: ***"
    assert len(got) == 4


def test_a_sink_that_nobody_answers_for_is_told(config: Path) -> None:
    said = squall("notify", "hook", "--test", "--config", config)
    assert said.exit_code == 1
    assert said.output.startswith("FAIL  hook: ClientConnectorError: ")
    assert "see url, name service, firewall" in said.output
    assert "hidden" not in said.output


def test_dead_letters_are_listed_and_queued_again(config: Path, tmp_path: Path) -> None:
    db = open_database(tmp_path / "state")
    intake = Intake(db, {"hook": webhook()})
    intake.take(Batch([alert("a1")], [], [], {}), now_us())
    outbox = Outbox(db, "hook", webhook())
    sealed = outbox.next(now_us())
    assert sealed is not None
    outbox.buried(sealed, "HTTP 400: no", now_us())
    listed = squall("notify", "--dead", "--config", config, COLUMNS="250")
    assert listed.exit_code == 0
    for shown in ("hook", "opened", "warning: Cancel burst by sample-account", "HTTP 400: no", "a1.1.firing"):
        assert shown in listed.output
    assert "nothing was given up" in squall("notify", "pager", "--dead", "--config", config).output
    assert squall("notify", "pager", "--redeliver", "--config", config).output == "queued again: 0\n"
    assert squall("notify", "hook", "--redeliver", "--config", config).output == "queued again: 1\n"
    assert dead_letters(db) == []
    again = outbox.next(now_us())
    assert again is not None
    assert again.message == sealed.message
    db.close()


def test_a_port_that_is_taken_and_a_state_that_is_in_use_are_told(config: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = squall("notify", "--broker", "127.0.0.1:1", "--web-port", port, "--config", config)
    assert said.exit_code == 2
    assert f"notify.web_port: expected to listen on 127.0.0.1:{port}, found: Address already in use" in said.output
    with alone_in(tmp_path / "state"):
        said = squall("notify", "--broker", "127.0.0.1:1", "--config", config)
    assert (said.exit_code, "found another that uses it" in said.output) == (1, True)
