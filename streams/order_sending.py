"""Sends operators' orders, and tells which ones were given."""

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from detectors.decisions import Override
from detectors.errors import BrokerError
from streams.orders import decode_order, encode_order
from streams.security import client_security
from streams.settings import Settings
from streams.topic_reading import read_values
from streams.topics import OVERRIDES, bootstrap_servers

_TIMEOUT_MS = 10_000


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
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers(settings.broker),
        client_id=f"{settings.app_id}-override",
        acks="all",
        request_timeout_ms=_TIMEOUT_MS,
        **client_security(settings.security),
    )
    try:
        await producer.start()
        await producer.send_and_wait(OVERRIDES, value, key, 0)
    except (KafkaError, OSError) as error:
        why = str(error) or type(error).__name__
        raise BrokerError(f"expected {settings.broker} to take the order, found: {why}") from error
    finally:
        await producer.stop()
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
