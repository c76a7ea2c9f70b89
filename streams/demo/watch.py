"""What is known of a demo while it runs: how far it has come, how fast, which alerts are open, and what is limited."""

import statistics
from bisect import bisect_left
from collections import deque
from typing import NamedTuple

from detectors.decisions import RateLimit
from detectors.results import Alert
from streams.demo.decided import Decided
from streams.demo.feed import Progress

#: Rates are those of the last seconds.
_RATE_WINDOW_S = 3.0


class WorkerState(NamedTuple):
    """What a worker says of itself: partitions of the market stage, events taken, events that came too late."""

    partitions: int
    events: int
    late: int


class Latency(NamedTuple):
    """From the sending of the events that an alert closes with to its arrival here, in seconds."""

    p50_s: float
    p99_s: float
    alerts: int


class Watch:
    """Collects; times named `at_s` are of the machine's monotonic clock.

    Parameters
    ----------
    workers
        How many there are.
    """

    def __init__(self, workers: int) -> None:
        self.revisions: list[Alert] = []
        self.workers = [WorkerState(0, 0, 0)] * workers
        self.decided = Decided()
        self._open: dict[str, Alert] = {}
        self._opened_us: dict[str, int] = {}
        self._arrivals: list[tuple[float, int]] = []
        self._progress: list[Progress] = []
        self._processed: deque[tuple[float, int]] = deque()

    def see_progress(self, progress: Progress) -> None:
        """Note how far the feed has come."""
        self._progress.append(progress)

    def see_workers(self, states: list[WorkerState], at_s: float) -> None:
        """Note how far the workers have come."""
        self.workers = states
        self._processed.append((at_s, self.processed))
        while self._processed[0][0] < at_s - _RATE_WINDOW_S:
            self._processed.popleft()

    def see_alert(self, alert: Alert, at_s: float) -> None:
        """Note a revision that was read from the topic."""
        self.revisions.append(alert)
        if alert.status == "resolved":
            self._open.pop(alert.alert_id, None)
            return
        self._open[alert.alert_id] = alert
        self._opened_us.setdefault(alert.alert_id, alert.timestamp)
        self._arrivals.append((at_s, alert.timestamp))

    @property
    def sent(self) -> int:
        """Events that the feed has sent."""
        return self._progress[-1].events if self._progress else 0

    @property
    def now_us(self) -> int | None:
        """The event time of the feed; None before its first event."""
        return self._progress[-1].event_us if self._progress else None

    @property
    def began_s(self) -> float | None:
        """When the feed was first heard of."""
        return self._progress[0].at_s if self._progress else None

    @property
    def processed(self) -> int:
        """Events that the workers have taken."""
        return sum(state.events for state in self.workers)

    @property
    def late(self) -> int:
        """Events that came too late for their tick."""
        return sum(state.late for state in self.workers)

    def sent_per_s(self) -> float:
        """Events sent a second, lately."""
        if not self._progress:
            return 0.0
        last = self._progress[-1]
        first = self._progress[bisect_left(self._progress, last.at_s - _RATE_WINDOW_S, key=lambda one: one.at_s)]
        return _rate(first.at_s, first.events, last.at_s, last.events)

    def processed_per_s(self) -> float:
        """Events taken by the workers a second, lately."""
        return _rate(*self._processed[0], *self._processed[-1]) if self._processed else 0.0

    def open_alerts(self) -> list[Alert]:
        """Alerts that are open, the worst first."""
        return sorted(self._open.values(), key=lambda alert: (-alert.score, alert.alert_id))

    def limits_in_force(self) -> list[RateLimit]:
        """Limits that have not ended by the feed's event time, the tightest first."""
        return self.decided.in_force(self.now_us or 0)

    def age_s(self, alert: Alert) -> float:
        """Event time since an alert was opened."""
        return max(0.0, ((self.now_us or 0) - self._opened_us[alert.alert_id]) / 1e6)

    def latency(self) -> Latency | None:
        """How long alerts took to get here, opened and updated ones; None before the first."""
        found = sorted(max(0.0, at_s - self._sent_at_s(event_us)) for at_s, event_us in self._arrivals)
        if not self._progress or not found:
            return None
        return Latency(statistics.median(found), found[min(len(found) - 1, round(0.99 * len(found)))], len(found))

    def _sent_at_s(self, event_us: int) -> float:
        """When the feed sent the events of a time."""
        index = bisect_left(self._progress, event_us, key=lambda one: one.event_us)
        if index == 0 or index == len(self._progress):
            return self._progress[max(0, index - 1)].at_s if self._progress else 0.0
        before, after = self._progress[index - 1], self._progress[index]
        share = (event_us - before.event_us) / max(1, after.event_us - before.event_us)
        return before.at_s + share * (after.at_s - before.at_s)


def _rate(first_s: float, first: int, last_s: float, last: int) -> float:
    return (last - first) / (last_s - first_s) if last_s > first_s else 0.0
