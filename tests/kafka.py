"""Apache Kafka for tests: the nodes that `deploy/kafka` runs, as children of the test, with the ways to harm them."""

import asyncio
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from detectors.errors import BrokerError
from streams.broker import end_with_parent
from streams.security import SecuritySettings, client_security
from tests.kafka_security import secure

_NODE = Path(__file__).parents[1] / "deploy" / "kafka" / "node.sh"
_PORTS_A_NODE = 3
#: Below the ports that systems lend to clients, which could else take the port of a node that is down.
_PORTS = range(20_000, 32_000)
_SHOWN_LINES = 25


class KafkaCluster:
    """Apache Kafka of one or three nodes, for the time of a `with` block; nodes are counted from 0.

    Ports stay the same when a node is started again, and so does its data. All nodes end with this process, whatever
    kills it. All methods block, and may be called from any thread. The first start on a machine fetches Kafka, which
    needs Maven and a network.

    Parameters
    ----------
    directory
        Where nodes keep data and logs (`node-0/log`); a directory of its own.
    nodes
        1, or 3 with three copies of each topic, of which two must be in step.
    sasl
        Clients log in by SCRAM-SHA-512.
    tls
        What clients send is encrypted; without `sasl` they have to show a certificate.
    start_timeout_s
        How long a start may take, in seconds.

    Raises
    ------
    BrokerError
        A node does not start in time; the message shows the end of its log.
    """

    def __init__(
        self, directory: Path, nodes: int = 1, sasl: bool = False, tls: bool = False, start_timeout_s: float = 90.0
    ) -> None:
        self.nodes = nodes
        self.directory = directory
        self.security, self._environment = secure(directory, sasl, tls)
        self._start_timeout_s = start_timeout_s
        self._port = _free_ports(_PORTS_A_NODE * nodes)
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        # A child ends with the thread that started it: this one lives until the block is left.
        self._thread = ThreadPoolExecutor(1, "kafka-cluster")

    @property
    def servers(self) -> list[str]:
        """Where clients connect, as `host:port` of each node."""
        return [f"127.0.0.1:{self._port + _PORTS_A_NODE * node}" for node in range(self.nodes)]

    @property
    def url(self) -> str:
        """Where clients connect, as `kafka://host:port,host:port`."""
        return "kafka://" + ",".join(self.servers)

    def __enter__(self) -> Self:
        """Start all nodes, and wait until each knows all others."""
        try:
            for node in range(self.nodes):
                self._thread.submit(self._launch, node).result()
            self.wait_until_ready()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill all nodes: nobody wants their data any more."""
        self._end()

    def pid(self, node: int) -> int:
        """The process of a node that was started and not ended."""
        return self._processes[node].pid

    def start_node(self, node: int) -> None:
        """Start a node again that was killed or stopped, and wait until it answers; it may still be catching up."""
        self._thread.submit(self._launch, node).result()
        self.wait_until_ready()

    def start_missing(self) -> None:
        """Start every node that does not run."""
        for node in range(self.nodes):
            if node not in self._processes:
                self.start_node(node)

    def kill_node(self, node: int) -> None:
        """SIGKILL, and wait for the end."""
        process = self._processes.pop(node)
        process.kill()
        process.wait()

    def stop_node(self, node: int, timeout_s: float = 30.0) -> None:
        """SIGTERM, and wait for the end; it is killed when it has not ended in time.

        The last two nodes of three cannot leave in order: no majority is left that would take their leave.
        """
        process = self._processes.pop(node)
        process.terminate()
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def pause_node(self, node: int) -> None:
        """SIGSTOP: the node keeps its connections, and says nothing."""
        self._processes[node].send_signal(signal.SIGSTOP)

    def resume_node(self, node: int) -> None:
        """SIGCONT."""
        self._processes[node].send_signal(signal.SIGCONT)

    def wait_until_ready(self) -> None:
        """Wait until every node that was started answers, and names all of them as members."""
        started = set(self._processes)
        for node in started:
            self._wait(node, lambda cluster: {broker["node_id"] for broker in cluster["brokers"]} >= started, "answer")

    def wait_until_in_sync(self) -> None:
        """Wait until every copy of every partition is in step, so that one more node can be lost."""
        for node in set(self._processes):
            self._wait(node, _all_in_sync, "have all copies in step")

    def wipe(self) -> None:
        """Delete all topics, and with them all groups: much sooner done than a new start."""
        self._thread.submit(asyncio.run, _delete_all(self.servers, self.security)).result()

    def log_of(self, node: int) -> Path:
        """The log of a node, through all its starts."""
        return self._directory_of(node) / "log"

    def data_of(self, node: int) -> Path:
        """Where a node keeps its partitions, a directory each."""
        return self._directory_of(node) / "data"

    def _directory_of(self, node: int) -> Path:
        return self.directory / f"node-{node}"

    def _launch(self, node: int) -> None:
        if node in self._processes:
            raise ValueError(f"node {node} was started already, as process {self.pid(node)}")
        directory = self._directory_of(node)
        directory.mkdir(parents=True, exist_ok=True)
        with self.log_of(node).open("ab") as log:
            self._processes[node] = subprocess.Popen(
                [str(_NODE), str(directory), str(node), str(self.nodes), str(self._port)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | self._environment,
                # SIGKILL ends a paused node, too.
                preexec_fn=end_with_parent(signal.SIGKILL),  # noqa: PLW1509 - one prepared system call
            )

    def _wait(self, node: int, fulfilled: Callable[[dict[str, Any]], bool], what: str) -> None:
        deadline_s = time.monotonic() + self._start_timeout_s
        while not ((cluster := self._ask(node)) and fulfilled(cluster)):
            status = self._processes[node].poll()
            if status is not None or time.monotonic() > deadline_s:
                found = f"not within {self._start_timeout_s:.0f} s" if status is None else f"ended with status {status}"
                log = self.log_of(node)
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-_SHOWN_LINES:])
                server = self.servers[node]
                raise BrokerError(f"expected Kafka node {node} at {server} to {what}: {found}; {log}:\n{tail}")
            time.sleep(0.05)

    def _ask(self, node: int) -> dict[str, Any]:
        host, _, port = self.servers[node].partition(":")
        # A port where nobody listens refuses at once; a client of Kafka takes longer to find out.
        with suppress(OSError), socket.create_connection((host, int(port)), timeout=1.0):
            return self._thread.submit(asyncio.run, _metadata(self.servers[node], self.security)).result()
        return {}

    def _end(self) -> None:
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.wait()
        self._processes.clear()
        self._thread.shutdown()


async def _metadata(server: str, security: SecuritySettings) -> dict[str, Any]:
    """What a node knows of the cluster; empty when it does not answer."""
    admin = AIOKafkaAdminClient(bootstrap_servers=server, request_timeout_ms=5_000, **client_security(security))
    try:
        await admin.start()
        topics = await admin.describe_topics()
        cluster: dict[str, Any] = await admin.describe_cluster()
        return cluster | {"topics": topics}
    except (KafkaError, OSError):
        return {}
    finally:
        await admin.close()


async def _delete_all(servers: list[str], security: SecuritySettings) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers, request_timeout_ms=10_000, **client_security(security))
    await admin.start()
    try:
        async with asyncio.timeout(20):
            while topics := await admin.list_topics():
                await admin.delete_topics(topics)
    finally:
        await admin.close()


def _all_in_sync(cluster: dict[str, Any]) -> bool:
    partitions = [partition for topic in cluster["topics"] for partition in topic["partitions"]]
    return all(set(partition["isr"]) == set(partition["replicas"]) for partition in partitions)


def _free_ports(count: int) -> int:
    """The first of so many ports in a row that nobody listens on."""
    while True:
        first = random.randrange(_PORTS.start, _PORTS.stop - count)
        with ExitStack() as probes:
            try:
                for port in range(first, first + count):
                    probes.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
