"""What Prometheus sees of a console."""

from dataclasses import dataclass
from typing import Self

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from streams.topics import ALERTS, AUDIT, FEEDBACK, GUARDRAILS, LIMIT_ACKS, OVERRIDES, RATE_LIMITS, SIGNALS

#: What the console follows.
FOLLOWED = (ALERTS, SIGNALS, RATE_LIMITS, GUARDRAILS, OVERRIDES, FEEDBACK, AUDIT, LIMIT_ACKS)
ACTIONS = ("acknowledge", "verdict", "pin", "release", "silence", "freeze", "resume", "kill", "order", "login")
OUTCOMES = ("done", "refused", "failed")
_ACK_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


@dataclass(frozen=True, slots=True)
class ConsoleMetrics:
    """Every metric of a console."""

    clients: Gauge
    records: Counter
    unreadable: Counter
    actions: Counter
    limit_acks: Counter
    limit_ack_seconds: Histogram
    feed_connected: Gauge

    @classmethod
    def create(cls, registry: CollectorRegistry) -> Self:
        """Make the metrics and register them.

        Examples
        --------
        >>> registry = CollectorRegistry()
        >>> metrics = ConsoleMetrics.create(registry)
        >>> metrics.records.labels("alerts").inc(3)
        >>> registry.get_sample_value("squall_console_records_total", {"topic": "alerts"})
        3.0
        """
        # When a series began says nothing here, and would double their number.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        metrics = cls(
            clients=Gauge("squall_console_clients", "Browsers that are kept up to date.", registry=registry),
            records=Counter("squall_console_records", "Records taken.", ["topic"], registry=registry),
            unreadable=Counter(
                "squall_console_unreadable",
                "Records that could not be read, and are not shown.",
                ["topic"],
                registry=registry,
            ),
            actions=Counter(
                "squall_console_actions", "What operators asked for.", ["action", "outcome"], registry=registry
            ),
            limit_acks=Counter(
                "squall_limit_acks",
                "Engines' answers to limits, as the console reads them.",
                ["status"],
                registry=registry,
            ),
            limit_ack_seconds=Histogram(
                "squall_limit_ack_seconds",
                "From the issue of a limit to its application by an engine.",
                buckets=_ACK_BUCKETS_S,
                registry=registry,
            ),
            feed_connected=Gauge(
                "squall_console_feed_connected", "1 while the broker answers the console.", registry=registry
            ),
        )
        for topic in FOLLOWED:
            metrics.records.labels(topic)
            metrics.unreadable.labels(topic)
        for action in ACTIONS:
            for outcome in OUTCOMES:
                metrics.actions.labels(action, outcome)
        for status in ("applied", "stale", "rejected"):
            metrics.limit_acks.labels(status)
        return metrics
