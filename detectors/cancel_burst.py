"""Cancel burst: an account or a symbol takes back orders faster than it ever does."""

import math
from typing import Any

from detectors.base import Detector, Features, State, count_of
from detectors.errors import StateError
from detectors.gamma_poisson import surprise
from detectors.results import Contribution

#: Kraken's cost of a cancel by the age of the order in seconds: (age below, cost). Older ones cost nothing.
CANCEL_COSTS: tuple[tuple[int, int], ...] = ((5, 8), (10, 6), (15, 5), (45, 4), (90, 2), (300, 1))
#: Cost of a cancel whose order age is not known.
UNKNOWN_AGE_COST = 4
_COST_SHARE = 1.0 / 8
#: Name and seconds (0: those of a tick) of each window, and the names of its counts: cancels, age-weighted pressure,
#: fills.
_WINDOWS = tuple(
    (name, seconds, f"cancels_{name}", f"pressure_{name}", f"fills_{name}")
    for name, seconds in (("tick", 0.0), ("1s", 1.0), ("10s", 10.0))
)
#: How much busier than usual everyone else is, by window; a tick is too short to tell and takes the second's.
_CROWD = {"cancels_tick": "crowd_1s", "cancels_1s": "crowd_1s", "cancels_10s": "crowd_10s"}
_PRIOR_COUNT = 0.5
_PRIOR_EXPOSURE_S = 5.0
_LEARN_DEVIATIONS = 4.0
_HABIT_WEIGHT = 0.03
_HABIT_FLOOR = 1.0
#: A crowd busier than this is taken to be this busy.
_LARGEST_CROWD = 1e6
#: Mean life over half-life: 1 / ln 2.
_MEAN_LIFE = 1.4426950408889634


def cancel_cost(age_us: int) -> int:
    """Cost of cancelling an order of this age (microseconds): young cancels cost more.

    Examples
    --------
    >>> cancel_cost(1_000_000), cancel_cost(60_000_000), cancel_cost(400_000_000)
    (8, 2, 0)
    """
    for below_s, cost in CANCEL_COSTS:
        if age_us < below_s * 1_000_000:
            return cost
    return 0


class CancelBurst(Detector):
    """Counts of cancels, plain and age-weighted, in a tick, 1 and 10 s against the entity's own forgetting rate.

    The count in each window is tested against a negative binomial: a Poisson count whose rate is what this entity did
    over the last `half_life_s`, with the uncertainty of that. Cancels that go with fills (a busy market re-quotes) are
    expected: the count is reduced by the entity's own cancels per fill for every fill above its rate. When everyone
    else is busier than usual (`crowd`), so may the entity be. The largest surprise is divided by what is usual for the
    entity, so that one that always works in bursts must outdo itself. An entity cannot train its baseline quickly: a
    second is learned up to four standard deviations above what was expected (the conditional merge of MIDAS-F).

    It fails on an attacker that cancels in small steps over hours (the rate follows), which is what pressure counters
    are for.

    Parameters
    ----------
    half_life_s
        Memory of the rate in seconds, > 0.
    grace_s
        Seconds between the first event and a score that is believed, >= 0.
    least_cancels
        Fewer cancels than this in 10 s are no burst, however rare, >= 1.
    tick_s
        Length of a tick in seconds, > 0.

    Notes
    -----
    Features: `time_s`, `cancels_tick`, `cancels_1s`, `cancels_10s` (counts), `pressure_tick`,
    `pressure_1s`, `pressure_10s` (Kraken's units, 0 to 8 a cancel), `fills_tick`, `fills_1s`, `fills_10s` (trades it
    took part in); `crowd_1s`, `crowd_10s` the others' cancels over their usual number, 1 when not given.

    Examples
    --------
    >>> burst = CancelBurst(grace_s=5.0)
    >>> for tick in range(300):
    ...     x = {"time_s": tick / 10, "cancels_tick": tick % 2, "cancels_1s": 5, "cancels_10s": 50}
    ...     burst.learn_one(x)
    >>> calm = burst.score_one({"time_s": 30.0, "cancels_tick": 1, "cancels_1s": 5, "cancels_10s": 50})
    >>> wild = burst.score_one({"time_s": 30.0, "cancels_tick": 30, "cancels_1s": 35, "cancels_10s": 80})
    >>> calm < 1 < 10 < wild
    True

    References
    ----------
    Bhatia, S. et al. (2020). MIDAS: Microcluster-based detector of anomalies in edge streams.
    AAAI; MIDAS-F: arXiv 2009.08452. Kraken, Spot trading rate limits (cost of cancels by order age).
    """

    name = "cancel_burst"

    def __init__(
        self, half_life_s: float = 600.0, grace_s: float = 30.0, least_cancels: int = 8, tick_s: float = 0.1
    ) -> None:
        self.half_life_s = half_life_s
        self.grace_s = grace_s
        self.least_cancels = least_cancels
        self.tick_s = tick_s
        self._cancels = 0.0
        self._cost = 0.0
        self._fills = 0.0
        self._exposure_s = 0.0
        self._time_s = -1.0
        self._born_s = -1.0
        self._habit = 0.0
        self._second = -1
        self._cancels_left = 0.0
        self._cost_left = 0.0

    @property
    def ready(self) -> bool:
        """Whether `grace_s` seconds of its own were seen."""
        return self._born_s >= 0.0 and self._time_s - self._born_s >= self.grace_s

    def score_one(self, x: Features) -> float:
        """Largest surprise over windows, in units of what is usual for this entity."""
        return self._most_surprise(x) / (_HABIT_FLOOR + self._habit)

    def learn_one(self, x: Features) -> None:
        """Add the last tick (`*_tick`) to the rates; a second adds at most four deviations above what was expected."""
        time_s = x.get("time_s", 0.0)
        most = self._most_surprise(x) if int(time_s) != self._second else 0.0
        counts = count_of(x, "cancels_tick"), count_of(x, "pressure_tick"), count_of(x, "fills_tick")
        self.learn_tick(time_s, *counts, most)

    def learn_tick(self, time_s: float, cancels: float, pressure: float, fills: float, most: float = 0.0) -> None:
        """Learn the counts of a tick, all >= 0: the hot half of `learn_one`.

        `most` is the largest surprise among the windows, 0 when there are too few cancels to ask.
        """
        fade, exposure_s = self._fade(time_s)
        known, known_cost = self._cancels * fade, self._cost * fade
        if int(time_s) != self._second:
            self._second = int(time_s)
            self._cancels_left = _most_learned(known, exposure_s)
            self._cost_left = _most_learned(known_cost, exposure_s)
            self._habit += _HABIT_WEIGHT * (min(most, 3.0 * (self._habit + _HABIT_FLOOR)) - self._habit)
        cost = pressure * _COST_SHARE
        cancels = min(cancels, self._cancels_left)
        cost = min(cost, self._cost_left)
        self._cancels_left -= cancels
        self._cost_left -= cost
        self._cancels = known + cancels
        self._cost = known_cost + cost
        self._fills = self._fills * fade + fills
        self._exposure_s = exposure_s
        if self._born_s < 0.0:
            self._born_s = time_s
        self._time_s = max(self._time_s, time_s)

    def explain_one(self, x: Features) -> tuple[Contribution, ...]:
        """The windows that surprised, the largest surprise first."""
        fade, exposure_s = self._fade(x.get("time_s", 0.0))
        exposure_s += _PRIOR_EXPOSURE_S
        parts: list[tuple[float, str, float, float, str]] = []
        for _, length_s, cancels_key, cost_key, fills_key in _WINDOWS:
            seconds = length_s or self.tick_s
            left = self._unexplained(x, cancels_key, fills_key, seconds, fade, exposure_s)
            seconds *= min(max(1.0, x.get(_CROWD[cancels_key], 1.0)), _LARGEST_CROWD)
            for label, key, unit, weight, total in (
                ("cancels", cancels_key, "cancels", 1.0, self._cancels),
                ("age-weighted cancel pressure", cost_key, "cost units", _COST_SHARE, self._cost),
            ):
                shape, seen = total * fade + _PRIOR_COUNT, count_of(x, key)
                decades = surprise(seen * weight * left, shape, exposure_s, seconds)
                if decades > 0.0:
                    expected = round(shape / exposure_s * seconds / weight, 4)
                    parts.append((decades, f"{label} in {length_s or self.tick_s:g} s", seen, expected, unit))
        parts.sort(key=lambda part: (-part[0], part[1]))
        whole = sum(part[0] for part in parts)
        return tuple(
            Contribution(label, seen, expected, unit, 10.0**-decades, decades / whole)
            for decades, label, seen, expected, unit in parts
        )

    def _most_surprise(self, x: Features) -> float:
        if x.get("cancels_10s", 0.0) < self.least_cancels:
            return 0.0
        fade, exposure_s = self._fade(x.get("time_s", 0.0))
        exposure_s += _PRIOR_EXPOSURE_S
        cancels_shape, cost_shape = self._cancels * fade + _PRIOR_COUNT, self._cost * fade + _PRIOR_COUNT
        most = 0.0
        for _, length_s, cancels_key, cost_key, fills_key in _WINDOWS:
            seconds = length_s or self.tick_s
            count = x.get(cancels_key, 0.0)
            cost = x.get(cost_key, 0.0) * _COST_SHARE
            burst = count > 1.0 and count * exposure_s > cancels_shape * seconds
            if burst or (cost > 1.0 and cost * exposure_s > cost_shape * seconds):
                left = self._unexplained(x, cancels_key, fills_key, seconds, fade, exposure_s)
                seconds *= min(max(1.0, x.get(_CROWD[cancels_key], 1.0)), _LARGEST_CROWD)
                most = max(
                    most,
                    surprise(count * left, cancels_shape, exposure_s, seconds),
                    surprise(cost * left, cost_shape, exposure_s, seconds),
                )
        return most

    def _unexplained(
        self, x: Features, cancels_key: str, fills_key: str, seconds: float, fade: float, exposure_s: float
    ) -> float:
        """Share of the cancels in a window that more fills than usual do not explain."""
        fills_shape, count = self._fills * fade + _PRIOR_COUNT, x.get(cancels_key, 0.0)
        extra_fills = x.get(fills_key, 0.0) - fills_shape * seconds / exposure_s
        if extra_fills <= 0.0 or count <= 0.0:
            return 1.0
        cancels_per_fill = (self._cancels * fade + _PRIOR_COUNT) / fills_shape
        return max(0.0, 1.0 - cancels_per_fill * extra_fills / count)

    def _fade(self, time_s: float) -> tuple[float, float]:
        """What is left of the counts at `time_s`, and the seconds of exposure behind them."""
        gap_s = time_s - self._time_s
        if self._time_s < 0.0 or gap_s <= 0.0:
            return 1.0, self._exposure_s
        fade = 0.5 ** (gap_s / self.half_life_s)
        return fade, self._exposure_s * fade + (1.0 - fade) * self.half_life_s * _MEAN_LIFE

    @property
    def last_s(self) -> float:
        """When it last learned; -1 before it did."""
        return self._time_s

    def levels(self) -> list[float]:
        """Everything learned, without the parameters: what is saved of each of very many accounts."""
        return [
            self._cancels, self._cost, self._fills, self._exposure_s, self._time_s, self._born_s, self._habit,
            self._second, self._cancels_left, self._cost_left,
        ]  # fmt: skip

    def take_levels(self, levels: list[Any]) -> None:
        """Take up where `levels()` was made, by a detector of the same parameters."""
        self._cancels, self._cost, self._fills, self._exposure_s, self._time_s, self._born_s, self._habit = levels[:7]
        self._second, self._cancels_left, self._cost_left = levels[7:]

    def state(self) -> State:
        """Rates, habit, and when it began."""
        return {"half_life_s": self.half_life_s, "levels": self.levels()}

    def restore(self, state: State) -> None:
        """Take up where `state()` was made; raises StateError for another half-life."""
        if state.get("half_life_s") != self.half_life_s:
            msg = f"cancel_burst state: expected half_life_s {self.half_life_s}, found {state.get('half_life_s')!r}"
            raise StateError(msg)
        self.take_levels(state["levels"])


def _most_learned(total: float, exposure_s: float) -> float:
    """What of a second's count is learned at most: four deviations above the expected count, plus one."""
    expected = (total + _PRIOR_COUNT) / (exposure_s + _PRIOR_EXPOSURE_S)
    return 1.0 + expected + _LEARN_DEVIATIONS * math.sqrt(expected)
