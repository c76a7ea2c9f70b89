"""A rate that forgets: how surprising is a count, given what was counted before."""

import math

_LOG_10 = math.log(10.0)
#: Surprise is capped here: a p-value of 1e-300 ranks above all others and is still a number.
MAX_SURPRISE = 300.0
#: Above it the gamma function would overflow long after the surprise has reached its cap.
_LARGEST_COUNT = 1e12


def surprise(count: float, shape: float, exposure_s: float, window_s: float) -> float:
    """`-log10 P(N >= count | N >= 1)` for a negative binomial N: a Poisson count with a Gamma(shape, 1/exposure) rate.

    It is asked only of windows in which something happened, hence the condition: one lone event is never a surprise.
    The tail is its first term times a geometric bound on the rest, exact to a few per cent above the mean. Counts at or
    below the mean answer 0.

    Parameters
    ----------
    count
        What was counted, >= 0; need not be whole (weighted counts).
    shape
        Counts behind the rate, > 0.
    exposure_s
        Seconds behind the rate, > 0.
    window_s
        Seconds in which `count` was counted, > 0.

    Examples
    --------
    >>> round(surprise(20, shape=1000.0, exposure_s=1000.0, window_s=10.0), 2)
    2.43
    >>> surprise(5, shape=1000.0, exposure_s=1000.0, window_s=10.0), surprise(1, 1.0, 1000.0, 0.1)
    (0.0, 0.0)
    """
    # Written so that a NaN, too, is no surprise.
    if not (count > 1.0 and count * exposure_s > shape * window_s):
        return 0.0
    count = min(count, _LARGEST_COUNT)
    success = window_s / (exposure_s + window_s)
    log_none = shape * math.log1p(-success)
    lgamma = math.lgamma
    log_term = lgamma(count + shape) - lgamma(shape) - lgamma(count + 1.0) + log_none + count * math.log(success)
    ratio = max((count + shape) / (count + 1.0) * success, success)
    log_tail = log_term - math.log1p(-ratio) if ratio < 1.0 else 0.0
    log_any = math.log(-math.expm1(log_none))
    return min(max((log_any - log_tail) / _LOG_10, 0.0), MAX_SURPRISE)


class DecayedRate:
    """Counts per second with exponential forgetting and a prior: Gamma(shape, 1/exposure_s).

    Parameters
    ----------
    half_life_s
        Seconds after which a count weighs half, > 0.
    prior_count, prior_exposure_s
        The rate believed before anything was seen, and how firmly, > 0. The prior does not fade: an account that comes
        back after a week is judged like a new one.

    Examples
    --------
    >>> rate = DecayedRate(half_life_s=600.0)
    >>> for second in range(1, 61):
    ...     rate.learn(2.0, float(second))
    >>> 1.5 < rate.per_second(60.0) < 2.1
    True
    """

    __slots__ = ("_count", "_exposure_s", "_half_life_s", "_prior_count", "_prior_exposure_s", "time_s")

    def __init__(self, half_life_s: float = 600.0, prior_count: float = 0.5, prior_exposure_s: float = 5.0) -> None:
        self._half_life_s = half_life_s
        self._prior_count = prior_count
        self._prior_exposure_s = prior_exposure_s
        self._count = 0.0
        self._exposure_s = 0.0
        self.time_s = -1.0

    def gamma(self, time_s: float) -> tuple[float, float]:
        """Shape and exposure (seconds) of the rate as seen at `time_s`."""
        gap_s = time_s - self.time_s if self.time_s >= 0.0 else 0.0
        if gap_s <= 0.0:
            return self._count + self._prior_count, self._exposure_s + self._prior_exposure_s
        fade = 0.5 ** (gap_s / self._half_life_s)
        exposure_s = self._exposure_s * fade + (1.0 - fade) * self._half_life_s * 1.4426950408889634
        return self._count * fade + self._prior_count, exposure_s + self._prior_exposure_s

    def per_second(self, time_s: float) -> float:
        """The mean rate as seen at `time_s`."""
        shape, exposure_s = self.gamma(time_s)
        return shape / exposure_s

    def surprise(self, count: float, window_s: float, time_s: float) -> float:
        """How surprising `count` in the last `window_s` seconds is, in decades (`-log10 p`)."""
        shape, exposure_s = self.gamma(time_s)
        return surprise(count, shape, exposure_s, window_s)

    def learn(self, count: float, time_s: float) -> None:
        """Add `count` at `time_s`; time that goes back counts as no time."""
        shape, exposure_s = self.gamma(time_s)
        self._count = shape - self._prior_count + count
        self._exposure_s = exposure_s - self._prior_exposure_s
        self.time_s = max(self.time_s, time_s)

    def state(self) -> list[float]:
        """Everything learned."""
        return [self._count, self._exposure_s, self.time_s]

    def restore(self, state: list[float]) -> None:
        """Take up where `state()` was made."""
        self._count, self._exposure_s, self.time_s = state
