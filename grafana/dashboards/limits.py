"""For owners of matching engines: which limits are in force, how fast they arrive, and whether they can be trusted."""

from grafana.dashboards.boards import (
    BAD_IF_ANY,
    GOOD_IF_ZERO,
    Board,
    Query,
    Section,
    quantiles,
    series,
    stat,
    states,
)

_NOW = Section(
    "Now",
    (
        stat(
            "Limits in force",
            "Accounts with a limit now, by action; `block` is an operator's alone.",
            "short",
            Query("sum by (action) (squall_limits_in_force{W})", "{{action}}"),
            width=8,
            runbook="rate-limits",
        ),
        stat(
            "Mode",
            "How many workers limit in which mode: shadow is for people to read, enforce is for engines to obey.",
            "short",
            Query("count by (mode) (squall_limits_mode_info{W} == 1)", "{{mode}}"),
        ),
        stat(
            "Frozen or killed",
            "Whether an operator lets limits stand as they are, or has let go of all of them.",
            "short",
            Query('sum by (action) (squall_overrides_in_force{W,action=~"freeze|kill"})', "{{action}}"),
            steps=BAD_IF_ANY,
            runbook="rate-limits",
        ),
        stat(
            "Operators' orders",
            "Pins, releases and silenced patterns in force now.",
            "short",
            Query('sum by (action) (squall_overrides_in_force{W,action=~"pin|release|silence"})', "{{action}}"),
            steps=GOOD_IF_ZERO,
            runbook="rate-limits",
        ),
        stat(
            "Share of accounts limited",
            "Accounts with a limit by all accounts that are remembered: limits are for the few.",
            "percentunit",
            Query('max(squall:accounts_limited:ratio{job=~"$job"})', "share"),
            steps=((None, "green"), (0.05, "orange"), (0.1, "red")),
            runbook="squalllimitscovertoomuch",
        ),
    ),
)

_LIMITS = Section(
    "Limits",
    (
        series(
            "Limits in force",
            "Accounts with a limit, by action.",
            "short",
            Query("sum by (action) (squall_limits_in_force{W})", "{{action}}"),
            stacked=True,
            runbook="rate-limits",
        ),
        series(
            "Begun, tightened, eased, ended",
            "What happens to limits: `begun` are accounts newly limited.",
            "cps",
            Query(
                'sum by (outcome) (rate(squall_stage_outcomes_total{W,stage="account",'
                'outcome=~"limits_(begun|tightened|eased|ended)"}[R]))',
                "{{outcome}}",
            ),
        ),
        series(
            "Held back by the budget",
            "Accounts that should have been limited, but not more than `limits.max_new_per_minute` may be.",
            "cps",
            Query('sum(rate(squall_stage_outcomes_total{W,outcome="limits_over_budget"}[R]))', "held back"),
            runbook="squalllimitsoverbudget",
        ),
        series(
            "Records by reason",
            "Limits sent, renewals included, by what made them: pressure, rare behaviour, alerts, operators, recovery.",
            "cps",
            Query("sum by (indicator) (rate(squall_rate_limits_total{W}[R]))", "{{indicator}}"),
            stacked=True,
        ),
        series(
            "Ended by limited",
            "Limits that ended in the last quarter of an hour, by those in force: high is a controller that flaps.",
            "short",
            Query('max(squall:limits_ended:by_in_force15m{job=~"$job"})', "ended by in force"),
            runbook="squalllimitflapping",
        ),
        series(
            "Orders taken",
            "Operators' orders that came into force, and those that came too late for it.",
            "cps",
            Query('sum(rate(squall_stage_outcomes_total{W,outcome="orders"}[R]))', "taken"),
            Query('sum(rate(squall_stage_outcomes_total{W,outcome="orders_expired"}[R])) or vector(0)', "expired"),
        ),
    ),
)

_ENGINES = Section(
    "Engines",
    (
        series(
            "Answers of engines",
            "What engines said to limits: stale is an older version or an ended lease, rejected could not be applied.",
            "cps",
            Query("sum by (status) (rate(squall_limit_acks_total{C}[R]))", "{{status}}"),
            runbook="squalllimitrejected",
        ),
        series(
            "Event to limit",
            "From the event time of a decision to the moment its limit is sent.",
            "s",
            *quantiles("squall_event_to_limit_seconds"),
        ),
        series(
            "Limit to engine",
            "From the issue of a limit to its application by an engine.",
            "s",
            Query("histogram_quantile(0.5, sum by (le) (rate(squall_limit_ack_seconds_bucket{C}[R])))", "p50"),
            Query("histogram_quantile(0.99, sum by (le) (rate(squall_limit_ack_seconds_bucket{C}[R])))", "p99"),
            runbook="squalllimitunacked",
        ),
        series(
            "Limits sent and applied",
            "What is sent and not answered is not known to be in force. In shadow mode nobody answers.",
            "cps",
            Query("sum by (mode) (rate(squall_rate_limits_total{W}[R]))", "sent, {{mode}}"),
            Query('sum(rate(squall_limit_acks_total{C,status="applied"}[R]))', "applied"),
            width=12,
            runbook="squalllimitunacked",
        ),
        series(
            "What operators did",
            "Actions taken in the console.",
            "cps",
            Query("sum by (action) (rate(squall_console_actions_total{C}[R]))", "{{action}}"),
            width=12,
        ),
    ),
)

_GUARDRAILS = Section(
    "Guardrails",
    (
        states(
            "Guardrails tripped",
            "Entities beyond a guardrail, by rule and level.",
            Query("sum by (rule, level) (squall_guardrails_tripped{S})", "{{rule}} {{level}}"),
            ((None, "transparent"), (1, "red")),
            runbook="guardrails",
        ),
        series(
            "Trips and clears",
            "Guardrails that tripped or cleared.",
            "cps",
            Query("sum by (state, level) (rate(squall_guardrail_changes_total{W}[R]))", "{{state}} {{level}}"),
            width=12,
            runbook="guardrails",
        ),
        series(
            "Event to trip",
            "From the event time of a trip to the moment it is sent.",
            "s",
            *quantiles("squall_event_to_trip_seconds"),
            width=12,
        ),
    ),
)

LIMITS = Board(
    "squall-limits",
    "Squall: limits and guardrails",
    "For owners of matching engines: which limits and guardrails are in force, how fast they arrive, and why.",
    (_NOW, _LIMITS, _ENGINES, _GUARDRAILS),
)
