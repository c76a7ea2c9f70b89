"""Delivers to one sink: its own task, its own queue, its own breaker, so that no sink waits for another."""

import asyncio
import logging
import random
from collections.abc import Callable, Set

import aiohttp

from streams.notify.alertmanager_payload import resend_request
from streams.notify.endpoint import Endpoint
from streams.notify.notify_metrics import NotifyMetrics
from streams.notify.outbox import Outbox, Sealed
from streams.notify.posting import Outcome, post
from streams.notify.rendering import render
from streams.notify.retrying import Breaker, pause_us
from streams.times import now_us

_log = logging.getLogger(__name__)
#: Another process may queue dead letters again.
_LONGEST_REST_S, _SHORTEST_REST_S = 1.0, 0.05
_RESENT_AT_ONCE = 100
#: What is repeated is not late.
_NEWS = ("opened", "updated", "resolved")


class SinkTask:
    """Sends what is due, one message at a time, and writes down what became of it.

    Parameters
    ----------
    endpoint
        To whom.
    outbox
        What.
    session
        What sends it.
    metrics
        What is counted.
    silenced
        Tells the patterns that operators have silenced.
    proxy
        What requests go through; empty: nothing.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        outbox: Outbox,
        session: aiohttp.ClientSession,
        metrics: NotifyMetrics,
        silenced: Callable[[], Set[str]],
        proxy: str = "",
    ) -> None:
        self._endpoint = endpoint
        self._outbox = outbox
        self._session = session
        self._metrics = metrics
        self._silenced = silenced
        self._proxy = proxy
        self._breaker = Breaker(endpoint.sink.breaker_failures, _us(endpoint.sink.breaker_s))
        self._chance = random.Random(endpoint.name)
        self._woken = asyncio.Event()
        self._stopping = False
        self._resent_us = 0
        #: Why nothing is sent to it until the next start, if so.
        self.gone = ""

    def wake(self) -> None:
        """Something may be due."""
        self._woken.set()

    def stop(self) -> None:
        """End after the request in hand."""
        self._stopping = True
        self._woken.set()

    async def run(self) -> None:
        """Deliver until `stop`, or until the sink says that it is gone."""
        while not self._stopping and not self.gone:
            self._woken.clear()
            if now_us() < self._breaker.rests_until_us:
                await self._rest(self._breaker.rests_until_us)
                continue
            if self._endpoint.sink.kind == "alertmanager" and self._is_due_again(now_us()):
                await self._resend()
                continue
            sealed = self._outbox.next(now_us(), self._silenced())
            if sealed is None:
                await self._rest(self._outbox.next_due_us())
            else:
                await self._deliver(sealed)

    def show(self) -> None:
        """Bring the gauges up to date."""
        name = self._endpoint.name
        many, oldest_us = self._outbox.backlog(now_us())
        self._metrics.queue_size.labels(name).set(many)
        self._metrics.oldest_seconds.labels(name).set(oldest_us / 1e6)
        self._metrics.breaker_open.labels(name).set(self._breaker.is_open or bool(self.gone))

    async def _rest(self, until_us: int | None) -> None:
        rest_s = _LONGEST_REST_S if until_us is None else (until_us - now_us()) / 1e6
        try:
            async with asyncio.timeout(min(max(rest_s, _SHORTEST_REST_S), _LONGEST_REST_S)):
                await self._woken.wait()
        except TimeoutError:
            return
        # Woken by alerts while the sink is left in peace: there is nothing to look for.
        if now_us() < self._breaker.rests_until_us and not self._stopping:
            await asyncio.sleep(_SHORTEST_REST_S)

    async def _deliver(self, sealed: Sealed) -> None:
        request = render(sealed.message, self._endpoint, now_us())
        outcome = await post(
            self._session,
            request,
            self._endpoint,
            quick_retries=sealed.attempts == 0 and not self._breaker.is_open,
            proxy=self._proxy,
        )
        self._metrics.retries.labels(self._endpoint.name).inc(outcome.requests - (sealed.attempts == 0))
        self._settle(sealed, outcome)

    def _settle(self, sealed: Sealed, outcome: Outcome) -> None:
        name, time_us = self._endpoint.name, now_us()
        match outcome.verdict:
            case "delivered":
                self._outbox.delivered(sealed, time_us)
                self._succeeded()
                self._metrics.sent.labels(name, "delivered").inc()
                for item in sealed.message.items if sealed.message.word in _NEWS else ():
                    self._metrics.observe_delivery(name, item.alert.timestamp, time_us)
            case "refused":
                self._bury(sealed, outcome.why)
                self._succeeded()
                self._metrics.sent.labels(name, "refused").inc()
            case "gone":
                self.gone = outcome.why
                self._outbox.failed(sealed, time_us)
                self._metrics.sent.labels(name, "failed").inc()
                _log.error(
                    "sink %s: it says that it is gone (%s); nothing is sent to it until the next start", name, self.gone
                )
            case "retry":
                self._retry(sealed, outcome, time_us)

    def _retry(self, sealed: Sealed, outcome: Outcome, time_us: int) -> None:
        name = self._endpoint.name
        self._metrics.sent.labels(name, "failed").inc()
        due_us = time_us + pause_us(sealed.attempts + 1, self._chance, outcome.asked_s)
        if due_us > sealed.sealed_us + _us(self._endpoint.sink.give_up_s):
            self._bury(sealed, outcome.why)
        else:
            self._outbox.failed(sealed, due_us)
            _log.warning("sink %s: message %s is to be sent again: %s", name, sealed.message.message_id, outcome.why)
        self._failed(outcome, time_us)

    def _failed(self, outcome: Outcome, time_us: int) -> None:
        if outcome.asked_s:
            self._breaker.pause(time_us + pause_us(1, self._chance, outcome.asked_s))
        elif self._breaker.failed(time_us):
            rest_s = self._endpoint.sink.breaker_s
            _log.error(
                "sink %s: fails again and again (%s); probed each %g s", self._endpoint.name, outcome.why, rest_s
            )

    def _succeeded(self) -> None:
        if self._breaker.is_open:
            _log.info("sink %s: answers again", self._endpoint.name)
        self._breaker.succeeded()

    def _bury(self, sealed: Sealed, why: str) -> None:
        self._outbox.buried(sealed, why, now_us())
        self._metrics.dead_letters.labels(self._endpoint.name).inc()
        _log.error(
            "sink %s: message %s is given up: %s; see `squall notify --dead`",
            self._endpoint.name,
            sealed.message.message_id,
            why,
        )

    async def _resend(self) -> None:
        """Tell an Alertmanager of all that is open, or it takes it to be over."""
        items = self._outbox.open_items()
        for first in range(0, len(items), _RESENT_AT_ONCE):
            request = resend_request(items[first : first + _RESENT_AT_ONCE], self._endpoint, now_us())
            outcome = await post(
                self._session, request, self._endpoint, quick_retries=not self._breaker.is_open, proxy=self._proxy
            )
            if outcome.verdict == "gone":
                self.gone = outcome.why
            if outcome.verdict != "delivered":
                _log.warning("sink %s: open alerts could not be sent again: %s", self._endpoint.name, outcome.why)
                self._failed(outcome, now_us())
                # Soon again: what is open must not end for want of news.
                self._resent_us = now_us() - self._resend_us + _us(_LONGEST_REST_S)
                return
            self._succeeded()
        self._resent_us = now_us()

    def _is_due_again(self, time_us: int) -> bool:
        # The other way round, too: clocks are set back.
        return abs(time_us - self._resent_us) >= self._resend_us

    @property
    def _resend_us(self) -> int:
        return _us(self._endpoint.sink.resend_s)


def _us(seconds: float) -> int:
    return round(seconds * 1e6)
