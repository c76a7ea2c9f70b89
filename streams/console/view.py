"""All that the console knows: records in, state out; nothing here knows a clock, a broker or a page."""

from collections import Counter, deque
from collections.abc import Callable
from typing import NamedTuple

from detectors.decisions import AuditRecord, Feedback, LimitAck, Override, RateLimit, Trip
from detectors.errors import DecodeError
from detectors.orders import CONTROLLER
from detectors.results import Alert
from streams.codecs import decode_alert, decode_signal_frame
from streams.console.alert_memory import AlertMemory
from streams.console.console_settings import ConsoleSettings
from streams.console.limit_memory import LimitMemory, TripMemory
from streams.console.signal_memory import SignalMemory
from streams.orders import OrderLog, decode_order
from streams.story import Step, Story
from streams.topic_reading import decoder_of
from streams.topics import ALERTS, AUDIT, FEEDBACK, GUARDRAILS, LIMIT_ACKS, OVERRIDES, RATE_LIMITS, SIGNALS

_decode_limit = decoder_of(RateLimit, RATE_LIMITS)
_decode_trip = decoder_of(Trip, GUARDRAILS)
_decode_feedback = decoder_of(Feedback, FEEDBACK)
_decode_ack = decoder_of(LimitAck, LIMIT_ACKS)
_decode_audit = decoder_of(AuditRecord, AUDIT)


class Seen(NamedTuple):
    """What a record was, where somebody else wants to know: a new alert, or how an engine answered and how soon."""

    opened: Alert | None = None
    ack: LimitAck | None = None
    ack_s: float | None = None


_NOTHING = Seen()


class ConsoleView:
    """State of the console.

    Parameters
    ----------
    settings
        Its bounds.
    """

    def __init__(self, settings: ConsoleSettings) -> None:
        self.alerts = AlertMemory(settings.max_open, settings.max_resolved)
        self.signals = SignalMemory(settings.signal_minutes, settings.max_signals)
        self.limits = LimitMemory(settings.max_accounts)
        self.trips = TripMemory()
        self.audit: deque[AuditRecord] = deque(maxlen=settings.max_audit)
        #: How far the venue's time has come, as stages tell it; 0: not heard yet.
        self.venue_us = 0
        #: By topic, how often what it shows has changed.
        self.versions: Counter[str] = Counter()
        self._orders = OrderLog()
        self._takers: dict[str, Callable[[int, str, bytes], Seen]] = {
            ALERTS: self._take_alert,
            SIGNALS: self._take_signals,
            RATE_LIMITS: self._take_limit,
            GUARDRAILS: self._take_trip,
            FEEDBACK: self._take_feedback,
            LIMIT_ACKS: self._take_ack,
            AUDIT: self._take_audit,
        }

    def take(self, topic: str, offset: int, key: bytes | None, value: bytes | None) -> Seen:
        """Take a record of one of the topics that the console follows.

        Raises
        ------
        DecodeError
            It cannot be read; nothing has changed.
        """
        if topic == OVERRIDES:
            self._orders.take(offset, value)
            self.versions[topic] += 1
            if value is not None:
                # The log keeps what is no order to itself; here it is to be told.
                decode_order(value)
            return _NOTHING
        name = (key or b"").decode(errors="replace")
        seen = self._drop(topic, name) if value is None else self._takers[topic](offset, name, value)
        self.versions[topic] += 1
        return seen

    def orders(self, now_us: int) -> list[Override]:
        """Tell the orders in force, those to the controller first."""
        found = []
        for _, value in self._orders.since(0):
            try:
                order = decode_order(value)
            except DecodeError:
                continue
            if order.expires_at > now_us:
                found.append(order)
        return sorted(found, key=lambda order: (order.scope != CONTROLLER, order.scope))

    def story(self, asked: str) -> tuple[Story, list[Step]]:
        """Tell the story of an alert or an account from what is remembered.

        Raises
        ------
        SquallError
            Nothing is known of it.
        """
        story = Story(asked)
        # A story looks at everything that it is given: most of what is remembered has nothing to do with it.
        for case in self.alerts.cases():
            if asked == case.latest.alert_id or asked in case.latest.accounts:
                for alert in case.revisions.values():
                    story.take_alert(alert)
        for order in self.orders(0):
            story.take_order(order)
        for limit in self.limits.all_limits():
            if _bears(limit, asked):
                story.take_limit(limit)
        for record in self.audit:
            if record.limit is None or _bears(record.limit, asked):
                story.take_audit(record)
        return story, story.steps()

    def feedback_of(self, alert_id: str) -> list[AuditRecord]:
        """Tell what was said of an alert, as the audit has it, the oldest first."""
        said = {one.audit_id: one for one in self.audit if one.kind == "feedback" and one.entity == alert_id}
        return sorted(said.values(), key=lambda one: (one.timestamp, one.audit_id))

    def _drop(self, topic: str, name: str) -> Seen:
        if topic == ALERTS:
            self.alerts.drop(name)
        elif topic == RATE_LIMITS:
            self.limits.drop(name)
        return _NOTHING

    def _take_alert(self, _offset: int, _key: str, value: bytes) -> Seen:
        alert = decode_alert(value)
        is_new = self.alerts.take(alert)
        return Seen(opened=alert) if is_new and alert.status == "open" else _NOTHING

    def _take_signals(self, _offset: int, _key: str, value: bytes) -> Seen:
        frame = decode_signal_frame(value)
        self.venue_us = max(self.venue_us, frame.closed_us)
        for tick in frame.ticks:
            for signal in tick.signals:
                self.signals.take(signal)
        return _NOTHING

    def _take_limit(self, _offset: int, _key: str, value: bytes) -> Seen:
        self.limits.take(_decode_limit(value))
        return _NOTHING

    def _take_trip(self, offset: int, _key: str, value: bytes) -> Seen:
        self.trips.take(offset, _decode_trip(value))
        return _NOTHING

    def _take_feedback(self, _offset: int, _key: str, value: bytes) -> Seen:
        self.alerts.take_feedback(_decode_feedback(value))
        return _NOTHING

    def _take_ack(self, _offset: int, _key: str, value: bytes) -> Seen:
        ack = _decode_ack(value)
        return Seen(ack=ack, ack_s=self.limits.take_ack(ack))

    def _take_audit(self, _offset: int, _key: str, value: bytes) -> Seen:
        self.audit.append(_decode_audit(value))
        return _NOTHING


def _bears(limit: RateLimit, asked: str) -> bool:
    return limit.account == asked or asked in limit.alert_ids
