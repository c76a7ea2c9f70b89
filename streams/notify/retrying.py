"""When a message that could not be delivered is tried again, and when a sink is left in peace. Reads no clock."""

import random

_FIRST_S, _LONGEST_S = 5.0, 300.0
#: What a receiver asks for is honoured up to this.
_LONGEST_ASKED_S = 3_600.0
_SECOND_US = 1_000_000


def pause_us(attempts: int, chance: random.Random, asked_s: float = 0.0) -> int:
    """Tell how long to wait after a failed attempt, in microseconds.

    `min(5 s * 2^(attempts - 1), 300 s)`, of which a half is chance, so that messages that failed together do not come
    back together; at least what the receiver asked for (Retry-After), up to an hour.

    Parameters
    ----------
    attempts
        Attempts so far, >= 1.
    chance
        Where chance comes from.
    asked_s
        What the receiver asked for, in seconds, >= 0.

    Examples
    --------
    >>> 2.5e6 <= pause_us(1, random.Random(1)) <= 5e6, 150e6 <= pause_us(50, random.Random(1)) <= 300e6
    (True, True)
    >>> pause_us(1, random.Random(1), asked_s=60.0)
    60000000
    """
    longest_s = min(_FIRST_S * 2.0 ** min(attempts - 1, 20), _LONGEST_S)
    own_s = longest_s * (0.5 + 0.5 * chance.random())
    return round(max(own_s, min(asked_s, _LONGEST_ASKED_S)) * _SECOND_US)


class Breaker:
    """Leaves a sink in peace that fails again and again, and tries it with one message at a time.

    Closed, everything is sent. After `failures` in a row it is open for `rest_us`; then one message is let through as a
    probe: a success closes it, a failure opens it again.

    Parameters
    ----------
    failures
        How many, >= 1.
    rest_us
        How long, in microseconds, > 0.

    Examples
    --------
    >>> breaker = Breaker(failures=2, rest_us=10)
    >>> breaker.failed(now_us=0), breaker.is_open, breaker.failed(now_us=1), breaker.is_open
    (False, False, True, True)
    >>> breaker.rests_until_us
    11
    >>> breaker.failed(now_us=11), breaker.rests_until_us
    (False, 21)
    >>> breaker.succeeded(), breaker.is_open
    (None, False)
    """

    def __init__(self, failures: int, rest_us: int) -> None:
        self._failures = failures
        self._rest_us = rest_us
        self._in_a_row = 0
        self.rests_until_us = 0

    @property
    def is_open(self) -> bool:
        """Whether it let nothing through, but probes."""
        return self._in_a_row >= self._failures

    def failed(self, now_us: int) -> bool:
        """Count a failure; whether it has opened by this one."""
        self._in_a_row += 1
        if self.is_open:
            self.rests_until_us = now_us + self._rest_us
        return self._in_a_row == self._failures

    def pause(self, until_us: int) -> None:
        """Rest until a time that the receiver has asked for."""
        self.rests_until_us = max(self.rests_until_us, until_us)

    def succeeded(self) -> None:
        """Close."""
        self._in_a_row = 0
        self.rests_until_us = 0
