"""One symbol's way to a cascade: what would be liquidated where, what the book takes, and what was liquidated."""

import math
from collections import deque

from detectors.base import Features, State
from detectors.cascade_gain import CascadeGain, cascade_gain
from detectors.cascade_outlook import CascadeOutlook
from detectors.cascade_risk import CascadeRisk
from detectors.cascade_settings import Cascade
from detectors.ledger import EvidenceWindow
from detectors.liquidation_density import LONG, SHORT, LiquidationDensity, bucket_of
from detectors.results import BookProfile, Contribution

#: Memory of the usual depth.
_DEPTH_HALF_LIFE_S = 3_600.0
_NEVER_S = -1e18
#: A cascade that has begun is a fact and no matter of chance: it counts as what chance brings once in three years.
BEGUN_PER_DAY = 1e-3
_EVIDENCE_S = 60


class CascadeWatch:
    """Density, depth and price of one symbol, and whether a cascade has begun.

    Parameters
    ----------
    settings
        What a cascade is.
    half_life_s
        Memory of the price's variance in seconds, > 0.
    """

    def __init__(self, settings: Cascade, half_life_s: float) -> None:
        #: Where positions and books of the last seconds lie; by second, not by tick.
        self.evidence = EvidenceWindow(_EVIDENCE_S)
        self.density = LiquidationDensity()
        self.risk = CascadeRisk(half_life_s)
        self.outlook = CascadeOutlook()
        #: When it was last heard of, as a tick.
        self.turn = -1
        #: Cross-margined notional, in hundredths, and all notional.
        self.cross_cents = self.all_cents = 0
        self.gains: tuple[CascadeGain, CascadeGain] | None = None
        self._settings = settings
        self._usual_depth = [0.0, 0.0]
        self._profile_s = _NEVER_S
        #: Time, mid price, and notional of longs and shorts liquidated since the profile before, in order.
        self._recent: deque[tuple[float, float, float, float]] = deque()
        self._met_s = _NEVER_S

    def take(self, profile: BookProfile, time_s: float) -> Features:
        """Take a profile in; the features that `CascadeRisk` judges."""
        self._learn_depth(profile, time_s)
        self._cross(profile.mid)
        self.outlook.learn(self.density, profile, time_s)
        self._recent.append((time_s, profile.mid, profile.long_cents / 100.0, profile.short_cents / 100.0))
        while self._recent[0][0] <= time_s - self._settings.window_s:
            self._recent.popleft()
        self.gains = (
            cascade_gain(self.density, LONG, profile.mid, profile.bid_per_bp),
            cascade_gain(self.density, SHORT, profile.mid, profile.ask_per_bp),
        )
        x: Features = {"time_s": time_s, "mid": profile.mid}
        for side, gain in zip(("down", "up"), self.gains, strict=True):
            x[f"{side}_gain"] = gain.peak.gain
            if gain.self_feeding_bp is not None:
                x[f"{side}_bp"] = float(gain.self_feeding_bp)
        return x

    def odds_features(self, time_s: float) -> tuple[float, ...]:
        """The features that `CascadeOdds` judges, after `take` and `begins`."""
        since_s = time_s - self._met_s
        return self.outlook.features(self.density, self._recent[-1][1], since_s, self._settings.quiet_s)

    def _cross(self, mid: float) -> None:
        """Positions that the price went past, and stayed past for a profile, are gone, whoever says so.

        By a bucket and more: the mid price is not the mark price.
        """
        before = self._recent[-1][1] if self._recent else mid
        self.density.cross(LONG, bucket_of(max(mid, before)) + 1)
        self.density.cross(SHORT, bucket_of(min(mid, before)) - 1)

    def begins(self, time_s: float) -> tuple[Contribution, ...]:
        """What makes a cascade begin now, after `take`; nothing when none does."""
        met = next((found for side in (LONG, SHORT) if (found := self._met(side))), ())
        if not met:
            return ()
        is_new = time_s - self._met_s > self._settings.quiet_s
        self._met_s = time_s
        return met if is_new else ()

    def near_gain(self, reach_bp: int) -> float:
        """Notional liquidated within a distance over what the book takes on the way, the larger of both sides."""
        if self.gains is None:
            return 0.0
        ratios = []
        for gain in self.gains:
            near = [one for one in gain.intervals if one.begin_bp < reach_bp]
            ratios.append(sum(one.liquidated for one in near) / sum(one.depth for one in near))
        return max(ratios)

    @property
    def cross_share(self) -> float:
        """Share of notional that is cross-margined."""
        return min(max(self.cross_cents / self.all_cents, 0.0), 1.0) if self.all_cents > 0 else 0.0

    def _learn_depth(self, profile: BookProfile, time_s: float) -> None:
        elapsed_s = min(max(time_s - self._profile_s, 0.0), _DEPTH_HALF_LIFE_S)
        fade = 0.5 ** (elapsed_s / _DEPTH_HALF_LIFE_S) if self._profile_s > _NEVER_S else 0.0
        for side, depth in ((LONG, profile.bid_depth_50bp), (SHORT, profile.ask_depth_50bp)):
            self._usual_depth[side] = fade * self._usual_depth[side] + (1.0 - fade) * depth
        self._profile_s = time_s

    def _met(self, side: int) -> tuple[Contribution, ...]:
        """Both conditions of a cascade on a side, with what they ask for, where both are met."""
        settings, seconds = self._settings, self._settings.window_s
        forced = math.fsum(one[2 + side] for one in self._recent)
        least = settings.depth_share * self._usual_depth[side]
        if forced <= 0.0 or forced < least:
            return ()
        mids = [one[1] for one in self._recent]
        moved = max(mids) / mids[-1] - 1.0 if side == LONG else mids[-1] / min(mids) - 1.0
        if moved < settings.move:
            return ()
        fact = BEGUN_PER_DAY / 86_400.0
        forced_label = f"notional liquidated in {seconds} s, against the least of a cascade"
        moved_label = f"price move in {seconds} s, against the least of a cascade"
        moved_bp, least_bp = round(1e4 * moved, 4), round(1e4 * settings.move, 4)
        return (
            Contribution(forced_label, round(forced, 2), round(least, 2), "notional", fact, 0.5),
            Contribution(moved_label, moved_bp, least_bp, "basis points", fact, 0.5),
        )

    def state(self) -> State:
        """Density, variance, depth and the last minute."""
        return {
            "density": self.density.state(),
            "risk": self.risk.state(),
            "outlook": self.outlook.state(),
            "turn": self.turn,
            "cents": [self.cross_cents, self.all_cents],
            "depth": [*self._usual_depth, self._profile_s, self._met_s],
            "recent": [list(one) for one in self._recent],
            "evidence": self.evidence.state(),
        }

    def restore(self, state: State) -> None:
        """Take up where `state()` was made; raises StateError for other parameters."""
        self.density.restore(state["density"])
        self.risk.restore(state["risk"])
        self.outlook.restore(state["outlook"])
        self.turn = state["turn"]
        self.cross_cents, self.all_cents = state["cents"]
        longs, shorts, self._profile_s, self._met_s = state["depth"]
        self._usual_depth = [longs, shorts]
        self._recent = deque((time_s, mid, long, short) for time_s, mid, long, short in state["recent"])
        if "evidence" in state:
            self.evidence.restore(state["evidence"])
