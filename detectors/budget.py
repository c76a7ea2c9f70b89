"""How the budget of false alarms of a symbol is shared by its streams of scores."""

from detectors.config import Alerts
from detectors.results import Pattern, Severity

#: A share is one in so many. Seven tenths go to the seven streams of what seldom has a harmless reason; the nine or so
#: of the other patterns, which markets show by themselves now and then, have a third of such a share each.
STREAMS = 10
FURTHER_STREAMS = 30
MAIN: frozenset[Pattern] = frozenset(
    {"cancel_burst", "leverage_spike", "thin_book", "mark_divergence", "latency_shock", "correlated_stress"}
)
#: Detectors that say of a main pattern what another says of it already: they have the share of a further one.
BESIDE: frozenset[str] = frozenset({"execution_quality"})
#: What is wrong with inputs and models is no stress of a market: it is told, and correlated with nothing.
APART: frozenset[Pattern] = frozenset({"feed_fault", "drift"})


def severity_of(pattern: Pattern, per_day: float, alerts: Alerts, detector: str = "") -> Severity | None:
    """How grave it is that chance gives a score as high so often a day in its stream; None: not worth an alert.

    Drift is never more than `info` by itself. The `detector` matters where a pattern has more than one.

    Examples
    --------
    >>> [severity_of("thin_book", per_day, Alerts()) for per_day in (5.0, 1.0, 0.1)]
    [None, 'info', 'warning']
    >>> [severity_of("thin_book", per_day, Alerts(), "execution_quality") for per_day in (1.0, 0.1, 0.01)]
    [None, 'info', 'warning']
    >>> severity_of("drift", 1e-9, Alerts())
    'info'
    """
    streams = STREAMS if pattern in MAIN and detector not in BESIDE else FURTHER_STREAMS
    if per_day <= alerts.false_alarms_per_day / streams and pattern != "drift":
        return "warning"
    return "info" if per_day <= alerts.info_per_day / streams else None
