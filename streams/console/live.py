"""Tells browsers by server-sent events that something has changed; they fetch what they show anew."""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from aiohttp import web
from prometheus_client import Gauge

from detectors.results import Alert

#: Changes within so long are told together.
_TOGETHER_S = 0.3
_HEARTBEAT_S = 2.0
#: A browser that takes nothing for so long is let go.
_WRITE_TIMEOUT_S = 10.0
_RETRY_MS = 2_000
_MOST_NEWS = 5


class Live:
    """Keeps browsers up to date.

    Parameters
    ----------
    max_clients
        How many browsers at once.
    clients
        Counts them.
    """

    def __init__(self, max_clients: int, clients: Gauge) -> None:
        self._max_clients = max_clients
        self._gauge = clients
        self._clients: set[asyncio.Queue[list[str]]] = set()
        self._changed = asyncio.Condition()
        self._news: list[str] = []
        self._told = asyncio.Event()
        self._serving: set[asyncio.Task[Any]] = set()

    def changed(self, opened: Sequence[Alert]) -> None:
        """Note that something has changed, and which alerts are new."""
        self._news += [f"New {alert.severity} alert: {alert.title}" for alert in opened]
        self._told.set()

    async def run(self) -> None:
        """Tell browsers until cancelled."""
        while True:
            await self._told.wait()
            self._told.clear()
            news, self._news = self._news, []
            more = len(news) - _MOST_NEWS
            said = news[:_MOST_NEWS] + ([f"and {more} more new alerts"] if more > 0 else [])
            for queue in self._clients:
                # Who is behind hears of the newest state anyway: what is told holds all of it.
                if not queue.full():
                    queue.put_nowait(said)
            async with self._changed:
                self._changed.notify_all()
            await asyncio.sleep(_TOGETHER_S)

    async def until(self, fulfilled: Callable[[], bool], deadline_s: float) -> bool:
        """Wait until something holds, looking at each change; tells whether it does."""
        end_s = time.monotonic() + deadline_s
        while not fulfilled():
            left_s = end_s - time.monotonic()
            if left_s <= 0:
                return False
            try:
                async with asyncio.timeout(min(left_s, 1.0)), self._changed:
                    await self._changed.wait()
            except TimeoutError:
                continue
        return True

    async def close(self, _app: web.Application) -> None:
        """Let all browsers go."""
        for task in tuple(self._serving):
            task.cancel()

    async def serve(self, request: web.Request, state: Callable[[], dict[str, Any]]) -> web.StreamResponse:
        """Answer `/events` until the browser goes; `state` is what it is told each time, fit for JSON."""
        if len(self._clients) >= self._max_clients:
            return web.Response(status=503, text="too many browsers are kept up to date", headers={"Retry-After": "30"})
        queue: asyncio.Queue[list[str]] = asyncio.Queue(maxsize=16)
        task = asyncio.current_task()
        self._clients.add(queue)
        if task is not None:
            self._serving.add(task)
        self._gauge.set(len(self._clients))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
        try:
            await response.prepare(request)
            await _write(response, f"retry: {_RETRY_MS}\n\n")
            await _write(response, _message(state(), []))
            while True:
                try:
                    said = await asyncio.wait_for(queue.get(), _HEARTBEAT_S)
                except TimeoutError:
                    said = []
                await _write(response, _message(state(), said))
        except (ConnectionError, TimeoutError):
            return response
        finally:
            self._clients.discard(queue)
            if task is not None:
                self._serving.discard(task)
            self._gauge.set(len(self._clients))


def _message(state: dict[str, Any], news: list[str]) -> str:
    return f"event: state\ndata: {json.dumps(state | {'news': news})}\n\n"


async def _write(response: web.StreamResponse, text: str) -> None:
    async with asyncio.timeout(_WRITE_TIMEOUT_S):
        await response.write(text.encode())
