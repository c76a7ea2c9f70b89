"""For on-call: partitions, the state that goes with them, and the processes that hold it."""

from grafana.dashboards.boards import Query, Section, quantiles, series

STATE = Section(
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

PROCESSES = Section(
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
