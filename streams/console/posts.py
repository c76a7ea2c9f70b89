"""What operators send: logins, what they say of alerts, orders; each refused unless it is theirs to send."""

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from detectors.decisions import Feedback
from detectors.errors import BrokerError, ConfigError
from streams.console.actions import ORDERS, acknowledgement, order_of, send_feedback, verdict_on
from streams.console.auth import COOKIE, LONGEST_USER, Identity, is_same_origin
from streams.console.desk import Desk
from streams.order_sending import send_order

#: How long an answer waits for what was sent to come back over the broker.
_SEEN_WITHIN_S = 3.0

#: What the page before said of the action before.
_FLASH = re.compile(r"[?&]said=[a-z]*$")


class Posts:
    """Answers POST requests, and the page to log in with.

    Parameters
    ----------
    desk
        What is known, and who may act.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        """Tell which address each action has."""
        return [
            web.get("/login", self.login_page),
            web.post("/login", self.login),
            web.post("/logout", self.logout),
            web.post("/alerts/{alert_id}/acknowledge", self.acknowledge),
            web.post("/alerts/{alert_id}/verdict", self.verdict),
            web.post("/orders", self.order),
        ]

    async def login_page(self, request: web.Request) -> web.Response:
        """Ask for a name and the token."""
        return self._login(request, _local(request.query.get("back", "/")))

    async def login(self, request: web.Request) -> web.Response:
        """Begin a session for who has the token."""
        desk, now_s, address = self._desk, time.monotonic(), self._desk.gate.address(request)
        if not is_same_origin(request):
            raise self._refuse("login", "the request does not come from a page of this console")
        form = await request.post()
        where = _local(_text(form, "back"))
        if desk.gate.must_wait(address, now_s):
            desk.metrics.actions.labels("login", "refused").inc()
            return self._login(request, where, "Too many failed logins from your address: wait a minute.", 429)
        user = _text(form, "user")
        if not user or len(user) > LONGEST_USER or not user.isprintable():
            return self._login(request, where, f"Expected a name of at most {LONGEST_USER} printable characters.", 400)
        if not desk.gate.try_token(_text(form, "token"), address, now_s):
            desk.metrics.actions.labels("login", "refused").inc()
            return self._login(request, where, "That is not the token.", 403)
        answer = web.HTTPSeeOther(where)
        answer.set_cookie(
            COOKIE,
            desk.gate.open_session(user, now_s),
            max_age=int(desk.settings.console.session_hours * 3_600),
            httponly=True,
            samesite="Strict",
            secure=desk.gate.is_https(request),
        )
        desk.metrics.actions.labels("login", "done").inc()
        raise answer

    async def logout(self, request: web.Request) -> web.Response:
        """End the session."""
        await self._permit(request, "login")
        self._desk.gate.close_session(request.cookies.get(COOKIE, ""))
        answer = web.HTTPSeeOther("/")
        answer.del_cookie(COOKIE)
        raise answer

    async def acknowledge(self, request: web.Request) -> web.Response:
        """Say that the user looks after an alert."""
        identity, form = await self._permit(request, "acknowledge")
        alert_id, now = self._alert_id(request), self._desk.clock_us()
        before = self._desk.view.alerts.feedback(alert_id)
        try:
            feedback = acknowledgement(alert_id, identity.user, _text(form, "note"), now, before)
            await self._say(feedback)
        except (ConfigError, BrokerError) as error:
            return self._failed(request, form, "acknowledge", error)
        return await self._done(form, "acknowledge", "acknowledged", lambda: self._was_said(feedback))

    async def verdict(self, request: web.Request) -> web.Response:
        """Say whether an alert was true."""
        identity, form = await self._permit(request, "verdict")
        alert_id, now = self._alert_id(request), self._desk.clock_us()
        try:
            feedback = verdict_on(alert_id, identity.user, _text(form, "verdict"), _text(form, "note"), now)
            await self._say(feedback)
        except (ConfigError, BrokerError) as error:
            return self._failed(request, form, "verdict", error)
        return await self._done(form, "verdict", "judged", lambda: self._was_said(feedback))

    async def order(self, request: web.Request) -> web.Response:
        """Order the controller of limits what to do."""
        identity, form = await self._permit(request, "order")
        view, action = self._desk.view, _text(form, "action")
        name = action if action in ORDERS else "order"
        try:
            order = order_of(form, identity.user, self._desk.clock_us())
            await send_order(order, self._desk.settings)
        except (ConfigError, BrokerError) as error:
            return self._failed(request, form, name, error)
        return await self._done(
            form, name, "ordered", lambda: any(one.override_id == order.override_id for one in view.orders(0))
        )

    async def _say(self, feedback: Feedback) -> None:
        await send_feedback(feedback, self._desk.settings)

    def _was_said(self, feedback: Feedback) -> bool:
        said = self._desk.view.alerts.feedback(feedback.alert_id)
        return said is not None and said.timestamp >= feedback.timestamp

    async def _permit(self, request: web.Request, action: str) -> tuple[Identity, Mapping[str, Any]]:
        """Who asks, and the form; an answer of 403 where it is not for them to ask."""
        gate, identity = self._desk.gate, self._desk.identify(request)
        if gate.read_only:
            raise self._refuse(action, "this console is read-only: no way to log in is configured")
        if identity is None:
            raise self._refuse(action, "log in first")
        if identity.way != "bearer" and not is_same_origin(request):
            raise self._refuse(action, "the request does not come from a page of this console")
        form = await request.post()
        if not gate.is_form_of(identity, _text(form, "csrf")):
            raise self._refuse(action, "the form is outdated, or not of this console: load the page again")
        return identity, form

    def _refuse(self, action: str, why: str) -> web.HTTPForbidden:
        self._desk.metrics.actions.labels(action, "refused").inc()
        return web.HTTPForbidden(text=f"Nothing was done: {why}.")

    def _alert_id(self, request: web.Request) -> str:
        alert_id = request.match_info["alert_id"]
        if self._desk.view.alerts.case(alert_id) is None:
            raise web.HTTPNotFound(text="Nothing was done: no such alert is remembered.")
        return alert_id

    def _failed(
        self, request: web.Request, form: Mapping[str, Any], action: str, error: ConfigError | BrokerError
    ) -> web.Response:
        is_wrong = isinstance(error, ConfigError)
        self._desk.metrics.actions.labels(action, "refused" if is_wrong else "failed").inc()
        return self._desk.page(
            request,
            "message.html.j2",
            status=400 if is_wrong else 503,
            heading="Nothing was done" if is_wrong else "It may not have been done",
            message=str(error),
            where=_local(_text(form, "back")),
        )

    async def _done(
        self, form: Mapping[str, Any], action: str, said: str, has_come: Callable[[], bool]
    ) -> web.Response:
        """Go back to where the user was, when what was sent is known here, too."""
        self._desk.metrics.actions.labels(action, "done").inc()
        came = await self._desk.live.until(has_come, _SEEN_WITHIN_S)
        where = _local(_text(form, "back"))
        raise web.HTTPSeeOther(f"{where}{'&' if '?' in where else '?'}said={said if came else 'late'}")

    def _login(self, request: web.Request, where: str, fault: str = "", status: int = 200) -> web.Response:
        return self._desk.page(request, "login.html.j2", status=status, where=where, fault=fault)


def _local(path: str) -> str:
    r"""A place on this console to go back to; never somewhere else.

    Examples
    --------
    >>> _local("/limits?account=a"), _local("//evil.example"), _local(r"/\evil.example"), _local("http://evil")
    ('/limits?account=a', '/', '/', '/')
    """
    path = _FLASH.sub("", path)
    fits = path.startswith("/") and not path.startswith("//") and path.isprintable() and "\\" not in path
    return path if fits else "/"


def _text(form: Mapping[str, Any], name: str) -> str:
    value = form.get(name, "")
    return value.strip() if isinstance(value, str) else ""
