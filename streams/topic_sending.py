"""Sends a few records to partition 0 of topics, for commands and pages: one producer, all or an error."""

from collections.abc import Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from detectors.errors import BrokerError
from streams.security import client_security
from streams.settings import Settings
from streams.topics import bootstrap_servers

_TIMEOUT_MS = 10_000


async def send_records(
    records: Sequence[tuple[str, bytes, bytes]], settings: Settings, *, sender: str, what: str
) -> None:
    """Send records one after another, each when the broker has the one before.

    Parameters
    ----------
    records
        Topic, key and value of each.
    settings
        Where the broker is.
    sender
        Who sends, in the client's name.
    what
        What is sent, for the message when it cannot be.

    Raises
    ------
    BrokerError
        The broker does not answer, or does not take one of them; those before it were sent.
    """
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers(settings.broker),
        client_id=f"{settings.app_id}-{sender}",
        acks="all",
        request_timeout_ms=_TIMEOUT_MS,
        **client_security(settings.security),
    )
    try:
        await producer.start()
        for topic, key, value in records:
            await producer.send_and_wait(topic, value, key, 0)
    except (KafkaError, OSError) as error:
        why = str(error) or type(error).__name__
        raise BrokerError(f"expected {settings.broker} to take {what}, found: {why}") from error
    finally:
        await producer.stop()
