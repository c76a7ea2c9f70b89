"""Operators' verdicts on alerts, and what they do to the order in which alerts are looked at."""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from detectors.base import State
from detectors.decisions import Feedback
from detectors.entities import Entities
from detectors.measures import Measure
from detectors.ranker_settings import Ranker
from detectors.results import Lean
from detectors.revival import revived
from detectors.verdict_model import Traits, VerdictModel

#: Records of `feedback` that wait for their time; of more, those that would count last are passed over.
_MOST_WAITING = 10_000
_MOST_LEANS = 3
TRUE, FALSE, NOISE = "true", "false", "noise"


class _Judged:
    """An alert that can be judged: its turn among those said, what it was, what was said of it last, and when."""

    __slots__ = ("is_learned", "said_us", "traits", "turn", "verdict")

    def __init__(
        self, turn: int, traits: Traits, verdict: str = "", said_us: int = -1, *, is_learned: bool = False
    ) -> None:
        self.turn = turn
        self.traits = traits
        self.verdict = verdict
        self.said_us = said_us
        #: Whether a verdict on it was predicted and counted: it is so once at most.
        self.is_learned = is_learned

    def state(self) -> list[Any]:
        return [self.turn, self.traits, self.verdict, self.said_us, self.is_learned]

    @classmethod
    def of(cls, state: list[Any]) -> "_Judged":
        turn, traits, verdict, said_us, is_learned = state
        return cls(turn, msgspec.convert(traits, Traits), verdict, said_us, is_learned=is_learned)


class FeedbackRanker:
    """Learns from verdicts which alerts operators call true, and says how much their scores count within a severity.

    `true` is 1, `false` and `noise` are 0. A score counts `max_factor ** (2 P - 1)` times, P the probability of a true
    verdict: between 1/2 and 2 by default. It is off, and every factor 1, until `min_verdicts` alerts were judged with
    `min_each` of both kinds, and whenever its predictions (each made before its verdict) are no better than the base
    rate's.

    Verdicts come by another topic than the rest, when the broker pleases. So one counts from `settle_s` of event time
    after its own `timestamp` on, in the order of timestamps and alerts: whoever has read it by then, in whatever order,
    counts it at the same tick. Of an alert its newest record says all: another verdict takes the place of the one
    before, an empty one takes it back; neither is a second verdict. It learns from an alert as it was last said before
    its verdict counts. It fails where operators judge by what no feature tells: then it stays off.

    Parameters
    ----------
    settings
        When it begins, and how far it goes.
    counters
        Where verdicts on unknown alerts (`feedback_unknown`), alerts forgotten (`evicted_alerts`) and records that
        were too many (`feedback_over_max`) are counted.

    Examples
    --------
    >>> ranker = FeedbackRanker(Ranker(min_verdicts=4, min_each=1), Counter())
    >>> for number in range(8):
    ...     pattern = ("cancel_burst", "thin_book")[number % 2]
    ...     ranker.remember(str(number), Traits(pattern, "X", "warning", 1e-9, 1e6, 10_000_000, families=1, repeats=0))
    ...     ranker.take(Feedback(str(number), "ann", timestamp=number, verdict=("true", "noise")[number % 2]))
    >>> ranker.settle(now_us=60_000_000), ranker.verdicts, ranker.is_on
    (None, 1, False)
    >>> ranker.settle(now_us=60_000_007), ranker.verdicts, ranker.is_on
    (None, 8, True)
    >>> ranker.opinion(Traits("thin_book", "X", "warning", 1e-9, 1e6, 10_000_000, families=1, repeats=0))
    (0.34639, 0.808198)
    >>> ranker.because(Traits("thin_book", "X", "warning", 1e-9, 1e6, 10_000_000, families=1, repeats=0))[0]
    Lean(feature='pattern_history', log_odds=-0.413)
    """

    def __init__(self, settings: Ranker, counters: Counter[str]) -> None:
        self._settings = settings
        self._counters = counters
        self._model = VerdictModel()
        self._alerts: Entities[_Judged] = Entities(
            settings.max_alerts,
            save=_Judged.state,
            load=lambda _, state, __: _Judged.of(state),
            turn=lambda one: one.turn,
            counters=counters,
            evicted="evicted_alerts",
        )
        self._turn = 0
        #: Timestamp, alert and verdict of what does not count yet, in this order.
        self._waiting: list[tuple[int, str, str]] = []
        self._verdicts = dict.fromkeys((TRUE, FALSE, NOISE), 0)

    @property
    def verdicts(self) -> int:
        """Alerts whose verdict counts."""
        return sum(self._verdicts.values())

    @property
    def is_on(self) -> bool:
        """Whether enough is known to reorder alerts."""
        settings, losses = self._settings, self._model.log_loss
        true, others = self._verdicts[TRUE], self._verdicts[FALSE] + self._verdicts[NOISE]
        enough = true + others >= settings.min_verdicts and min(true, others) >= settings.min_each
        return enough and settings.max_factor > 1.0 and losses is not None and losses[0] < losses[1]

    def opinion(self, traits: Traits) -> tuple[float, float]:
        """How likely an alert is to be called true, and how many times its score counts."""
        probability = round(self._model.probability(traits), 6)
        return probability, round(self._settings.max_factor ** (2.0 * probability - 1.0), 6)

    def because(self, traits: Traits) -> tuple[Lean, ...]:
        """The features of an alert that say most for or against a true verdict."""
        return tuple(Lean(name, round(log_odds, 3)) for name, log_odds in self._model.leans(traits)[:_MOST_LEANS])

    def remember(self, alert_id: str, traits: Traits) -> None:
        """Note what an alert is now that it is said."""
        self._turn += 1
        known = self._alerts.touch(alert_id)
        if known is None:
            self._alerts.add(alert_id, _Judged(self._turn, traits))
        else:
            known.turn, known.traits = self._turn, traits

    def take(self, feedback: Feedback) -> None:
        """Take a record of `feedback`; it counts when its time has come."""
        one = (feedback.timestamp, feedback.alert_id, feedback.verdict)
        at = bisect_left(self._waiting, one)
        if self._waiting[at : at + 1] == [one]:
            return
        insort(self._waiting, one)
        if len(self._waiting) > _MOST_WAITING:
            self._waiting.pop()
            self._counters["feedback_over_max"] += 1

    def settle(self, now_us: int) -> None:
        """Count what was said `settle_s` ago and before, at the end of a tick."""
        until_us = now_us - self._settings.settle_s * 1_000_000
        if not self._waiting or self._waiting[0][0] > until_us:
            return
        due = bisect_left(self._waiting, (until_us + 1, "", ""))
        said, self._waiting = self._waiting[:due], self._waiting[due:]
        for timestamp, alert_id, verdict in said:
            self._count(timestamp, alert_id, verdict)

    def measures(self) -> Iterator[Measure]:
        """Give verdicts by kind, whether alerts are reordered, and the log losses once there are any."""
        for verdict, many in self._verdicts.items():
            yield Measure("ranker_verdicts", (verdict,), many)
        yield Measure("ranker_state", ("on" if self.is_on else "off",), 1)
        losses = self._model.log_loss
        if losses is not None:
            yield Measure("ranker_log_loss", ("ranker",), losses[0])
            yield Measure("ranker_log_loss", ("base_rate",), losses[1])

    def kept(self) -> Entities[Any]:
        """The alerts that can be judged."""
        return self._alerts

    def state(self) -> State:
        """All but the alerts."""
        return {
            "turn": self._turn,
            "waiting": self._waiting,
            "verdicts": self._verdicts,
            "model": self._model.state(),
        }

    def resume(self, state: State, notes: list[str]) -> None:
        """Take up where `state()` was made; a model that cannot be taken up learns anew, and a note says why."""
        self._turn = state["turn"]
        self._waiting = [(timestamp, alert_id, verdict) for timestamp, alert_id, verdict in state["waiting"]]
        self._verdicts = {verdict: state["verdicts"][verdict] for verdict in self._verdicts}
        self._model = revived(VerdictModel, state["model"], "what verdicts have taught", notes)

    def _count(self, timestamp: int, alert_id: str, verdict: str) -> None:
        known = self._alerts.get(alert_id)
        if known is None:
            self._counters["feedback_unknown"] += bool(verdict)
            return
        if timestamp < known.said_us:
            return
        known = self._alerts.change(alert_id)
        before, known.verdict, known.said_us = known.verdict, verdict, timestamp
        if verdict == before:
            return
        for label, many in ((before, -1), (verdict, 1)):
            if label:
                self._verdicts[label] = max(self._verdicts[label] + many, 0)
        if known.is_learned:
            self._model.correct(known.traits, _truth(before), _truth(verdict))
        else:
            known.is_learned = True
            self._model.learn(known.traits, verdict == TRUE)


def _truth(verdict: str) -> bool | None:
    return verdict == TRUE if verdict else None
