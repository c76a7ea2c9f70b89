"""Which alert to look at first."""

import math
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import NamedTuple

from detectors.results import Alert, LearnedRank, Severity

_SEVERITY_WEIGHT: dict[Severity, float] = {"info": 1.0, "warning": 2.0, "critical": 4.0}
_WORST_FIRST: tuple[Severity, ...] = ("critical", "warning", "info")
#: Rarer than this, surprise says nothing more about what to look at first.
_MOST_DECADES = 12.0


def ranking_score(severity: Severity, per_day: float, notional: float, families: int, repeats: int) -> float:
    """Ranking score of an alert: rarity x severity x impact x breadth, fading with repeats. Higher is worse.

    `decades = -log10(per_day) + 1`, between 0 and 12; impact grows by a tenth a decade of notional at risk; each
    further family of signals adds a half; each alert of the same pattern and entity in the last hour takes the weight
    down, to a third at least.

    Parameters
    ----------
    severity
        Of the alert.
    per_day
        How often a day chance makes one as rare, > 0.
    notional
        Notional at risk, >= 0.
    families
        Families of signals behind it, at least 1.
    repeats
        Alerts of the same pattern and entity in the last hour, >= 0.

    Examples
    --------
    >>> alone = ranking_score("warning", 1e-3, 1e6, families=1, repeats=0)
    >>> ranking_score("critical", 1e-3, 1e6, families=2, repeats=0) > alone
    True
    >>> ranking_score("info", 1.0, 0.0, families=1, repeats=0)
    1.0
    """
    decades = min(max(1.0 - math.log10(max(per_day, 1e-300)), 0.1), _MOST_DECADES)
    impact = 1.0 + 0.1 * math.log10(1.0 + max(notional, 0.0))
    breadth = 1.0 + 0.5 * (families - 1)
    novelty = max(1.0 / (1.0 + 0.25 * repeats), 1.0 / 3.0)
    return round(decades * _SEVERITY_WEIGHT[severity] * impact * breadth * novelty, 6)


class Queued(NamedTuple):
    """An alert in the queue; within its severity its score counts `factor` times."""

    alert_id: str
    severity: Severity
    score: float
    factor: float = 1.0


def by_score(queue: Iterable[Queued]) -> list[Queued]:
    """Order alerts by score, the worst first; equal scores by id."""
    return sorted(queue, key=lambda one: (-one.score, one.alert_id))


def by_learned_score(queue: Iterable[Queued]) -> list[Queued]:
    """Order alerts as by score, but those of each severity among themselves by `score * factor`.

    An alert that stands above one of lower severity by score stands above it here, too: a factor never moves an alert
    past one of higher severity. Else places change hands as little as that allows. Where all factors are equal this is
    the order by score.

    Examples
    --------
    >>> queue = [Queued("a", "critical", 9.0, 0.5), Queued("b", "warning", 8.0), Queued("c", "warning", 7.0, 2.0),
    ...          Queued("d", "critical", 6.0), Queued("e", "info", 5.0)]
    >>> "".join(one.alert_id for one in by_learned_score(queue))
    'dacbe'
    """
    base = by_score(queue)
    lines = {severity: _Line(base, severity) for severity in _WORST_FIRST}
    return [base[place] for severity in (one.severity for one in base) for place in _due(lines, severity)]


class _Line:
    """The alerts of one severity in the order in which they come, each as its place by score."""

    def __init__(self, base: list[Queued], severity: Severity) -> None:
        places = [place for place, one in enumerate(base) if one.severity == severity]
        self.places = sorted(places, key=lambda place: (-base[place].score * base[place].factor, place))
        #: At each step, the best place by score among those that are left.
        self.best_left = [*accumulate(reversed(self.places), min)][::-1]
        self.come = 0
        self.due = 0

    def must_precede(self, place: int) -> bool:
        """Whether one that is left stands above a place by score."""
        return self.come < len(self.places) and self.best_left[self.come] < place


def _due(lines: dict[Severity, _Line], severity: Severity) -> Iterator[int]:
    """The places by score of those that come when the order by score has one of this severity."""
    line = lines[severity]
    line.due += 1
    # One may have come before its time, ahead of one of lower severity.
    if line.come < line.due:
        yield from _next(lines, severity)


def _next(lines: dict[Severity, _Line], severity: Severity) -> Iterator[int]:
    line = lines[severity]
    place = line.places[line.come]
    for worse in _WORST_FIRST[: _WORST_FIRST.index(severity)]:
        while lines[worse].must_precede(place):
            yield from _next(lines, worse)
    line.come += 1
    yield place


def in_order(alerts: Iterable[Alert]) -> list[Alert]:
    """Order alerts as they are to be looked at: by score, and by what verdicts have taught where they say so."""
    found = {alert.alert_id: alert for alert in alerts}
    return [found[one.alert_id] for one in by_learned_score(map(_queued, found.values()))]


def _queued(alert: Alert) -> Queued:
    factor = alert.ranker.factor if isinstance(alert.ranker, LearnedRank) else 1.0
    return Queued(alert.alert_id, alert.severity, alert.score, factor)
