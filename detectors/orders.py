"""Operators' orders: what an order has to be, beyond the types of its fields, before anything acts on it."""

from typing import get_args

from detectors.decisions import DECISION_VERSION, OrderAction, Override
from detectors.results import Pattern

#: The scope of orders to the controller as a whole.
CONTROLLER = "controller"
ACCOUNT_SCOPE, PATTERN_SCOPE = "account:", "pattern:"
#: An order for longer is a setting that nobody would remember having made.
LONGEST_LIFE_US = 30 * 86_400 * 1_000_000
PATTERNS: tuple[Pattern, ...] = get_args(Pattern)

_SCOPES: dict[OrderAction, str] = {
    "pin": ACCOUNT_SCOPE,
    "release": ACCOUNT_SCOPE,
    "silence": PATTERN_SCOPE,
    "freeze": CONTROLLER,
    "resume": CONTROLLER,
    "kill": CONTROLLER,
}


def order_fault(order: Override) -> str | None:
    """Tell why an order must not be acted on, from its own fields; None: it may be.

    It catches orders whose scope does not fit the action, that never hold or hold longer than 30 days, that contradict
    themselves, or are of another version. It does not know what time it is: an order that is over passes.

    Parameters
    ----------
    order
        Of the right types already.

    Examples
    --------
    >>> order = Override("1", "pattern:thin_book", "silence", "ann", "market holiday", 0, 60_000_000)
    >>> order_fault(order) is None
    True
    >>> order_fault(Override("1", "controller", "silence", "ann", "market holiday", 0, 60_000_000))
    "Expected a scope like `pattern:NAME` for a silence, got 'controller' - at `$.scope`"
    """
    if order.schema != DECISION_VERSION:
        return f"Expected schema {DECISION_VERSION}, got {order.schema} - at `$.schema`"
    return _scope_fault(order) or _life_fault(order) or _pin_fault(order)


def _scope_fault(order: Override) -> str | None:
    wanted = _SCOPES[order.action]
    if wanted == CONTROLLER:
        fits, like = order.scope == CONTROLLER, CONTROLLER
    else:
        fits, like = order.scope.startswith(wanted) and len(order.scope) > len(wanted), f"{wanted}NAME"
    if not fits:
        return f"Expected a scope like `{like}` for a {order.action}, got {order.scope!r} - at `$.scope`"
    pattern = order.scope.removeprefix(PATTERN_SCOPE)
    if wanted == PATTERN_SCOPE and pattern not in PATTERNS:
        return f"Expected a pattern of {', '.join(PATTERNS)}, got {pattern!r} - at `$.scope`"
    return None


def _life_fault(order: Override) -> str | None:
    life_us = order.expires_at - order.timestamp
    if life_us <= 0:
        return f"Expected an expiry after `timestamp` {order.timestamp}, got {order.expires_at} - at `$.expires_at`"
    if life_us > LONGEST_LIFE_US:
        days, found = LONGEST_LIFE_US / 86_400e6, life_us / 86_400e6
        return f"Expected an expiry at most {days:.0f} days after `timestamp`, got {found:.1f} - at `$.expires_at`"
    return None


def _pin_fault(order: Override) -> str | None:
    if order.action == "pin" and order.limit == "none" and order.multiplier != 1.0:
        return f"Expected a multiplier of 1.0 for a pin without a limit, got {order.multiplier} - at `$.multiplier`"
    return None
