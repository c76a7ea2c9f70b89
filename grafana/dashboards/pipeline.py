"""For on-call: whether events come in and decisions go out, and how late."""

from grafana.dashboards.boards import BAD_IF_ANY, UP, Board, Query, Section, heatmap, quantiles, series, stat
from grafana.dashboards.pipeline_delivery import CONSOLE, DELIVERY
from grafana.dashboards.pipeline_state import PROCESSES, STATE

_NOW = Section(
    "Now",
    (
        stat(
            "Workers",
            "Workers that answer, and those that Prometheus knows of.",
            "short",
            Query("sum(up{W})", "up"),
            Query("count(up{W})", "known"),
            steps=UP,
            runbook="squallworkerdown",
        ),
        stat(
            "Agents that move",
            "Agents that made a step within the last 15 seconds; each worker has three.",
            "short",
            Query("sum(time() - squall_agent_progress_timestamp_seconds{W} < bool 15)", "move"),
            Query("count(squall_agent_progress_timestamp_seconds{W})", "all"),
            steps=UP,
            runbook="squallworkerstuck",
        ),
        stat(
            "Lag",
            "Age of what is read, by the broker's record times, of the partition furthest behind.",
            "s",
            Query("max(squall_consumer_lag_seconds{W})", "lag"),
            steps=((None, "green"), (5, "orange"), (30, "red")),
            runbook="squalllagging",
        ),
        stat(
            "Dead letters",
            "Records refused within the time shown.",
            "short",
            Query("sum(increase(squall_dead_letters_total{W}[$__range]))", "refused"),
            steps=BAD_IF_ANY,
            runbook="squalldeadlettersgrowing",
        ),
        stat(
            "Late alerts",
            "Share of alerts sent more than one second after their event time; the aim is below one in a hundred.",
            "percentunit",
            Query('max(squall:alerts_late:ratio1h{job=~"$job"})', "1 h"),
            Query('max(squall:alerts_late:ratio6h{job=~"$job"})', "6 h"),
            steps=((None, "green"), (0.01, "orange"), (0.1, "red")),
            runbook="squallalertslate",
        ),
        stat(
            "Alerts about Squall",
            "Prometheus alerts that fire now.",
            "short",
            Query(
                'count(ALERTS{alertname=~"Squall.*",alertname!="SquallWatchdog",alertstate="firing"}) or vector(0)',
                "firing",
            ),
            steps=BAD_IF_ANY,
            runbook="workers",
        ),
    ),
)

_FLOW = Section(
    "In and out",
    (
        series(
            "Events in",
            "Events by topic.",
            "cps",
            Query("sum by (topic) (rate(squall_events_total{W}[R]))", "{{topic}}"),
            stacked=True,
            runbook="squallnoevents",
        ),
        series(
            "Records in",
            "Kafka records by topic; one may hold many events.",
            "cps",
            Query("sum by (topic) (rate(squall_records_total{W}[R]))", "{{topic}}"),
        ),
        series(
            "Records out",
            "Records handed to the broker's client, by topic.",
            "cps",
            Query("sum by (topic) (rate(squall_sent_total{W}[R]))", "{{topic}}"),
            stacked=True,
        ),
        series(
            "Refused",
            "Elements that could not be taken, by topic and reason.",
            "cps",
            Query("sum by (topic, reason) (rate(squall_refused_total{W}[R])) or vector(0)", "{{topic}} {{reason}}"),
            runbook="squalldeadlettersgrowing",
        ),
        series(
            "Dead letters",
            "Records sent to `dead-letters`, by topic.",
            "cps",
            Query("sum by (topic) (rate(squall_dead_letters_total{W}[R]))", "{{topic}}"),
            runbook="squalldeadlettersgrowing",
        ),
        series(
            "Late, seen before, lost",
            "Events behind the lateness, those read twice, and those that the broker deleted before they were read.",
            "cps",
            Query(
                'sum by (outcome) (rate(squall_stage_outcomes_total{W,outcome=~"late|duplicate|expired"}[R]))',
                "{{outcome}}",
            ),
            runbook="workers",
        ),
    ),
)

_LATENCY = Section(
    "Latency",
    (
        series(
            "Lag in time",
            "Age of what is read while records are left to read, of the partition furthest behind.",
            "s",
            Query("max by (topic) (squall_consumer_lag_seconds{W})", "{{topic}}"),
            runbook="squalllagging",
        ),
        series(
            "Lag in records",
            "Records in the broker that were not taken yet.",
            "short",
            Query("sum by (topic) (squall_consumer_lag_records{W})", "{{topic}}"),
            runbook="squalllagging",
        ),
        series(
            "Watermark",
            "Time of day less the event time that is closed, of the slowest partition; it grows while nothing comes.",
            "s",
            Query("max by (stage) (squall_watermark_lag_seconds{W})", "{{stage}}"),
            runbook="squallwatermarkdelayed",
        ),
        heatmap(
            "Event to alert",
            "How alerts spread over the time they took.",
            "s",
            Query("sum by (le) (increase(squall_event_to_alert_seconds_bucket{W}[R]))", "{{le}}"),
            width=8,
            runbook="squallalertslate",
        ),
        series(
            "Arithmetic",
            "Time of one step of a stage: a batch or a poll.",
            "s",
            *quantiles("squall_step_seconds", by="stage"),
        ),
        series(
            "Event loop",
            "How much later than asked for the event loop came back to a timer.",
            "s",
            *quantiles("squall_event_loop_delay_seconds"),
            runbook="squalleventloopslow",
        ),
    ),
)

PIPELINE = Board(
    "squall-pipeline",
    "Squall: pipeline health",
    "For on-call: whether events come in and decisions go out, how late, and what holds them up.",
    (_NOW, _FLOW, _LATENCY, STATE, PROCESSES, DELIVERY, CONSOLE),
)
