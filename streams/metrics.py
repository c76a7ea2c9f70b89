"""What Prometheus sees of a worker: one bag of metrics, made for a registry.

Names begin with `squall_`, units are base units, labels have few values: never an account, a symbol only by
`symbol_labels.py`. Increment once for a batch. `grafana/metrics.md` lists them all.
"""

import os
import platform
from collections import Counter as Tally
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import Self

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.process_collector import ProcessCollector

from detectors.config import CoreSettings
from detectors.events import EVENT_TYPES
from streams.decision_metrics import DecisionMetrics
from streams.stage_metrics import StageMetrics
from streams.symbol_labels import SymbolLabels
from streams.topics import ACCOUNT_ACTIVITY, ALERTS, AUDIT, GUARDRAILS, RATE_LIMITS, SIGNALS, STRESS

_LATENCY_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_STEP_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
_STAGES = ("market", "account", "correlation")
_INPUTS = (*EVENT_TYPES, ACCOUNT_ACTIVITY, STRESS, SIGNALS)
_OUTPUTS = (ACCOUNT_ACTIVITY, SIGNALS, STRESS, ALERTS, RATE_LIMITS, GUARDRAILS, AUDIT)
#: Outcomes that are asked for though they may not have come yet.
_OUTCOMES = ("scored", "warming", "published", "late", "duplicate", "model_failed", "score_not_finite", "expired")
_LIMIT_OUTCOMES = ("limits_begun", "limits_tightened", "limits_eased", "limits_ended", "limits_over_budget", "orders")
_EVICTED = {
    "market": ("evicted_symbols", "evicted_guardrail_entities"),
    "account": ("evicted_accounts", "evicted_positions", "evicted_limits", "evicted_guardrail_entities"),
    "correlation": ("evicted_symbols", "evicted_cohorts"),
}


@dataclass(frozen=True, slots=True)
class Metrics:
    """Every metric of a worker: those of its inputs and outputs, of what it decides, and of what its stages know."""

    records: Counter
    events: Counter
    refused: Counter
    dead_letters: Counter
    stage_outcomes: Counter
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
    step_seconds: Histogram
    sent: Counter
    rebalances: Counter
    event_loop_delay_seconds: Histogram
    info: Gauge
    decided: DecisionMetrics
    stages: StageMetrics

    @classmethod
    def create(
        cls, registry: CollectorRegistry, core: CoreSettings | None = None, symbols: SymbolLabels | None = None
    ) -> Self:
        """Make the metrics and register them.

        Parameters
        ----------
        registry
            Where; one a process.
        core
            The settings of the core, of which some are shown; the defaults unless given.
        symbols
            Which symbols are named; all of few unless given.

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
        core = core or CoreSettings()
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
            step_seconds=Histogram(
                "squall_step_seconds",
                "Arithmetic of one step of a stage: a batch or a poll.",
                ["stage"],
                buckets=_STEP_BUCKETS_S,
                registry=registry,
            ),
            sent=Counter("squall_sent", "Records handed to the broker's client.", ["topic"], registry=registry),
            rebalances=Counter("squall_rebalances", "Partitions were given out anew.", registry=registry),
            event_loop_delay_seconds=Histogram(
                "squall_event_loop_delay_seconds",
                "How much later than asked for the event loop came back to a timer.",
                buckets=_STEP_BUCKETS_S,
                registry=registry,
            ),
            info=Gauge("squall_process_info", "This process.", ["python", "pid"], registry=registry),
            decided=DecisionMetrics.create(registry, core),
            stages=StageMetrics.create(registry, symbols or SymbolLabels(), core.limits.mode),
        )
        ProcessCollector(namespace="squall", registry=registry)
        metrics._show_zeros()
        return metrics

    def _show_zeros(self) -> None:
        """Show what has few values from the first scrape on, so that rates and alerts on them work."""
        self.info.labels(platform.python_version(), str(os.getpid())).set(1)
        for topic in _INPUTS:
            self.records.labels(topic)
            self.events.labels(topic)
            self.dead_letters.labels(topic)
        for topic in _OUTPUTS:
            self.sent.labels(topic)
        for stage in _STAGES:
            for counter in (self.snapshots, self.snapshot_bytes, self.restored, self.state_resets):
                counter.labels(stage)
            for outcome in (*_OUTCOMES, *_EVICTED[stage], *(_LIMIT_OUTCOMES if stage == "account" else ())):
                self.stage_outcomes.labels(stage, outcome)

    def forget(self, stage: str, partitions: Iterable[int], topics: Iterable[str]) -> None:
        """Show nothing more of partitions that now belong to others."""
        of_topics = (self.consumer_lag_records, self.consumer_lag_seconds, self.committed_offset)
        of_stages = (self.open_ticks, self.watermark_lag_seconds)
        for partition in partitions:
            shown = [*product(of_topics, topics), *product(of_stages, (stage,))]
            for gauge, name in shown:
                # Removing one that was never shown would log a warning, and change nothing.
                gauge.labels(name, str(partition))
                gauge.remove(name, str(partition))

    def add_outcomes(self, stage: str, counted: Tally[str], shown: Tally[str]) -> None:
        """Bring the counters of a stage up to what it has `counted`; `shown` remembers what stands there."""
        for outcome, total in counted.items():
            grown = total - shown[outcome]
            if grown > 0:
                self.stage_outcomes.labels(stage, outcome).inc(grown)
                shown[outcome] = total
