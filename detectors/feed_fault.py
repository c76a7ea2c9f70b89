"""Feed fault: an input that stalls, repeats itself, lacks events, is refused, comes out of order, or stands still."""

import math

from detectors.base import AgedDetector, Features, State, count_of
from detectors.errors import StateError
from detectors.gamma_poisson import MAX_SURPRISE, DecayedRate, surprise
from detectors.reasons import Part, contributions
from detectors.results import Contribution

_WINDOW_S = 10.0
#: Fewer events of a kind of fault than this in ten seconds are nothing.
_LEAST_FAULTS = 3.0
#: What is counted, by the beginning of its features' names, and how a person reads it.
_COUNTED = (
    ("repeats", "repeated events in 10 s"),
    ("behind", "events out of order in 10 s"),
    ("refused", "refused records in 10 s"),
    ("missing", "missing events in 10 s"),
)
#: Prior on the share of unchanged snapshots: half of two.
_PRIOR_UNCHANGED, _PRIOR_SEEN = 1.0, 2.0
_LONGEST_RUN = 1e6
_LONGEST_S = 1e7


class FeedFault(AgedDetector):
    """One input of one symbol against its own habits.

    Six things are looked at, each as a surprise in decades; the largest is the score:

    - silence: `P(gap >= g) = (E / (E + g))^k`, with k ticks with events in E seconds of (forgetting) history: that of a
      Poisson process, so that a feed that comes by the clock is judged mildly;
    - repeated events, events behind the newest by more than the allowed lateness, refused records, and events that
      lack (see `IdGaps`), in ten seconds, as negative binomials against their own forgetting rates;
    - a run of r snapshots without any change: `q^r`, with q the usual share of unchanged ones.

    Who asks for silence must know that other inputs of the symbol go on: silence of everything is a quiet symbol. It
    cannot see what lacks without a gap in time or in ids, nor a wrong price that looks right.

    Parameters
    ----------
    half_life_s
        Memory of the habits in seconds, > 0.
    grace_s
        Seconds between the first observation and a score that is believed, >= 0.

    Notes
    -----
    Features: `time_s`; `came` 1 when something came; `gap_s` the silence that has ended or lasts still;
    `{repeats,behind,refused,missing}_{tick,10s}` counts of events; `unchanged` snapshots in a row that are like the one
    before, missing where there was no snapshot.

    Examples
    --------
    >>> feed = FeedFault()
    >>> for tick in range(3000):
    ...     feed.learn_one({"time_s": tick / 10, "came": 1, "gap_s": 0.1, "unchanged": tick % 2})
    >>> [round(feed.score_one({"time_s": 300.0, "gap_s": gap_s}), 1) for gap_s in (0.1, 1.0, 5.0)]
    [0.4, 4.3, 21.1]
    >>> feed.score_one({"time_s": 300.0, "gap_s": 0.1, "unchanged": 30}) > 8
    True
    """

    name = "feed_fault"

    def __init__(self, half_life_s: float = 600.0, grace_s: float = 60.0) -> None:
        self.half_life_s = half_life_s
        self.grace_s = grace_s
        self._came = DecayedRate(half_life_s)
        self._rates = {kind: DecayedRate(half_life_s) for kind, _ in _COUNTED}
        self._unchanged = 0.0
        self._snapshots = 0.0

    def score_one(self, x: Features) -> float:
        """Decades of the most surprising of the six."""
        return max((part.weight for part in self._parts(x)), default=0.0)

    def learn_one(self, x: Features) -> None:
        """Take in what came."""
        time_s = x.get("time_s", 0.0)
        if not 0.0 <= time_s < math.inf:
            time_s = max(self._time_s, 0.0)
        if x.get("came", 0.0) > 0.0:
            self._came.learn(1.0, time_s)
        for kind, rate in self._rates.items():
            rate.learn(count_of(x, f"{kind}_tick"), time_s)
        if "unchanged" in x:
            gap_s = max(time_s - self._time_s, 0.0) if self._time_s >= 0.0 else 0.0
            fade = 0.5 ** (gap_s / self.half_life_s)
            self._unchanged = self._unchanged * fade + (1.0 if x["unchanged"] > 0.0 else 0.0)
            self._snapshots = self._snapshots * fade + 1.0
        self._age(time_s)

    def explain_one(self, x: Features) -> tuple[Contribution, ...]:
        """Silence, what was counted, and standstill, with what is usual."""
        return contributions(self._parts(x))

    def due_s(self, decades: float) -> float:
        """Seconds of silence that are so surprising."""
        shape, exposure_s = self._came.gamma(self._came.time_s)
        return min(exposure_s * math.expm1(min(decades * math.log(10.0) / shape, 100.0)), _LONGEST_S)

    def _parts(self, x: Features) -> list[Part]:
        time_s = x.get("time_s", 0.0)
        shape, exposure_s = self._came.gamma(self._came.time_s)
        gap_s = min(count_of(x, "gap_s"), _LONGEST_S)
        decades = min(shape * math.log10(1.0 + gap_s / exposure_s), MAX_SURPRISE)
        parts = [Part(decades, "seconds of silence", gap_s, exposure_s / shape, "s", 10.0**-decades)]
        for kind, label in _COUNTED:
            count, rate = count_of(x, f"{kind}_10s"), self._rates[kind]
            if count >= _LEAST_FAULTS:
                decades = surprise(count, *rate.gamma(time_s), _WINDOW_S)
                usual = rate.per_second(time_s) * _WINDOW_S
                parts.append(Part(decades, label, count, usual, "events", 10.0**-decades))
        run = min(count_of(x, "unchanged"), _LONGEST_RUN)
        if run > 1.0:
            share = (self._unchanged + _PRIOR_UNCHANGED) / (self._snapshots + _PRIOR_SEEN)
            decades = min(-run * math.log10(share), MAX_SURPRISE)
            usual = share / (1.0 - share)
            parts.append(Part(decades, "snapshots without a change", run, usual, "snapshots", 10.0**-decades))
        return parts

    def state(self) -> State:
        """Rates, shares, and when it began."""
        return {
            "half_life_s": self.half_life_s,
            "rates": [rate.state() for rate in (self._came, *self._rates.values())],
            "now": [self._unchanged, self._snapshots, self._born_s, self._time_s],
        }

    def restore(self, state: State) -> None:
        """Take up where `state()` was made; raises StateError for another half-life."""
        if state.get("half_life_s") != self.half_life_s:
            msg = f"feed_fault state: expected half_life_s {self.half_life_s}, found {state.get('half_life_s')!r}"
            raise StateError(msg)
        # State of before all kinds were counted has fewer rates.
        for rate, saved in zip((self._came, *self._rates.values()), state["rates"], strict=False):
            rate.restore(saved)
        self._unchanged, self._snapshots, self._born_s, self._time_s = state["now"]
