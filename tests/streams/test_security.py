"""Security settings: what is refused, what stays secret, and whole processes against a Kafka that asks for them."""

import asyncio
import logging
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from detectors.errors import ConfigError
from streams.demo.ports import free_port
from streams.faust_options import faust_options
from streams.security import NO_SECURITY, SecuritySettings, client_security, faust_credentials
from streams.settings import Settings
from streams.topics import ensure_topics
from tests.kafka import KafkaCluster
from tests.kafka_security import PASSWORD, USERNAME
from tests.streams.worker_bench import ROOT, Worker, producing, reading, trade_value, until, watching_commits

PARTITIONS = 2
TOPIC = "trades"
LOGIN: dict[str, Any] = {"protocol": "SASL_SSL", "username": USERNAME, "password": SecretStr(PASSWORD)}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"username": "u"}, r"security\.username has no effect without SASL .* which is 'PLAINTEXT'"),
        ({"protocol": "SSL", "password": SecretStr(PASSWORD)}, r"security\.password has no effect without SASL"),
        ({"protocol": "SASL_PLAINTEXT", "ca_file": "ca"}, r"security\.ca_file has no effect without SSL"),
        ({"protocol": "SASL_SSL", "password": SecretStr(PASSWORD)}, r"security\.username is needed"),
        ({"protocol": "SASL_SSL", "username": "u"}, r"expected one of security\.password and security\.password_file"),
        (LOGIN | {"password_file": "f"}, r"expected one of security\.password and security\.password_file"),
        ({"protocol": "SSL", "key_file": "k"}, r"security\.key_file needs security\.cert_file"),
    ],
)
def test_what_cannot_work_or_has_no_effect_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        SecuritySettings(**given)
    assert PASSWORD not in str(refused.value)


def test_without_security_nothing_is_said_of_it() -> None:
    assert client_security(NO_SECURITY) == {"security_protocol": "PLAINTEXT"}
    assert faust_credentials(NO_SECURITY) is None


def test_a_password_comes_from_a_file_without_the_end_of_its_line(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    security = SecuritySettings(protocol="SASL_PLAINTEXT", username=USERNAME, password_file=str(file))
    assert client_security(security)["sasl_plain_password"] == PASSWORD
    file.write_text("\n")
    with pytest.raises(ConfigError, match="found nothing"):
        client_security(security)
    file.unlink()
    with pytest.raises(ConfigError, match=r"security\.password_file: expected a password in .*: No such file"):
        client_security(security)


@pytest.mark.parametrize("name", ["ca_file", "cert_file"])
@pytest.mark.parametrize("content", [None, "no PEM"])
def test_a_file_without_certificates_is_named(name: str, content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "some.pem"
    if content is not None:
        file.write_text(content)
    security = SecuritySettings(protocol="SSL", **{name: str(file)})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=rf"security\.{name}: expected PEM in .*some\.pem, found: "):
        client_security(security)


def test_a_password_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment_of(SecuritySettings(**LOGIN)).items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.security == SecuritySettings(**LOGIN)
    assert PASSWORD not in str([settings, settings.origins(), settings.security, faust_options(settings)])
    shown = squall("config")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "SQUALL_SECURITY__PASSWORD" in shown.stdout
    assert PASSWORD not in shown.stdout


def test_a_worker_logs_in_over_tls_and_takes_and_writes(
    secured_kafka: KafkaCluster, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    asyncio.run(takes_and_writes(secured_kafka))
    recording = tmp_path / "one.ndjson"
    recording.write_bytes(trade_value(1) + b"\n")
    environment = environment_of(secured_kafka.security)
    for command in (("produce", str(recording)), ("doctor",)):
        done = squall(*command, "--broker", secured_kafka.url, "--partitions", str(PARTITIONS), **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        assert PASSWORD not in done.stdout + done.stderr
    assert PASSWORD not in caplog.text


def test_a_worker_shows_its_certificate(certified_kafka: KafkaCluster) -> None:
    asyncio.run(takes_and_writes(certified_kafka))


@pytest.mark.parametrize("command", ["worker", "produce", "topics", "doctor"])
def test_a_wrong_password_is_told_and_ends_with_1(secured_kafka: KafkaCluster, command: str, tmp_path: Path) -> None:
    recording = tmp_path / "one.ndjson"
    recording.write_bytes(trade_value(1) + b"\n")
    wrong = replace(secured_kafka.security, password=SecretStr("a-wrong-one"))
    environment = environment_of(wrong) | {"SQUALL_WORKER__WEB_PORT": "0"}
    files = [str(recording)] if command == "produce" else []
    ended = squall(command, *files, "--broker", secured_kafka.url, **environment)
    said = ended.stdout + ended.stderr
    assert ended.returncode == 1, said
    assert "SASL" in said or "credentials" in said, said
    assert "Traceback" not in said
    assert "a-wrong-one" not in said


def test_a_broker_that_somebody_else_certified_is_refused(secured_kafka: KafkaCluster) -> None:
    trusting_the_system = replace(secured_kafka.security, ca_file="")
    ended = squall("topics", "--broker", secured_kafka.url, **environment_of(trusting_the_system))
    assert ended.returncode == 1
    assert "certificate verify failed" in ended.stderr.replace("\n", " "), ended.stderr


class SecuredWorker(Worker):
    """`squall worker` as a user starts it."""

    def __init__(self, kafka: KafkaCluster) -> None:
        self.port = free_port()
        environment = environment_of(kafka.security) | {"SQUALL_PARTITIONS": str(PARTITIONS)}
        self._start(["-m", "streams", "worker", "--broker", kafka.url, "--web-port", str(self.port)], **environment)


async def takes_and_writes(kafka: KafkaCluster) -> None:
    """Have a worker take good records and a bad one, which it writes to the dead letters, and commit them."""
    url, security = kafka.url, kafka.security
    await ensure_topics(url, PARTITIONS, security=security)
    with SecuredWorker(kafka) as worker:
        await worker.ready()
        async with (
            producing(url, security=security) as producer,
            reading(url, "dead-letters", security=security) as dead,
            watching_commits(url, security=security) as committed,
        ):
            for number in range(99):
                await producer.send(TOPIC, trade_value(number), partition=number % PARTITIONS)
            await producer.send(TOPIC, b"{not json", partition=0)
            await producer.flush()

            async def all_committed() -> bool:
                return sum((await committed([TOPIC], PARTITIONS)).values()) == 100

            await until(all_committed, 30.0)
            assert [letter.value for letter in await dead.read()] == [b"{not json"]


def environment_of(security: SecuritySettings) -> dict[str, str]:
    values = {name: getattr(security, name) for name in SecuritySettings.__dataclass_fields__}
    values["password"] = security.password.get_secret_value()
    return {f"SQUALL_SECURITY__{name.upper()}": str(value) for name, value in values.items()}


def squall(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "streams", *arguments],
        cwd=ROOT,
        env=os.environ | environment | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
