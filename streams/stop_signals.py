"""SIGTERM and SIGINT, heard by a thread of their own: a worker whose event loop is stuck must hear them too."""

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator

_STOP = (signal.SIGTERM, signal.SIGINT)


@contextlib.contextmanager
def hearing_stop_signals(asked: Callable[[], None]) -> Iterator[None]:
    """Call `asked`, in another thread, each time the process is asked to stop; to be entered in the main thread.

    The interpreter writes a signal's number to a socket at once, whatever the main thread does; handlers in Python, and
    those of an event loop, wait until that thread has time.

    Parameters
    ----------
    asked
        What to do.
    """
    receiver, sender = socket.socketpair()
    sender.setblocking(False)

    def listen() -> None:
        while number := receiver.recv(1):
            if number[0] in _STOP:
                asked()

    listener = threading.Thread(target=listen, name="stop-signals", daemon=True)
    listener.start()
    # They have to be handled in some way, or they end the process.
    before = {number: signal.signal(number, lambda *_: None) for number in _STOP}
    loops_own = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(loops_own)
        for number, handler in before.items():
            signal.signal(number, handler)
        sender.close()
        listener.join(timeout=5.0)
        receiver.close()
