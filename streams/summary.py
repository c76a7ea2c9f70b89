"""What a replay came to: counts, alerts by pattern and severity, and the alerts to look at first."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, get_args

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from detectors.decisions import RateLimit, Trip
from detectors.results import SCHEMA_VERSION, Alert, Severity
from streams.times import clock_text, span_text

_TOP = 10
_SEVERITIES: tuple[Severity, ...] = get_args(Severity)[::-1]
SEVERITY_STYLE = {"critical": "bold red", "warning": "yellow", "info": "cyan"}


class Summary:
    """Collects while a replay runs."""

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self.signals = 0
        #: Accounts that were limited, and changes of guardrails by rule and state.
        self.limited: set[str] = set()
        self.guardrails: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.first_us: int | None = None
        self.last_us: int | None = None
        self._alerts: dict[str, Alert] = {}
        self._revisions = 0

    def see_event(self, topic: str, timestamp: int) -> None:
        """Count an event that the core took."""
        self.events[topic] += 1
        self.first_us = timestamp if self.first_us is None else min(self.first_us, timestamp)
        self.last_us = timestamp if self.last_us is None else max(self.last_us, timestamp)

    def see_refused(self, reason: str) -> None:
        """Count what went to the dead letters."""
        self.refused[reason] += 1

    def see_alerts(self, alerts: Iterable[Alert]) -> None:
        """Take revisions of alerts; of each alert the one with the highest score is shown."""
        for alert in alerts:
            self._revisions += 1
            known = self._alerts.get(alert.alert_id)
            if known is None or alert.score >= known.score:
                self._alerts[alert.alert_id] = alert

    def see_decisions(self, limits: Iterable[RateLimit], trips: Iterable[Trip]) -> None:
        """Note who was limited, and count what tripped and cleared."""
        self.limited.update(limit.account for limit in limits)
        self.guardrails.update(f"{trip.rule} {trip.state}" for trip in trips)

    @property
    def alerts(self) -> list[Alert]:
        """Every alert at its worst, the worst first."""
        return sorted(self._alerts.values(), key=lambda alert: (-alert.score, alert.timestamp, alert.alert_id))

    def to_json(self, counters: Mapping[str, int]) -> bytes:
        """Make the content of `summary.json`; nothing in it depends on the machine or the hour."""
        document: dict[str, Any] = {
            "schema": SCHEMA_VERSION,
            "partitions": self.partitions,
            "events": dict(sorted(self.events.items())),
            "refused": dict(sorted(self.refused.items())),
            "first_timestamp": self.first_us,
            "last_timestamp": self.last_us,
            "signals": self.signals,
            "alerts": len(self._alerts),
            "alert_revisions": self._revisions,
            "alerts_by_pattern": self._by_pattern(),
            "top_alerts": self.alerts[:_TOP],
            "counters": dict(sorted(counters.items())),
            "accounts_limited": len(self.limited),
            "guardrails": dict(sorted(self.guardrails.items())),
        }
        return msgspec.json.format(msgspec.json.encode(document)) + b"\n"

    def to_table(self, elapsed_s: float) -> RenderableType:
        """Make what is shown on the terminal."""
        events, refused = self.events.total(), self.refused.total()
        facts = Table.grid(padding=(0, 2))
        facts.add_row("events", f"{events:,}", Text(_counts(self.events), style="dim"))
        facts.add_row("refused", f"{refused:,}", Text(_counts(self.refused), style="dim"))
        if self.first_us is not None and self.last_us is not None:
            span = f"{clock_text(self.first_us)} .. {clock_text(self.last_us)}"
            facts.add_row("time span", span_text(self.last_us - self.first_us), Text(span, style="dim"))
        facts.add_row(
            "speed", f"{events / max(elapsed_s, 1e-9):,.0f} events/s", Text(f"{elapsed_s:.2f} s", style="dim")
        )
        facts.add_row("signals", f"{self.signals:,}")
        facts.add_row("alerts", f"{len(self._alerts):,}", Text(f"{self._revisions:,} revisions", style="dim"))
        facts.add_row("limited", f"{len(self.limited):,} accounts")
        facts.add_row("guardrails", f"{self.guardrails.total():,}", Text(_counts(self.guardrails), style="dim"))
        return Group(facts, *self._alert_tables())

    def _alert_tables(self) -> list[Table]:
        if not self._alerts:
            return []
        by_pattern = Table("pattern", *_SEVERITIES, title="Alerts by pattern and severity", title_justify="left")
        for pattern, counts in self._by_pattern().items():
            by_pattern.add_row(pattern, *(str(counts.get(severity, "")) for severity in _SEVERITIES))
        top = Table("time", "severity", "score", "what", title="Worst alerts", title_justify="left")
        for alert in self.alerts[:_TOP]:
            severity = Text(alert.severity, style=SEVERITY_STYLE[alert.severity])
            top.add_row(clock_text(alert.timestamp), severity, f"{alert.score:.1f}", printable(alert.title))
        return [by_pattern, top]

    def _by_pattern(self) -> dict[str, dict[str, int]]:
        counted = Counter((alert.pattern, alert.severity) for alert in self._alerts.values())
        patterns = sorted({pattern for pattern, _ in counted})
        return {
            pattern: {severity: counted[pattern, severity] for severity in _SEVERITIES if counted[pattern, severity]}
            for pattern in patterns
        }


def printable(text: str) -> Text:
    r"""Make text for a terminal of what a producer may have a hand in: control characters are shown, not obeyed.

    Examples
    --------
    >>> printable("account \x1b[2J").plain
    'account �[2J'
    """
    return Text("".join(letter if letter.isprintable() else "\ufffd" for letter in text))


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counter.most_common())
