"""For exchange operators: whether the market is whole, and if not, where."""

from grafana.dashboards.boards import (
    BAD_IF_ANY,
    GOOD_IF_ZERO,
    Board,
    Query,
    Section,
    heatmap,
    quantiles,
    series,
    stat,
    states,
    table,
)

_NOW = Section(
    "Now",
    (
        stat(
            "Open alerts",
            "Alerts that are open now, by severity. The console has their reasons.",
            "short",
            Query("sum by (severity) (squall_alerts_open{S})", "{{severity}}"),
            width=6,
            steps=GOOD_IF_ZERO,
            runbook="correlated_stress",
        ),
        stat(
            "Accounts limited",
            "Accounts with a rate limit now, by mode: in shadow nothing is enforced.",
            "short",
            Query("sum by (mode) (squall_limits_in_force{W})", "{{mode}}"),
            runbook="rate-limits",
        ),
        stat(
            "Guardrails tripped",
            "Symbols, components and accounts that are beyond a guardrail now, by level.",
            "short",
            Query("sum by (level) (squall_guardrails_tripped{S})", "{{level}}"),
            steps=BAD_IF_ANY,
            runbook="guardrails",
        ),
        stat(
            "Events",
            "Events taken from all inputs.",
            "cps",
            Query('sum(rate(squall_events_total{W,topic!~"signals|stress|account-activity"}[R]))', "events"),
        ),
        stat(
            "Event to alert, p99",
            "From an alert's event time to the moment it is sent, within the time shown; the aim is one second.",
            "s",
            Query(
                "histogram_quantile(0.99, sum by (le) (rate(squall_event_to_alert_seconds_bucket{W}[$__range])))", "p99"
            ),
            steps=((None, "green"), (1, "orange"), (5, "red")),
            runbook="squallalertslate",
        ),
    ),
)

_ALERTS = Section(
    "Alerts",
    (
        states(
            "Open alerts by pattern and symbol",
            "When which pattern stood on which symbol; `*` is the market as a whole.",
            Query("sum by (pattern, symbol) (squall_alerts_open{S})", "{{pattern}} {{symbol}}"),
            ((None, "transparent"), (1, "red")),
        ),
        table(
            "What is open",
            "Open alerts by pattern, severity and symbol; ranked, with their reasons, in the console.",
            "short",
            Query("topk(20, sum by (pattern, severity, symbol) (squall_alerts_open{S}))"),
        ),
        series(
            "Alerts an hour, and the budget",
            "Alerts opened within the hour before, by pattern, and how many chance alone may raise by setting: far "
            "above the budget something goes on, or the calibration is off.",
            "short",
            Query('sum by (pattern) (squall:alerts_opened:increase1h{job=~"$job"}) > 0', "{{pattern}}"),
            Query('sum(squall:alerts_opened:increase1h{job=~"$job"})', "all"),
            Query('sum by (severity) (squall:alert_budget:per_hour{job=~"$job"})', "budget {{severity}}"),
            width=12,
            runbook="squallalertbudgetexceeded",
        ),
        heatmap(
            "How rare signals are",
            "Signals by their p-value, in decades: 6 is one in a million. Calibrated, each decade is a tenth as full.",
            "short",
            Query("sum by (le) (increase(squall_signal_surprise_bucket{W}[R]))", "{{le}}"),
        ),
        series(
            "Signals",
            "Scores rare enough to be correlated, by pattern.",
            "cps",
            Query("sum by (pattern) (rate(squall_signals_total{W}[R])) > 0", "{{pattern}}"),
            Query("sum(rate(squall_signals_total{W}[R]))", "all"),
            width=12,
        ),
        series(
            "Event to alert",
            "From event time to the moment an alert is sent: nothing is shown while there are none.",
            "s",
            *quantiles("squall_event_to_alert_seconds"),
            runbook="squallalertslate",
        ),
        series(
            "Alert revisions",
            "Alerts opened, updated and resolved.",
            "cps",
            Query("sum by (status) (rate(squall_alerts_total{W}[R]))", "{{status}}"),
        ),
        series(
            "Alert feedback",
            "Acknowledgements and verdicts given in the console.",
            "cps",
            Query(
                'sum by (action) (rate(squall_console_actions_total{C,action=~"acknowledge|verdict"}[R]))',
                "{{action}}",
            ),
        ),
    ),
)

_MARKET = Section(
    "Market",
    (
        series(
            "Trades",
            "Trades by symbol, in closed ticks.",
            "cps",
            Query("sum by (symbol) (rate(squall_market_trades_total{S}[R]))", "{{symbol}}"),
        ),
        series(
            "Cancels",
            "Cancels by symbol, in closed ticks.",
            "cps",
            Query("sum by (symbol) (rate(squall_market_cancels_total{S}[R]))", "{{symbol}}"),
        ),
        series(
            "Cancels a trade",
            "Cancels by trades of the last five minutes: it rises when liquidity flickers, or leaves.",
            "short",
            Query('max by (symbol) (squall:cancels_by_trades:ratio5m{job=~"$job",symbol=~"$symbol"})', "{{symbol}}"),
            runbook="cancel_burst",
        ),
        series(
            "Depth within ten basis points",
            "Notional on each side near the mid price, by the newest book.",
            "short",
            Query("max by (symbol, side) (squall_market_depth_10bp_notional{S})", "{{symbol}} {{side}}"),
            runbook="thin_book",
        ),
        series(
            "Spread",
            "Spread by mid price, of the newest book.",
            "percentunit",
            Query("max by (symbol) (squall_market_spread_ratio{S})", "{{symbol}}"),
            runbook="thin_book",
        ),
        series(
            "Cost of trading",
            "What takers paid beyond the mid price, twice, and the slippage of a standard order, by the mid price.",
            "percentunit",
            Query("max by (symbol) (squall_market_effective_spread_ratio{S})", "effective spread {{symbol}}"),
            Query("max by (symbol) (squall_market_slippage_ratio{S})", "slippage {{symbol}}"),
            runbook="thin_book",
        ),
        series(
            "Fills in a lively market",
            "Factor by which a cost grows when volatility doubles: 1, fills do not suffer; above 2, liquidity leaves.",
            "short",
            Query("max by (symbol, of) (squall_market_fill_degradation_ratio{S})", "{{symbol}} {{of}}"),
            runbook="thin_book",
        ),
        series(
            "Imbalance",
            "Bid less ask depth by their sum, within 25 basis points: 1 is a book without asks.",
            "percentunit",
            Query("max by (symbol) (squall_market_imbalance_ratio{S})", "{{symbol}}"),
        ),
        series(
            "Open interest",
            "As last told by tickers.",
            "short",
            Query("max by (symbol) (squall_market_open_interest{S})", "{{symbol}}"),
        ),
        series(
            "Leverage changes and liquidations",
            "Over all symbols.",
            "cps",
            Query('sum by (topic) (rate(squall_events_total{W,topic=~"leverage|liquidations"}[R]))', "{{topic}}"),
            runbook="leverage_spike",
        ),
        series(
            "Guardrail changes",
            "Guardrails that tripped, by rule.",
            "cps",
            Query('sum by (rule) (rate(squall_guardrail_changes_total{W,state="tripped"}[R]))', "{{rule}}"),
            runbook="guardrails",
        ),
        states(
            "Guardrails tripped",
            "Entities beyond a guardrail, by rule and symbol.",
            Query("sum by (rule, symbol) (squall_guardrails_tripped{S})", "{{rule}} {{symbol}}"),
            ((None, "transparent"), (1, "red")),
            runbook="guardrails",
        ),
    ),
)

_CASCADES = Section(
    "Cascades",
    (
        series(
            "Probability of a cascade",
            "Within 15 and 30 minutes, by symbol. How far it may be believed: the Brier scores beside it.",
            "percentunit",
            Query("max by (symbol, horizon_s) (squall_cascade_probability{S})", "{{symbol}} {{horizon_s}} s"),
            runbook="cascade_risk",
        ),
        series(
            "Brier scores",
            "Mean squared error of those forecasts, and of the base rate alone: above it, they know nothing. None is "
            "shown until the first forecasts were judged.",
            "short",
            Query("max by (horizon_s, of) (squall_cascade_brier_score{W})", "{{of}} {{horizon_s}} s"),
            Query("max by (horizon_s) (squall_cascade_base_rate{W})", "base rate {{horizon_s}} s"),
            runbook="cascade_risk",
        ),
        series(
            "Cascade gain",
            "The largest ratio, over price intervals, of what would be liquidated to what the book takes: from 1 on "
            "liquidations feed themselves.",
            "short",
            Query("max by (symbol) (squall_cascade_gain_ratio{S})", "{{symbol}}"),
            runbook="cascade_risk",
        ),
        series(
            "Distance to self-feeding liquidations",
            "Price move to the nearest interval with a gain of 1; nothing where there is none within 20 %.",
            "percentunit",
            Query("min by (symbol) (squall_cascade_distance_ratio{S})", "{{symbol}}"),
            runbook="cascade_risk",
        ),
        series(
            "Contagion",
            "Spectral radius of the graph of symbols (from 1 on stress grows by itself), and the share of notional "
            "that a shock of one symbol reaches.",
            "short",
            Query("max(squall_contagion_spectral_radius{W})", "spectral radius"),
            Query("max(squall_contagion_expected_ratio{W})", "reached"),
            runbook="cascade_risk",
        ),
    ),
)

INTEGRITY = Board(
    "squall-integrity",
    "Squall: market integrity",
    "For exchange operators: what stands out on the market now, and since when. Reasons and actions: the console.",
    (_NOW, _ALERTS, _MARKET, _CASCADES),
)
