"""Wires a console together: state, feed, pages, actions, and what every answer carries."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from streams.console.auth import Gate, names_us
from streams.console.console_metrics import ConsoleMetrics
from streams.console.desk import Desk
from streams.console.feed import Feed
from streams.console.live import Live
from streams.console.pages import Pages
from streams.console.posts import Posts
from streams.console.probing import Prober
from streams.console.shown import environment
from streams.console.view import ConsoleView
from streams.settings import Settings
from streams.times import now_us

_STATIC = Path(__file__).parent / "static"
_LARGEST_FORM_BYTES = 16_384
#: What machines ask, whatever name they ask by.
_PROBES = ("/livez", "/readyz", "/metrics")
_OPEN_PAGES = (*_PROBES, "/login", "/static")
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; form-action 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Without any referrer a browser would not tell the origin of a form either.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
    # Which versions these are is nobody's business.
    "Server": "squall",
}

_log = logging.getLogger(__name__)


def build_app(settings: Settings, registry: CollectorRegistry, clock_us: Callable[[], int] = now_us) -> web.Application:
    """Make a console; it follows the broker while it is served.

    Parameters
    ----------
    settings
        Where the broker is, and those of the console.
    registry
        What `/metrics` shows.
    clock_us
        What time it is, in microseconds; with `console.venue_clock` only until stages tell the venue's.

    Raises
    ------
    ConfigError
        The token to log in with cannot be read.
    """
    console = settings.console
    metrics = ConsoleMetrics.create(registry)
    view = ConsoleView(console)

    def venue_us() -> int:
        return view.venue_us or clock_us()

    live = Live(console.max_clients, metrics.clients)
    feed = Feed(settings, view, metrics, live.changed)
    prober = Prober(console.workers, console.notifiers, lambda: live.changed(()))
    told_us = venue_us if console.venue_clock else clock_us
    desk = Desk(settings, view, feed, live, prober, Gate(console), metrics, environment(), told_us)

    app = web.Application(client_max_size=_LARGEST_FORM_BYTES, middlewares=[_guarding(desk)])
    app.add_routes([*Pages(desk).routes(), *Posts(desk).routes(), *_machine_routes(desk, registry)])
    app.router.add_static("/static", _STATIC)

    async def following(_app: web.Application) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(work) for work in (feed.run(), live.run(), prober.run())]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    app.cleanup_ctx.append(following)
    app.on_shutdown.append(live.close)
    app.on_response_prepare.append(_add_headers)
    return app


async def _add_headers(_request: web.Request, answer: web.StreamResponse) -> None:
    answer.headers.update(_HEADERS)


def _guarding(desk: Desk) -> Middleware:
    """Refuses what is not for us, and tells people what went wrong."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            answer = _refusal(desk, request) or await handler(request)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            answer = _message(desk, request, error.status, error.reason, error.text)
        except Exception:
            # The traceback names no record; the address may name an account, and is not told.
            _log.exception("expected an answer for a page, found")
            answer = _message(desk, request, 500, "Something is wrong here", "The log says more.")
        return answer

    return guard


def _refusal(desk: Desk, request: web.Request) -> web.StreamResponse | None:
    if request.path in _PROBES:
        return None
    if not names_us(request.host, desk.settings.console):
        raise web.HTTPMisdirectedRequest(text="This console does not go by that name; console.hosts can add it.")
    is_open = any(request.path == page or request.path.startswith(f"{page}/") for page in _OPEN_PAGES)
    if desk.settings.console.private and not is_open and desk.identify(request) is None:
        if desk.gate.has_login and request.method == "GET":
            raise web.HTTPSeeOther("/login")
        raise web.HTTPForbidden(text="Log in first.")
    return None


def _message(desk: Desk, request: web.Request, status: int, heading: str, message: str | None) -> web.Response:
    return desk.page(request, "message.html.j2", status=status, heading=heading, message=message or "", where="/")


def _machine_routes(desk: Desk, registry: CollectorRegistry) -> list[web.RouteDef]:
    async def livez(_request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def readyz(_request: web.Request) -> web.Response:
        reasons = []
        if not desk.feed.connected:
            reasons.append(f"the broker does not answer: {desk.feed.fault or 'not yet'}")
        if not desk.feed.caught_up:
            reasons.append("what happened before is still being read")
        body = {"status": "failing", "reasons": reasons} if reasons else {"status": "ok"}
        return web.json_response(body, status=503 if reasons else 200)

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def events(request: web.Request) -> web.StreamResponse:
        return await desk.live.serve(request, desk.state)

    return [
        web.get("/livez", livez),
        web.get("/readyz", readyz),
        web.get("/metrics", metrics),
        web.get("/events", events),
    ]
