"""For on-call: whether alerts reach people, through the notifier and the console."""

from grafana.dashboards.boards import UP, Query, Section, series, stat

DELIVERY = Section(
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

CONSOLE = Section(
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
