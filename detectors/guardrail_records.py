"""The records of the guardrails: what tripped or cleared, by which number against which limit, in words as well."""

from decimal import Decimal

from detectors.decisions import Level, Trip, TripState
from detectors.guardrail_rules import Bounds, GuardrailRule


def position_name(account: str, symbol: str) -> str:
    """An account on a symbol as one name; no two positions have the same.

    Examples
    --------
    >>> position_name("desk-7", "BTC-PERP"), position_name("a/b", "C"), position_name("a", "b/C")
    ('desk-7/BTC-PERP', 'a%2Fb/C', 'a/b/C')
    """
    return f"{account.replace('%', '%25').replace('/', '%2F')}/{symbol}"


def tripped(
    rule: GuardrailRule, name: str | tuple[str, str], level: Level, value: Decimal, bounds: Bounds, clock_us: int
) -> Trip:
    """The record of an entity that trips, or trips soft after it was hard.

    The limit is what the value is beyond: after hard that may be the bound at which soft clears.
    """
    side = "below" if bounds.below else "above"
    limit, which = (bounds.hard, "hard limit") if level == "hard" else (bounds.soft, "soft limit")
    if not bounds.beyond(value, limit):
        limit, which = bounds.soft_clear, "bound at which the soft limit clears, no longer hard:"
    reason = f"{_said(rule, value)}, {side} the {which} {_number(limit)}"
    return _record(rule, name, "tripped", level, value, limit, clock_us, reason)


def cleared(
    rule: GuardrailRule, name: str | tuple[str, str], level: Level, value: Decimal, bounds: Bounds, clock_us: int
) -> Trip:
    """The record of an entity whose value is back within the bound at which the soft limit clears."""
    held = f"held for {bounds.hold_us // 1_000_000} s or longer"
    reason = f"{_said(rule, value)}, within {_number(bounds.soft_clear)} again, {held}"
    return _record(rule, name, "cleared", level, value, bounds.soft_clear, clock_us, reason)


def forgotten(
    rule: GuardrailRule,
    name: str | tuple[str, str],
    level: Level,
    value: Decimal,
    limit: Decimal,
    clock_us: int,
    why: str,
) -> Trip:
    """The record of a tripped entity that is no longer followed, with the value and limit of its trip."""
    return _record(rule, name, "cleared", level, value, limit, clock_us, f"forgotten: {why}")


def _record(
    rule: GuardrailRule,
    name: str | tuple[str, str],
    state: TripState,
    level: Level,
    value: Decimal,
    limit: Decimal,
    clock_us: int,
    reason: str,
) -> Trip:
    entity = name if isinstance(name, str) else position_name(*name)
    action = rule.action(level) if state == "tripped" else "none"
    return Trip(rule.name, entity, state, level, value, limit, rule.unit, clock_us, action, reason)


def _said(rule: GuardrailRule, value: Decimal) -> str:
    return f"{rule.what}: {_number(value)} {rule.unit}"


def _number(number: Decimal) -> str:
    """Six decimals at most: the record has all of them beside it."""
    return f"{number:,.6f}".rstrip("0").rstrip(".")
