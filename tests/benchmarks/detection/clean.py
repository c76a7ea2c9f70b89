"""The clean halves of a flow: what each scorer says when nothing was planted."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from tests.benchmarks.detection.baselines import SQUALL
from tests.benchmarks.detection.branches import GRACE_S, Branch, Run
from tests.benchmarks.detection.episodes import Scores, Threshold, episodes, threshold_at
from tests.benchmarks.detection.families import Family
from tests.benchmarks.detection.flows import COMPONENTS, SECOND_US
from tests.benchmarks.detection.observer import Raised, Said

#: Alarms a symbol-day at which scorers are compared.
BUDGETS = (0.2, 1.0, 5.0)
_DAY_S = 86_400.0
#: The symbol of alerts about several.
_MARKET = "*"
#: A signal of so many a day scores 0.
_ZERO_PER_DAY = 10_000.0


def squall_moments(
    family: Family, entity: str, signals: Iterable[Said], alerts: Iterable[Raised]
) -> Iterator[tuple[int, float]]:
    """When, and how strongly, Squall says that a family's pattern is seen on an entity.

    A component is of no symbol: its signals name it as their entity. By signals: decades of rarity below ten thousand a
    day. By alerts: decades of the alert's p-value.
    """
    if family.by_alerts:
        for alert in alerts:
            if alert.pattern in family.patterns and alert.symbol in (entity, _MARKET) and alert.status != "resolved":
                yield alert.at_us, -float(np.log10(alert.p_value))
        return
    for one in signals:
        if one.pattern in family.patterns and entity in (one.symbol, one.entity):
            yield one.at_us, max(float(np.log10(_ZERO_PER_DAY / one.per_day)), 0.0)


def by_second(found: Iterable[tuple[int, float]], first_second: int, seconds: int) -> Scores:
    """The highest score of each second; what is said at its very end belongs to it."""
    scores = np.zeros(seconds)
    for at_us, score in found:
        place = (at_us - 1) // SECOND_US - first_second
        if 0 <= place < seconds:
            scores[place] = max(scores[place], score)
    return scores


def _at_least_its_own(threshold: Threshold, budget: float) -> Threshold:
    """Where clean flow is too short to count, Squall must say itself that what it saw is as rare."""
    if not threshold.extrapolated:
        return threshold
    return Threshold(max(threshold.value, float(np.log10(_ZERO_PER_DAY / budget))), extrapolated=True)


class Clean:
    """The clean flow of all runs of one name, and the thresholds that it gives.

    Parameters
    ----------
    runs
        All of one flow's name; together they have folds 0 and 1.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs = runs
        self._series: dict[tuple[str, str, int], dict[str, Scores]] = {}
        self._thresholds: dict[tuple[str, str, float], tuple[Threshold, Threshold]] = {}
        self._stored = [{(scorer, x, who): values for scorer, x, who, values in run.scores} for run in runs]

    def spans(self, fold: int) -> Iterator[tuple[int, int, int]]:
        """Runs that have a part of this fold, by number, with its first second and the one after its last."""
        for number, run in enumerate(self.runs):
            plan = run.plan
            ends = (*plan.fold_s[1:], run.flow.seconds)
            for begin_s, end_s, found in zip(plan.fold_s, ends, plan.folds, strict=True):
                if found == fold:
                    yield number, max(begin_s, plan.warm_up_s), end_s

    def whole(self, scorer: str, family: Family, number: int) -> dict[str, Scores]:
        """Each entity's scores of a whole run."""
        key = (scorer, family.name if scorer == SQUALL else family.features, number)
        if key not in self._series:
            run = self.runs[number]
            entities = COMPONENTS if family.features == "latency" else run.flow.symbols
            if scorer == SQUALL:
                self._series[key] = {
                    entity: by_second(
                        squall_moments(family, entity, run.signals, run.alerts), run.first_second, run.flow.seconds
                    )
                    for entity in entities
                }
            else:
                stored = self._stored[number]
                self._series[key] = {one: np.array(stored[scorer, family.features, one]) for one in entities}
        return self._series[key]

    def fold(self, scorer: str, family: Family, fold: int) -> list[Scores]:
        """The scores of one fold, an entity and run each."""
        return [
            scores[begin:end]
            for number, begin, end in self.spans(fold)
            for scores in self.whole(scorer, family, number).values()
        ]

    def days(self, scorer: str, family: Family, fold: int) -> float:
        """Symbol-days (or component-days) of a fold."""
        return sum(map(len, self.fold(scorer, family, fold))) / _DAY_S

    def thresholds(self, scorer: str, family: Family, budget: float) -> tuple[Threshold, Threshold]:
        """For each fold, the threshold that the other one gives."""
        key = (scorer, family.name if scorer == SQUALL else family.features, budget)
        if key not in self._thresholds:
            first, second = (
                threshold_at(self.fold(scorer, family, 1 - fold), budget * self.days(scorer, family, 1 - fold))
                for fold in (0, 1)
            )
            if scorer == SQUALL and not family.by_alerts:
                first, second = _at_least_its_own(first, budget), _at_least_its_own(second, budget)
            self._thresholds[key] = first, second
        return self._thresholds[key]

    def alarms(self, scorer: str, family: Family, thresholds: tuple[Threshold, Threshold]) -> int:
        """Episodes on clean flow at thresholds that were set on other flow."""
        return sum(
            episodes(scores, thresholds[fold].value) for fold in (0, 1) for scores in self.fold(scorer, family, fold)
        )

    def around(self, scorer: str, family: Family, number: int, branch: Branch) -> Scores:
        """What the clean run says in the seconds of a branch."""
        run = self.runs[number]
        begin = branch.first_second - run.first_second
        last_us = branch.label.end_us + GRACE_S * SECOND_US
        end = last_us // SECOND_US - run.first_second
        return self.whole(scorer, family, number)[branch.label.entity][begin:end]
