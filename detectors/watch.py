"""One detector of one entity at work: what it takes of a tick, and the signal that comes of its score."""

import abc
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from detectors.base import Detector, Features, State
from detectors.config import CoreSettings
from detectors.features.market import AccountCounts, SymbolTick
from detectors.ledger import EvidenceWindow
from detectors.measures import Measure
from detectors.results import Pattern, Scope, Signal
from detectors.revival import revived_pair
from detectors.scorer import Scorer, Verdict, signal_of
from detectors.symbol_activity import SymbolActivity

#: The symbol of what is of no symbol.
MARKET = "*"
_MOST_ACCOUNTS = 20
#: Seconds of silence that are learned at most at once.
_MOST_SILENT_S = 3_600

D = TypeVar("D", bound=Detector)
#: The accounts that a verdict is about, and the notional at stake.
Who = Callable[[Verdict], tuple[tuple[str, ...], float]]
#: Lets a model work under its name; what it had to say, or the last when it fails.
Guard = Callable[[str, Callable[[], list[Signal]], list[Signal]], list[Signal]]


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a watch stands: the entity, and what it shares with the other watches of it."""

    entity: str
    symbol: str
    settings: CoreSettings
    counters: Counter[str]
    activity: SymbolActivity

    @classmethod
    def of_symbol(cls, symbol: str, settings: CoreSettings, counters: Counter[str]) -> "Spot":
        """The spot of a symbol."""
        return cls(symbol, symbol, settings, counters, SymbolActivity(settings.timing.tick_us))

    @classmethod
    def of_market(cls, entity: str, settings: CoreSettings, counters: Counter[str]) -> "Spot":
        """The spot of something that is of no symbol."""
        return cls(entity, MARKET, settings, counters, SymbolActivity(settings.timing.tick_us))


class Watch(abc.ABC, Generic[D]):
    """A detector with the calibration of its scores, and the signals that come of it.

    Parameters
    ----------
    spot
        Where it stands.
    """

    #: Names the detector in signals, and the state.
    name: ClassVar[str]
    pattern: ClassVar[Pattern]
    scope: ClassVar[Scope] = "symbol"
    #: Where the cause of a signal can be read; none named: in all that the stage reads.
    topics: ClassVar[tuple[str, ...]] = ()
    #: Excess of score that is ordinary before anything is known, > 0.
    prior_scale: ClassVar[float] = 1.0
    #: Scores needed before p-values are believed; None: as in the settings.
    warm_up: ClassVar[int | None] = None

    def __init__(self, spot: Spot) -> None:
        self.spot = spot
        self.tick_us = spot.settings.timing.tick_us
        self.detector = self.new_detector()
        self.scorer = self.new_scorer()
        #: Up to when scores, or silence in their place, were learned; -1: silence is not looked at.
        self._learned_s = -1.0

    @abc.abstractmethod
    def new_detector(self) -> D:
        """A detector that has learned nothing."""

    def judge(self, tick: int, x: Features, evidence: EvidenceWindow, who: Who | None = None) -> list[Signal]:
        """Score features, learn them, and say so if they stand out; `who` is asked only then."""
        verdict = self.scorer.step(self.detector, x, self.time_s(tick))
        if verdict is None:
            return []
        accounts, notional = ((), 0.0) if who is None else who(verdict)
        return [
            signal_of(
                verdict,
                (tick + 1) * self.tick_us,
                detector=self.name,
                pattern=self.pattern,
                scope=self.scope,
                entity=self.spot.entity,
                symbol=self.spot.symbol,
                accounts=accounts[:_MOST_ACCOUNTS],
                notional=notional,
                evidence=evidence,
                topics=self.shown_by(tick, evidence.length),
            )
        ]

    def shown_by(self, tick: int, length: int) -> tuple[str, ...]:
        """The topics in which the cause of a signal can be read: each came of the entity in the last `length` ticks."""
        return self.topics

    def listen_from(self, since_s: float) -> None:
        """What is watched comes seldom: that it has not come is known since then, and to be learned."""
        self._learned_s = since_s
        self.scorer.begin(since_s)
        self.detector.learn_one({"time_s": since_s})

    def learn_silence(self, time_s: float) -> None:
        """Learn each second without a score, up to that of `time_s`, as one score of 0."""
        self.scorer.pot.learn_silence(min(int(time_s - self._learned_s), _MOST_SILENT_S))
        self._learned_s = time_s

    def time_s(self, tick: int) -> float:
        """The end of a tick, in seconds."""
        return (tick + 1) * self.tick_us / 1e6

    def sample(self, one_in: int) -> None:
        """Let heavy parts look at one observation in so many."""
        self.detector.one_in = one_in

    def new_scorer(self) -> Scorer:
        """A calibration that has learned nothing."""
        return Scorer(self.spot.settings.calibration, self.spot.counters, self.prior_scale, self.warm_up)

    def state(self) -> State:
        """Both models, and what else is remembered."""
        models = [self.detector.state(), self.scorer.state()]
        return {"models": models, "learned_s": self._learned_s, "rest": self.rest()}

    def restore(self, state: State, notes: list[str]) -> None:
        """Take up where `state()` was made; models of other parameters begin afresh, which is added to `notes`."""
        part = f"{self.name} of {self.spot.entity}"
        models = state.get("models")
        self.detector, self.scorer = revived_pair(self.new_detector, self.new_scorer, models, part, notes)
        self._learned_s = state["learned_s"]
        self.take_rest(state.get("rest"))

    def rest(self) -> Any:  # noqa: ANN401 - each has its own
        """What is remembered besides the models, as plain values."""
        return None

    def take_rest(self, rest: Any) -> None:  # noqa: ANN401 - each has its own
        """Take up what `rest()` gave."""


class SymbolTickWatch(Watch[D]):
    """A watch of a symbol. It is made at the first tick that concerns it: an input that never comes costs nothing."""

    @classmethod
    @abc.abstractmethod
    def concerns(cls, state: SymbolTick) -> bool:
        """Whether a tick is a reason to make one."""

    def begin(self, since_s: float) -> None:
        """It was just made; the entity is known since then."""

    def stand_beside(self, others: Sequence["SymbolTickWatch[Any]"]) -> None:
        """Know all watches of the symbol that there are, itself among them; told again when there are more."""

    def measures(self) -> Iterator[Measure]:
        """Give what can be shown of it."""
        return iter(())

    def close_tick(self, tick: int, state: SymbolTick, evidence: EvidenceWindow) -> list[Signal]:
        """Score what one tick brought; called for every tick of the entity since it was made."""
        return []

    @property
    def has_second(self) -> bool:
        """Whether it has something to look at when the second ends."""
        return False

    def close_second(self, tick: int, evidence: EvidenceWindow) -> list[Signal]:
        """Look at the second of which `tick` is the last."""
        return []

    def recount(self, accounts: AccountCounts) -> None:
        """Take in again what accounts did in a tick of the second that is under way."""
