"""Sends a sample to a sink, and says whether it was taken and what to do if it was not."""

from typing import NamedTuple

import aiohttp

from streams.notify.endpoint import Endpoint
from streams.notify.messages import Word
from streams.notify.posting import Outcome, post, tls_context
from streams.notify.rendering import render
from streams.notify.samples import sample_message
from streams.notify.sink_settings import Kind
from streams.times import now_us

#: What keeps alerts open is told at once that the sample is over.
_WORDS: dict[Kind, tuple[Word, ...]] = {
    "webhook": ("test",),
    "slack": ("test",),
    "pagerduty": ("test", "resolved"),
    "alertmanager": ("test", "resolved"),
}


class Trial(NamedTuple):
    """What became of a sample: `mend` is empty where it was delivered."""

    sink: str
    ok: bool
    found: str
    mend: str


async def try_sinks(endpoints: list[Endpoint], *, proxy: str = "", ca_file: str = "") -> list[Trial]:
    """Send a sample to each sink, once: nothing is queued.

    Parameters
    ----------
    endpoints
        The sinks.
    proxy, ca_file
        As `notify` has them.
    """
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls_context(ca_file))) as session:
        return [await _try(endpoint, session, proxy) for endpoint in endpoints]


async def _try(endpoint: Endpoint, session: aiohttp.ClientSession, proxy: str) -> Trial:
    made_us = now_us()
    outcome = Outcome("delivered", "")
    for word in _WORDS[endpoint.sink.kind]:
        request = render(sample_message(endpoint.name, word, made_us), endpoint, now_us())
        outcome = await post(session, request, endpoint, quick_retries=False, proxy=proxy)
        if outcome.verdict != "delivered":
            break
    return Trial(endpoint.name, outcome.verdict == "delivered", outcome.why, _mend(outcome, endpoint))


def _mend(outcome: Outcome, endpoint: Endpoint) -> str:
    secret = endpoint.sink.secret_file or f"SQUALL_NOTIFY__SINKS__{endpoint.name.upper()}__SECRET"
    where = "the address in the secret" if endpoint.sink.kind == "slack" else "url"
    if outcome.verdict == "delivered":
        return ""
    if outcome.verdict == "gone":
        return f"the receiver is gone for good: make a new one, and set {where}"
    mends = {
        ("401", "403"): f"it does not take our secret: see {secret}",
        ("400", "422"): f"it does not take what we send: see kind, {where} and {secret}",
        ("404", "3"): f"it is not there: see {where}",
        ("429", "5"): "the receiver is busy or broken: try again, and see its own log",
    }
    status = outcome.why.removeprefix("HTTP ")
    return next(
        (mend for statuses, mend in mends.items() if outcome.why != status and status.startswith(statuses)),
        f"see {where}, name service, firewall, certificates (notify.ca_file) and notify.proxy",
    )
