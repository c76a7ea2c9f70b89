"""`/metrics`, `/livez` and `/readyz`, from a thread of their own: they answer when the event loop does not."""

import json
import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Protocol, Self

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from detectors.errors import ConfigError

log = logging.getLogger(__name__)

#: Without progress for so long, a worker is dead; with the beat and a probe's own rounds, that is seen within 10 s.
STUCK_AFTER_S = 8.0

Problems = Callable[[], Sequence[str]]


class Agent(Protocol):
    """What liveness looks at; times are of one monotonic clock, in seconds."""

    @property
    def name(self) -> str:
        """Which agent."""
        ...

    @property
    def running(self) -> bool | None:
        """Whether its task runs; None before the start."""
        ...

    @property
    def ticked_s(self) -> float:
        """When its periodic tick last finished."""
        ...

    @property
    def busy_since_s(self) -> float | None:
        """When it took up the batch in hand; None: it has none."""
        ...


def liveness_problems(
    now_s: float, loop_beat_s: float, agents: Iterable[Agent], failure: str | None, stuck_after_s: float = STUCK_AFTER_S
) -> list[str]:
    """Why this worker should be replaced; nothing when it lives. An agent without work lives as long as its tick runs.

    Parameters
    ----------
    now_s
        The clock that the other times were taken from.
    loop_beat_s
        When the event loop last ran.
    agents
        All agents.
    failure
        What ended the worker's work, if something did.
    stuck_after_s
        Silence of so many seconds is death.
    """
    problems = [] if failure is None else [failure]
    if now_s - loop_beat_s > stuck_after_s:
        problems.append(f"event loop: stuck for {now_s - loop_beat_s:.1f} s")
    for agent in agents:
        if agent.running is False:
            problems.append(f"agent {agent.name}: its task has ended")
        if now_s - agent.ticked_s > stuck_after_s:
            problems.append(f"agent {agent.name}: no tick for {now_s - agent.ticked_s:.1f} s")
        busy_since_s = agent.busy_since_s
        if busy_since_s is not None and now_s - busy_since_s > stuck_after_s:
            problems.append(f"agent {agent.name}: at the same batch for {now_s - busy_since_s:.1f} s")
    return problems


class HealthServer:
    """Serves the three pages until it is closed.

    Parameters
    ----------
    host, port
        Where to listen; port 0 takes a free one, which `port` then tells.
    registry
        What `/metrics` shows.
    livez, readyz
        Called at each request, in the server's thread; what they return are the reasons of a 503.
    setting
        What sets the port, for whoever finds it taken.

    Raises
    ------
    ConfigError
        The port is taken, or the host is not ours.
    """

    def __init__(
        self,
        host: str,
        port: int,
        registry: CollectorRegistry,
        livez: Problems,
        readyz: Problems,
        setting: str = "worker.web_port",
    ) -> None:
        pages = {"/livez": livez, "/healthz": livez, "/readyz": readyz}

        class Handler(_Handler):
            """Knows its pages."""

            def do_GET(self) -> None:
                """Answer."""
                self.answer(registry, pages)

        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except OSError as error:
            raise ConfigError(
                f"{setting}: expected to listen on {host}:{port}, found: {error.strerror}; 0 takes a free port"
            ) from error
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5.0)

    def __enter__(self) -> Self:
        """It listens already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening."""
        self.close()


class _Handler(BaseHTTPRequestHandler):
    server_version = "squall"
    sys_version = ""
    timeout = 5.0

    def answer(self, registry: CollectorRegistry, pages: dict[str, Problems]) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._send(200, CONTENT_TYPE_LATEST, generate_latest(registry))
        elif path in pages:
            problems = list(pages[path]())
            body = {"status": "failing", "reasons": problems} if problems else {"status": "ok"}
            self._send(503 if problems else 200, "application/json", json.dumps(body).encode())
        else:
            self._send(404, "application/json", b'{"status": "not found"}')

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the signature is the library's
        log.debug(format, *args)
