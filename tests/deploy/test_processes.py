"""What a container runs: real processes with the settings that we ship, asked by our probe, stopped by SIGTERM."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.docker.probe import probe
from streams.broker import Broker
from streams.settings import Settings
from streams.topics import ensure_topics

ROOT = Path(__file__).parents[2]
SHIPPED = str(ROOT / "deploy" / "squall.toml")
_READY_DEADLINE_S = 90.0
#: What is above the least of systemd, compose and Kubernetes.
_STOP_DEADLINE_S = 15.0


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def running(command: str, here: Path, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    """Run a command of ours in a folder, with nothing but the settings of `deploy/squall.toml` and those given."""
    process = subprocess.Popen(
        [sys.executable, "-m", "streams", command],
        cwd=here,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(here),
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "SQUALL_CONFIG": SHIPPED,
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_until(process: "subprocess.Popen[str]", url: str) -> None:
    deadline_s = time.monotonic() + _READY_DEADLINE_S
    said = ""
    while time.monotonic() < deadline_s:
        status, said = probe(url)
        if status == 0:
            return
        assert process.poll() is None, process.communicate()[0][-2_000:]
        time.sleep(0.05)
    raise AssertionError(said)


@pytest.mark.slow
@pytest.mark.broker
@pytest.mark.timeout(240)
@pytest.mark.parametrize("command", ["worker", "notify", "console"])
def test_it_becomes_ready_writes_nothing_where_it_stands_and_ends_when_asked(
    command: str, own_broker: Broker, tmp_path: Path
) -> None:
    here, state, token = tmp_path / "here", tmp_path / "state", tmp_path / "token"
    here.mkdir()
    token.write_text("a-token-long-enough\n")
    port = free_port()
    # Compose has a service for that; whoever comes first waits for them.
    asyncio.run(ensure_topics(own_broker.url, Settings(config=SHIPPED).partitions))
    environment = {
        "SQUALL_BROKER": own_broker.url,
        f"SQUALL_{command.upper()}__{'PORT' if command == 'console' else 'WEB_PORT'}": str(port),
        "SQUALL_CONSOLE__TOKEN_FILE": str(token),
        "SQUALL_NOTIFY__STATE_DIR": str(state),
        # The embedded broker cannot, and takes half of the session's time at each join.
        "SQUALL_WORKER__IDEMPOTENT_PRODUCER": "false",
        "SQUALL_WORKER__SESSION_TIMEOUT_S": "6",
        "SQUALL_WORKER__REBALANCE_TIMEOUT_S": "6",
    }
    with running(command, here, **environment) as process:
        for page in ("livez", "readyz"):
            wait_until(process, f"http://127.0.0.1:{port}/{page}")
        assert list(here.iterdir()) == []
        assert state.exists() is (command == "notify")
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=_STOP_DEADLINE_S)
        assert process.returncode == 0, said[-2_000:]
    assert list(here.iterdir()) == []
