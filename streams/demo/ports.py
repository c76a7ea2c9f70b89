"""Ports of this machine that nobody listens on."""

import contextlib
import random
import socket

_HOST = "127.0.0.1"
#: Below those that systems hand out to connections (Linux: from 32,768 on).
_PORTS = range(22_000, 32_000)


def free_ports(count: int) -> list[int]:
    """Give some; another process could take one before it is used, but no connection is given one meanwhile."""
    found: list[int] = []
    with contextlib.ExitStack() as probes:
        while len(found) < count:
            port = random.randrange(_PORTS.start, _PORTS.stop)
            with contextlib.suppress(OSError):
                probes.enter_context(socket.socket()).bind((_HOST, port))
                found.append(port)
    return found


def free_port() -> int:
    """Give one."""
    return free_ports(1)[0]


def port_or_free(wanted: int) -> int:
    """Give `wanted` where nobody listens on it, else another; of 0 always another.

    Examples
    --------
    >>> with socket.socket() as taken:
    ...     taken.bind(("127.0.0.1", 0))
    ...     taken.listen()
    ...     port_or_free(taken.getsockname()[1]) != taken.getsockname()[1]
    True
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, wanted))
        except OSError:
            return free_port()
        return int(probe.getsockname()[1])
