"""For owners of detectors: whether scores are made, calibrated, and as rare as they claim."""

from grafana.dashboards.boards import BAD_IF_ANY, Board, Query, Section, heatmap, quantiles, series, stat

_NOW = Section(
    "Now",
    (
        stat(
            "Calibrated",
            "Streams of scores (one a symbol and detector, or a pool of accounts) that are ready to be believed.",
            "percentunit",
            Query('sum(squall_calibrations{W,state="warm"}) / sum(squall_calibrations{W})', "warm"),
            runbook="models",
        ),
        stat(
            "Scores",
            "Scores that were made and believed, and those of models that still warm up.",
            "cps",
            Query(
                'sum by (outcome) (rate(squall_stage_outcomes_total{W,outcome=~"scored|warming"}[R]))', "{{outcome}}"
            ),
            width=6,
        ),
        stat(
            "Model faults",
            "Errors of models, and scores that are no numbers, within the time shown.",
            "short",
            Query(
                'sum(increase(squall_stage_outcomes_total{W,outcome=~"model_failed|score_not_finite"}[$__range]))',
                "faults",
            ),
            steps=BAD_IF_ANY,
            runbook="squallmodelfailing",
        ),
        stat(
            "Symbols",
            "Symbols that market stages remember.",
            "short",
            Query('sum(squall_entities{W,stage="market",kind="symbol"})', "symbols"),
        ),
        stat(
            "Alerts an hour",
            "Alerts opened within the hour before.",
            "short",
            Query('sum(squall:alerts_opened:increase1h{job=~"$job"})', "alerts"),
            runbook="squallalertbudgetexceeded",
        ),
    ),
)

_SCORES = Section(
    "Scores and calibration",
    (
        series(
            "Scored and warming up",
            "Scores by stage; a detector that is silent is seen here first.",
            "cps",
            Query(
                'sum by (stage, outcome) (rate(squall_stage_outcomes_total{W,outcome=~"scored|warming"}[R]))',
                "{{stage}} {{outcome}}",
            ),
            width=12,
            runbook="squalldetectorsilent",
        ),
        series(
            "Streams that warm up",
            "Streams of scores whose calibration has not seen enough yet, by detector.",
            "short",
            Query('sum by (detector) (squall_calibrations{W,state="warming"})', "{{detector}}"),
            width=12,
            runbook="models",
        ),
        series(
            "Share that stands out",
            "Scores that are published, of all that are believed: by setting, a small share; a jump is an incident or "
            "a calibration that is off.",
            "percentunit",
            Query(
                'sum by (stage) (rate(squall_stage_outcomes_total{W,outcome="published"}[R])) / '
                'sum by (stage) (rate(squall_stage_outcomes_total{W,outcome="scored"}[R]))',
                "{{stage}}",
            ),
            runbook="squallalertbudgetexceeded",
        ),
        heatmap(
            "How rare signals are",
            "Signals by their p-value, in decades.",
            "short",
            Query("sum by (le) (increase(squall_signal_surprise_bucket{W}[R]))", "{{le}}"),
            width=8,
        ),
        series(
            "How rare signals are, by pattern",
            "The upper quarter of minus log10 of the p-value.",
            "short",
            Query(
                "histogram_quantile(0.75, sum by (le, pattern) (rate(squall_signal_surprise_bucket{W}[R])))",
                "{{pattern}}",
            ),
        ),
    ),
)

_BUDGET = Section(
    "Alerts against the budget",
    (
        series(
            "Alerts an hour by severity",
            "Alerts opened within the hour before.",
            "short",
            Query('sum by (severity) (squall:alerts_opened:increase1h{job=~"$job"})', "{{severity}}"),
            Query('sum by (severity) (squall:alert_budget:per_hour{job=~"$job"})', "budget {{severity}}"),
            width=12,
            runbook="squallalertbudgetexceeded",
        ),
        series(
            "Alerts by pattern",
            "Alerts opened, by pattern.",
            "cps",
            Query('sum by (pattern) (rate(squall_alerts_total{W,status="open"}[R]))', "{{pattern}}"),
            width=12,
        ),
        series(
            "Budget by symbol and day",
            "Alerts that chance alone may raise on one symbol in a day, by setting.",
            "short",
            Query("max by (severity) (squall_alert_budget_per_day{W})", "{{severity}}"),
            width=12,
        ),
        series(
            "Verdicts of operators",
            "What was said of alerts in the console; the topic `feedback` holds true, false and noise.",
            "cps",
            Query(
                'sum by (outcome) (rate(squall_console_actions_total{C,action="verdict"}[R]))',
                "{{outcome}}",
            ),
            width=12,
        ),
        series(
            "Alerts judged",
            "Alerts whose verdict counts for the ranker, by verdict; it begins when there are enough of both kinds.",
            "short",
            Query("max by (verdict) (squall_ranker_verdicts{W})", "{{verdict}}"),
            Query('max(squall_ranker_state{W,state="on"})', "verdicts reorder alerts"),
            width=12,
            runbook="verdicts",
        ),
        series(
            "Predicted verdicts",
            "Log loss of verdicts predicted before they were learned, of the ranker and of the base rate: above it, "
            "the ranker reorders nothing.",
            "short",
            Query("max by (of) (squall_ranker_log_loss{W})", "{{of}}"),
            width=12,
            runbook="verdicts",
        ),
    ),
)

_HEALTH = Section(
    "Health of models",
    (
        series(
            "Model faults",
            "Errors of models, and scores that are no numbers.",
            "cps",
            Query(
                "sum by (stage, outcome) "
                '(rate(squall_stage_outcomes_total{W,outcome=~"model_failed|score_not_finite"}[R]))',
                "{{stage}} {{outcome}}",
            ),
            runbook="squallmodelfailing",
        ),
        series(
            "Ground that has moved",
            "Inputs and models, by how many symbols have drifted, or what they stand on has, within half an hour.",
            "short",
            Query("sum by (of) (squall_drift_ground_moved{W})", "{{of}}"),
            runbook="drift",
        ),
        series(
            "Degradation",
            "Above 0 heavy models look at a sample, since the worker lags.",
            "short",
            Query("max by (instance, stage) (squall_degradation_level{W})", "{{instance}} {{stage}}"),
            runbook="squalldegraded",
        ),
        series(
            "Began afresh",
            "Models and stages whose saved state did not fit.",
            "short",
            Query("sum by (stage) (increase(squall_state_resets_total{W}[R]))", "{{stage}}"),
            runbook="workers",
        ),
        series(
            "Arithmetic",
            "Time of one step of a stage: a batch or a poll.",
            "s",
            *quantiles("squall_step_seconds", by="stage"),
        ),
        series(
            "Late events",
            "Events behind the lateness: counted, not scored.",
            "cps",
            Query('sum by (stage) (rate(squall_stage_outcomes_total{W,outcome="late"}[R]))', "{{stage}}"),
            runbook="workers",
        ),
        series(
            "Forgotten",
            "Entities that were forgotten at the cap, and with them what models knew of them.",
            "cps",
            Query('sum by (outcome) (rate(squall_stage_outcomes_total{W,outcome=~"evicted_.*"}[R]))', "{{outcome}}"),
            runbook="squallstatenearlimit",
        ),
    ),
)

MODELS = Board(
    "squall-models",
    "Squall: model quality",
    "For owners of detectors: whether scores are made, calibrated, and as rare as they claim to be.",
    (_NOW, _SCORES, _BUDGET, _HEALTH),
)
