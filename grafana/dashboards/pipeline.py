"""For on-call: whether events come in and decisions go out, and how late."""

from grafana.dashboards.boards import (
    BAD_IF_ANY,
    UP,
    Board,
    Query,
    Section,
    heatmap,
    quantiles,
    series,
    stat,
)

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

_STATE = Section(
    "Partitions and state",
    (
        series(
            "Partitions",
            "Partitions of each stage, by worker: they should be spread evenly.",
            "short",
            Query("sum by (instance, stage) (squall_assigned_partitions{W})", "{{instance}} {{stage}}"),
        ),
        series(
            "Rebalances",
            "How often partitions were given out anew.",
            "short",
            Query("sum by (instance) (increase(squall_rebalances_total{W}[R]))", "{{instance}}"),
            runbook="squallrebalancestorm",
        ),
        series(
            "Taking state up",
            "Reading the state of a partition after a rebalance.",
            "s",
            *quantiles("squall_restore_seconds", by="stage"),
            runbook="squallrecoverytoolong",
        ),
        series(
            "Partitions taken up",
            "Partitions whose state was looked for.",
            "short",
            Query("sum by (stage) (increase(squall_restored_total{W}[R]))", "{{stage}}"),
        ),
        series(
            "Checkpoints",
            "Checkpoints that the broker took.",
            "cps",
            Query("sum by (stage) (rate(squall_snapshots_total{W}[R]))", "{{stage}}"),
            runbook="squallcheckpointstale",
        ),
        series(
            "Bytes of checkpoints",
            "Before compression.",
            "Bps",
            Query("sum by (stage) (rate(squall_snapshot_bytes_total{W}[R]))", "{{stage}}"),
        ),
        series(
            "Taking a checkpoint",
            "What it holds a stage up.",
            "s",
            *quantiles("squall_snapshot_seconds", by="stage"),
        ),
        series(
            "Commits",
            "Commits of offsets that the broker took.",
            "cps",
            Query("sum by (instance) (rate(squall_commits_total{W}[R]))", "{{instance}}"),
            runbook="squallnotcommitting",
        ),
        series(
            "Open ticks",
            "Ticks that wait for their end.",
            "short",
            Query("sum by (stage) (squall_open_ticks{W})", "{{stage}}"),
            runbook="squallinputsheld",
        ),
        series(
            "Held",
            "Topic partitions that are not fetched, since they are far ahead of others.",
            "short",
            Query("sum by (instance, stage) (squall_held_partitions{W})", "{{instance}} {{stage}}"),
            runbook="squallinputsheld",
        ),
        series(
            "Entities",
            "What stages remember, by kind.",
            "short",
            Query("sum by (stage, kind) (squall_entities{W}) > 0", "{{stage}} {{kind}}"),
            runbook="squallstatenearlimit",
        ),
        series(
            "How full",
            "Entities by the most that may be remembered, of the fullest partition; at 1 the longest silent go.",
            "percentunit",
            Query("max by (stage, kind) (squall_entities_fill_ratio{W})", "{{stage}} {{kind}}"),
            runbook="squallstatenearlimit",
        ),
    ),
)

_PROCESSES = Section(
    "Processes",
    (
        series(
            "Processors",
            "Processor time a second; a worker is one thread, so that 1 is all it can use.",
            "short",
            Query("sum by (instance) (rate(squall_process_cpu_seconds_total{W}[R]))", "{{instance}}"),
        ),
        series(
            "Memory",
            "Resident memory.",
            "bytes",
            Query("sum by (instance) (squall_process_resident_memory_bytes{W})", "{{instance}}"),
        ),
        series(
            "Open files",
            "Open file descriptors by those that may be.",
            "percentunit",
            Query("max by (instance) (squall_process_open_fds{W} / squall_process_max_fds{W})", "{{instance}}"),
        ),
        series(
            "Running since",
            "Seconds since the process began; it falls to 0 at a restart.",
            "s",
            Query("max by (instance) (time() - squall_process_start_time_seconds{W})", "{{instance}}"),
            width=12,
        ),
        series(
            "Versions of Python",
            "Processes by version.",
            "short",
            Query("count by (python) (squall_process_info{W})", "{{python}}"),
            width=12,
        ),
    ),
)


_DELIVERY = Section(
    "Delivery of alerts",
    (
        series(
            "Sent",
            "Attempts by sink and outcome.",
            "cps",
            Query("sum by (sink, outcome) (rate(squall_notify_sent_total{N}[R]))", "{{sink}} {{outcome}}"),
            runbook="squalldeliveryfailing",
        ),
        series(
            "Records read",
            "Records that the notifier took, and those that it could not read.",
            "cps",
            Query("sum by (topic) (rate(squall_notify_records_total{N}[R])) or vector(0)", "{{topic}}"),
            Query("sum(rate(squall_notify_refused_total{N}[R])) or vector(0)", "refused"),
        ),
        series(
            "Retries and losses",
            "Requests that were repeated, alerts that a summary or a silence stands for, and messages given up.",
            "cps",
            Query("sum by (sink) (rate(squall_notify_retries_total{N}[R]))", "retry {{sink}}"),
            Query("sum by (sink, reason) (rate(squall_notify_dropped_total{N}[R]))", "{{reason}} {{sink}}"),
            Query("sum by (sink) (rate(squall_notify_dead_letters_total{N}[R]))", "dead letter {{sink}}"),
            runbook="squallalertsnotdelivered",
        ),
        series(
            "Waiting",
            "Alerts that wait for a sink.",
            "short",
            Query("sum by (sink) (squall_notify_queue_size{N})", "{{sink}}"),
            runbook="squallnotifierbacklog",
        ),
        series(
            "Oldest that waits",
            "Age of the oldest alert that a sink has not taken.",
            "s",
            Query("max by (sink) (squall_notify_oldest_seconds{N})", "{{sink}}"),
            runbook="squallnotifierbacklog",
        ),
        series(
            "Delivery time",
            "From an alert's event time to its delivery, retries included.",
            "s",
            Query(
                "histogram_quantile(0.99, sum by (le, sink) (rate(squall_notify_delivery_seconds_bucket{N}[R])))",
                "p99 {{sink}}",
            ),
        ),
        series(
            "Breakers",
            "1 while a sink gets probes alone, since it failed again and again, or has said that it is gone.",
            "short",
            Query("max by (sink) (squall_notify_breaker_open{N})", "{{sink}}"),
            runbook="squalldeliveryfailing",
        ),
        series(
            "Processor of the notifier",
            "Processor time a second.",
            "short",
            Query("sum by (instance) (rate(squall_notify_process_cpu_seconds_total{N}[R]))", "{{instance}}"),
        ),
        series(
            "Memory of the notifier",
            "Resident memory.",
            "bytes",
            Query("sum by (instance) (squall_notify_process_resident_memory_bytes{N})", "{{instance}}"),
        ),
    ),
)

_OPS_PAGE = Section(
    "Console",
    (
        stat(
            "Feed",
            "1 while the broker answers the console.",
            "short",
            Query("min(squall_console_feed_connected{C})", "connected"),
            steps=UP,
            runbook="squallconsoleblind",
        ),
        stat(
            "Browsers",
            "Browsers that are kept up to date.",
            "short",
            Query("sum(squall_console_clients{C})", "browsers"),
        ),
        series(
            "Records followed",
            "Records that the console took, and those that it could not read.",
            "cps",
            Query("sum by (topic) (rate(squall_console_records_total{C}[R]))", "{{topic}}"),
            Query("sum(rate(squall_console_unreadable_total{C}[R]))", "unreadable"),
        ),
        series(
            "Actions that failed",
            "What operators asked for and did not get.",
            "cps",
            Query(
                'sum by (action, outcome) (rate(squall_console_actions_total{C,outcome=~"refused|failed"}[R]))',
                "{{action}} {{outcome}}",
            ),
        ),
    ),
)

PIPELINE = Board(
    "squall-pipeline",
    "Squall: pipeline health",
    "For on-call: whether events come in and decisions go out, how late, and what holds them up.",
    (_NOW, _FLOW, _LATENCY, _STATE, _PROCESSES, _DELIVERY, _OPS_PAGE),
)
