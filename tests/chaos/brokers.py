"""The broker under test, with the ways to harm it."""

import os
import signal
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self

from streams.broker import EmbeddedBroker
from tests.kafka import KafkaCluster

BrokerKind = Literal["embedded", "kafka"]


class HarmedBroker(Protocol):
    """What nemeses do to brokers; nodes are counted from 0."""

    idempotent: bool
    nodes: int

    @property
    def url(self) -> str:
        """Where clients connect."""
        ...

    def pause(self, node: int) -> None:
        """SIGSTOP."""
        ...

    def resume(self, node: int) -> None:
        """SIGCONT."""
        ...

    def kill(self, node: int) -> None:
        """SIGKILL; only a durable broker survives it."""
        ...

    def stop(self, node: int) -> None:
        """SIGTERM, and wait for its end."""
        ...

    def start(self, node: int) -> None:
        """Bring a node back, and wait until it answers."""
        ...

    def __enter__(self) -> Self:
        """Make it ready."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        ...


class HarmedEmbedded(EmbeddedBroker):
    """The embedded broker: in memory, so that it can be slowed down but not ended."""

    idempotent = False
    nodes = 1

    def pause(self, node: int) -> None:
        """SIGSTOP."""
        self._signal(signal.SIGSTOP)

    def resume(self, node: int) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def kill(self, node: int) -> None:
        """Refuse: it would forget everything."""
        raise NotImplementedError("the embedded broker forgets everything when it ends")

    stop = start = kill

    def _signal(self, number: signal.Signals) -> None:
        if self.pid is not None:
            os.kill(self.pid, number)


class HarmedKafka(KafkaCluster):
    """Apache Kafka, one node or three."""

    idempotent = True

    def pause(self, node: int) -> None:
        """SIGSTOP."""
        self.pause_node(node)

    def resume(self, node: int) -> None:
        """SIGCONT."""
        self.resume_node(node)

    def kill(self, node: int) -> None:
        """SIGKILL."""
        self.kill_node(node)

    def stop(self, node: int) -> None:
        """SIGTERM."""
        self.stop_node(node)

    def start(self, node: int) -> None:
        """Bring it back; blocks."""
        self.start_node(node)


def open_broker(kind: BrokerKind, nodes: int, directory: Path) -> HarmedBroker:
    """Make the broker of a run; it starts with its `with` block."""
    return HarmedEmbedded() if kind == "embedded" else HarmedKafka(directory / "kafka", nodes=nodes)
