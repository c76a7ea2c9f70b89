"""When a worker that lags gives up precision to catch up, how much, and when it takes it back."""

#: By level: heavy models look at one observation in so many.
ONE_IN = (1, 8, 64)
#: A level is entered when its lag has lasted so long: one slow fetch is no overload.
_ENTER_AFTER_S = 10.0
#: A level is left when the lag was below half of what it began at, for so long.
_LEAVE_AFTER_S = 30.0


class Degradation:
    """The level of degradation of one worker: 0 (nothing given up), 1 or 2, up and down one at a time.

    Level 1 begins above `lag_limit_s`, level 2 above twice that, each when the lag has stood there for 10 s. A level is
    left when the lag was below half of where it begins for 30 s, so that a worker at the edge does not flap.

    Only heavy models are sampled; counters, rates, the calibration of cheap scores and guardrails never are.

    Parameters
    ----------
    lag_limit_s
        Lag in seconds at which level 1 begins; 0: never.

    Examples
    --------
    >>> degradation = Degradation(lag_limit_s=30.0)
    >>> [degradation.update(lag_s=45.0, now_s=float(now_s)) for now_s in (0, 5, 10, 60)]
    [0, 0, 1, 1]
    >>> [degradation.update(lag_s=1.0, now_s=float(now_s)) for now_s in (61, 90, 91)]
    [1, 1, 0]
    """

    def __init__(self, lag_limit_s: float) -> None:
        self._lag_limit_s = lag_limit_s
        self.level = 0
        self._high_since_s: float | None = None
        self._low_since_s: float | None = None

    @property
    def one_in(self) -> int:
        """Heavy models look at one observation in so many."""
        return ONE_IN[self.level]

    def update(self, lag_s: float, now_s: float) -> int:
        """Take the worker's lag at a time of any monotonic clock, in seconds; gives the level."""
        if self._lag_limit_s <= 0.0:
            return 0
        highest = self.level == len(ONE_IN) - 1
        high = not highest and lag_s > self._begins_s(self.level + 1)
        low = self.level > 0 and lag_s < self._begins_s(self.level) / 2
        self._high_since_s = _since(self._high_since_s, high, now_s)
        self._low_since_s = _since(self._low_since_s, low, now_s)
        if self._high_since_s is not None and now_s - self._high_since_s >= _ENTER_AFTER_S:
            self._move(self.level + 1)
        elif self._low_since_s is not None and now_s - self._low_since_s >= _LEAVE_AFTER_S:
            self._move(self.level - 1)
        return self.level

    def _begins_s(self, level: int) -> float:
        return self._lag_limit_s * level

    def _move(self, level: int) -> None:
        self.level = level
        self._high_since_s = self._low_since_s = None


def _since(since_s: float | None, is_so: bool, now_s: float) -> float | None:
    if not is_so:
        return None
    return now_s if since_s is None else since_s
