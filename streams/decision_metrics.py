"""What a worker decides, for Prometheus: signals, alerts, limits, trips, and how long each took."""

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from detectors.config import CoreSettings
from detectors.decisions import Indicator, Level, LimitAction, Mode, RateLimit, Trip, TripState
from detectors.guardrail_rules import RULES
from detectors.results import Alert, Pattern, Severity, SignalFrame, Status

_LATENCY_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_DECADES = (2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0)
#: Above it, event time is not the time of day (a replayed day), and the difference no latency.
_LARGEST_LATENCY_S = 3_600.0


@dataclass(frozen=True, slots=True)
class DecisionMetrics:
    """What goes out of a worker, and what it may."""

    signals: Counter
    surprise: Histogram
    alerts: Counter
    event_to_alert_seconds: Histogram
    limits: Counter
    event_to_limit_seconds: Histogram
    guardrail_changes: Counter
    event_to_trip_seconds: Histogram
    limits_mode: Gauge
    alert_budget: Gauge

    @classmethod
    def create(cls, registry: CollectorRegistry, core: CoreSettings) -> Self:
        """Make the metrics and register them; `core` tells the mode of limits and the budget of alerts."""

        def counter(name: str, about: str, labels: Iterable[str]) -> Counter:
            return Counter(f"squall_{name}", about, list(labels), registry=registry)

        def latency(name: str, about: str) -> Histogram:
            return Histogram(f"squall_{name}", about, buckets=_LATENCY_BUCKETS_S, registry=registry)

        metrics = cls(
            signals=counter("signals", "Signals sent.", ["pattern"]),
            surprise=Histogram(
                "squall_signal_surprise",
                "Minus the decimal logarithm of the p-value of signals sent.",
                ["pattern"],
                buckets=_DECADES,
                registry=registry,
            ),
            alerts=counter("alerts", "Alert revisions sent.", ["pattern", "severity", "status"]),
            event_to_alert_seconds=latency(
                "event_to_alert_seconds", "From an alert's event time to the moment it is sent."
            ),
            limits=counter("rate_limits", "Rate limits sent, renewals included.", ["mode", "action", "indicator"]),
            event_to_limit_seconds=latency(
                "event_to_limit_seconds", "From the event time of a limit's decision to the moment it is sent."
            ),
            guardrail_changes=counter(
                "guardrail_changes", "Guardrails that tripped or cleared.", ["rule", "state", "level"]
            ),
            event_to_trip_seconds=latency(
                "event_to_trip_seconds", "From the event time of a guardrail's trip to the moment it is sent."
            ),
            limits_mode=Gauge("squall_limits_mode_info", "The mode of limits.", ["mode"], registry=registry),
            alert_budget=Gauge(
                "squall_alert_budget_per_day",
                "Alerts that chance alone may raise on one symbol in a day, by setting.",
                ["severity"],
                registry=registry,
            ),
        )
        metrics._show_zeros(core)
        return metrics

    def _show_zeros(self, core: CoreSettings) -> None:
        """Show what has few values from the first scrape on, so that rates and alerts on them work."""
        for pattern in get_args(Pattern):
            self.signals.labels(pattern)
            for severity in get_args(Severity):
                for status in get_args(Status):
                    self.alerts.labels(pattern, severity, status)
        # One is enough for queries to be answered, and all would be half of the page.
        self.surprise.labels("cancel_burst")
        mode: Mode = core.limits.mode
        self.limits_mode.labels(mode).set(1)
        for action in get_args(LimitAction):
            for indicator in get_args(Indicator):
                self.limits.labels(mode, action, indicator)
        for rule in RULES:
            for state in get_args(TripState):
                for level in get_args(Level):
                    self.guardrail_changes.labels(rule.name, state, level)
        self.alert_budget.labels("info").set(core.alerts.info_per_day)
        self.alert_budget.labels("warning").set(core.alerts.false_alarms_per_day)
        self.alert_budget.labels("critical").set(core.alerts.critical_per_day)

    def observe_signals(self, frame: SignalFrame) -> None:
        """Count the signals of a frame that is being sent."""
        for tick in frame.ticks:
            for signal in tick.signals:
                self.signals.labels(signal.pattern).inc()
                self.surprise.labels(signal.pattern).observe(-math.log10(signal.p_value))

    def observe_alert(self, alert: Alert) -> None:
        """Count an alert that is being sent, and how long it took to get there."""
        self.alerts.labels(alert.pattern, alert.severity, alert.status).inc()
        _observe(self.event_to_alert_seconds, alert.timestamp)

    def observe_limit(self, limit: RateLimit) -> None:
        """Count a rate limit that is being sent, and how long it took to get there."""
        self.limits.labels(limit.mode, limit.action, limit.indicator).inc()
        _observe(self.event_to_limit_seconds, limit.issued_at)

    def observe_trip(self, trip: Trip) -> None:
        """Count a guardrail that has changed, and how long it took to get there."""
        self.guardrail_changes.labels(trip.rule, trip.state, trip.level).inc()
        _observe(self.event_to_trip_seconds, trip.timestamp)


def _observe(latency_seconds: Histogram, timestamp_us: int) -> None:
    latency_s = time.time() - timestamp_us / 1e6
    if 0.0 <= latency_s <= _LARGEST_LATENCY_S:
        latency_seconds.observe(latency_s)
