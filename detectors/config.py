"""The settings of the core, in small groups; their defaults stand here and nowhere else.

Each group checks its own ranges when it is made. The shell (`streams/settings.py`) fills the same groups from a file,
the environment and flags.
"""

from dataclasses import dataclass, field

from detectors.cascade_settings import Cascade
from detectors.errors import ConfigError
from detectors.guardrail_settings import Guardrails
from detectors.limit_settings import Limits
from detectors.ranker_settings import Ranker


def _require(ok: bool, what: str, found: object) -> None:
    if not ok:
        raise ConfigError(f"{what}, was {found!r}")


@dataclass(frozen=True, slots=True)
class Timing:
    """Event time: ticks, allowed lateness, and when a silent input stops holding the others back.

    Parameters
    ----------
    tick_ms
        Length of a tick in milliseconds, a divisor of 1,000.
    lateness_ms
        How far an event may stand behind the newest of its input and still be counted in its tick.
    idle_ms
        An input that has been read to its end, and stays there this long by the clock on the wall, no longer holds the
        watermark.
    source_timeout_ms
        A stage upstream that says nothing this long (its worker died and nobody took over) no longer holds it either.
    future_limit_s
        An event this far ahead of its topic partition is refused.
    future_patience, future_patience_s
        After so many events in a row ahead of their topic partition, so many seconds of event time apart, it is time
        that has moved, not a wrong clock.
    """

    tick_ms: int = 100
    lateness_ms: int = 200
    idle_ms: int = 1_000
    source_timeout_ms: int = 30_000
    future_limit_s: int = 3_600
    future_patience: int = 3
    future_patience_s: int = 5

    def __post_init__(self) -> None:
        _require(
            self.tick_ms > 0 and 1_000 % self.tick_ms == 0, "timing.tick_ms must be a divisor of 1000", self.tick_ms
        )
        _require(self.lateness_ms >= 0, "timing.lateness_ms must be >= 0", self.lateness_ms)
        _require(self.idle_ms >= self.lateness_ms, "timing.idle_ms must be >= timing.lateness_ms", self.idle_ms)
        _require(self.source_timeout_ms > 0, "timing.source_timeout_ms must be > 0", self.source_timeout_ms)
        _require(self.future_limit_s > 0, "timing.future_limit_s must be > 0", self.future_limit_s)
        _require(self.future_patience > 0, "timing.future_patience must be > 0", self.future_patience)
        _require(self.future_patience_s >= 0, "timing.future_patience_s must be >= 0", self.future_patience_s)

    @property
    def tick_us(self) -> int:
        """Length of a tick in microseconds."""
        return self.tick_ms * 1_000

    @property
    def lateness_us(self) -> int:
        """Allowed lateness in microseconds."""
        return self.lateness_ms * 1_000

    @property
    def idle_us(self) -> int:
        """Idle time-out in microseconds."""
        return self.idle_ms * 1_000


@dataclass(frozen=True, slots=True)
class Calibration:
    """From scores to p-values.

    Parameters
    ----------
    level
        Share of a stream's scores that are its peaks, in (0, 0.5).
    warm_up
        Scores a stream needs before its p-values are believed, at least 20.
    warm_up_s
        Seconds of event time it needs as well, >= 0.
    publish_per_day
        Signals are made of scores that chance gives at most so often a day in their stream, > 0: what is more frequent
        cannot matter to any window of correlation.
    """

    level: float = 0.02
    warm_up: int = 300
    warm_up_s: float = 60.0
    publish_per_day: float = 2_000.0

    def __post_init__(self) -> None:
        _require(0.0 < self.level < 0.5, "calibration.level must be in (0, 0.5)", self.level)
        _require(self.warm_up >= 20, "calibration.warm_up must be >= 20", self.warm_up)
        _require(self.warm_up_s >= 0.0, "calibration.warm_up_s must be >= 0", self.warm_up_s)
        _require(self.publish_per_day > 0.0, "calibration.publish_per_day must be > 0", self.publish_per_day)


@dataclass(frozen=True, slots=True)
class Memory:
    """How long rates and levels remember, and how many entities are remembered.

    Parameters
    ----------
    half_life_s
        Half-life of cancel rates and book levels, in seconds.
    leverage_half_life_s
        Half-life of leverage rates, in seconds.
    max_accounts
        Accounts remembered by a partition; those silent longest are forgotten first.
    max_symbols
        Symbols remembered by a partition.
    """

    half_life_s: float = 600.0
    leverage_half_life_s: float = 1_800.0
    max_accounts: int = 200_000
    max_symbols: int = 2_000

    def __post_init__(self) -> None:
        _require(self.half_life_s > 0, "memory.half_life_s must be > 0", self.half_life_s)
        _require(self.leverage_half_life_s > 0, "memory.leverage_half_life_s must be > 0", self.leverage_half_life_s)
        _require(self.max_accounts >= 1, "memory.max_accounts must be >= 1", self.max_accounts)
        _require(self.max_symbols >= 1, "memory.max_symbols must be >= 1", self.max_symbols)


@dataclass(frozen=True, slots=True)
class Market:
    """What a standard order and a position near liquidation are.

    Parameters
    ----------
    order_notional
        Size of the order whose slippage is watched, in price times amount, > 0.
    maintenance_margin
        Maintenance margin as a share of notional, in [0, 1).
    near_liquidation
        A position closer than this to its liquidation price, as a share of price, counts as near, in (0, 1).
    divergence_inner, divergence_outer
        Mark, index and last trade closer together than the inner band, as a share of price, are never strange; further
        apart than the outer one always are. `0 < divergence_inner < divergence_outer < 1`.
    """

    order_notional: float = 100_000.0
    maintenance_margin: float = 0.005
    near_liquidation: float = 0.03
    divergence_inner: float = 0.0005
    divergence_outer: float = 0.01

    def __post_init__(self) -> None:
        _require(self.order_notional > 0, "market.order_notional must be > 0", self.order_notional)
        _require(
            0 <= self.maintenance_margin < 1, "market.maintenance_margin must be in [0, 1)", self.maintenance_margin
        )
        _require(0 < self.near_liquidation < 1, "market.near_liquidation must be in (0, 1)", self.near_liquidation)
        _require(0 < self.divergence_outer < 1, "market.divergence_outer must be in (0, 1)", self.divergence_outer)
        _require(
            0 < self.divergence_inner < self.divergence_outer,
            "market.divergence_inner must be in (0, market.divergence_outer)",
            self.divergence_inner,
        )


@dataclass(frozen=True, slots=True)
class Alerts:
    """The alert budget and the life of an alert.

    Parameters
    ----------
    false_alarms_per_day
        Alerts of severity `warning` that chance may raise on one symbol in a day, > 0.
    info_per_day
        The same for severity `info`, >= `false_alarms_per_day`.
    critical_per_day
        Correlated stress rarer than this by chance is `critical`; at most `false_alarms_per_day`.
    resolve_after_s
        Seconds without a supporting signal after which an alert is resolved, > 0.
    update_every_s
        Least seconds between two updates of an alert that do not change its severity, >= 0.
    max_open
        Alerts open at a time; further ones are counted, not opened, >= 1.
    runbook
        Address of the runbook; the pattern is its section.
    """

    false_alarms_per_day: float = 1.0
    info_per_day: float = 24.0
    critical_per_day: float = 0.05
    resolve_after_s: int = 60
    update_every_s: int = 5
    max_open: int = 1_000
    runbook: str = "deploy/runbook.md"

    def __post_init__(self) -> None:
        _require(self.false_alarms_per_day > 0, "alerts.false_alarms_per_day must be > 0", self.false_alarms_per_day)
        _require(
            self.info_per_day >= self.false_alarms_per_day,
            "alerts.info_per_day must be >= alerts.false_alarms_per_day",
            self.info_per_day,
        )
        _require(
            0 < self.critical_per_day <= self.false_alarms_per_day,
            "alerts.critical_per_day must be in (0, alerts.false_alarms_per_day]",
            self.critical_per_day,
        )
        _require(self.resolve_after_s > 0, "alerts.resolve_after_s must be > 0", self.resolve_after_s)
        _require(self.update_every_s >= 0, "alerts.update_every_s must be >= 0", self.update_every_s)
        _require(self.max_open >= 1, "alerts.max_open must be >= 1", self.max_open)


@dataclass(frozen=True, slots=True)
class CoreSettings:
    """All settings of the core."""

    timing: Timing = field(default_factory=Timing)
    calibration: Calibration = field(default_factory=Calibration)
    memory: Memory = field(default_factory=Memory)
    market: Market = field(default_factory=Market)
    alerts: Alerts = field(default_factory=Alerts)
    limits: Limits = field(default_factory=Limits)
    guardrails: Guardrails = field(default_factory=Guardrails)
    cascade: Cascade = field(default_factory=Cascade)
    ranker: Ranker = field(default_factory=Ranker)
