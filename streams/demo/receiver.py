"""The on-call engineer of a demo: a webhook receiver that checks signatures and remembers what it was told."""

import secrets
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

_SECRET_BYTES = 24


@dataclass(slots=True)
class Receiver:
    """What it was told.

    Parameters
    ----------
    url
        Where it listens.
    secret
        What messages have to be signed with.
    alerts
        Ids of the alerts that it was told of.
    refused
        Messages whose signature was wrong.
    """

    url: str = ""
    secret: str = field(default_factory=lambda: f"whsec_{b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()}")
    alerts: set[str] = field(default_factory=set)
    refused: int = 0

    async def take(self, request: web.Request) -> web.Response:
        """Answer one request."""
        body = await request.read()
        try:
            Webhook(self.secret).verify(body, dict(request.headers))
        except WebhookVerificationError:
            self.refused += 1
            return web.Response(status=401)
        told: dict[str, Any] = msgspec.json.decode(body)
        self.alerts.update(alert["alert_id"] for alert in told["data"]["alerts"])
        return web.Response(status=204)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Listen on a free port of this machine for the block."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/", receiver.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        yield receiver
    finally:
        await runner.cleanup()
