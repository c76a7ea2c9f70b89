"""The end of a demo: planted against found, false alarms, and what was measured."""

from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from detectors.decisions import Level
from detectors.results import Alert, Severity
from streams.demo.board import latency_text
from streams.demo.decided import Decided
from streams.demo.delivery import Delivered
from streams.demo.plan import clock
from streams.demo.scoring import Found, taking_part
from streams.demo.watch import Latency
from streams.summary import SEVERITY_STYLE, printable

_MOST_NAMES = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a demo came to.

    Parameters
    ----------
    found
        Every incident, with the alert that found it.
    false_alarms
        Alerts above `info` that no incident explains.
    alerts
        How many alerts there were in all.
    events, through_s
        Events sent, and seconds from the first one sent until the workers had taken the last.
    settled_s
        Seconds from the first event sent until everything was committed and its alerts were read.
    late
        Events that came too late for their tick.
    latency
        Of alerts; None: there were none.
    start_us
        The beginning of event time.
    decided
        Limits and guardrails.
    delivered
        Where alerts arrived.
    """

    found: list[Found]
    false_alarms: list[Alert]
    alerts: int
    events: int
    through_s: float
    settled_s: float
    late: int
    latency: Latency | None
    start_us: int
    decided: Decided
    delivered: Delivered

    @property
    def missed(self) -> list[Found]:
        """Incidents that were not found."""
        return [one for one in self.found if one.alert is None]

    def to_table(self) -> RenderableType:
        """Make what is shown on the terminal."""
        return Group(self._planted(), *self._loud(), self._facts(), self._sentence())

    def _planted(self) -> Table:
        table = Table(
            "incident",
            "symbol",
            "start",
            "found by",
            "after",
            "first",
            "worst",
            title="Planted against found",
            title_justify="left",
        )
        for one in self.found:
            incident, alert = one.incident, one.alert
            begins = self._clock(incident.start_us)
            if alert is None:
                table.add_row(incident.id, incident.symbol, begins, Text("NOT FOUND", style="bold red"))
            else:
                after = f"{one.time_to_detect_s:.1f} s"
                severities = (_severity_text(severity) for severity in (alert.severity, one.worst))
                table.add_row(incident.id, incident.symbol, begins, alert.pattern, after, *severities)
        return table

    def _loud(self) -> list[Table]:
        if not self.false_alarms:
            return []
        table = Table("time", "severity", "score", "what", title="False alarms", title_justify="left")
        for alert in self.false_alarms:
            table.add_row(
                self._clock(alert.timestamp),
                _severity_text(alert.severity),
                f"{alert.score:.1f}",
                printable(alert.title),
            )
        return [table]

    def _facts(self) -> Table:
        facts = Table.grid(padding=(0, 2))
        per_s = self.events / max(self.through_s, 1e-9)
        facts.add_row("events", f"{self.events:,} in {self.through_s:.1f} s: {per_s:,.0f}/s through broker and workers")
        facts.add_row("event to alert", latency_text(self.latency))
        facts.add_row("alerts", f"{self.alerts}, of them false above info: {len(self.false_alarms)}")
        facts.add_row("rate limits", self._limited_text())
        facts.add_row("guardrails", printable(self._tripped_text()))
        facts.add_row("delivered", self._delivered_text())
        facts.add_row("late events", f"{self.late:,}")
        facts.add_row("settled", f"all committed after {self.settled_s:.1f} s")
        return facts

    def _limited_text(self) -> str:
        worst = self.decided.worst_moment()
        if worst is None:
            return "nobody was limited"
        planted = taking_part([one.incident for one in self.found], worst.accounts, worst.at_us)
        when = f"{len(worst.accounts):,} accounts at the worst moment, {self._clock(worst.at_us)}"
        return f"{when}; of them in planted incidents: {len(planted):,}"

    def _delivered_text(self) -> Text:
        found = self.delivered
        manager = "no Alertmanager here" if found.alertmanager is None else f"Alertmanager {found.alertmanager}"
        forged = f"; {found.refused} messages looked forged" if found.refused else ""
        said = f"of {found.wanted} alerts: signed webhook {found.webhook}, console {found.console}, {manager}{forged}"
        return Text(said) if found.is_whole else Text(said, style="bold red")

    def _tripped_text(self) -> str:
        rules = (_rule_text(rule, entities) for rule, entities in sorted(self.decided.ever_tripped.items()))
        return "; ".join(rules) or "none tripped"

    def _sentence(self) -> Text:
        if self.missed:
            return Text(f"{len(self.missed)} of {len(self.found)} planted incidents were not found", style="bold red")
        return Text(f"all {len(self.found)} planted incidents were found", style="bold green")

    def _clock(self, time_us: int) -> str:
        return clock((time_us - self.start_us) / 1e6)


def _severity_text(severity: Severity | None) -> Text:
    return Text("") if severity is None else Text(severity, style=SEVERITY_STYLE[severity])


def _rule_text(rule: str, entities: Mapping[str, Level]) -> str:
    worst_first = sorted(entities.items(), key=lambda one: (one[1] != "hard", one[0]))
    named = [f"{entity} ({level})" for entity, level in worst_first[:_MOST_NAMES]]
    more = [f"{len(entities) - _MOST_NAMES:,} more"] if len(entities) > _MOST_NAMES else []
    return f"{rule}: {', '.join(named + more)}"
