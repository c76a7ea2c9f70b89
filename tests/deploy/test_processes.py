"""What a container runs: real processes with the settings that we ship, asked by our probe, stopped by SIGTERM."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.docker.probe import probe
from streams.broker import Broker, EmbeddedBroker
from streams.demo.ports import free_port
from streams.settings import Settings
from streams.topics import ensure_topics

ROOT = Path(__file__).parents[2]
SHIPPED = str(ROOT / "deploy" / "squall.toml")
_READY_DEADLINE_S = 90.0
#: What is above the least of systemd, compose and Kubernetes.
_STOP_DEADLINE_S = 15.0


@contextmanager
def running(command: str, here: Path, said: Path, **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a command of ours in a folder, with nothing but the settings of `deploy/squall.toml` and those given."""
    with said.open("wb") as out:
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
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_until(process: "subprocess.Popen[bytes]", url: str, said: Path) -> None:
    deadline_s = time.monotonic() + _READY_DEADLINE_S
    answer = ""
    while time.monotonic() < deadline_s:
        status, answer = probe(url)
        if status == 0:
            return
        assert process.poll() is None, said.read_text()[-2_000:]
        time.sleep(0.05)
    raise AssertionError(answer)


@pytest.mark.slow
@pytest.mark.broker
@pytest.mark.timeout(240)
@pytest.mark.parametrize("command", ["worker", "notify", "console"])
def test_it_becomes_ready_writes_nothing_where_it_stands_and_ends_when_asked(
    command: str, own_broker: Broker, tmp_path: Path
) -> None:
    here, state, token, said = (tmp_path / name for name in ("here", "state", "token", "said"))
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
    }
    if isinstance(own_broker, EmbeddedBroker):
        environment |= {
            "SQUALL_WORKER__IDEMPOTENT_PRODUCER": "false",
            # It takes half of that at each join.
            "SQUALL_WORKER__SESSION_TIMEOUT_S": "6",
            "SQUALL_WORKER__REBALANCE_TIMEOUT_S": "6",
        }
    with running(command, here, said, **environment) as process:
        for page in ("livez", "readyz"):
            wait_until(process, f"http://127.0.0.1:{port}/{page}", said)
        assert list(here.iterdir()) == []
        assert state.exists() is (command == "notify")
        process.send_signal(signal.SIGTERM)
        assert process.wait(_STOP_DEADLINE_S) == 0, said.read_text()[-2_000:]
    assert list(here.iterdir()) == []
