"""Every client of the doctor is made here; and how it asks, so that a broker that does not answer is no crash."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
)

from streams.security import client_security
from streams.settings import Settings
from streams.topics import bootstrap_servers

_TIMEOUT_S = 5.0
_PAUSE_S = 0.2

_DENIALS = (ClusterAuthorizationFailedError, GroupAuthorizationFailedError, TopicAuthorizationFailedError)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The broker gave no answer: why, and whether it was that we may not ask."""

    reason: str
    is_denied: bool = False


@dataclass(frozen=True, slots=True)
class Clients:
    """An admin client, one for requests of our own, and a consumer without a group."""

    admin: Any
    client: Any
    consumer: Any


def client_options(settings: Settings, servers: Sequence[str]) -> dict[str, Any]:
    """Keyword arguments of every client of aiokafka's."""
    return {
        "bootstrap_servers": list(servers),
        "client_id": f"{settings.app_id}-doctor",
        "request_timeout_ms": int(_TIMEOUT_S * 1_000),
        **client_security(settings.security),
    }


@asynccontextmanager
async def connected(settings: Settings, servers: Sequence[str]) -> AsyncIterator[Clients]:
    """Open the clients for the block.

    Raises
    ------
    KafkaError, OSError
        None of the servers answers.
    """
    options = client_options(settings, servers)
    async with AsyncExitStack() as stack:
        admin = AIOKafkaAdminClient(**options)
        stack.push_async_callback(admin.close)
        await admin.start()
        client = AIOKafkaClient(**options)
        stack.push_async_callback(client.close)
        await client.bootstrap()
        consumer = AIOKafkaConsumer(
            **options, enable_auto_commit=False, auto_offset_reset="none", fetch_max_wait_ms=100, check_crcs=False
        )
        stack.push_async_callback(consumer.stop)
        await consumer.start()
        yield Clients(admin, client, consumer)


async def reach(settings: Settings) -> dict[str, str | None]:
    """Try each address alone; gives what is wrong with it, or None."""

    async def try_one(server: str) -> str | None:
        client = AIOKafkaClient(**client_options(settings, [server]))
        try:
            await asyncio.wait_for(client.bootstrap(), _TIMEOUT_S)
        except (KafkaError, OSError, TimeoutError) as error:
            return str(error) or type(error).__name__
        finally:
            await client.close()
        return None

    servers = bootstrap_servers(settings.broker)
    return dict(zip(servers, await asyncio.gather(*map(try_one, servers)), strict=True))


async def ask(question: Callable[[], Awaitable[T]], timeout_s: float = _TIMEOUT_S) -> T | Unanswered:
    """Ask, and ask again while the broker says that this may help; each time it has `timeout_s` to answer."""
    end_s = time.monotonic() + timeout_s
    while True:
        try:
            return await asyncio.wait_for(question(), timeout_s)
        except (KafkaError, OSError, TimeoutError, NotImplementedError) as error:
            again = getattr(error, "retriable", False) and time.monotonic() + _PAUSE_S < end_s
            if not again:
                return Unanswered(str(error) or type(error).__name__, isinstance(error, _DENIALS))
        await asyncio.sleep(_PAUSE_S)
