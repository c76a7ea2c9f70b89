"""The table of all metrics: `python -m grafana.metrics_table` writes `grafana/metrics.md`, where it is committed."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from streams.console.console_metrics import ConsoleMetrics
from streams.metrics import Metrics
from streams.notify.notify_metrics import NotifyMetrics

FILE = Path(__file__).with_name("metrics.md")
_UNITS = ("seconds", "bytes", "ratio", "info")
_HEAD = """# Metrics

Written by `python -m grafana.metrics_table`. A counter's rate, a histogram's quantiles and a gauge's value are what the
dashboards and rules beside this file are made of. No label is ever an account; `symbol` takes at most
`worker.metric_symbols_max` values and `other`.
"""


class Described(NamedTuple):
    """A metric: the name that queries use, its type, labels, unit, help, and the process that shows it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    unit: str
    about: str
    process: str


def described() -> list[Described]:
    """Describe all metrics of all processes, by process and name."""
    found: list[Described] = []
    for process, metrics, registry in _processes():
        labels = dict(_labels_of(metrics))
        for family in registry.collect():
            name = f"{family.name}_total" if family.type == "counter" else family.name
            unit = next((unit for unit in _UNITS if unit in family.name.split("_")), "")
            found.append(Described(name, family.type, labels.get(family.name, ()), unit, family.documentation, process))
    return sorted(found, key=lambda one: (one.process, one.name))


def sample_names(metric: Described) -> tuple[str, ...]:
    """Name the series that a metric has.

    Examples
    --------
    >>> sample_names(Described("squall_signals_total", "counter", ("pattern",), "", "Signals sent.", "worker"))
    ('squall_signals_total',)
    """
    if metric.kind == "histogram":
        return (f"{metric.name}_bucket", f"{metric.name}_count", f"{metric.name}_sum")
    return (metric.name,)


def to_markdown() -> str:
    """Write the table; the same every time."""
    lines = [_HEAD, "| name | type | labels | unit | what | process |", "| --- | --- | --- | --- | --- | --- |"]
    for one in described():
        labels = " ".join(f"`{label}`" for label in one.labels)
        lines.append(f"| `{one.name}` | {one.kind} | {labels} | {one.unit} | {one.about} | {one.process} |")
    return "\n".join(lines) + "\n"


def _processes() -> Iterator[tuple[str, object, CollectorRegistry]]:
    registry = CollectorRegistry()
    yield "worker", Metrics.create(registry), registry
    registry = CollectorRegistry()
    yield "console", ConsoleMetrics.create(registry), registry
    registry = CollectorRegistry()
    yield "notifier", NotifyMetrics.create(registry), registry


def _labels_of(metrics: object) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The labels of every metric in a bag, and in the bags within it."""
    for about in fields(metrics) if is_dataclass(metrics) else ():
        metric = getattr(metrics, about.name)
        if isinstance(metric, MetricWrapperBase):
            family = next(iter(metric.describe()))
            yield family.name, tuple(metric._labelnames)  # noqa: SLF001 - the library shows them nowhere else
        elif is_dataclass(metric):
            yield from _labels_of(metric)


def main() -> None:
    """Write the table to its file."""
    FILE.write_text(to_markdown(), encoding="utf-8")


if __name__ == "__main__":
    main()
