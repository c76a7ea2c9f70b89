"""Cascade risk: how near the price is to where liquidations would feed themselves."""

import math

from detectors.base import Detector, Features, State
from detectors.cascade_gain import RANGE_BP, hit_probability
from detectors.errors import StateError
from detectors.results import Contribution

#: Scores are decades above this probability: what is less likely than it counts as nothing.
_LEAST_DECADE = 8.0
_LONGEST_STEP_S = 60.0


class CascadeRisk(Detector):
    """How likely the price goes, within 15 minutes, to the first interval in which liquidations feed themselves.

    The score is `8 + log10 P`, at least 0, where `P` is the larger of both sides' chances `erfc(d / sqrt(2 v T))`
    that a price with the symbol's recent variance `v` (squared returns in basis points a second, forgetting) goes as
    far as the distance `d` to the nearest interval of cascade gain >= 1; 0 when there is none in reach. It rises when
    positions gather near the price, when the book thins on the way, and when the price becomes wild.

    It fails where positions are not sent (`leverage` without `position` and `entry_price`), and on jumps: a price that
    gaps goes further than its variance says.

    Parameters
    ----------
    half_life_s
        Memory of the variance in seconds, > 0.
    grace_s
        Seconds of price seen before scores are believed, >= 0.

    Notes
    -----
    Features: `time_s`; `mid` price; `down_bp`, `up_bp` distance to the first self-feeding interval below and above, in
    basis points, missing: none; `down_gain`, `up_gain` the largest cascade gain of each side.

    Examples
    --------
    >>> risk = CascadeRisk(grace_s=0.0)
    >>> for second in range(600):
    ...     risk.learn_one({"time_s": float(second), "mid": 100.0 + 0.01 * (second % 2)})
    >>> near, far = {"time_s": 600.0, "mid": 100.0, "down_bp": 50.0}, {"time_s": 600.0, "mid": 100.0, "down_bp": 400.0}
    >>> round(risk.score_one(near), 1), round(risk.score_one(far), 1), risk.score_one({"time_s": 600.0, "mid": 100.0})
    (7.0, 0.0, 0.0)
    """

    name = "cascade_risk"

    def __init__(self, half_life_s: float = 600.0, grace_s: float = 300.0) -> None:
        self.half_life_s = half_life_s
        self.grace_s = grace_s
        self._variance = 0.0
        self._weight_s = 0.0
        self._mid = 0.0
        self._time_s = -1.0
        self._born_s = -1.0

    @property
    def ready(self) -> bool:
        """Whether `grace_s` seconds of price were seen."""
        return self._born_s >= 0.0 and self._time_s - self._born_s >= self.grace_s

    @property
    def mid(self) -> float:
        """The price last learned; 0: none."""
        return self._mid

    @property
    def variance_bp2_per_s(self) -> float:
        """Recent variance of the price: squared basis points a second."""
        return self._variance / self._weight_s if self._weight_s > 0.0 else 0.0

    def probability(self, x: Features, horizon_s: float) -> float:
        """Chance of reaching a self-feeding interval within a horizon, as the variance has it; not calibrated."""
        variance = self.variance_bp2_per_s
        return max((hit_probability(distance, variance, horizon_s) for _, distance in _distances(x)), default=0.0)

    def score_one(self, x: Features) -> float:
        """Decades of that chance above 1e-8, over 15 minutes."""
        chance = self.probability(x, 900.0)
        return max(_LEAST_DECADE + math.log10(chance), 0.0) if chance > 0.0 else 0.0

    def learn_one(self, x: Features) -> None:
        """Take the price in."""
        mid, time_s = x.get("mid", 0.0), x.get("time_s", 0.0)
        if not (0.0 < mid < math.inf and math.isfinite(time_s)):
            return
        if self._born_s < 0.0:
            self._born_s = time_s
        elapsed_s = min(time_s - self._time_s, _LONGEST_STEP_S) if self._time_s >= 0.0 else 0.0
        if elapsed_s > 0.0 and self._mid > 0.0:
            fade = 0.5 ** (elapsed_s / self.half_life_s)
            step_bp = math.log(mid / self._mid) * 1e4
            self._variance = fade * self._variance + min(step_bp * step_bp, 1e12)
            self._weight_s = fade * self._weight_s + elapsed_s
        self._mid = mid
        self._time_s = max(self._time_s, time_s)

    def explain_one(self, x: Features) -> tuple[Contribution, ...]:
        """The side that is nearer: its distance, its gain, and the usual move in 15 minutes."""
        nearest = min(_distances(x), key=lambda one: one[1], default=None)
        if nearest is None:
            return ()
        side, distance_bp = nearest
        usual_bp = math.sqrt(self.variance_bp2_per_s * 900.0)
        chance = min(max(self.probability(x, 900.0), 1e-300), 1.0)
        where = "below" if side == "down" else "above"
        return (
            Contribution(
                f"distance to self-feeding liquidations {where}, against the usual move in 15 min",
                round(distance_bp, 1), round(usual_bp, 1), "basis points", chance, 0.5,
            ),
            Contribution(
                f"cascade gain {where}: liquidated over absorbed", round(x.get(f"{side}_gain", 0.0), 3), 1.0, "ratio",
                chance, 0.5,
            ),
        )  # fmt: skip

    def state(self) -> State:
        """Variance and price."""
        return {
            "parameters": [self.half_life_s, self.grace_s],
            "now": [self._variance, self._weight_s, self._mid, self._time_s, self._born_s],
        }

    def restore(self, state: State) -> None:
        """Take up where `state()` was made; raises StateError for other parameters."""
        expected = [self.half_life_s, self.grace_s]
        if state.get("parameters") != expected:
            raise StateError(f"cascade_risk state: expected parameters {expected}, found {state.get('parameters')}")
        self._variance, self._weight_s, self._mid, self._time_s, self._born_s = state["now"]


def _distances(x: Features) -> list[tuple[str, float]]:
    found = ((side, x.get(f"{side}_bp", math.nan)) for side in ("down", "up"))
    return [(side, min(distance, RANGE_BP)) for side, distance in found if distance >= 0.0]
