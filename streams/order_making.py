"""Makes operators' orders such that every worker takes them."""

import uuid

from detectors.decisions import LimitAction, OrderAction, Override
from detectors.errors import ConfigError, DecodeError
from streams.orders import decode_order, encode_order
from streams.times import span_us


def make_order(
    scope: str,
    action: OrderAction,
    *,
    reason: str,
    lasting: str,
    author: str,
    now_us: int,
    limit: LimitAction = "throttle",
    multiplier: float = 1.0,
) -> Override:
    """Make an order that holds from now on.

    Parameters
    ----------
    scope, action, reason, author, limit, multiplier
        As an order has them.
    lasting
        How long it holds, as `90s`, `10m`, `1h30m`, `2d`; at most 30 days.
    now_us
        What time it is.

    Raises
    ------
    ConfigError
        Workers would refuse it; the message says why.

    Examples
    --------
    >>> order = make_order("controller", "freeze", reason="maintenance", lasting="10m", author="ann", now_us=0)
    >>> order.expires_at
    600000000
    """
    ends_us = now_us + span_us(lasting)
    order = Override(uuid.uuid4().hex, scope, action, author, reason.strip(), now_us, ends_us, limit, multiplier)
    try:
        return decode_order(encode_order(order)[1])
    except (DecodeError, UnicodeError) as error:
        raise ConfigError(f"this order would be refused: {error}") from error
