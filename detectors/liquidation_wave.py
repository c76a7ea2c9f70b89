"""Liquidation wave: forced trades that bring about further forced trades."""

import math

from detectors.base import AgedDetector, Features, State, count_of
from detectors.errors import StateError
from detectors.gamma_poisson import DecayedRate, surprise
from detectors.reasons import Part, contributions
from detectors.results import Contribution

#: The branching ratio is never taken for larger: at 1 the process explodes, and a fit says nothing.
MOST_BRANCHING = 0.95
#: Events and seconds that the prior on the rate counts: one in twenty minutes.
_PRIOR_COUNT, _PRIOR_EXPOSURE_S = 0.5, 600.0
#: Counts are compared with their mean over bins of so many seconds.
_BIN_S = 60.0
#: Bins that the prior on the variance counts: a Poisson process until more is known.
_PRIOR_BINS = 10.0
#: A liquidation of more than so many usual ones counts as so many.
_LARGEST = 20.0
_LEARN_DEVIATIONS = 4.0
_MOST_EVENTS = 1e6


class LiquidationWave(AgedDetector):
    """Liquidations as a self-exciting (Hawkes) process: intensity, baseline, and how many each brings about.

    The intensity is `λ(t) = μ + n Σ β exp(-β (t - t_i))` with `β = 1 / decay_s`; the sum is kept in one number, so that
    an event costs O(1). The branching ratio `n` that is usual follows from how much counts of a minute vary, `n = 1 -
    sqrt(mean / variance)`, with the memory `half_life_s` and a Poisson prior; it is kept in [0, 0.95]. The baseline is
    `μ = (1 - n) rate`.

    What is scored is the count, and the notional in usual liquidations, of 10 and 60 s against the usual rate, as a
    negative binomial. Counts of a Hawkes process vary by `1 / (1 - n)^2` times their mean, so that counts and the
    exposure behind the rate are taken times `(1 - n)^2`: a symbol on which liquidations always come in clusters must
    outdo its clusters. The branching ratio of the last minute, `1 - 60 μ / count`, is told, and not scored: changes of
    regime alone look like self-excitement.

    It fails where the venue tells one liquidation a second at most (counts are lower bounds just when it matters), and
    on a cascade so fast that it is over within a tick.

    Parameters
    ----------
    half_life_s
        Memory of baseline and branching ratio in seconds, > 0.
    decay_s
        Mean time from a liquidation to those it brings about, in seconds, > 0.
    grace_s
        Seconds between the beginning and a score that is believed, >= 0.
    least_events
        Fewer liquidations than this in 60 s are no wave, however rare, >= 1.

    Notes
    -----
    Features: `time_s`; `events_tick`, `events_10s`, `events_60s` counts of liquidations; `notional_tick`,
    `notional_10s`, `notional_60s` in price times amount.

    Examples
    --------
    >>> wave = LiquidationWave()
    >>> for minute in range(60):
    ...     wave.learn_one({"time_s": 60.0 * minute, "events_tick": 1, "notional_tick": 1e4})
    >>> calm = {"time_s": 3600.0, "events_tick": 1, "events_10s": 1, "events_60s": 2}
    >>> wild = {"time_s": 3600.0, "events_tick": 5, "events_10s": 20, "events_60s": 30}
    >>> wave.score_one(calm) < 1 < 10 < wave.score_one(wild), wave.branching < 0.3
    (True, True)

    References
    ----------
    Hawkes, A. G. (1971). Spectra of some self-exciting and mutually exciting point processes. Biometrika 58(1).
    Hardiman, S. J. and Bouchaud, J.-P. (2014). Branching-ratio approximation for the self-exciting Hawkes process.
    Physical Review E 90, 062807. Filimonov, V. and Sornette, D. (2015). Apparent criticality and calibration issues in
    the Hawkes self-excited point process model. Quantitative Finance 15(8).
    """

    name = "liquidation_wave"

    def __init__(
        self, half_life_s: float = 1_800.0, decay_s: float = 10.0, grace_s: float = 60.0, least_events: int = 4
    ) -> None:
        self.half_life_s = half_life_s
        self.decay_s = decay_s
        self.grace_s = grace_s
        self.least_events = least_events
        self._rate = DecayedRate(half_life_s, _PRIOR_COUNT, _PRIOR_EXPOSURE_S)
        self._excited = 0.0
        self._mean_size = 0.0
        self._sizes_seen = 0.0
        #: Of the minute that is under way: its number, and what was counted. Then sums over minutes, forgetting.
        self._bin, self._bin_count = -1, 0.0
        self._bins = self._bin_sum = self._bin_squares = 0.0

    @property
    def branching(self) -> float:
        """How many further liquidations one usually brings about, in [0, 0.95]."""
        mean, variance = self._mean_and_variance()
        return min(1.0 - math.sqrt(mean / variance), MOST_BRANCHING) if variance > mean > 0.0 else 0.0

    def baseline(self, time_s: float) -> float:
        """Liquidations a second that nothing before has brought about."""
        return (1.0 - self.branching) * self._rate.per_second(time_s)

    def intensity(self, time_s: float) -> float:
        """Liquidations a second to be expected at a time, after what was learned."""
        gap_s = max(time_s - self._time_s, 0.0) if self._time_s >= 0.0 else 0.0
        excited = self._excited * math.exp(-gap_s / self.decay_s)
        return self.baseline(time_s) + self.branching * excited / self.decay_s

    def score_one(self, x: Features) -> float:
        """Decades of the most surprising count or notional."""
        return max((part.weight for part in self._parts(x)), default=0.0)

    def learn_one(self, x: Features) -> None:
        """Take the events of a tick in; no more of them than four deviations above what ten seconds usually bring."""
        time_s = x.get("time_s", 0.0)
        if not 0.0 <= time_s < 1e11:
            time_s = max(self._time_s, 0.0)
        events = min(count_of(x, "events_tick"), _MOST_EVENTS)
        likely = 10.0 * self._rate.per_second(time_s)
        gap_s = max(time_s - self._time_s, 0.0) if self._time_s >= 0.0 else 0.0
        self._count_bin(time_s, events)
        self._rate.learn(min(events, 1.0 + likely + _LEARN_DEVIATIONS * math.sqrt(likely)), time_s)
        self._excited = self._excited * math.exp(-gap_s / self.decay_s) + events
        if events:
            self._learn_size(count_of(x, "notional_tick") / events, events)
        self._age(time_s)

    def explain_one(self, x: Features) -> tuple[Contribution, ...]:
        """Counts and notional against the usual rate, and how many each liquidation brings about."""
        lately, usually = self._branching_lately(x), self.branching
        return contributions(
            part._replace(signal=f"{part.signal} (each brought about {lately:.2f}, usually {usually:.2f})")
            for part in self._parts(x)
        )

    def _branching_lately(self, x: Features) -> float:
        """The part of the last minute's liquidations that the baseline does not explain."""
        events = count_of(x, "events_60s")
        explained = 60.0 * self.baseline(x.get("time_s", 0.0))
        return min(max(1.0 - explained / events, 0.0), MOST_BRANCHING) if events else 0.0

    def _parts(self, x: Features) -> list[Part]:
        if not x.get("events_60s", 0.0) >= self.least_events:
            return []
        shape, exposure_s = self._rate.gamma(x.get("time_s", 0.0))
        calm = (1.0 - self.branching) ** 2
        parts = []
        for seconds in (10, 60):
            events, notional = count_of(x, f"events_{seconds}s"), count_of(x, f"notional_{seconds}s")
            usual = shape / exposure_s * seconds
            decades = surprise(events * calm, shape * calm, exposure_s, seconds)
            parts.append(Part(decades, f"liquidations in {seconds} s", events, usual, "liquidations", 10.0**-decades))
            decades = surprise(self._in_usual(notional, events) * calm, shape * calm, exposure_s, seconds)
            usual *= self._mean_size
            parts.append(
                Part(decades, f"notional liquidated in {seconds} s", notional, usual, "notional", 10.0**-decades)
            )
        return parts

    def _mean_and_variance(self) -> tuple[float, float]:
        """Of the counts of a minute; as of a Poisson process while little is known."""
        if self._bins <= 0.0:
            return 0.0, 0.0
        mean = self._bin_sum / self._bins
        squares = self._bin_squares - self._bins * mean * mean
        return mean, (squares + _PRIOR_BINS * mean) / (self._bins + _PRIOR_BINS)

    def _count_bin(self, time_s: float, events: float) -> None:
        """Count events in their minute; a minute that is over enters the sums, as do empty ones since."""
        number = int(time_s / _BIN_S)
        if self._bin < 0:
            self._bin = number
        if number > self._bin:
            keep = 0.5 ** (_BIN_S / self.half_life_s)
            # One wave must not make all later ones ordinary.
            mean, variance = self._mean_and_variance()
            most = 1.0 + mean + 3.0 * math.sqrt(max(variance, mean))
            count, empty = min(self._bin_count, most), number - self._bin - 1
            fade, empties = keep ** (empty + 1), (1.0 - keep**empty) / (1.0 - keep)
            self._bins = self._bins * fade + keep**empty + empties
            self._bin_sum = self._bin_sum * fade + count * keep**empty
            self._bin_squares = self._bin_squares * fade + count * count * keep**empty
            self._bin, self._bin_count = number, 0.0
        self._bin_count += events

    def _in_usual(self, notional: float, events: float) -> float:
        """Notional in units of the usual liquidation."""
        return min(notional / self._mean_size, _LARGEST * events) if self._mean_size > 0.0 else 0.0

    def _learn_size(self, size: float, events: float) -> None:
        if self._mean_size > 0.0:
            size = min(size, _LARGEST * self._mean_size)
        weight = min(events, 3.0)
        self._sizes_seen = min(self._sizes_seen + weight, 200.0)
        self._mean_size += weight / self._sizes_seen * (size - self._mean_size)

    def state(self) -> State:
        """Baseline, offspring, excitement, mean size, and when it began."""
        return {
            "parameters": [self.half_life_s, self.decay_s, self.least_events],
            "rate": self._rate.state(),
            "bins": [self._bin, self._bin_count, self._bins, self._bin_sum, self._bin_squares],
            "now": [self._excited, self._mean_size, self._sizes_seen, self._born_s, self._time_s],
        }

    def restore(self, state: State) -> None:
        """Take up where `state()` was made; raises StateError for other parameters."""
        expected = [self.half_life_s, self.decay_s, self.least_events]
        if state.get("parameters") != expected:
            msg = f"liquidation_wave state: expected parameters {expected}, found {state.get('parameters')}"
            raise StateError(msg)
        self._rate.restore(state["rate"])
        self._bin, self._bin_count, self._bins, self._bin_sum, self._bin_squares = state["bins"]
        self._excited, self._mean_size, self._sizes_seen, self._born_s, self._time_s = state["now"]
