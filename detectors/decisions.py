"""What the control loop gives back: limits for accounts, trips of guardrails, operators' orders, and the audit of all.

Everything here is frozen once made. Times are venue time in microseconds. Money and ratios in decisions are decimals:
what an engine acts on, and an auditor reads, is exactly what was compared.
"""

from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from detectors.results import Contribution, Pattern, Severity, Status

#: Raised when the meaning of a field changes.
DECISION_VERSION = 1
#: What no limit ever touches.
EXEMPT = ("cancel", "reduce_only")

Mode = Literal["shadow", "enforce"]
LimitAction = Literal["none", "throttle", "post_only", "reduce_only", "block"]
Indicator = Literal["pressure", "collective_pressure", "p_value", "alert", "stress", "override", "recovery"]
TripState = Literal["tripped", "cleared"]
Level = Literal["soft", "hard"]
OrderAction = Literal["pin", "release", "freeze", "resume", "silence", "kill"]
Line = Annotated[str, Meta(min_length=1, max_length=500)]
OrderTime = Annotated[int, Meta(ge=0, le=4_102_444_800_000_000)]
Share = Annotated[float, Meta(gt=0.0, le=1.0)]


class NextLimit(msgspec.Struct, frozen=True):
    """What follows on a limit when nothing new happens: its multiplier from a time on."""

    multiplier: float
    at: int


class RateLimit(msgspec.Struct, frozen=True):
    """The limit in force for one account, as it goes to `rate-limits` (design: section 3).

    It holds from `issued_at` to `expires_at`, then the account's static baseline holds again: never more, never less.
    `version` rises with every record of an account, over restarts too. In mode `shadow` it is for people to read.
    `orders_per_second` and `burst` are the baseline's times `multiplier`; cancels and reduce-only orders are exempt.
    """

    account: str
    version: int
    mode: Mode
    action: LimitAction
    orders_per_second: float
    burst: float
    multiplier: float
    issued_at: int
    expires_at: int
    exempt: tuple[str, ...]
    indicator: Indicator
    value: float
    trigger: float
    reason: str
    alert_ids: tuple[str, ...]
    next: NextLimit
    override_id: str = ""
    schema: int = DECISION_VERSION


class Trip(msgspec.Struct, frozen=True):
    """A guardrail that trips or clears, as it goes to `guardrails`: one state for each rule and entity.

    `level` is `soft` (warn, stop adding risk) or `hard` (stop); `action` is what the venue is asked to do.
    """

    rule: str
    entity: str
    state: TripState
    level: Level
    value: Decimal
    limit: Decimal
    unit: str
    timestamp: int
    action: str
    reason: str
    schema: int = DECISION_VERSION


class Override(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An operator's order, as it comes from `overrides`; author, reason and expiry are required.

    `scope` is `account:NAME` for `pin` and `release`, `pattern:NAME` for `silence`, and `controller` for `freeze`,
    `resume` and `kill`. A pin sets `limit` (an action) and `multiplier`; `block` is an operator's alone.
    """

    override_id: Annotated[str, Meta(min_length=1, max_length=64)]
    scope: Annotated[str, Meta(min_length=1, max_length=160, pattern=r"^(controller$|account:.|pattern:.)")]
    action: OrderAction
    author: Annotated[str, Meta(min_length=1, max_length=128)]
    reason: Line
    timestamp: OrderTime
    expires_at: OrderTime
    limit: LimitAction = "throttle"
    multiplier: Share = 1.0
    schema: int = DECISION_VERSION


class LimitAck(msgspec.Struct, frozen=True):
    """An engine's answer to a limit, as it comes from `limit-acks`.

    `applied`: it is in force there; `stale`: older than what was in force, or its lease was over; `rejected`: it cannot
    be applied, and `reason` says why.
    """

    account: Annotated[str, Meta(min_length=1, max_length=128)]
    version: int
    status: Literal["applied", "stale", "rejected"]
    engine: Annotated[str, Meta(min_length=1, max_length=128)]
    timestamp: OrderTime
    reason: Annotated[str, Meta(max_length=500)] = ""
    schema: int = DECISION_VERSION


class Feedback(msgspec.Struct, frozen=True):
    """What an operator says of an alert, as it comes from `feedback`: the newest record of an alert says all.

    `acknowledged`: somebody looks after it; `verdict`: it was `true`, `false`, or `noise` (true but of no use); empty:
    not judged yet. `timestamp` is when it was said.
    """

    alert_id: Annotated[str, Meta(min_length=1, max_length=64)]
    author: Annotated[str, Meta(min_length=1, max_length=128)]
    timestamp: OrderTime
    acknowledged: bool = False
    verdict: Literal["", "true", "false", "noise"] = ""
    note: Annotated[str, Meta(max_length=500)] = ""
    schema: int = DECISION_VERSION


class AlertMention(msgspec.Struct, frozen=True, array_like=True):
    """What the controller has to know of an alert: who is named, where, how bad, and whether it is over."""

    alert_id: str
    pattern: Pattern
    severity: Severity
    status: Status
    symbol: str
    accounts: tuple[str, ...]


class StressFrame(msgspec.Struct, frozen=True, array_like=True):
    """Correlation stage to account stages: the alerts of the ticks closed since the last frame."""

    source: str
    closed_us: int
    at_rest: bool
    ticks: tuple[tuple[int, tuple[AlertMention, ...]], ...]


class Decisions(msgspec.Struct, frozen=True):
    """What a stage has decided since it was last asked."""

    limits: tuple["RateLimit", ...] = ()
    trips: tuple["Trip", ...] = ()
    audit: tuple["AuditRecord", ...] = ()

    def __bool__(self) -> bool:
        return bool(self.limits or self.trips or self.audit)


class AuditRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the `audit` topic: what was decided, the numbers that led to it, and by whom.

    `audit_id` is made of what was decided: the same decision, sent again after a crash, has the same id. `entity` is
    the account, the rule and its entity, the scope of an order, or the alert. `author` is `squall` or the operator.
    """

    audit_id: str
    kind: Literal["limit", "trip", "clear", "override", "override_ended", "feedback"]
    timestamp: int
    entity: str
    author: str
    reason: str
    previous_multiplier: float = 1.0
    limit: RateLimit | None = None
    trip: Trip | None = None
    override: Override | None = None
    feedback: Feedback | None = None
    explanation: tuple[Contribution, ...] = ()
    schema: int = DECISION_VERSION
