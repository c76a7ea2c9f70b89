"""How far behind the broker a partition is read, in seconds."""


class ReadLag:
    """The lag of one topic partition, by the timestamps of its records: when they were sent, not what they tell of.

    While records are left to read it is the age of the newest one taken, or the time since everything was read, if that
    is shorter: after an hour of silence a new record is not an hour late. Read to the end, it is 0.

    Times are seconds since the epoch; the broker's clock, or its producers', is taken to agree with ours.

    Examples
    --------
    >>> lag = ReadLag()
    >>> lag.take(sent_ms=100_000)
    >>> lag.measure(position=5, end=9, now_s=130.0)
    30.0
    >>> lag.measure(position=9, end=9, now_s=131.0)
    0.0
    >>> lag.measure(position=9, end=10, now_s=133.0)
    2.0
    """

    __slots__ = ("_at_end_s", "_end", "_sent_s")

    def __init__(self) -> None:
        self._sent_s: float | None = None
        self._at_end_s: float | None = None
        self._end = 0

    def take(self, sent_ms: int) -> None:
        """Note when the newest record taken was sent, in milliseconds since the epoch; below 0 says nothing."""
        if sent_ms >= 0:
            self._sent_s = max(sent_ms / 1_000.0, self._sent_s or 0.0)

    def measure(self, position: int | None, end: int | None, now_s: float) -> float | None:
        """Tell the lag in seconds, at least 0; None: not known.

        Parameters
        ----------
        position
            The offset behind the last record taken; None: not known.
        end
            The end of what the broker has; None: it has not answered lately, and what it said before still counts when
            records were left then.
        now_s
            The time of day.
        """
        if position is None:
            return None
        self._end = max(self._end, end or 0)
        if position < self._end:
            known_s = [since_s for since_s in (self._sent_s, self._at_end_s) if since_s is not None]
            return max(now_s - max(known_s), 0.0) if known_s else None
        if end is None:
            return None
        self._at_end_s = now_s
        return 0.0
