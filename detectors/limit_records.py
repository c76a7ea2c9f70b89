"""How a decision on a limit, a trip or an order is written down."""

import hashlib
from typing import Literal

from detectors.decisions import EXEMPT, AuditRecord, LimitAction, NextLimit, Override, RateLimit, Trip
from detectors.limit_settings import Limits, Tier
from detectors.limit_targets import Target
from detectors.results import Contribution

US = "squall"
#: An operator's pin outlives us for so long: engines take no lease for ever.
PIN_LEASE_US = 3_600_000_000


def limit_record(
    account: str,
    version: int,
    multiplier: float,
    tier: Tier,
    settings: Limits,
    now_us: int,
    *,
    target: Target | None,
    following: NextLimit,
    alert_ids: tuple[str, ...] = (),
    order: Override | None = None,
    reason: str = "",
) -> RateLimit:
    """A limit as it is published: baseline times multiplier, on a lease.

    `target` is what led to it (None: it is eased, or an operator ordered it), `order` the operator's order that it
    follows; a pin is on a longer lease, and ends with its order.
    """
    action: LimitAction = "none" if multiplier >= 1.0 else "throttle"
    expires_us = now_us + round(settings.lease_s * 1e6)
    if order is not None and order.action == "pin":
        action, expires_us = order.limit, min(order.expires_at, now_us + PIN_LEASE_US)
    return RateLimit(
        account=account,
        version=version,
        mode=settings.mode,
        action=action,
        orders_per_second=0.0 if action == "block" else round(tier.orders_per_second * multiplier, 6),
        burst=0.0 if action == "block" else round(tier.burst * multiplier, 6),
        multiplier=multiplier,
        issued_at=now_us,
        expires_at=expires_us,
        exempt=EXEMPT,
        indicator="override" if order is not None else "recovery" if target is None else target.indicator,
        value=0.0 if target is None else round(target.value, 9),
        trigger=0.0 if target is None else target.trigger,
        reason=reason or (_reason_of(target) if target is not None else "pressure has gone down"),
        alert_ids=alert_ids,
        next=following,
        override_id="" if order is None else order.override_id,
    )


def _reason_of(target: Target) -> str:
    match target.indicator:
        case "pressure":
            return f"cancel pressure at {target.value:.0%} of the account's cap; limits begin at {target.trigger:.0%}"
        case "stress":
            return (
                f"cancel pressure at {target.value:.0%} of the cap under market stress; "
                f"limits begin at {target.trigger:.0%}"
            )
        case "collective_pressure":
            return f"new accounts together at {target.value:.0%} of their cap; limits begin at {target.trigger:.0%}"
        case "p_value":
            return f"behaviour that comes {target.value:.2g} times a day by chance; limits begin at {target.trigger:g}"
        case _:
            return "an open alert names the account, and it presses on the engine"


def audit_of_limit(
    limit: RateLimit, previous_multiplier: float, contributions: tuple[Contribution, ...], author: str = US
) -> AuditRecord:
    """The audit of a changed limit."""
    return AuditRecord(
        audit_id=_id("limit", limit.account, str(limit.version)),
        kind="limit",
        timestamp=limit.issued_at,
        entity=limit.account,
        author=author,
        reason=limit.reason,
        previous_multiplier=previous_multiplier,
        limit=limit,
        explanation=contributions,
    )


def audit_of_trip(trip: Trip) -> AuditRecord:
    """The audit of a guardrail that tripped or cleared."""
    # For the picture; the trip itself has the exact numbers.
    share = Contribution(trip.rule, float(trip.value), float(trip.limit), trip.unit, 1.0, 1.0)
    return AuditRecord(
        audit_id=_id("trip", trip.rule, trip.entity, trip.state, trip.level, str(trip.timestamp)),
        kind="trip" if trip.state == "tripped" else "clear",
        timestamp=trip.timestamp,
        entity=f"{trip.rule}/{trip.entity}",
        author=US,
        reason=trip.reason,
        trip=trip,
        explanation=(share,),
    )


def audit_of_order(order: Override, now_us: int, *, ended: bool = False) -> AuditRecord:
    """The audit of an operator's order that is taken up, or whose time is over."""
    kind: Literal["override", "override_ended"] = "override_ended" if ended else "override"
    return AuditRecord(
        audit_id=_id(kind, order.override_id),
        kind=kind,
        timestamp=now_us,
        entity=order.scope,
        author=order.author,
        reason=order.reason,
        override=order,
    )


def _id(*parts: str) -> str:
    return hashlib.blake2b("|".join(parts).encode(), digest_size=16).hexdigest()
