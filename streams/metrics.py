"""What Prometheus sees: one bag of metrics, made for a registry.

Names begin with `squall_`, units are base units, labels have few values (never an account). Increment once for a batch.
"""

import os
import platform
import time
from collections import Counter as Tally
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import Self, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.process_collector import ProcessCollector

from detectors.decisions import RateLimit, Trip
from detectors.events import EVENT_TYPES
from detectors.results import Alert, Pattern, Severity, Status

_LATENCY_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_STEP_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
#: Above it, event time is not the time of day (a replayed day), and the difference no latency.
_LARGEST_LATENCY_S = 3_600.0


@dataclass(frozen=True, slots=True)
class Metrics:
    """Every metric of a worker."""

    records: Counter
    events: Counter
    refused: Counter
    dead_letters: Counter
    stage_outcomes: Counter
    alerts: Counter
    signals: Counter
    open_ticks: Gauge
    watermark_lag_seconds: Gauge
    consumer_lag_records: Gauge
    consumer_lag_seconds: Gauge
    held_partitions: Gauge
    degradation_level: Gauge
    committed_offset: Gauge
    snapshots: Counter
    snapshot_bytes: Counter
    snapshot_seconds: Histogram
    restored: Counter
    restore_seconds: Histogram
    state_resets: Counter
    commits: Counter
    assigned_partitions: Gauge
    agent_progress_timestamp_seconds: Gauge
    event_to_alert_seconds: Histogram
    limits: Counter
    guardrail_changes: Counter
    event_to_trip_seconds: Histogram
    step_seconds: Histogram
    info: Gauge

    @classmethod
    def create(cls, registry: CollectorRegistry) -> Self:
        """Make the metrics and register them.

        Examples
        --------
        >>> registry = CollectorRegistry()
        >>> metrics = Metrics.create(registry)
        >>> metrics.records.labels("trades").inc(5)
        >>> registry.get_sample_value("squall_records_total", {"topic": "trades"})
        5.0
        """
        # When a series began says nothing here, and would double their number.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        metrics = cls(
            records=Counter("squall_records", "Kafka records taken.", ["topic"], registry=registry),
            events=Counter("squall_events", "Events taken out of records.", ["topic"], registry=registry),
            refused=Counter("squall_refused", "Elements refused, by reason.", ["topic", "reason"], registry=registry),
            dead_letters=Counter("squall_dead_letters", "Records sent to dead-letters.", ["topic"], registry=registry),
            stage_outcomes=Counter(
                "squall_stage_outcomes",
                "What stages counted: late, duplicate, scored, warming, ticks.",
                ["stage", "outcome"],
                registry=registry,
            ),
            alerts=Counter(
                "squall_alerts", "Alert revisions sent.", ["pattern", "severity", "status"], registry=registry
            ),
            signals=Counter("squall_signals", "Signals sent.", ["pattern"], registry=registry),
            open_ticks=Gauge("squall_open_ticks", "Ticks not closed yet.", ["stage", "partition"], registry=registry),
            watermark_lag_seconds=Gauge(
                "squall_watermark_lag_seconds",
                "Time of day less the event time that is closed.",
                ["stage", "partition"],
                registry=registry,
            ),
            consumer_lag_records=Gauge(
                "squall_consumer_lag_records",
                "Records in the broker that were not taken yet.",
                ["topic", "partition"],
                registry=registry,
            ),
            consumer_lag_seconds=Gauge(
                "squall_consumer_lag_seconds",
                "Age of what is read, by the broker's record timestamps, while records are left to read; 0 at the end.",
                ["topic", "partition"],
                registry=registry,
            ),
            held_partitions=Gauge(
                "squall_held_partitions",
                "Topic partitions not fetched, since a stage has them far ahead of its other inputs.",
                ["stage"],
                registry=registry,
            ),
            degradation_level=Gauge(
                "squall_degradation_level",
                "0: everything is computed; 1, 2: heavy models look at a sample, since the worker lags.",
                ["stage"],
                registry=registry,
            ),
            committed_offset=Gauge(
                "squall_committed_offset", "The last offset committed.", ["topic", "partition"], registry=registry
            ),
            snapshots=Counter("squall_snapshots", "Checkpoints that the broker took.", ["stage"], registry=registry),
            snapshot_bytes=Counter(
                "squall_snapshot_bytes", "Bytes of checkpoints, before compression.", ["stage"], registry=registry
            ),
            snapshot_seconds=Histogram(
                "squall_snapshot_seconds",
                "What taking a checkpoint holds a stage up.",
                ["stage"],
                buckets=_STEP_BUCKETS_S,
                registry=registry,
            ),
            restored=Counter(
                "squall_restored", "Partitions whose state was looked for in snapshots.", ["stage"], registry=registry
            ),
            restore_seconds=Histogram(
                "squall_restore_seconds",
                "Reading the state of a partition and taking it up.",
                ["stage"],
                buckets=_LATENCY_BUCKETS_S,
                registry=registry,
            ),
            state_resets=Counter(
                "squall_state_resets",
                "Models and stages that began afresh, since their saved state did not fit; the log says which.",
                ["stage"],
                registry=registry,
            ),
            commits=Counter("squall_commits", "Commits that the broker took.", registry=registry),
            assigned_partitions=Gauge(
                "squall_assigned_partitions", "Partitions a stage works on here.", ["stage"], registry=registry
            ),
            agent_progress_timestamp_seconds=Gauge(
                "squall_agent_progress_timestamp_seconds",
                "When an agent last made progress, seconds since the epoch.",
                ["stage"],
                registry=registry,
            ),
            event_to_alert_seconds=Histogram(
                "squall_event_to_alert_seconds",
                "From an alert's event time to the moment it is sent.",
                buckets=_LATENCY_BUCKETS_S,
                registry=registry,
            ),
            limits=Counter(
                "squall_rate_limits",
                "Rate limits sent, renewals included.",
                ["mode", "action", "indicator"],
                registry=registry,
            ),
            guardrail_changes=Counter(
                "squall_guardrail_changes",
                "Guardrails that tripped or cleared.",
                ["rule", "state", "level"],
                registry=registry,
            ),
            event_to_trip_seconds=Histogram(
                "squall_event_to_trip_seconds",
                "From the event time of a guardrail's trip to the moment it is sent.",
                buckets=_LATENCY_BUCKETS_S,
                registry=registry,
            ),
            step_seconds=Histogram(
                "squall_step_seconds",
                "Arithmetic of one step of a stage: a batch or a poll.",
                ["stage"],
                buckets=_STEP_BUCKETS_S,
                registry=registry,
            ),
            info=Gauge("squall_process_info", "This process.", ["python", "pid"], registry=registry),
        )
        ProcessCollector(namespace="squall", registry=registry)
        metrics._show_zeros()
        return metrics

    def _show_zeros(self) -> None:
        """Show what has few values from the first scrape on, so that rates and alerts on them work."""
        self.info.labels(platform.python_version(), str(os.getpid())).set(1)
        for topic in EVENT_TYPES:
            self.records.labels(topic)
            self.events.labels(topic)
            self.dead_letters.labels(topic)
        for pattern in get_args(Pattern):
            self.signals.labels(pattern)
            for severity in get_args(Severity):
                for status in get_args(Status):
                    self.alerts.labels(pattern, severity, status)

    def observe_alert(self, alert: Alert) -> None:
        """Count an alert that is being sent, and how long it took to get there."""
        self.alerts.labels(alert.pattern, alert.severity, alert.status).inc()
        latency_s = time.time() - alert.timestamp / 1e6
        if 0.0 <= latency_s <= _LARGEST_LATENCY_S:
            self.event_to_alert_seconds.observe(latency_s)

    def observe_limit(self, limit: RateLimit) -> None:
        """Count a rate limit that is being sent."""
        self.limits.labels(limit.mode, limit.action, limit.indicator).inc()

    def observe_trip(self, trip: Trip) -> None:
        """Count a guardrail that has changed, and how long it took to get there."""
        self.guardrail_changes.labels(trip.rule, trip.state, trip.level).inc()
        latency_s = time.time() - trip.timestamp / 1e6
        if 0.0 <= latency_s <= _LARGEST_LATENCY_S:
            self.event_to_trip_seconds.observe(latency_s)

    def forget_lag(self, partitions: Iterable[int], topics: Iterable[str]) -> None:
        """Show no more lag of partitions that now belong to others."""
        for topic, partition in product(topics, partitions):
            for gauge in (self.consumer_lag_records, self.consumer_lag_seconds):
                # Removing one that was never shown would log a warning, and change nothing.
                gauge.labels(topic, str(partition))
                gauge.remove(topic, str(partition))

    def add_outcomes(self, stage: str, counted: Tally[str], shown: Tally[str]) -> None:
        """Bring the counters of a stage up to what it has `counted`; `shown` remembers what stands there."""
        for outcome, total in counted.items():
            grown = total - shown[outcome]
            if grown > 0:
                self.stage_outcomes.labels(stage, outcome).inc(grown)
                shown[outcome] = total
