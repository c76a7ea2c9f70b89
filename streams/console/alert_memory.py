"""What the console knows of alerts: every revision of each that it remembers, and what operators said of it."""

import heapq
from collections.abc import Iterable, Sequence

import msgspec

from detectors.decisions import Feedback
from detectors.ranking import in_order
from detectors.results import Alert

#: An alert that lasts for a day is revised thousands of times.
MOST_REVISIONS = 200
#: Alerts that were forgotten are still known by name, so that a repeated record does not open them anew.
_FORGOTTEN_NAMES = 20_000
_MOST_FEEDBACK = 20_000

_encode = msgspec.json.encode


class AlertCase:
    """One alert: the revisions that are known of it, by number."""

    __slots__ = ("latest", "revisions")

    def __init__(self, alert: Alert) -> None:
        self.latest = alert
        self.revisions = {alert.revision: alert}

    def take(self, alert: Alert) -> None:
        """Take a revision; of too many the first and the newest stay."""
        self.revisions.setdefault(alert.revision, alert)
        if alert.revision > self.latest.revision:
            self.latest = alert
        if len(self.revisions) > MOST_REVISIONS:
            del self.revisions[sorted(self.revisions)[1]]

    @property
    def first(self) -> Alert:
        """The oldest revision that is known."""
        return self.revisions[min(self.revisions)]

    @property
    def is_open(self) -> bool:
        """Whether it goes on."""
        return self.latest.status != "resolved"

    def history(self) -> Sequence[Alert]:
        """Tell the revisions, the oldest first."""
        return [self.revisions[number] for number in sorted(self.revisions)]


class AlertMemory:
    """Alerts, open and resolved; whatever the order and repetition of revisions, it knows the same in the end.

    Parameters
    ----------
    max_open, max_resolved
        Of more open alerts the lowest scores are forgotten, of more resolved ones those resolved first; >= 1.

    Examples
    --------
    >>> memory = AlertMemory(10, 10)
    >>> memory.open_alerts(), memory.resolved_alerts()
    ([], [])
    """

    def __init__(self, max_open: int, max_resolved: int) -> None:
        self._max_open = max_open
        self._max_resolved = max_resolved
        self._cases: dict[str, AlertCase] = {}
        self._forgotten: dict[str, None] = {}
        self._feedback: dict[str, Feedback] = {}

    def take(self, alert: Alert) -> bool:
        """Take a revision; tells whether it is new."""
        if alert.alert_id in self._forgotten:
            return False
        case = self._cases.get(alert.alert_id)
        if case is None:
            self._cases[alert.alert_id] = AlertCase(alert)
            # A tenth more than that, since to look for the least takes a pass over all.
            if len(self._cases) > 1.1 * (self._max_open + self._max_resolved):
                self._forget()
            return True
        if alert.revision in case.revisions:
            return False
        case.take(alert)
        return True

    def take_feedback(self, feedback: Feedback) -> None:
        """Take what was said of an alert; what was said last holds."""
        before = self._feedback.pop(feedback.alert_id, None)
        latest = feedback if before is None else max(before, feedback, key=_order_of)
        self._feedback[feedback.alert_id] = latest
        if len(self._feedback) > _MOST_FEEDBACK:
            del self._feedback[next(iter(self._feedback))]

    def drop(self, alert_id: str) -> None:
        """The topic has nothing of an alert any more."""
        self._cases.pop(alert_id, None)

    def case(self, alert_id: str) -> AlertCase | None:
        """Give one alert; None: it is not remembered."""
        return self._cases.get(alert_id)

    def cases(self) -> Iterable[AlertCase]:
        """Give all alerts."""
        return self._cases.values()

    def feedback(self, alert_id: str) -> Feedback | None:
        """Tell what was said of an alert last."""
        return self._feedback.get(alert_id)

    def open_alerts(self) -> list[AlertCase]:
        """Tell the alerts that go on, in the order in which they are to be looked at."""
        ongoing = in_order(case.latest for case in self._cases.values() if case.is_open)
        return [self._cases[alert.alert_id] for alert in ongoing]

    def resolved_alerts(self) -> list[AlertCase]:
        """Tell the alerts that are over, the last resolved first."""
        found = [case for case in self._cases.values() if not case.is_open]
        return sorted(found, key=lambda case: (case.latest.timestamp, case.latest.alert_id), reverse=True)

    def _forget(self) -> None:
        latest = [case.latest for case in self._cases.values()]
        over = [(alert.timestamp, alert.alert_id) for alert in latest if alert.status == "resolved"]
        ongoing = [(alert.score, alert.alert_id) for alert in latest if alert.status != "resolved"]
        for found, most in ((over, self._max_resolved), (ongoing, self._max_open)):
            for _, alert_id in heapq.nsmallest(max(0, len(found) - most), found):
                del self._cases[alert_id]
                self._forgotten[alert_id] = None
        while len(self._forgotten) > _FORGOTTEN_NAMES:
            del self._forgotten[next(iter(self._forgotten))]


def _order_of(feedback: Feedback) -> tuple[int, bytes]:
    # The same microsecond twice: any order does, as long as it is always the same.
    return feedback.timestamp, _encode(feedback)
