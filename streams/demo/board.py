"""The board: what is open, how fast it goes, and what was planted, as one picture."""

from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from detectors.results import Alert
from streams.demo.decision_panels import guardrails_panel, limits_panel
from streams.demo.plan import DemoPlan, clock
from streams.demo.scoring import GRACE_US, Found
from streams.demo.watch import Latency, Watch
from streams.summary import SEVERITY_STYLE, printable

_MOST_ALERTS = 6
#: Lines of the whole board.
_ALL_LINES = 35


@dataclass(frozen=True, slots=True)
class Scene:
    """What the board shows at one moment."""

    plan: DemoPlan
    watch: Watch
    found: list[Found]
    phase: str
    elapsed_s: float
    console_url: str = ""

    @property
    def played_s(self) -> float:
        """Event time that was played."""
        now_us = self.watch.now_us
        return 0.0 if now_us is None else (now_us - self.plan.exchange().start_us) / 1e6


def board(scene: Scene, lines: int = _ALL_LINES) -> RenderableType:
    """Draw the board.

    Parameters
    ----------
    scene
        What it shows.
    lines
        How many lines there are for it; where they are too few for all, limits and guardrails are but counted.
    """
    watch = scene.watch
    alerts = watch.open_alerts()
    has_room = lines >= _ALL_LINES
    start_us = scene.plan.exchange().start_us
    decided = (limits_panel(watch.limits_in_force(), start_us), guardrails_panel(watch.decided.tripped()))
    hidden = f", {len(alerts) - _MOST_ALERTS} more below" if len(alerts) > _MOST_ALERTS else ""
    return Group(
        Panel(
            _state(scene, counts_decisions=not has_room), title=_title(scene), title_align="left", border_style="blue"
        ),
        Panel(
            _alert_table(watch, alerts[:_MOST_ALERTS]),
            title=f"open alerts, the worst first: {len(alerts)}{hidden}",
            title_align="left",
            border_style=_worst_style(alerts),
        ),
        *(decided if has_room else ()),
        Panel(_incident_table(scene), title="planted incidents", title_align="left", border_style="blue"),
    )


def line(scene: Scene) -> str:
    """Write the board as one line of plain text."""
    watch, found = scene.watch, scene.found
    begun = [one for one in found if has_begun(one, watch.now_us)]
    seen = sum(one.alert is not None for one in begun)
    worst = watch.open_alerts()[:1]
    parts = [
        f"{scene.elapsed_s:5.0f} s",
        scene.phase,
        f"event time {clock(scene.played_s)} of {clock(scene.plan.duration_s)}",
        f"in {watch.sent_per_s():,.0f}/s",
        f"through {watch.processed_per_s():,.0f}/s",
        f"behind {max(0, watch.sent - watch.processed):,}",
        f"planted {len(begun)} found {seen}",
        f"open alerts {len(watch.open_alerts())}",
        _decisions_text(watch),
        *(f"worst: {alert.severity} {printable(alert.title).plain}" for alert in worst),
        *([f"console {scene.console_url}"] if scene.console_url else ()),
    ]
    return " | ".join(parts)


def _title(scene: Scene) -> str:
    return f"squall demo, console at {scene.console_url}" if scene.console_url else "squall demo"


def has_begun(found: Found, now_us: int | None) -> bool:
    """Whether an incident has begun in event time."""
    return now_us is not None and now_us >= found.incident.start_us


def latency_text(latency: Latency | None) -> str:
    """Write how long alerts took."""
    if latency is None:
        return "no alert yet"
    return f"p50 {latency.p50_s * 1_000:,.0f} ms   p99 {latency.p99_s * 1_000:,.0f} ms   of {latency.alerts}"


def _decisions_text(watch: Watch) -> str:
    return f"limits {len(watch.limits_in_force())} guardrails {len(watch.decided.tripped())}"


def _state(scene: Scene, *, counts_decisions: bool) -> RenderableType:
    watch, plan = scene.watch, scene.plan
    grid = Table.grid(padding=(0, 2), expand=True)
    grid.add_column(style="dim", width=14)
    grid.add_column(ratio=1)
    grid.add_column(style="dim", width=14)
    grid.add_column(ratio=1)
    played = f"{clock(scene.played_s)} of {clock(plan.duration_s)}, {plan.speed:.0f} times as fast"
    behind = max(0, watch.sent - watch.processed)
    grid.add_row("phase", Text(scene.phase, style="bold"), "event time", played)
    grid.add_row(
        "events in", f"{watch.sent_per_s():,.0f}/s", "processed", f"{watch.processed_per_s():,.0f}/s, {behind:,} behind"
    )
    shares = " + ".join(f"{state.events:,}" for state in watch.workers)
    grid.add_row("event to alert", latency_text(watch.latency()), "each worker", f"{shares} events")
    if counts_decisions:
        grid.add_row("in force", _decisions_text(watch))
    bar = ProgressBar(total=plan.duration_s, completed=min(scene.played_s, plan.duration_s), complete_style="blue")
    return Group(grid, bar)


def _alert_table(watch: Watch, alerts: list[Alert]) -> RenderableType:
    table = Table(box=None, expand=True, padding=(0, 1), header_style="dim", show_header=bool(alerts))
    table.add_column("#", justify="right", width=2)
    table.add_column("severity", width=8)
    table.add_column("score", justify="right", width=6)
    table.add_column("age", justify="right", width=5)
    table.add_column("what", ratio=1, no_wrap=True, overflow="ellipsis")
    for number, alert in enumerate(alerts, 1):
        severity = Text(alert.severity, style=SEVERITY_STYLE[alert.severity])
        age = clock(watch.age_s(alert))
        table.add_row(str(number), severity, f"{alert.score:.1f}", age, printable(alert.title))
    # The board keeps its height, so that it does not jump.
    for _ in range(_MOST_ALERTS - len(alerts) + (0 if alerts else 1)):
        table.add_row("", "", "", "", "")
    return table


def _incident_table(scene: Scene) -> RenderableType:
    table = Table(box=None, expand=True, padding=(0, 1), header_style="dim")
    table.add_column("incident", width=20)
    table.add_column("symbol", width=10)
    table.add_column("starts", justify="right", width=6)
    table.add_column("state", ratio=1, no_wrap=True, overflow="ellipsis")
    start_us = scene.plan.exchange().start_us
    for found in scene.found:
        incident = found.incident
        begins = clock((incident.start_us - start_us) / 1e6)
        table.add_row(
            incident.id,
            incident.symbol,
            begins,
            incident_state(found, scene.watch.now_us),
            style=_row_style(found, scene),
        )
    return table


def incident_state(found: Found, now_us: int | None) -> Text:
    """Tell how it stands with an incident at an event time."""
    incident, alert = found.incident, found.alert
    if alert is not None:
        rose = "" if found.worst == alert.severity else f", then {found.worst}"
        return Text(
            f"found after {found.time_to_detect_s:.1f} s by {alert.pattern}: {alert.severity}{rose}", style="green"
        )
    if now_us is None or now_us < incident.start_us:
        return Text("to come", style="dim")
    if now_us < incident.end_us:
        return Text("under way", style="bold yellow")
    return Text("not found yet" if now_us <= incident.end_us + GRACE_US else "NOT FOUND", style="bold red")


def _row_style(found: Found, scene: Scene) -> str:
    return "" if has_begun(found, scene.watch.now_us) else "dim"


def _worst_style(alerts: list[Alert]) -> str:
    severities = {alert.severity for alert in alerts}
    return next((style for severity, style in SEVERITY_STYLE.items() if severity in severities), "green")
