"""Ports of this machine that nobody listens on."""

import contextlib
import socket

_HOST = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """Give some; another process could take one before it is used."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((_HOST, 0))
        return [int(probe.getsockname()[1]) for probe in probes]


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
            return free_ports(1)[0]
        return int(probe.getsockname()[1])
