"""Planted against found: which alert found which incident, how soon, and which alerts nothing explains."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from detectors.results import Alert, Pattern, Severity
from streams.simulator import Family, Incident

#: An incident may still be found so long after its end: windows look back 10 s.
GRACE_US = 10_000_000
#: What counts as finding an incident of a family.
FITTING: Mapping[Family, tuple[Pattern, ...]] = {
    "cancel_burst": ("cancel_burst", "correlated_stress"),
    "cancel_ring": ("cancel_burst", "correlated_stress"),
    "leverage_spike": ("leverage_spike", "correlated_stress"),
    "thin_book": ("thin_book", "correlated_stress"),
    "correlated": ("correlated_stress",),
    "mark_divergence": ("mark_divergence", "correlated_stress"),
    "latency_shock": ("latency_shock", "correlated_stress"),
    "trade_burst": ("trade_burst", "correlated_stress"),
    "layering": ("layering", "correlated_stress"),
    "liquidation_wave": ("liquidation_wave", "correlated_stress"),
}
#: The symbol of an alert about all of them.
_WHOLE_MARKET = "*"
_ORDER: Mapping[Severity, int] = {"info": 0, "warning": 1, "critical": 2}


class Found(NamedTuple):
    """An incident, the first alert that fits it (None: it was not found), and the worst severity of those that fit."""

    incident: Incident
    alert: Alert | None
    worst: Severity | None

    @property
    def time_to_detect_s(self) -> float | None:
        """Event time from the incident's start to the alert."""
        return None if self.alert is None else (self.alert.timestamp - self.incident.start_us) / 1e6


def risings(alerts: Iterable[Alert]) -> list[Alert]:
    """Pick the revisions that open an alert or make it worse (severity or score), in the order of event time.

    Parameters
    ----------
    alerts
        Revisions in any order; the same revision may come several times, as from a topic that is written at least once.
    """
    latest: dict[str, Alert] = {}
    risen = []
    for alert in sorted(alerts, key=lambda one: (one.timestamp, one.alert_id, one.revision)):
        before = latest.get(alert.alert_id)
        if before is not None and alert.revision <= before.revision:
            continue
        latest[alert.alert_id] = alert
        if alert.status != "resolved" and (before is None or _badness(alert) > _badness(before)):
            risen.append(alert)
    return risen


def match(incidents: Sequence[Incident], alerts: Iterable[Alert]) -> list[Found]:
    """Say for each incident which alert found it first.

    An alert finds an incident if its pattern fits the family (`FITTING`) and it opened or grew worse within the
    incident or `GRACE_US` after, on the incident's symbol or naming one of its accounts. Any severity counts.

    Parameters
    ----------
    incidents
        What was planted.
    alerts
        All revisions, in any order.
    """
    risen = risings(alerts)
    found = []
    for incident in incidents:
        fitting = [alert for alert in risen if _fits(alert, incident)]
        worst = max((alert.severity for alert in fitting), key=_ORDER.__getitem__, default=None)
        found.append(Found(incident, fitting[0] if fitting else None, worst))
    return found


def false_alarms(incidents: Sequence[Incident], alerts: Iterable[Alert]) -> list[Alert]:
    """List the alerts above `info` that no incident explains, each as it stood when it first rose above.

    An incident explains an alert of any pattern that rises in its time or `GRACE_US` after, on its symbol, on the
    whole market, or naming one of its accounts.

    Parameters
    ----------
    incidents
        What was planted.
    alerts
        All revisions, in any order.
    """
    loud: dict[str, Alert] = {}
    for alert in risings(alerts):
        if alert.severity != "info":
            loud.setdefault(alert.alert_id, alert)
    return [
        alert
        for alert in loud.values()
        if not any(
            _in_time(alert, incident) and (_concerns(alert, incident) or alert.symbol == _WHOLE_MARKET)
            for incident in incidents
        )
    ]


def taking_part(incidents: Sequence[Incident], accounts: Iterable[str], at_us: int) -> set[str]:
    """Pick the accounts that take part in an incident which has begun by an event time, over or not.

    What an incident leads to may outlast it.
    """
    begun = {account for one in incidents if one.start_us <= at_us for account in one.accounts}
    return begun.intersection(accounts)


def _fits(alert: Alert, incident: Incident) -> bool:
    return alert.pattern in FITTING[incident.family] and _in_time(alert, incident) and _concerns(alert, incident)


def _in_time(alert: Alert, incident: Incident) -> bool:
    return incident.start_us <= alert.timestamp <= incident.end_us + GRACE_US


def _concerns(alert: Alert, incident: Incident) -> bool:
    # A component is of no symbol: alerts of it are about all of them.
    where = _WHOLE_MARKET if incident.family == "latency_shock" else incident.symbol
    return alert.symbol == where or not set(incident.accounts).isdisjoint(alert.accounts)


def _badness(alert: Alert) -> tuple[int, float]:
    return _ORDER[alert.severity], alert.score
