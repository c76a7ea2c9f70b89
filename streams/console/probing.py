"""Asks workers and notifiers how they are: their probes, and a few of their metrics."""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

_EVERY_S = 5.0
_TIMEOUT_S = 3.0
_LARGEST_PAGE_BYTES = 4_000_000
#: What is shown of a process, by the name of the sample, and how its series are put together.
_SAMPLES: dict[str, str] = {
    "squall_events_total": "sum",
    "squall_refused_total": "sum",
    "squall_dead_letters_total": "sum",
    "squall_consumer_lag_records": "sum",
    "squall_consumer_lag_seconds": "max",
    "squall_watermark_lag_seconds": "max",
    "squall_open_ticks": "sum",
    "squall_assigned_partitions": "sum",
    "squall_degradation_level": "max",
    "squall_notify_sent_total": "sum",
    "squall_notify_retries_total": "sum",
    "squall_notify_dead_letters_total": "sum",
    "squall_notify_queue_size": "sum",
    "squall_notify_breaker_open": "sum",
    "squall_notify_oldest_seconds": "max",
}


@dataclass(frozen=True, slots=True)
class ProcessHealth:
    """How one process answered: `None` where it did not."""

    url: str
    live: bool | None = None
    ready: bool | None = None
    reasons: tuple[str, ...] = ()
    metrics: dict[str, float] = field(default_factory=dict)
    #: Growth of the counters a second, since the last time it was asked.
    rates: dict[str, float] = field(default_factory=dict)
    asked_s: float = 0.0

    @property
    def word(self) -> str:
        """How it is, in a word."""
        if self.live is None:
            return "does not answer"
        if not self.live:
            return "stuck"
        return "ready" if self.ready else "not ready"


class Prober:
    """Asks every few seconds, and remembers the answers.

    Parameters
    ----------
    workers, notifiers
        Their addresses.
    changed
        Called when all have been asked.
    """

    def __init__(self, workers: Sequence[str], notifiers: Sequence[str], changed: Callable[[], None]) -> None:
        self.workers = {url: ProcessHealth(url) for url in workers}
        self.notifiers = {url: ProcessHealth(url) for url in notifiers}
        self.asked = False
        self._changed = changed

    async def run(self) -> None:
        """Ask until cancelled."""
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                for group in (self.workers, self.notifiers):
                    answers = await asyncio.gather(*(_ask(session, health) for health in group.values()))
                    group.update((answer.url, answer) for answer in answers)
                self.asked = True
                self._changed()
                await asyncio.sleep(_EVERY_S)


def chosen_metrics(page: str) -> dict[str, float]:
    r"""Pick what is shown out of a page of metrics.

    Examples
    --------
    >>> chosen_metrics('squall_open_ticks{stage="a",partition="0"} 2\nsquall_open_ticks{stage="b",partition="0"} 3\n')
    {'squall_open_ticks': 5.0}
    """
    found: dict[str, float] = {}
    for sample in (sample for family in text_string_to_metric_families(page) for sample in family.samples):
        how = _SAMPLES.get(sample.name)
        if how == "max":
            found[sample.name] = max(found.get(sample.name, sample.value), sample.value)
        elif how == "sum":
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


async def _ask(session: aiohttp.ClientSession, before: ProcessHealth) -> ProcessHealth:
    url = before.url.rstrip("/")
    try:
        live, why_dead = await _probe(session, f"{url}/livez")
        ready, why_unready = await _probe(session, f"{url}/readyz")
        async with session.get(f"{url}/metrics") as answer:
            page = await _text(answer)
        metrics = chosen_metrics(page) if answer.status == 200 else {}
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        return ProcessHealth(before.url, reasons=(str(error) or type(error).__name__,))
    now_s = time.monotonic()
    rates = {
        name: max(0.0, value - before.metrics[name]) / max(now_s - before.asked_s, 0.1)
        for name, value in metrics.items()
        if name.endswith("_total") and name in before.metrics
    }
    return ProcessHealth(before.url, live, ready, (*why_dead, *why_unready), metrics, rates, now_s)


async def _probe(session: aiohttp.ClientSession, url: str) -> tuple[bool, tuple[str, ...]]:
    async with session.get(url) as answer:
        if answer.status == 200:
            return True, ()
        body = await _text(answer)
    try:
        said = json.loads(body)
        reasons = said.get("reasons", []) if isinstance(said, dict) else []
    except ValueError:
        reasons = []
    return False, tuple(str(reason) for reason in reasons) or (f"status {answer.status}",)


async def _text(answer: aiohttp.ClientResponse) -> str:
    """The beginning of a body; no process of ours says more."""
    body = bytearray()
    async for chunk in answer.content.iter_chunked(65_536):
        body += chunk
        if len(body) > _LARGEST_PAGE_BYTES:
            break
    return body.decode("utf-8", "replace")
