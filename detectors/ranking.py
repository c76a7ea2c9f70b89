"""Which alert to look at first."""

import math

from detectors.results import Severity

_SEVERITY_WEIGHT: dict[Severity, float] = {"info": 1.0, "warning": 2.0, "critical": 4.0}
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
