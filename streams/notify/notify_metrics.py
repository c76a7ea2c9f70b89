"""What Prometheus sees of the delivery of alerts."""

from collections import Counter as Tally
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.process_collector import ProcessCollector

_DELIVERY_BUCKETS_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3_600.0)
#: Above it, event time is not the time of day (a replayed day), and the difference no latency.
_LARGEST_LATENCY_S = 86_400.0
OUTCOMES = ("delivered", "failed", "refused")
DROP_REASONS = ("storm", "silenced")


@dataclass(frozen=True, slots=True)
class NotifyMetrics:
    """Every metric of a notifier."""

    records: Counter
    refused: Counter
    sent: Counter
    retries: Counter
    dropped: Counter
    dead_letters: Counter
    queue_size: Gauge
    breaker_open: Gauge
    delivery_seconds: Histogram
    oldest_seconds: Gauge

    @classmethod
    def create(cls, registry: CollectorRegistry, sinks: Iterable[str] = ()) -> Self:
        """Make the metrics and register them; those of `sinks` are shown from the first scrape on.

        Examples
        --------
        >>> registry = CollectorRegistry()
        >>> metrics = NotifyMetrics.create(registry, ["pager"])
        >>> registry.get_sample_value("squall_notify_sent_total", {"sink": "pager", "outcome": "delivered"})
        0.0
        """
        # When a series began says nothing here, and would double their number.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        metrics = cls(
            records=Counter("squall_notify_records", "Kafka records taken.", ["topic"], registry=registry),
            refused=Counter(
                "squall_notify_refused", "Kafka records that cannot be read.", ["topic"], registry=registry
            ),
            sent=Counter(
                "squall_notify_sent",
                "Messages sent: delivered, failed (to be tried again, or given up), refused for good.",
                ["sink", "outcome"],
                registry=registry,
            ),
            retries=Counter("squall_notify_retries", "Requests that were sent again.", ["sink"], registry=registry),
            dropped=Counter(
                "squall_notify_dropped",
                "Alerts that are not told singly: counted in a storm's summary, or over while silenced.",
                ["sink", "reason"],
                registry=registry,
            ),
            dead_letters=Counter("squall_notify_dead_letters", "Messages given up.", ["sink"], registry=registry),
            queue_size=Gauge(
                "squall_notify_queue_size",
                "Alerts and messages that are due and not delivered.",
                ["sink"],
                registry=registry,
            ),
            breaker_open=Gauge(
                "squall_notify_breaker_open",
                "1: a sink fails and gets probes alone, or has said that it is gone; else 0.",
                ["sink"],
                registry=registry,
            ),
            delivery_seconds=Histogram(
                "squall_notify_delivery_seconds",
                "From an alert's event time to its delivery.",
                ["sink"],
                buckets=_DELIVERY_BUCKETS_S,
                registry=registry,
            ),
            oldest_seconds=Gauge(
                "squall_notify_oldest_seconds",
                "How long the oldest has waited that is due and not delivered; 0: nothing is.",
                ["sink"],
                registry=registry,
            ),
        )
        ProcessCollector(namespace="squall_notify", registry=registry)
        metrics._show_zeros(sinks)
        return metrics

    def _show_zeros(self, sinks: Iterable[str]) -> None:
        for sink in sinks:
            for metric in (self.retries, self.dead_letters, self.queue_size, self.breaker_open, self.oldest_seconds):
                metric.labels(sink)
            self.delivery_seconds.labels(sink)
            for outcome in OUTCOMES:
                self.sent.labels(sink, outcome)
            for reason in DROP_REASONS:
                self.dropped.labels(sink, reason)

    def observe_delivery(self, sink: str, timestamp_us: int, now_us: int) -> None:
        """Count how long an alert took to be delivered."""
        latency_s = (now_us - timestamp_us) / 1e6
        if 0.0 <= latency_s <= _LARGEST_LATENCY_S:
            self.delivery_seconds.labels(sink).observe(latency_s)

    def add_dropped(self, dropped: Mapping[tuple[str, str], int] | Tally[tuple[str, str]]) -> None:
        """Count alerts that are not told, by sink and reason."""
        for (sink, reason), many in dropped.items():
            self.dropped.labels(sink, reason).inc(many)
