"""What the topics say of one alert or one account, in order of time."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Literal, NamedTuple

from detectors.decisions import AuditRecord, Override, RateLimit, Trip
from detectors.errors import SquallError
from detectors.guardrail_records import position_name
from detectors.orders import ACCOUNT_SCOPE, CONTROLLER, PATTERN_SCOPE
from detectors.results import Alert
from streams.topics import ALERTS, AUDIT, OVERRIDES, RATE_LIMITS

_MOST_NEAR = 5
#: What is told first of the same time: causes before what was done.
_SOURCES = (ALERTS, OVERRIDES, AUDIT, RATE_LIMITS)


class Subject(NamedTuple):
    """What a story is about."""

    kind: Literal["alert", "account"]
    name: str


class Step(NamedTuple):
    """One thing that happened: when, the topic that tells it, and its record there."""

    at: int
    source: str
    record: Alert | AuditRecord | RateLimit | Override


class Story:
    """Collects what the topics say, and picks what belongs to what was asked for.

    Records may come in any order, and more than once. Kept are those that may belong to it, and every order: people
    give few.

    Parameters
    ----------
    asked
        An account, the id of an alert, or the beginning of one.
    """

    def __init__(self, asked: str) -> None:
        self.asked = asked
        self._alert_ids: set[str] = set()
        self._accounts: set[str] = set()
        self._alerts: dict[tuple[str, int], Alert] = {}
        self._audit: dict[str, AuditRecord] = {}
        self._limits: dict[tuple[str, int], RateLimit] = {}
        self._orders: dict[str, Override] = {}

    def take_alert(self, alert: Alert) -> None:
        """Take a revision of an alert."""
        self._alert_ids.add(alert.alert_id)
        self._accounts.update(alert.accounts)
        if alert.alert_id.startswith(self.asked) or self.asked in alert.accounts:
            self._alerts[alert.alert_id, alert.revision] = alert

    def take_limit(self, limit: RateLimit) -> None:
        """Take a limit from `rate-limits`."""
        self._accounts.add(limit.account)
        if self._may_bear(limit):
            self._limits[limit.account, limit.version] = limit

    def take_order(self, order: Override) -> None:
        """Take an order from `overrides`."""
        if order.scope.startswith(ACCOUNT_SCOPE):
            self._accounts.add(order.scope.removeprefix(ACCOUNT_SCOPE))
        self._orders[order.override_id] = order

    def take_audit(self, record: AuditRecord) -> None:
        """Take a line of `audit`."""
        if record.override is not None:
            self.take_order(record.override)
            self._audit[record.audit_id] = record
        elif record.limit is not None:
            self._accounts.add(record.limit.account)
            if self._may_bear(record.limit):
                self._audit[record.audit_id] = record
        elif record.trip is not None and _is_about(record.trip, self.asked):
            self._accounts.add(self.asked)
            self._audit[record.audit_id] = record

    def subject(self) -> Subject:
        """Tell what was asked for.

        Raises
        ------
        SquallError
            Nothing is known of it, or several alerts begin so.
        """
        fitting = sorted(alert_id for alert_id in self._alert_ids if alert_id.startswith(self.asked))
        if self.asked in self._alert_ids:
            return Subject("alert", self.asked)
        if self.asked in self._accounts:
            return Subject("account", self.asked)
        if len(fitting) == 1:
            return Subject("alert", fitting[0])
        if fitting:
            first = ", ".join(map(repr, fitting[:_MOST_NEAR]))
            raise SquallError(
                f"expected an account or the beginning of one alert's id, found {len(fitting)} alerts "
                f"that begin with {self.asked!r}: {first}"
            )
        near = self._near()
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise SquallError(
            f"expected an account or an alert's id, found nothing in {', '.join(_SOURCES)} about {self.asked!r}{hint}"
        )

    def steps(self) -> list[Step]:
        """Tell the story of the subject; raises as `subject` does."""
        subject = self.subject()
        alerts = [alert for alert in self._alerts.values() if _names(alert, subject)]
        audited = [record for record in self._audit.values() if _is_of(record, subject)]
        versions = {(one.limit.account, one.limit.version) for one in audited if one.limit is not None}
        limits = [limit for place, limit in self._limits.items() if place not in versions and _bears(limit, subject)]
        steps = [
            *(Step(alert.timestamp, ALERTS, alert) for alert in alerts),
            *(Step(record.timestamp, AUDIT, record) for record in audited),
            *(Step(limit.issued_at, RATE_LIMITS, limit) for limit in limits),
        ]
        cited = {limit.override_id for limit in (*limits, *(one.limit for one in audited if one.limit is not None))}
        patterns = {f"{PATTERN_SCOPE}{alert.pattern}" for alert in alerts}
        steps += self._orders_of(subject, steps, cited, patterns)
        return sorted(steps, key=lambda step: (step.at, _SOURCES.index(step.source), _version(step)))

    def author_of(self, override_id: str) -> str | None:
        """Who gave an order; None: it stands in no topic any more."""
        order = self._orders.get(override_id)
        return None if order is None else order.author

    def _orders_of(self, subject: Subject, steps: Iterable[Step], cited: set[str], patterns: set[str]) -> list[Step]:
        """Orders for the account, those that decisions name, and those for all that held meanwhile."""
        times = [step.at for step in steps]

        def belongs(order: Override) -> bool:
            if order.override_id in cited or subject == ("account", order.scope.removeprefix(ACCOUNT_SCOPE)):
                return True
            held_meanwhile = bool(times) and order.timestamp <= max(times) and order.expires_at >= min(times)
            return held_meanwhile and (order.scope == CONTROLLER or order.scope in patterns)

        told = [one for one in self._audit.values() if one.override is not None and belongs(one.override)]
        taken_up = {one.override.override_id for one in told if one.override is not None}
        waiting = [one for one in self._orders.values() if one.override_id not in taken_up and belongs(one)]
        return [
            *(Step(one.timestamp, AUDIT, one) for one in told),
            *(Step(order.timestamp, OVERRIDES, order) for order in waiting),
        ]

    def _may_bear(self, limit: RateLimit) -> bool:
        return limit.account == self.asked or any(one.startswith(self.asked) for one in limit.alert_ids)

    def _near(self) -> list[str]:
        known = [*self._accounts, *self._alert_ids]
        holding = sorted(name for name in known if self.asked and self.asked in name)
        # To compare with every name of a big exchange would take long.
        alike = [name for name in known if abs(len(name) - len(self.asked)) <= 2]
        return holding[:_MOST_NEAR] or get_close_matches(self.asked, sorted(alike), _MOST_NEAR)


def _names(alert: Alert, subject: Subject) -> bool:
    return alert.alert_id == subject.name if subject.kind == "alert" else subject.name in alert.accounts


def _bears(limit: RateLimit, subject: Subject) -> bool:
    return subject.name in limit.alert_ids if subject.kind == "alert" else limit.account == subject.name


def _is_of(record: AuditRecord, subject: Subject) -> bool:
    if record.limit is not None:
        return _bears(record.limit, subject)
    return record.trip is not None and subject.kind == "account" and _is_about(record.trip, subject.name)


def _is_about(trip: Trip, account: str) -> bool:
    return trip.entity == account or trip.entity.startswith(position_name(account, ""))


def _version(step: Step) -> int:
    match step.record:
        case Alert(revision=revision):
            return revision
        case AuditRecord(limit=RateLimit(version=version)) | RateLimit(version=version):
            return version
        case _:
            return 0
