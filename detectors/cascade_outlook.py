"""What the odds of a cascade rest on: one symbol as it stands, in numbers without unit."""

import math

from detectors.base import State
from detectors.liquidation_density import BUCKET_BP, LONG, SHORT, LiquidationDensity, bucket_of
from detectors.results import BookProfile

#: How near the price fuel is counted, and the band that depth is usual in, in basis points.
NEAR_BP, FAR_BP, _DEPTH_BP = 200, 400, 50
#: Features, in order.
NAMES = ("one", "fuel_200bp", "fuel_400bp", "growth", "thinness", "settling", "aftermath")
#: Weights before anything was learned, and how sure of them one is. What is known beforehand: odds go with fuel, and
#: with its growth; a cascade uses it up. Cascades are few: weights that were free to follow each would be too sure.
PRIOR = (-2.0, 0.7, 0.0, 0.3, 0.0, -1.0, -2.0)
VARIANCES = (1.0, 0.1, 0.1, 0.1, 0.1, 0.5, 0.5)
_LEAST_FUEL, _MOST_FUEL = 0.1, 3.0
_DEEPEST, _THINNEST = -1.0, 3.0
#: Memory of the present depth (snapshots jump, a book that is empty for a moment is not thin) and of the usual one:
#: a crowd builds up for tens of minutes, and makers step back as slowly.
_PRESENT_HALF_LIFE_S, _USUAL_HALF_LIFE_S = 120.0, 21_600.0
#: Memory of fuel, against which growth is told, and of a cascade.
_FUEL_HALF_LIFE_S, _AFTERMATH_HALF_LIFE_S = 1_800.0, 3_600.0


class CascadeOutlook:
    """The features of `CascadeOdds`, on the side of the price that has more fuel near it.

    - `fuel_*`: `ln(0.1 + G)`, `G` the notional liquidated within 200 or 400 basis points of the price over what as many
      basis points of the *usual* book take, at most 3: more of it makes a cascade larger, hardly likelier;
    - `growth`: how much the larger side's `fuel_400bp` is above its mean of the last half hour or so: a crowd that
      still builds up; it falls when one goes home;
    - `thinness`: logarithm of the usual depth within 50 basis points over the present one;
    - `settling`: 1 in the time after a cascade in which, by its definition, no other one can begin, else 0;
    - `aftermath`: 1 when a cascade begins, half as much every hour.

    Usual is what a side of the book was over the last hours, present what it was over the last minutes.

    It knows nothing of what sets fuel on fire: that is news, and the odds are those of its coming.

    Examples
    --------
    >>> outlook, density = CascadeOutlook(), LiquidationDensity()
    >>> density.add(LONG, bucket_of(99.2), 100_000_00)
    >>> for minute in range(120):
    ...     depth = 5e4 if minute < 90 else 2e4
    ...     outlook.learn(density, BookProfile("X", 100.0, 1_000.0, 1_000.0, depth, 5e4), 60.0 * minute)
    >>> [round(value, 2) for value in outlook.features(density, 100.0, since_s=3_600.0, quiet_s=600.0)]
    [1.0, -0.31, -0.88, 0.12, 0.69, 0.0, 0.5]
    """

    def __init__(self) -> None:
        #: Logarithms of depth within 50 basis points, of bids and asks.
        self._present = [0.0, 0.0]
        self._usual = [0.0, 0.0]
        self._fuel = 0.0
        self._born_s = self._time_s = -1.0

    def learn(self, density: LiquidationDensity, profile: BookProfile, time_s: float) -> None:
        """Take the depth of both sides in, and the fuel that there is."""
        is_first = self._born_s < 0.0
        gap_s = 0.0 if is_first else max(time_s - self._time_s, 0.0)
        age_s = time_s - self._born_s
        for side, depth in ((LONG, profile.bid_depth_50bp), (SHORT, profile.ask_depth_50bp)):
            log_depth = math.log(max(depth, 1.0))
            for levels, half_life_s in ((self._present, _PRESENT_HALF_LIFE_S), (self._usual, _USUAL_HALF_LIFE_S)):
                # The plain mean at first, until memory has its length.
                new = 1.0 if is_first else max(1.0 - 0.5 ** (gap_s / half_life_s), gap_s / max(age_s, 1.0))
                levels[side] += min(new, 1.0) * (log_depth - levels[side])
        fuel = _log(max(self._fuels(density, side, profile.mid)[1] for side in (LONG, SHORT)))
        self._fuel += (1.0 if is_first else 1.0 - 0.5 ** (gap_s / _FUEL_HALF_LIFE_S)) * (fuel - self._fuel)
        self._born_s = time_s if is_first else self._born_s
        self._time_s = time_s

    def features(self, density: LiquidationDensity, mid: float, since_s: float, quiet_s: float) -> tuple[float, ...]:
        """As named in `NAMES`; `since_s` is the time since the definition of a cascade was last met."""
        fuels = [self._fuels(density, side, mid) for side in (LONG, SHORT)]
        side = LONG if fuels[LONG][0] >= fuels[SHORT][0] else SHORT
        return (
            1.0,
            *(_log(fuel) for fuel in fuels[side]),
            _log(max(fuel[1] for fuel in fuels)) - self._fuel,
            min(max(self._usual[side] - self._present[side], _DEEPEST), _THINNEST),
            float(since_s <= quiet_s),
            0.5 ** min(max(since_s, 0.0) / _AFTERMATH_HALF_LIFE_S, 60.0),
        )

    def state(self) -> State:
        """Present and usual depth, and recent fuel."""
        return {"depth": [*self._present, *self._usual], "now": [self._fuel, self._born_s, self._time_s]}

    def restore(self, state: State) -> None:
        """Take up where `state()` was made."""
        depths = state["depth"]
        self._present, self._usual = [depths[0], depths[1]], [depths[2], depths[3]]
        self._fuel, self._born_s, self._time_s = state["now"]

    def _fuels(self, density: LiquidationDensity, side: int, mid: float) -> tuple[float, float]:
        """Notional liquidated within the near and the far band, over what the usual book takes there."""
        here, step = bucket_of(mid), -1 if side == LONG else 1
        per_bp = math.exp(self._usual[side]) / _DEPTH_BP
        found, begin, liquidated = [], 0, 0
        for band_bp in (NEAR_BP, FAR_BP):
            end = band_bp // BUCKET_BP
            near, far = here + step * begin, here + step * (end - 1)
            liquidated += density.between(side, min(near, far), max(near, far))
            begin = end
            found.append(liquidated / 100.0 / (per_bp * band_bp))
        return found[0], found[1]


def _log(fuel: float) -> float:
    return math.log(_LEAST_FUEL + min(fuel, _MOST_FUEL))
