"""What stages know, for Prometheus: entities, calibrations, markets, open alerts, limits and trips in force."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, Self, get_args, runtime_checkable

from prometheus_client import CollectorRegistry, Counter, Gauge

from detectors.decisions import Level, LimitAction, Mode, OrderAction
from detectors.guardrail_rules import RULES
from detectors.measures import Measure, Quantity
from detectors.results import Severity
from streams.symbol_labels import OTHER, SymbolLabels

#: Labels of a measure, and what it was when it was last shown.
Shown = dict[tuple[Quantity, tuple[str, ...]], float]
#: Several symbols have no spread in common: what cannot be added up is not shown of `other`.
_OF_ONE_SYMBOL = frozenset(
    {
        "spread_bp",
        "depth_10bp",
        "imbalance",
        "open_interest",
        "cascade_probability",
        "cascade_gain",
        "cascade_distance_bp",
        "ground_moved",
        "effective_spread_bp",
        "slippage_bp",
        "fill_degradation",
    }
)
_COUNTED = frozenset({"cancels", "trades"})
_IN_BP = frozenset({"spread_bp", "cascade_distance_bp", "effective_spread_bp", "slippage_bp"})


@runtime_checkable
class Measured(Protocol):
    """A stage that has numbers to show."""

    def measures(self) -> Iterable[Measure]:
        """Give them as they are now."""
        ...


class Source(NamedTuple):
    """A stage, and what of its counts was shown before."""

    stage: object
    shown: Shown


@dataclass(frozen=True, slots=True)
class StageMetrics:
    """What stages measure; `show` brings it up to date for all stations of a room at once."""

    entities: Gauge
    entities_fill: Gauge
    calibrations: Gauge
    cancels: Counter
    trades: Counter
    spread_bp: Gauge
    depth_10bp: Gauge
    imbalance: Gauge
    open_interest: Gauge
    alerts_open: Gauge
    limits_in_force: Gauge
    orders_in_force: Gauge
    trips_in_force: Gauge
    cascade_probability: Gauge
    cascade_gain: Gauge
    cascade_distance_bp: Gauge
    cascade_base_rate: Gauge
    cascade_brier: Gauge
    contagion_radius: Gauge
    contagion_expected: Gauge
    ground_moved: Gauge
    effective_spread_bp: Gauge
    slippage_bp: Gauge
    fill_degradation: Gauge
    ranker_verdicts: Gauge
    ranker_state: Gauge
    ranker_log_loss: Gauge
    symbols: SymbolLabels
    mode: Mode
    _shown: dict[str, set[tuple[Quantity, tuple[str, ...]]]] = field(default_factory=dict)

    @classmethod
    def create(cls, registry: CollectorRegistry, symbols: SymbolLabels, mode: Mode) -> Self:
        """Make the metrics and register them.

        Parameters
        ----------
        registry
            Where.
        symbols
            Which symbols are named.
        mode
            That of limits.
        """

        def gauge(name: str, about: str, labels: Iterable[str]) -> Gauge:
            return Gauge(f"squall_{name}", about, list(labels), registry=registry)

        metrics = cls(
            entities=gauge("entities", "Entities remembered, by kind.", ["stage", "kind"]),
            entities_fill=gauge(
                "entities_fill_ratio",
                "Entities remembered by those that may be, of the fullest partition here; at 1 the longest silent go.",
                ["stage", "kind"],
            ),
            calibrations=gauge(
                "calibrations", "Streams of scores whose calibration is warming up, or warm.", ["detector", "state"]
            ),
            cancels=Counter("squall_market_cancels", "Cancels in closed ticks.", ["symbol"], registry=registry),
            trades=Counter("squall_market_trades", "Trades in closed ticks.", ["symbol"], registry=registry),
            spread_bp=gauge("market_spread_ratio", "Spread by mid price, of the newest book.", ["symbol"]),
            depth_10bp=gauge(
                "market_depth_10bp_notional",
                "Notional, in quote currency, within ten basis points of the mid price, of the newest book.",
                ["symbol", "side"],
            ),
            imbalance=gauge(
                "market_imbalance_ratio",
                "Bid less ask depth by their sum, within 25 basis points, in [-1, 1], of the newest book.",
                ["symbol"],
            ),
            open_interest=gauge("market_open_interest", "Open interest as last told, in contracts.", ["symbol"]),
            alerts_open=gauge("alerts_open", "Alerts that are open now.", ["pattern", "severity", "symbol"]),
            limits_in_force=gauge("limits_in_force", "Accounts with a rate limit now.", ["mode", "action"]),
            orders_in_force=gauge("overrides_in_force", "Operators' orders in force now.", ["action"]),
            trips_in_force=gauge(
                "guardrails_tripped",
                "Entities tripped now; the symbol is empty where the rule has none.",
                ["rule", "level", "symbol"],
            ),
            cascade_probability=gauge(
                "cascade_probability", "Probability of a cascade within so many seconds.", ["symbol", "horizon_s"]
            ),
            cascade_gain=gauge(
                "cascade_gain_ratio", "Largest notional liquidated by what the book takes, near the price.", ["symbol"]
            ),
            cascade_distance_bp=gauge(
                "cascade_distance_ratio", "Price move to the nearest liquidations that feed themselves.", ["symbol"]
            ),
            cascade_base_rate=gauge(
                "cascade_base_rate", "Share of forecasts after which a cascade began within the horizon.", ["horizon_s"]
            ),
            cascade_brier=gauge(
                "cascade_brier_score", "Brier score of forecasts, and of the base rate.", ["horizon_s", "of"]
            ),
            contagion_radius=gauge(
                "contagion_spectral_radius", "Growth of stress a round over the graph of symbols.", []
            ),
            contagion_expected=gauge(
                "contagion_expected_ratio", "Share of notional that a shock of one symbol reaches, on average.", []
            ),
            ground_moved=gauge(
                "drift_ground_moved",
                "1 while an input, or what a model stands on, has drifted within half an hour, else 0.",
                ["symbol", "of"],
            ),
            effective_spread_bp=gauge(
                "market_effective_spread_ratio",
                "What takers of the last seconds paid beyond the mid price, twice, by the mid price.",
                ["symbol"],
            ),
            slippage_bp=gauge(
                "market_slippage_ratio", "Mean distance from the mid price at which a standard order fills.", ["symbol"]
            ),
            fill_degradation=gauge(
                "market_fill_degradation_ratio",
                "Factor by which a cost of trading grows when volatility doubles; 1: not at all.",
                ["symbol", "of"],
            ),
            ranker_verdicts=gauge("ranker_verdicts", "Alerts that operators have judged, by verdict.", ["verdict"]),
            ranker_state=gauge("ranker_state", "Whether verdicts reorder alerts: 1 for on or off.", ["state"]),
            ranker_log_loss=gauge(
                "ranker_log_loss", "Log loss of predicted verdicts, of the ranker and of the base rate.", ["of"]
            ),
            symbols=symbols,
            mode=mode,
        )
        metrics._show_zeros()
        return metrics

    def show(self, room: str, sources: Iterable[Source]) -> None:
        """Show what the stages of a room have measured; what none of them has any more is shown as 0, or not at all.

        Parameters
        ----------
        room
            The name of the stages.
        sources
            One for each partition; those that measure nothing are passed over.
        """
        now: Shown = {}
        for stage, shown in sources:
            before = shown.copy()
            shown.clear()
            for measure in stage.measures() if isinstance(stage, Measured) else ():
                if measure.quantity in _COUNTED:
                    shown[measure.quantity, measure.labels] = measure.value
                    self._count(measure, before.get((measure.quantity, measure.labels), 0.0))
                else:
                    self._take(now, measure)
        for (quantity, labels), value in now.items():
            gauge: Gauge = getattr(self, quantity)
            all_labels = self._all_labels(room, quantity, labels)
            (gauge.labels(*all_labels) if all_labels else gauge).set(value * (1e-4 if quantity in _IN_BP else 1.0))
        for quantity, labels in self._shown.get(room, set()) - now.keys():
            gauge = getattr(self, quantity)
            if quantity in _OF_ONE_SYMBOL:
                gauge.remove(*labels)
            elif all_labels := self._all_labels(room, quantity, labels):
                gauge.labels(*all_labels).set(0)
        self._shown[room] = set(now)

    def _take(self, now: Shown, measure: Measure) -> None:
        quantity, labels, value = measure
        if quantity in _OF_ONE_SYMBOL:
            if self.symbols.of(labels[0]) != OTHER:
                now[quantity, labels] = value
        else:
            if quantity in ("alerts_open", "trips_in_force"):
                labels = (*labels[:2], self.symbols.of(labels[2]))
            before = now.get((quantity, labels), 0.0)
            now[quantity, labels] = max(before, value) if quantity == "entities_fill" else before + value

    def _count(self, measure: Measure, before: float) -> None:
        # Below what it was: it was forgotten, and began again.
        grown = measure.value - before if measure.value >= before else measure.value
        if grown > 0:
            counter: Counter = getattr(self, measure.quantity)
            counter.labels(self.symbols.of(measure.labels[0])).inc(grown)

    def _all_labels(self, room: str, quantity: Quantity, labels: tuple[str, ...]) -> tuple[str, ...]:
        if quantity in ("entities", "entities_fill"):
            return (room, *labels)
        return (self.mode, *labels) if quantity == "limits_in_force" else labels

    def _show_zeros(self) -> None:
        """Show what has few values from the first scrape on."""
        for severity in get_args(Severity):
            self.alerts_open.labels("correlated_stress", severity, "*")
        for action in get_args(LimitAction):
            if action != "none":
                self.limits_in_force.labels(self.mode, action)
        for action in get_args(OrderAction):
            self.orders_in_force.labels(action)
        for rule in RULES:
            for level in get_args(Level):
                self.trips_in_force.labels(rule.name, level, "")
