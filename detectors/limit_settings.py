"""Settings of the rate-limit controller: what accounts may do, and how fast that changes."""

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Literal

from detectors.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Tier:
    """The static baseline of some accounts, and how much pressure they may put on the engine.

    Parameters
    ----------
    orders_per_second, burst
        New orders an account may send without any limit of ours, > 0.
    pressure_cap
        Age-weighted cancels (Kraken's units: 8 below 5 s of age, 1 below 300 s) at which pressure counts as full, > 0.
    pressure_leak_per_s
        How much of it is forgotten in a second, > 0.
    """

    orders_per_second: float = 30.0
    burst: float = 60.0
    pressure_cap: float = 180.0
    pressure_leak_per_s: float = 3.75

    def __post_init__(self) -> None:
        for name in ("orders_per_second", "burst", "pressure_cap", "pressure_leak_per_s"):
            if not 0.0 < getattr(self, name) < 1e9:
                raise ConfigError(f"limits.tiers: {name} must be > 0, was {getattr(self, name)!r}")


def _tiers() -> dict[str, Tier]:
    return {"default": Tier(), "maker": Tier(300.0, 600.0, pressure_cap=3_000.0, pressure_leak_per_s=100.0)}


@dataclass(frozen=True, slots=True)
class Limits:
    """The rate-limit controller.

    Parameters
    ----------
    mode
        `shadow` (limits are published for people to read) or `enforce`.
    tiers
        Baselines by name; `default` is for every account that `accounts` does not name.
    accounts
        Account, or a pattern with `*`, to the name of its tier; the first that fits counts.
    exempt_accounts
        Accounts, or patterns with `*`, that the controller never limits: market makers by contract, the liquidation
        engine. Operators' orders reach them all the same.
    lease_s
        How long a limit holds unless renewed, which it is after a third of it; > 0.
    soft_pressure, hard_pressure, release_pressure
        Shares of `pressure_cap`: where limits begin, where they reach `floor`, and below which they are taken back;
        0 < release < soft < hard.
    floor
        Least multiplier of the baseline that pressure may lead to, in (0, 1).
    model_floor
        The same for p-values and alerts, in [floor, 1]: they may tighten less than the plain counters.
    model_least_pressure
        Share of `pressure_cap` below which neither p-values nor alerts tighten anything, in (0, 1).
    stress_gain
        Under full market stress every cap counts as smaller by this share, in [0, 1).
    fill_credit
        What each fill takes off an account's pressure, >= 0.
    newcomer_fills
        Fills (half forgotten in ten minutes) with which an account has its own pressure alone; those with fewer share
        one more counter, so that one who splits over many accounts gains nothing; >= 0.
    newcomer_watch_s
        How long a stage that began without knowing anybody takes nobody for a newcomer, >= 0.
    collective_cap
        Pressure of all newcomers of the exchange together at which it counts as full, > 0.
    decrease, increase
        A limit is tightened by this factor at most each `decrease_every_ms`, in (0, 1), and eased by this much of the
        baseline each `increase_every_s`, in (0, 1].
    decrease_every_ms, increase_every_s
        How often.
    hold_s, hold_growth, longest_hold_s
        A limit is not eased for `hold_s` after it was tightened; each return within `longest_hold_s` multiplies that by
        `hold_growth`, up to `longest_hold_s`.
    max_new_per_minute
        Accounts newly tightened in a minute, over all partitions: a bad model must not throttle the exchange. Those
        with the most pressure come first; >= 1.
    feedback_delay_ms
        Alerts act on limits so long (of event time) after their tick, so that decisions need not wait for them; >= 0.
    """

    mode: Literal["shadow", "enforce"] = "shadow"
    tiers: dict[str, Tier] = field(default_factory=_tiers)
    accounts: dict[str, str] = field(default_factory=dict)
    exempt_accounts: tuple[str, ...] = ()
    lease_s: float = 30.0
    soft_pressure: float = 0.5
    hard_pressure: float = 1.0
    release_pressure: float = 0.3
    floor: float = 0.05
    model_floor: float = 0.25
    model_least_pressure: float = 0.2
    stress_gain: float = 0.5
    fill_credit: float = 8.0
    newcomer_fills: float = 5.0
    newcomer_watch_s: float = 600.0
    collective_cap: float = 2_000.0
    decrease: float = 0.5
    increase: float = 0.1
    decrease_every_ms: int = 500
    increase_every_s: float = 10.0
    hold_s: float = 60.0
    hold_growth: float = 4.0
    longest_hold_s: float = 3_600.0
    max_new_per_minute: int = 120
    feedback_delay_ms: int = 1_000

    def __post_init__(self) -> None:
        rules = (
            ("default" in self.tiers, "tiers must have one named default", sorted(self.tiers)),
            (set(self.accounts.values()) <= set(self.tiers), "accounts must name tiers", self.accounts),
            (self.lease_s > 0, "lease_s must be > 0", self.lease_s),
            (
                0 < self.release_pressure < self.soft_pressure < self.hard_pressure,
                "0 < release_pressure < soft_pressure < hard_pressure must hold",
                (self.release_pressure, self.soft_pressure, self.hard_pressure),
            ),
            (0 < self.floor < 1, "floor must be in (0, 1)", self.floor),
            (self.floor <= self.model_floor <= 1, "model_floor must be in [floor, 1]", self.model_floor),
            (0 < self.model_least_pressure < 1, "model_least_pressure must be in (0, 1)", self.model_least_pressure),
            (0 <= self.stress_gain < 1, "stress_gain must be in [0, 1)", self.stress_gain),
            (self.fill_credit >= 0, "fill_credit must be >= 0", self.fill_credit),
            (self.newcomer_fills >= 0, "newcomer_fills must be >= 0", self.newcomer_fills),
            (self.newcomer_watch_s >= 0, "newcomer_watch_s must be >= 0", self.newcomer_watch_s),
            (self.collective_cap > 0, "collective_cap must be > 0", self.collective_cap),
            (0 < self.decrease < 1, "decrease must be in (0, 1)", self.decrease),
            (0 < self.increase <= 1, "increase must be in (0, 1]", self.increase),
            (self.decrease_every_ms > 0, "decrease_every_ms must be > 0", self.decrease_every_ms),
            (self.increase_every_s > 0, "increase_every_s must be > 0", self.increase_every_s),
            (self.hold_s > 0, "hold_s must be > 0", self.hold_s),
            (self.hold_growth >= 1, "hold_growth must be >= 1", self.hold_growth),
            (self.longest_hold_s >= self.hold_s, "longest_hold_s must be >= hold_s", self.longest_hold_s),
            (self.max_new_per_minute >= 1, "max_new_per_minute must be >= 1", self.max_new_per_minute),
            (self.feedback_delay_ms >= 0, "feedback_delay_ms must be >= 0", self.feedback_delay_ms),
        )
        for ok, what, found in rules:
            if not ok:
                raise ConfigError(f"limits.{what}, was {found!r}")


class Baselines:
    """Which tier an account is in, and whether it is exempt.

    Parameters
    ----------
    limits
        The settings.

    Examples
    --------
    >>> baselines = Baselines(Limits(accounts={"maker-*": "maker"}, exempt_accounts=("liquidator",)))
    >>> baselines.tier("maker-7").orders_per_second, baselines.tier("anyone").orders_per_second
    (300.0, 30.0)
    >>> baselines.is_exempt("liquidator"), baselines.is_exempt("anyone")
    (True, False)
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        # Where there is no pattern to try there is nothing to remember of an account either.
        remembered = lru_cache(maxsize=65_536)
        self.tier = remembered(self._tier) if limits.accounts else self._tier
        self.is_exempt = remembered(self._is_exempt) if limits.exempt_accounts else self._is_exempt

    def _tier(self, account: str) -> Tier:
        limits = self._limits
        for pattern, name in limits.accounts.items():
            if fnmatchcase(account, pattern):
                return limits.tiers[name]
        return limits.tiers["default"]

    def _is_exempt(self, account: str) -> bool:
        return any(fnmatchcase(account, pattern) for pattern in self._limits.exempt_accounts)
