"""A console that is served in a test's own loop, and a browser without eyes."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple, Self

import aiohttp
from aiohttp import web
from prometheus_client import CollectorRegistry
from yarl import URL

from streams.console.app import build_app
from streams.settings import Settings
from tests.streams.decided import Sent, send

TOKEN = "a token of some length"  # noqa: S105 - it opens nothing but a console of these tests
_CSRF = re.compile(r'name="csrf" value="([0-9a-f]+)"')


class Answer(NamedTuple):
    """What came back."""

    status: int
    text: str
    headers: Mapping[str, str]


class Visitor:
    """Asks as a browser does: keeps cookies, and says where a form came from."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def get(self, path: str, **headers: str) -> Answer:
        async with self._session.get(
            URL(self.url + path, encoded=True), headers=_named(headers), allow_redirects=False
        ) as got:
            return Answer(got.status, await got.text(), dict(got.headers))

    async def post(self, path: str, form: Mapping[str, str], origin: str | None = "", **headers: str) -> Answer:
        named = _named(headers)
        if origin is not None:
            named["Origin"] = origin or self.url
        async with self._session.post(self.url + path, data=form, headers=named, allow_redirects=False) as got:
            return Answer(got.status, await got.text(), dict(got.headers))

    async def log_in(self, user: str = "ann", token: str = TOKEN) -> Answer:
        return await self.post("/login", {"user": user, "token": token, "back": "/"})

    async def csrf(self) -> str:
        """The token in the forms of who is logged in."""
        found = _CSRF.search((await self.get("/orders")).text)
        assert found is not None
        return found.group(1)

    async def until(self, path: str, holds: Callable[[Answer], bool], deadline_s: float = 20.0) -> Answer:
        """Load a page until something holds."""
        end_s = time.monotonic() + deadline_s
        while not holds(answer := await self.get(path)):
            assert time.monotonic() < end_s, f"{path}: not within {deadline_s} s: {answer}"
            await asyncio.sleep(0.02)
        return answer

    async def metric(self, sample: str) -> float:
        """The value of a sample of `/metrics`."""
        page = (await self.get("/metrics")).text
        (line,) = [one for one in page.splitlines() if one.startswith(f"{sample} ")]
        return float(line.rpartition(" ")[2])


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


@asynccontextmanager
async def served(broker: str, **console: object) -> AsyncIterator[str]:
    """A console; gives its address."""
    settings = Settings(broker=broker, console=console)
    runner = web.AppRunner(build_app(settings, CollectorRegistry()), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def visited(broker: str, records: Iterable[Sent], **console: object) -> AsyncIterator[Visitor]:
    """A console that has read these records, and its visitor."""
    await asyncio.to_thread(send, broker, list(records))
    async with served(broker, **console) as url, Visitor(url) as visitor:
        await visitor.until("/readyz", lambda answer: answer.status == 200)
        yield visitor


def token_file(directory: Path) -> str:
    """A file with the token."""
    path = directory / "token"
    path.write_text(f"{TOKEN}\n", encoding="utf-8")
    return str(path)
