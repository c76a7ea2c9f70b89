"""The pages: each shows what is known now, and needs no script."""

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from detectors.errors import SquallError
from detectors.orders import ACCOUNT_SCOPE, PATTERNS
from detectors.results import Alert
from streams.console.actions import KILL_WORD
from streams.console.alert_memory import AlertCase
from streams.console.desk import Desk
from streams.console.incident import moments, span_of
from streams.console.plot import Marks, Span, lanes
from streams.console.probing import ProcessHealth
from streams.console.shown import axis
from streams.console.signal_memory import SignalPoint, around, contributes
from streams.story_text import ranker_text, step_lines
from streams.times import now_us
from streams.topics import ALERTS, AUDIT, FEEDBACK, GUARDRAILS, LIMIT_ACKS, RATE_LIMITS

_MOST_ROWS = 200
_MOST_RESOLVED = 20
_MOST_LANES = 12
_MOST_STEPS = 200
_TICKS = 4


class Pages:
    """Answers GET requests.

    Parameters
    ----------
    desk
        What is shown.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        """Tell which address each page has."""
        return [
            web.get("/", self.overview),
            web.get("/alerts/{alert_id}", self.alert),
            web.get("/alerts/{alert_id}/replay", self.replay),
            web.get("/limits", self.limits),
            web.get("/account", self.account),
            web.get("/guardrails", self.guardrails),
            web.get("/orders", self.orders),
            web.get("/pipeline", self.pipeline),
        ]

    async def overview(self, request: web.Request) -> web.Response:
        """Show what is wrong now, the worst first."""
        view = self._desk.view
        alerts = view.alerts.open_alerts()
        limits = view.limits.in_force(self._desk.clock_us())
        return self._desk.page(
            request,
            "overview.html.j2",
            watches=f"{ALERTS} {FEEDBACK} {RATE_LIMITS} {GUARDRAILS}",
            alerts=alerts,
            most=_MOST_ROWS,
            by_severity=Counter(case.latest.severity for case in alerts),
            limits=limits,
            by_mode=Counter(limit.mode for limit in limits),
            tripped=view.trips.tripped(),
            resolved=view.alerts.resolved_alerts()[:_MOST_RESOLVED],
        )

    async def alert(self, request: web.Request) -> web.Response:
        """Show one alert: why, where, what was done, what can be done."""
        case = self._case(request)
        view, alert, revisions = self._desk.view, case.latest, case.history()
        span = span_of(revisions)
        marks = Marks(Span(alert.window_start, alert.window_end), case.first.timestamp)
        base = self._desk.settings.console.runbook_url
        ranked = [one.latest.alert_id for one in view.alerts.open_alerts()]
        return self._desk.page(
            request,
            "alert.html.j2",
            watches=f"{ALERTS} {FEEDBACK} {AUDIT}",
            alert=alert,
            first=case.first,
            revisions=revisions,
            rank=ranked.index(alert.alert_id) + 1 if alert.alert_id in ranked else 0,
            feedback=view.alerts.feedback(alert.alert_id),
            said=view.feedback_of(alert.alert_id),
            runbook=f"{base.rstrip('/')}/{alert.runbook.removeprefix('deploy/')}" if base else "",
            story=self._story(alert.alert_id),
            ranker_text=ranker_text,
            **self._plot(alert, self._points(alert, span), span, marks),
        )

    async def replay(self, request: web.Request) -> web.Response:
        """Show what was known of an alert at one moment."""
        case = self._case(request)
        revisions = case.history()
        span = span_of(revisions)
        points = self._points(case.latest, span)
        steps = moments(revisions, points, span)
        step = _number(request.query.get("step", ""), len(steps) - 1)
        moment = steps[step]
        known = moment.alert
        window = None if known is None else Span(known.window_start, min(known.window_end, moment.at))
        raised = case.first.timestamp if known is not None else None
        return self._desk.page(
            request,
            "replay.html.j2",
            title=case.latest.title,
            alert_id=case.latest.alert_id,
            step=step,
            steps=len(steps),
            moment=moment,
            **self._plot(known or case.latest, points, span, Marks(window, raised, moment.at)),
        )

    async def limits(self, request: web.Request) -> web.Response:
        """Show the limits in force."""
        view, asked = self._desk.view, request.query.get("account", "").strip()
        found = [one for one in view.limits.in_force(self._desk.clock_us()) if asked in one.account]
        shown = []
        for limit in found[:_MOST_ROWS]:
            known = view.limits.of(limit.account)
            shown.append((limit, known.acks[0] if known and known.acks else None))
        return self._desk.page(
            request,
            "limits.html.j2",
            watches=f"{RATE_LIMITS} {LIMIT_ACKS}",
            limits=shown,
            count=len(found),
            asked=asked,
        )

    async def account(self, request: web.Request) -> web.Response:
        """Show one account: its limit, the alerts that name it, its story."""
        view, name = self._desk.view, request.query.get("name", "").strip()
        if not name:
            raise web.HTTPSeeOther("/limits")
        known = view.limits.of(name)
        named = [case.latest for case in view.alerts.cases() if name in case.latest.accounts]
        orders = view.orders(self._desk.clock_us())
        return self._desk.page(
            request,
            "account.html.j2",
            watches=f"{RATE_LIMITS} {ALERTS} {LIMIT_ACKS} {AUDIT}",
            name=name,
            limit=known.limit if known else None,
            acks=list(known.acks) if known else [],
            order=next((order for order in orders if order.scope == ACCOUNT_SCOPE + name), None),
            alerts=sorted(named, key=lambda alert: (-alert.timestamp, alert.alert_id))[:_MOST_RESOLVED],
            story=self._story(name),
        )

    async def guardrails(self, request: web.Request) -> web.Response:
        """Show what is tripped."""
        trips = self._desk.view.trips
        return self._desk.page(
            request,
            "guardrails.html.j2",
            watches=GUARDRAILS,
            tripped=trips.tripped(),
            cleared=trips.cleared(),
            most=_MOST_ROWS,
        )

    async def orders(self, request: web.Request) -> web.Response:
        """Show orders in force, and take new ones."""
        return self._desk.page(request, "orders.html.j2", patterns=PATTERNS, kill_word=KILL_WORD)

    async def pipeline(self, request: web.Request) -> web.Response:
        """Show what comes in, and how workers and notifiers are."""
        now_s = time.monotonic()
        pulses = [(topic, pulse, pulse.rate(now_s)) for topic, pulse in self._desk.feed.pulses.items()]
        # Records have the broker's time, whatever the exchange's is.
        wall_us = now_us()
        return self._desk.page(
            request, "pipeline.html.j2", watches="beat", pulses=pulses, numbers=_numbers, wall=wall_us
        )

    def _case(self, request: web.Request) -> AlertCase:
        case = self._desk.view.alerts.case(request.match_info["alert_id"])
        if case is None:
            raise web.HTTPNotFound(text="No such alert is remembered. squall explain reads the whole log.")
        return case

    def _points(self, alert: Alert, span: Span) -> list[SignalPoint]:
        return around(alert, self._desk.view.signals.between(span.begin, span.end))

    @staticmethod
    def _plot(alert: Alert, points: Sequence[SignalPoint], span: Span, marks: Marks) -> dict[str, Any]:
        drawn = lanes(points, span, marks, lambda point: contributes(alert, point), _MOST_LANES)
        # Leverage is judged over all partitions together, by the stage that makes alerts of signals.
        pooled = any("leverage" in part.signal for part in alert.explanation)
        unseen = " Leverage is no signal by itself: it stands in the explanation only." if pooled else ""
        return {"lanes": drawn, "ticks": axis(span.begin, span.end, _TICKS), "unseen": unseen}

    def _story(self, asked: str) -> list[dict[str, Any]]:
        try:
            story, steps = self._desk.view.story(asked)
        except SquallError:
            return []
        newest = list(enumerate(steps))[: -_MOST_STEPS - 1 : -1]
        return [
            {"at": step.at, "topic": step.source, "lines": step_lines(step, story), "key": f"{step.at}-{number}"}
            for number, step in newest
        ]


def _number(text: str, most: int) -> int:
    return min(int(text), most) if text.isascii() and text.isdecimal() and len(text) < 9 else 0


_UNITS = {
    "squall_consumer_lag_records": "{:,.0f} records behind",
    "squall_consumer_lag_seconds": "{:.1f} s behind",
    "squall_watermark_lag_seconds": "{:.1f} s from event to closed tick",
    "squall_open_ticks": "{:,.0f} open ticks",
    "squall_assigned_partitions": "{:,.0f} partitions",
    "squall_degradation_level": "degradation {:.0f}",
    "squall_notify_queue_size": "{:,.0f} to deliver",
    "squall_notify_breaker_open": "{:.0f} sinks that fail",
    "squall_notify_oldest_seconds": "the oldest waits for {:.1f} s",
}


def _numbers(process: ProcessHealth) -> list[str]:
    said = []
    for name, value in sorted(process.metrics.items()):
        if name in _UNITS:
            said.append(_UNITS[name].format(value))
        else:
            what = name.removeprefix("squall_").removesuffix("_total").replace("_", " ")
            rate = process.rates.get(name)
            said.append(f"{what} {value:,.0f}" + (f" ({rate:,.1f}/s)" if rate is not None else ""))
    return said
