"""Sends operators' orders, and tells which ones were given."""

from detectors.decisions import Override
from streams.orders import decode_order, encode_order
from streams.settings import Settings
from streams.topic_reading import read_values
from streams.topic_sending import send_records
from streams.topics import OVERRIDES


async def send_order(order: Override, settings: Settings) -> Override | None:
    """Send an order, and wait until the broker has it; gives the one that it takes the place of, if one is in force.

    Parameters
    ----------
    order
        One that workers take.
    settings
        Where the broker is.

    Raises
    ------
    BrokerError
        The broker does not answer, has no topic for orders, or does not take it.
    """
    found, _ = await orders_given(settings)
    key, value = encode_order(order)
    await send_records([(OVERRIDES, key, value)], settings, sender="override", what="the order")
    before = found.get(order.scope)
    return before if before is not None and before.expires_at > order.timestamp else None


async def orders_given(settings: Settings) -> tuple[dict[str, Override], int]:
    """Read the newest order of each scope, over or not, and the number of records that are no orders.

    Raises
    ------
    BrokerError
        The broker does not answer, or has no topic for orders.
    """
    found: dict[str, Override] = {}

    def take(_key: bytes, order: Override | None) -> None:
        if order is not None:
            found[order.scope] = order

    unreadable = await read_values(settings, OVERRIDES, decode_order, take)
    return found, unreadable
