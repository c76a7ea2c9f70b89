"""Posts a request, and says what became of it in words that hold no secret."""

import ssl
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Literal, NamedTuple

import aiohttp
import stamina

from detectors.errors import ConfigError
from streams.notify.endpoint import Endpoint, Request
from streams.notify.wording import cut

#: A request that fails is sent again at once so many times, before it goes back to the queue.
_QUICK_ATTEMPTS = 3
_QUICK_FIRST_S, _QUICK_LONGEST_S, _QUICK_JITTER_S = 0.2, 2.0, 0.5
_MOST_TOLD = 200
_MOST_READ = 4_096
#: Shorter ones may stand in an answer by accident.
_LEAST_HIDDEN = 6


class Outcome(NamedTuple):
    """What a sink answered.

    `retry`: not now; `refused`: it will never take this; `gone`: it wants nothing any more. `asked_s` is how long it
    asks to be left in peace, `requests` how many were sent.
    """

    verdict: Literal["delivered", "retry", "refused", "gone"]
    why: str
    asked_s: float = 0.0
    requests: int = 1


class _Blip(Exception):
    """What a quick retry may mend."""


async def post(
    session: aiohttp.ClientSession, request: Request, endpoint: Endpoint, *, quick_retries: bool, proxy: str = ""
) -> Outcome:
    """Post a request, again after some tenths of a second where that may help.

    Parameters
    ----------
    session
        What sends it.
    request
        What is sent, the same each time.
    endpoint
        To whom: its time-out, and its secrets, which no answer shows.
    quick_retries
        Whether it is tried again at once; not, where the sink is known to fail.
    proxy
        What it is sent through; empty: nothing.
    """
    outcome = Outcome("retry", "not sent")
    requests = 0
    attempts = _QUICK_ATTEMPTS if quick_retries else 1
    retrying = stamina.retry_context(
        on=_Blip,
        attempts=attempts,
        timeout=None,
        wait_initial=_QUICK_FIRST_S,
        wait_max=_QUICK_LONGEST_S,
        wait_jitter=_QUICK_JITTER_S,
    )
    try:
        async for attempt in retrying:
            with attempt:
                requests += 1
                outcome = await _post_once(session, request, endpoint, proxy)
                if outcome.verdict == "retry" and not outcome.asked_s:
                    raise _Blip
    except _Blip:
        pass
    return outcome._replace(requests=requests)


async def _post_once(session: aiohttp.ClientSession, request: Request, endpoint: Endpoint, proxy: str) -> Outcome:
    timeout_s = endpoint.sink.timeout_s
    try:
        async with session.post(
            request.url,
            data=request.body,
            headers=dict(request.headers),
            # Elsewhere nobody was promised our secrets.
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            proxy=proxy or None,
        ) as answer:
            said = (await answer.content.read(_MOST_READ)).decode(errors="replace")
            return _judge(answer.status, answer.headers.get("Retry-After", ""), hidden(said, endpoint.secrets))
    except TimeoutError:
        return Outcome("retry", f"no answer within {timeout_s:g} s")
    except (aiohttp.ClientError, OSError) as error:
        # Its text may quote the address, which may be secret.
        cause = getattr(error, "strerror", None) or getattr(getattr(error, "os_error", None), "strerror", None)
        return Outcome("retry", type(error).__name__ + (f": {hidden(str(cause), endpoint.secrets)}" if cause else ""))


def _judge(status: int, retry_after: str, said: str) -> Outcome:
    name = f"HTTP {status}"
    why = f"{name}: {cut(said, _MOST_TOLD)}" if said.strip() else name
    if 200 <= status < 300:
        return Outcome("delivered", name)
    if status == HTTPStatus.GONE:
        return Outcome("gone", why)
    if status >= 500 or status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS):
        return Outcome("retry", why, asked_s=retry_after_s(retry_after, datetime.now(UTC)))
    return Outcome("refused", why)


def retry_after_s(header: str, now: datetime) -> float:
    """Read a Retry-After header, seconds or a date; 0 where there is none, or none that can be read.

    Examples
    --------
    >>> noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    >>> retry_after_s("30", noon), retry_after_s("Thu, 01 Jan 2026 12:00:05 GMT", noon), retry_after_s("soon", noon)
    (30.0, 5.0, 0.0)
    """
    if header.isascii() and header.isdigit():
        return float(header[:9])
    try:
        return max(0.0, (parsedate_to_datetime(header) - now).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def hidden(text: str, secrets: Iterable[str]) -> str:
    """Take secrets, and longer parts of addresses that are secret, out of a text.

    Examples
    --------
    >>> hidden("no team T0123/B4567: see https://hooks/T0123/B4567/xyzxyz", ["https://hooks/T0123/B4567/xyzxyz"])
    'no team T0123/B4567: see ***'
    """
    for secret in secrets:
        for part in [secret, *secret.split("/")[-1:]]:
            if len(part) >= _LEAST_HIDDEN:
                text = text.replace(part, "***")
    return text


def tls_context(ca_file: str) -> ssl.SSLContext | bool:
    """Make what the certificates of receivers are checked with.

    Raises
    ------
    ConfigError
        The file cannot be read, or holds no certificate.
    """
    if not ca_file:
        return True
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise ConfigError(f"notify.ca_file: expected PEM in {ca_file}, found: {why}") from error
