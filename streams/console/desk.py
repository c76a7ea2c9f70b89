"""What every handler has at hand: the state, who may act, how a page is rendered."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import jinja2
from aiohttp import web

from streams.console.auth import Gate, Identity
from streams.console.console_metrics import ConsoleMetrics
from streams.console.feed import Feed
from streams.console.live import Live
from streams.console.probing import Prober
from streams.console.view import ConsoleView
from streams.settings import Settings

#: What is said after an action, by the word in the address: nothing that came from outside is repeated.
_FLASHES = {
    "acknowledged": "Acknowledged.",
    "judged": "Verdict sent.",
    "ordered": "Ordered; workers follow within two seconds.",
    "late": "Sent, but it has not come back yet: look again in a moment.",
}
_IDENTITY = "identity"


@dataclass(frozen=True, slots=True)
class Desk:
    """The parts of a console."""

    settings: Settings
    view: ConsoleView
    feed: Feed
    live: Live
    prober: Prober
    gate: Gate
    metrics: ConsoleMetrics
    templates: jinja2.Environment
    clock_us: Callable[[], int]

    def identify(self, request: web.Request) -> Identity | None:
        """Tell who asks; asked again of the same request it is the same, so that a wrong token counts once."""
        if _IDENTITY not in request:
            request[_IDENTITY] = self.gate.identify(request, time.monotonic())
        return cast("Identity | None", request[_IDENTITY])

    def page(
        self,
        request: web.Request,
        template: str,
        *,
        status: int = 200,
        watches: str = "",
        **more: Any,  # noqa: ANN401
    ) -> web.Response:
        """Render a page.

        Parameters
        ----------
        request
            What it answers.
        template
            Its name.
        status
            Of the answer.
        watches
            The topics whose changes it follows.
        more
            What the template shows.
        """
        now = self.clock_us()
        orders = self.view.orders(now)
        context: dict[str, Any] = {
            "now": now,
            "view": self.view,
            "feed": self.feed,
            "prober": self.prober,
            "identity": self.identify(request),
            "read_only": self.gate.read_only,
            "has_login": self.gate.has_login,
            "orders": orders,
            "standing": [order for order in orders if order.action in ("kill", "freeze")],
            "here": request.path,
            "back": request.path_qs if request.method == "GET" else "/",
            "flash": _FLASHES.get(request.query.get("said", ""), ""),
            "watches": f"{watches} overrides feed clock",
            "pipeline": self.pipeline_line(now),
        }
        text = self.templates.get_template(template).render(context | more)
        return web.Response(text=text, status=status, content_type="text/html")

    def pipeline_line(self, now: int) -> str:
        """Say how the pipeline is, in a line."""
        feed = "broker answers" if self.feed.connected else "broker does not answer"
        newest_us = self.view.signals.newest_us
        signals = f"newest signal {max(0, now - newest_us) // 1_000_000} s ago" if newest_us else "no signal yet"
        workers = list(self.prober.workers.values())
        if not workers:
            return f"{feed}; {signals}; workers: not configured"
        ready = sum(one.word == "ready" for one in workers)
        lag_s = max((one.metrics.get("squall_consumer_lag_seconds", 0.0) for one in workers), default=0.0)
        return f"{feed}; {signals}; {ready} of {len(workers)} workers ready, lag {lag_s:.1f} s"

    def state(self) -> dict[str, Any]:
        """What browsers are told: how often each topic has changed, and what changes by itself."""
        now = self.clock_us()
        versions = {
            **self.view.versions,
            "feed": f"{self.feed.connected} {self.feed.caught_up}",
            "clock": now // 10_000_000,
            "beat": now // 2_000_000,
        }
        return {"now": now, "versions": versions}
