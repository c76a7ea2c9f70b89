"""Score, explain, calibrate, then learn: in this order, and in this place only."""

import math
from collections import Counter, deque
from collections.abc import Collection

import msgspec

from detectors.base import Detector, Features, State
from detectors.calibration import PeaksOverThreshold
from detectors.config import Calibration
from detectors.ledger import EvidenceWindow
from detectors.results import Contribution, Pattern, Scope, Signal

_SECONDS_A_DAY = 86_400.0
#: A stream younger than this is taken to be this old when scores a day are counted.
_LEAST_AGE_S = 1.0
#: Peaks are learned this much later: an incident must not teach the calibration that it is ordinary while it lasts.
_HOLD_S = 60.0
#: Weight of a new score in the running mean.
_COURSE_STEP = 0.1
#: By chance at most so many peaks are taken for shoulders of an incident.
_CHANCE_OF_SHOULDER = 0.05


class Verdict(msgspec.Struct, frozen=True):
    """A score that stands out: its p-value, how many episodes a day get as high by chance, and the reasons."""

    score: float
    p_value: float
    per_day: float
    contributions: tuple[Contribution, ...]


def signal_of(
    verdict: Verdict,
    timestamp: int,
    *,
    detector: str,
    pattern: Pattern,
    scope: Scope,
    entity: str,
    symbol: str,
    accounts: tuple[str, ...],
    notional: float,
    evidence: EvidenceWindow,
    topics: Collection[str] = (),
    partition: int | None = None,
) -> Signal:
    """The signal that a verdict on an entity is.

    Its evidence is what lies in `topics` (none named: in all), and in one partition of them if that is given.
    """
    return Signal(
        timestamp=timestamp,
        detector=detector,
        pattern=pattern,
        scope=scope,
        entity=entity,
        symbol=symbol,
        p_value=verdict.p_value,
        per_day=verdict.per_day,
        score=verdict.score,
        contributions=verdict.contributions,
        accounts=accounts,
        notional=notional,
        evidence=evidence.of(topics, partition),
    )


class Scorer:
    """One stream of comparable scores (a symbol's, or a pool of accounts'), calibrated on its own history.

    Parameters
    ----------
    settings
        Level, warm-up and publishing.
    counters
        Where `scored`, `warming` and `published` are counted.
    prior_scale
        Excess of score that is ordinary before anything is known, > 0.
    warm_up
        Scores needed before p-values are believed; None: as in `settings`.
    """

    __slots__ = ("_alarms", "_counters", "_first_s", "_held", "_publish_per_day", "_warm_up_s", "course", "pot")

    def __init__(
        self, settings: Calibration, counters: Counter[str], prior_scale: float = 1.0, warm_up: int | None = None
    ) -> None:
        self.pot = PeaksOverThreshold(settings.level, settings.warm_up if warm_up is None else warm_up, prior_scale)
        self._warm_up_s = settings.warm_up_s
        self._publish_per_day = settings.publish_per_day
        self._counters = counters
        self._first_s = -1.0
        self._held: deque[tuple[float, float, bool]] = deque()
        #: Running mean of the logarithm of the last scores (of one plus them): whether it drifts is watched.
        self.course = 0.0
        #: Times of the last minutes at which a score passed the calibration's guard.
        self._alarms: deque[float] = deque()

    def step(self, detector: Detector, x: Features, time_s: float) -> Verdict | None:
        """Score `x`, learn it, and answer with a verdict if it stands out and is to be believed."""
        score = detector.score_one(x)
        if not math.isfinite(score):
            # Nothing may be learned from it, least of all what is ordinary.
            self._counters["score_not_finite"] += 1
            return None
        verdict = self.judge(score, time_s) if detector.ready else None
        if verdict is not None:
            verdict = msgspec.structs.replace(verdict, contributions=detector.explain_one(x))
        detector.learn_one(x)
        if detector.ready:
            self._learn(score, time_s)
            self.course += _COURSE_STEP * (math.log1p(max(score, 0.0)) - self.course)
        self._counters["scored" if detector.ready and self._is_warm(time_s) else "warming"] += 1
        return verdict

    def begin(self, time_s: float) -> None:
        """The stream is listened to from now on, even if there is nothing to judge yet: its age counts from here."""
        if self._first_s < 0.0:
            self._first_s = time_s

    def judge(self, score: float, time_s: float) -> Verdict | None:
        """The verdict on a score, without learning it."""
        self.begin(time_s)
        age_s = max(time_s - self._first_s, _LEAST_AGE_S)
        if age_s < self._warm_up_s or (p_value := self.pot.p_value(score)) >= 1.0:
            return None
        per_day = p_value * self.pot.clustering * self.pot.seen / age_s * _SECONDS_A_DAY
        if per_day > self._publish_per_day:
            return None
        self._counters["published"] += 1
        return Verdict(score, p_value, per_day, ())

    def learn_silence(self, time_s: float) -> None:
        """Take in one score of 0 that need not be computed."""
        if self._first_s < 0.0:
            self._first_s = time_s
        self.pot.learn(0.0)
        self._counters["scored" if self._is_warm(time_s) else "warming"] += 1

    def state(self) -> State:
        """Calibration, age, and the peaks that wait to be learned."""
        return {
            "pot": self.pot.state(),
            "first_s": self._first_s,
            "held": list(self._held),
            "alarms": list(self._alarms),
            "course": self.course,
        }

    def restore(self, state: State) -> None:
        """Take up where `state()` was made; raises StateError for other parameters."""
        self.pot.restore(state["pot"])
        self._first_s = state["first_s"]
        self._held = deque((time_s, admitted, whole) for time_s, admitted, whole in state["held"])
        self._alarms = deque(state["alarms"])
        self.course = state.get("course", 0.0)

    def _is_warm(self, time_s: float) -> bool:
        return self.pot.ready and time_s - self._first_s >= self._warm_up_s

    def _learn(self, score: float, time_s: float) -> None:
        held, pot = self._held, self.pot
        while held and held[0][0] <= time_s - _HOLD_S:
            self._release(*held.popleft())
        admitted = pot.admit(score)
        if score > pot.threshold and self._is_warm(time_s):
            if admitted < score and self._is_incident(score, time_s):
                self._alarms.append(time_s)
            held.append((time_s, admitted, admitted == score))
        else:
            pot.learn_admitted(admitted)

    def _is_incident(self, score: float, time_s: float) -> bool:
        """Whether chance would seldom give a score as high as near a peak: else each peak of a busy stream had one."""
        per_s = self.pot.seen / max(time_s - self._first_s, _LEAST_AGE_S)
        return self.pot.p_value(score) * per_s * 2.0 * _HOLD_S <= _CHANCE_OF_SHOULDER

    def _release(self, time_s: float, admitted: float, whole: bool) -> None:
        """Learn a held peak; the shoulders of an incident are part of it, and are learned as ordinary scores."""
        while self._alarms and self._alarms[0] < time_s - _HOLD_S:
            self._alarms.popleft()
        shoulder = whole and bool(self._alarms) and self._alarms[0] <= time_s + _HOLD_S
        self.pot.learn_admitted(0.0 if shoulder else admitted)
