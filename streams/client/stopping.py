"""Stops a consumer whatever its broker does."""

import asyncio
import logging

from aiokafka import AIOKafkaConsumer

_log = logging.getLogger(__name__)


async def stop_consumer(consumer: AIOKafkaConsumer) -> None:
    """Stop a consumer, in a task of its own.

    While a fetch waits to be tried again (its broker is away), `consumer.stop()` ends whoever called it as cancelled,
    and leaves the client running: the task that follows a topic would be over for good, and nobody would hear of it.

    Parameters
    ----------
    consumer
        Started or not.
    """
    stopping = asyncio.create_task(consumer.stop())
    await asyncio.wait([stopping])
    if stopping.cancelled():
        # Half stopped, it would go on looking for the broker for ever.
        await consumer._client.close()  # noqa: SLF001 - it offers no other way
    elif (error := stopping.exception()) is not None:
        _log.warning("expected a consumer to stop, found: %s", error)
