"""Correlation: several signals together that chance would seldom bring together."""

import math
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any

import msgspec

from detectors.base import State
from detectors.combination import cauchy_combination, several_at_once, truncated_product
from detectors.config import Calibration
from detectors.entities import Entities
from detectors.measures import Measure, calibration_measure
from detectors.results import Contribution, Scope, Signal
from detectors.revival import revived
from detectors.scorer import Scorer

_SECONDS_A_DAY = 86_400.0
#: Windows, in seconds, over which signals count as together.
WINDOWS_S = (1, 10, 60)
#: A family of signals takes part when its p-value over the window is at most this.
_CUT = 0.02
#: A family counts as no rarer than this in the joint score: one alone, however rare, is not several together.
_LEAST_PART = 1e-9
#: Seconds of an entity's silence that are learned at most, and after which it is forgotten.
_MOST_SILENT_S = 3_600
#: Entities remembered by a scope; those silent longest go first.
_MOST_ENTITIES = 20_000
#: A second's joint score that is ordinary: p-values are exponential in natural logarithms, 1 / ln 10 in decades.
_PRIOR_SCALE = 0.45


#: A name, its signals, and their p-value together.
_Part = tuple[str, list[Signal], float]


class Joint(msgspec.Struct, frozen=True):
    """Signals of two or more families on one entity: how likely together, and what each is."""

    scope: Scope
    entity: str
    p_value: float
    per_day: float
    score: float
    window_s: int
    #: The p-value of each family, the rarest first.
    family_p_values: tuple[float, ...]
    contributions: tuple[Contribution, ...]
    signals: tuple[Signal, ...]


class _Recent:
    """Signals of one entity by family and stream: for each, those of the last minute that no later one outdoes."""

    __slots__ = ("highest", "joint_second", "last_second", "streams", "turn")

    def __init__(self, second: int) -> None:
        self.turn = 0
        self.streams: dict[tuple[str, str], deque[tuple[int, Signal]]] = {}
        self.last_second = second
        #: The highest joint score of the episode, and the last second in which there was any.
        self.highest = 0.0
        self.joint_second = second

    def state(self) -> State:
        streams = [[family, stream, list(kept)] for (family, stream), kept in self.streams.items()]
        return {"streams": streams, "now": [self.last_second, self.highest, self.joint_second, self.turn]}

    @classmethod
    def of(cls, _entity: str, state: State, _notes: list[str]) -> "_Recent":
        recent = cls(0)
        for family, stream, kept in state["streams"]:
            signals = ((tick, msgspec.convert(signal, Signal)) for tick, signal in kept)
            recent.streams[family, stream] = deque(signals)
        recent.last_second, recent.highest, recent.joint_second, recent.turn = state["now"]
        return recent

    def add(self, family: str, stream: str, tick: int, signal: Signal) -> None:
        kept = self.streams.setdefault((family, stream), deque())
        while kept and kept[-1][1].per_day >= signal.per_day:
            kept.pop()
        kept.append((tick, signal))

    def expire(self, last_tick: int) -> None:
        for key in list(self.streams):
            kept = self.streams[key]
            while kept and kept[0][0] <= last_tick:
                kept.popleft()
            if not kept:
                del self.streams[key]

    def families(self, after_tick: int) -> dict[str, list[Signal]]:
        """By family, the rarest signal of each stream later than a tick."""
        found: dict[str, list[Signal]] = {}
        for (family, _), kept in sorted(self.streams.items()):
            signal = next((signal for tick, signal in kept if tick > after_tick), None)
            if signal is not None:
                found.setdefault(family, []).append(signal)
        return found


class Correlator:
    """Signals on entities of one scope (symbols, cohorts of accounts, or the market) over 1, 10 and 60 s.

    Each signal says how often a day chance makes one as rare in its stream, λ. Over a window of w seconds its p-value
    is `1 - exp(-λ w / 86400)`, which accounts for the number of accounts and ticks tested. Streams of one family (the
    same thing seen by account, group and symbol) are merged by the Cauchy combination, since they depend on each other.
    That at least two families are as rare at once (`several_at_once`), in the best of the three windows, times three,
    is the second's score, in decades. What families have in common anyway (a busy market cancels more *and* thins) is
    calibrated away: the score's own history gives the p-value, by peaks over threshold. An episode speaks when its
    score rises, ends when for a minute no two families have stood together, and is learned then, by its highest score:
    it cannot teach the calibration that it is ordinary while it lasts. It is never said to be rarer than it would be
    were the families independent. The p-value given is that of the truncated product, which is below each of its parts.

    Parameters
    ----------
    scope
        What the entities are.
    families
        Families there can be.
    settings, counters
        As for `Scorer`.
    tick_us
        Length of a tick in microseconds.
    """

    def __init__(
        self, scope: Scope, families: int, settings: Calibration, counters: Counter[str], tick_us: int
    ) -> None:
        self.scope = scope
        self.families = families
        self._ticks_a_second = 1_000_000 // tick_us
        self._calibration = settings
        self._counters = counters
        self._scorer = self._new_scorer()
        self._entities: Entities[_Recent] = Entities(
            None, save=_Recent.state, load=_Recent.of, turn=lambda recent: recent.turn
        )
        self._touched: set[str] = set()
        self._turn = 0

    def add(self, entity: str, family: str, stream: str, tick: int, signal: Signal) -> None:
        """Let a signal count for an entity from `tick` on."""
        recent = self._entities.touch(entity)
        if recent is None:
            recent = self._entities.add(entity, _Recent(tick // self._ticks_a_second))
        self._turn += 1
        recent.turn = self._turn
        self._touched.add(entity)
        recent.add(family, stream, tick, signal)

    def close_second(self, tick: int) -> list[Joint]:
        """Judge the entities that showed something new in a second; `tick` is its last."""
        found: list[Joint] = []
        # Not from the first joint score on: that one may be the very incident to warn of.
        self._scorer.begin(float(tick // self._ticks_a_second + 1))
        for entity in sorted(self._touched):
            recent = self._entities.change(entity)
            recent.expire(tick - WINDOWS_S[-1] * self._ticks_a_second)
            joint = self._judge(entity, recent, tick)
            if joint is not None:
                found.append(joint)
        self._touched.clear()
        self._forget(tick // self._ticks_a_second)
        return found

    def _forget(self, second: int) -> None:
        while len(self._entities):
            entity, recent = next(iter(self._entities.items()))
            if second - recent.last_second <= _MOST_SILENT_S and len(self._entities) <= _MOST_ENTITIES:
                return
            self._entities.remove(entity)

    def measure(self) -> Measure:
        """Give whether joint scores are calibrated."""
        return calibration_measure(f"correlation_{self.scope}", is_warm=self._scorer.pot.ready)

    def kept(self) -> Entities[Any]:
        """What was lately seen of each entity."""
        return self._entities

    def head(self) -> State:
        """What all entities share, and which showed something in the second that is under way."""
        return {"scorer": self._scorer.state(), "touched": sorted(self._touched), "turn": self._turn}

    def resume(self, head: State, notes: list[str]) -> None:
        """Take up what all entities share, after the entities themselves."""
        part = f"calibration of correlated_stress by {self.scope}"
        self._scorer = revived(self._new_scorer, head["scorer"], part, notes)
        self._touched = set(head["touched"])
        self._turn = head["turn"]

    def _new_scorer(self) -> Scorer:
        return Scorer(self._calibration, self._counters, prior_scale=_PRIOR_SCALE)

    def _judge(self, entity: str, recent: _Recent, tick: int) -> Joint | None:
        second = tick // self._ticks_a_second
        pot = self._scorer.pot
        pot.learn_silence(min(second - recent.last_second, _MOST_SILENT_S))
        recent.last_second = second
        if recent.highest > 0.0 and second - recent.joint_second > WINDOWS_S[-1]:
            pot.learn(recent.highest)
            recent.highest = 0.0
        score, window_s, parts = self._joint_score(recent, tick)
        if parts:
            recent.joint_second = second
        beyond = score - self._least_score()
        if beyond <= recent.highest:
            return None
        recent.highest = beyond
        verdict = self._scorer.judge(beyond, float(second + 1))
        if verdict is None:
            return None
        together = truncated_product([p for _, _, p in parts], max(self.families, len(parts)), _CUT)
        if together >= min(p for _, _, p in parts):
            return None
        return Joint(
            scope=self.scope,
            entity=entity,
            p_value=together,
            # Were families independent, chance would give this score so often; what they have in common adds to it.
            per_day=max(verdict.per_day, 10.0**-score * _SECONDS_A_DAY),
            score=score,
            window_s=window_s,
            family_p_values=tuple(sorted(p for _, _, p in parts)),
            contributions=_shares(parts if self.scope == "market" else _by_pattern(parts, window_s)),
            signals=tuple(signal for _, signals, _ in parts for signal in signals),
        )

    def _least_score(self) -> float:
        """The score of two families that only just take part: a tail is fitted to what lies beyond it, not to a gap."""
        return _decades(several_at_once([_CUT, _CUT], self.families))

    def _joint_score(self, recent: _Recent, tick: int) -> tuple[float, int, list[_Part]]:
        best: tuple[float, int, list[_Part]] = (0.0, 0, [])
        for window_s in WINDOWS_S:
            parts = [
                (family, signals, p_value)
                for family, signals in recent.families(tick - window_s * self._ticks_a_second).items()
                if (p_value := family_p_value(signals, window_s)) <= _CUT
            ]
            if len(parts) < 2:
                continue
            families = max(self.families, len(parts))
            score = _decades(several_at_once([max(p, _LEAST_PART) for _, _, p in parts], families))
            if score > best[0]:
                best = (score, window_s, parts)
        return best


def family_p_value(signals: Sequence[Signal], window_s: float) -> float:
    """Chance that a family's streams show signals as rare as these within a window.

    Examples
    --------
    >>> rare = Signal(0, "d", "thin_book", "symbol", "X", "X", 1e-5, 8.64, 5.0, ())
    >>> round(family_p_value([rare], window_s=10.0), 6)
    0.001
    """
    p_values = [max(-math.expm1(-signal.per_day * window_s / _SECONDS_A_DAY), 1e-300) for signal in signals]
    return cauchy_combination(p_values)


def _decades(p_value: float) -> float:
    """The score of the best of the windows, each of which may have it by chance."""
    return max(-math.log10(min(p_value * len(WINDOWS_S), 1.0)), 0.0)


def _by_pattern(parts: list[_Part], window_s: int) -> list[_Part]:
    """The same signals by pattern: what a family is made of."""
    found: dict[str, list[Signal]] = {}
    for _, signals, _ in parts:
        for signal in signals:
            found.setdefault(signal.pattern, []).append(signal)
    return [(pattern, signals, family_p_value(signals, window_s)) for pattern, signals in found.items()]


def _shares(parts: list[_Part]) -> tuple[Contribution, ...]:
    whole = sum(-math.log(p) for _, _, p in parts)
    found = []
    for family, signals, p_value in sorted(parts, key=lambda part: (part[2], part[0])):
        rarest = min(signals, key=lambda signal: (signal.per_day, signal.entity))
        first = rarest.contributions[0] if rarest.contributions else None
        label = f"{family} ({rarest.scope} {rarest.entity})" + (f": {first.signal}" if first else "")
        found.append(
            Contribution(
                label,
                first.observed if first else rarest.score,
                first.expected if first else 0.0,
                first.unit if first else "score",
                p_value,
                -math.log(p_value) / whole,
            )
        )
    return tuple(found)
