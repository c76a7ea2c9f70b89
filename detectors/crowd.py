"""How busy everyone else is."""

from detectors.base import State
from detectors.gamma_poisson import DecayedRate
from detectors.windows import SlidingCounts

_EVERYONE = ""
#: Cancels added to both sides of the ratio: a handful more than usual is no crowd.
_PRIOR = 10.0


class Crowd:
    """Cancels of all accounts of a partition in the last one and ten seconds, against their usual number.

    Parameters
    ----------
    tick_us
        Length of a tick in microseconds.
    half_life_s
        Memory of the usual rate in seconds, > 0.

    Examples
    --------
    >>> crowd = Crowd(tick_us=100_000, half_life_s=600.0)
    >>> for tick in range(1000):
    ...     crowd.add(tick, (tick + 1) / 10, 5)
    ...     crowd.learn((tick + 1) / 10)
    >>> one_s, ten_s = crowd.busier(own_1s=0, own_10s=0)
    >>> 0.9 < one_s < 1.1, 0.9 < ten_s < 1.1
    (True, True)
    """

    __slots__ = ("_one", "_rate", "_sums", "_ten", "_tick_cancels", "_usual_per_s")

    def __init__(self, tick_us: int, half_life_s: float) -> None:
        self._one = SlidingCounts(1_000_000 // tick_us, 1)
        self._ten = SlidingCounts(10_000_000 // tick_us, 1)
        self._rate = DecayedRate(half_life_s)
        self._sums = (0, 0)
        self._tick_cancels = 0
        self._usual_per_s = 0.0

    def add(self, tick: int, time_s: float, cancels: int) -> None:
        """Let a tick's cancels enter the windows."""
        counts = {_EVERYONE: [cancels]}
        self._one.add(tick, counts)
        self._ten.add(tick, counts)
        self._sums = self._one.get(_EVERYONE)[0], self._ten.get(_EVERYONE)[0]
        self._tick_cancels = cancels
        self._usual_per_s = self._rate.per_second(time_s)

    def busier(self, own_1s: int, own_10s: int) -> tuple[float, float]:
        """How many times their usual number the others cancel, in one and in ten seconds."""
        one, ten = self._sums
        return (
            (one - own_1s + _PRIOR) / (self._usual_per_s + _PRIOR),
            (ten - own_10s + _PRIOR) / (10.0 * self._usual_per_s + _PRIOR),
        )

    def state(self) -> State:
        """Windows and rate; what the last tick brought is not asked for again."""
        return {"one": self._one.state(), "ten": self._ten.state(), "rate": self._rate.state()}

    def restore(self, state: State) -> None:
        """Take up where `state()` was made."""
        self._one.restore(state["one"])
        self._ten.restore(state["ten"])
        self._rate.restore(state["rate"])

    def learn(self, time_s: float) -> None:
        """Take the tick into the usual rate, after everyone was judged by it."""
        self._rate.learn(self._tick_cancels, time_s)
