"""What is to be said of an alert next, and when: from what it is, and what a sink has heard of it. Reads no clock."""

from typing import Literal, NamedTuple

from streams.notify.messages import SEVERITIES, Word
from streams.notify.sink_settings import SinkSettings

#: What a sink has heard of an alert. `none`: nothing yet; `dead`: it was to hear of it, and could not; `storm`: it was
#: counted in a summary; `silenced`: it was over before its pattern was heard again.
State = Literal["none", "firing", "resolved", "dead", "storm", "silenced"]

CRITICAL = SEVERITIES.index("critical")
_SECOND_US = 1_000_000


class Now(NamedTuple):
    """An alert as it is: `severity` counts from 0, `seen_us` is when its newest revision came."""

    revision: int
    severity: int
    resolved: bool
    seen_us: int
    acknowledged: bool


class Told(NamedTuple):
    """What a sink has heard: the revision and severity of then, and when; `routed_us` is when it was to hear of it."""

    state: State
    revision: int
    severity: int
    told_us: int
    routed_us: int
    acknowledged: bool


class Plan(NamedTuple):
    """What to say, not before `due_us`; `urgent`: without regard to what the group has just heard."""

    word: Word
    due_us: int
    urgent: bool


def next_word(now: Now, told: Told, sink: SinkSettings) -> Plan | None:
    """Tell what a sink is to hear next of an alert; None: nothing, until something changes.

    An alert that was to be told is told, though it may be over by then; that it is over is told after it, and only to
    who heard that it was open. `resolved` comes once, and ends it.

    Parameters
    ----------
    now
        The alert.
    told
        What was heard of it.
    sink
        When what is said.

    Examples
    --------
    >>> sink = SinkSettings("webhook", url="http://localhost/", secret_file="s")
    >>> opened = Now(1, 1, False, seen_us=0, acknowledged=False)
    >>> next_word(opened, Told("none", 0, 0, 0, routed_us=0, acknowledged=False), sink)
    Plan(word='opened', due_us=5000000, urgent=False)
    >>> next_word(opened, Told("firing", 1, 1, 6_000_000, routed_us=0, acknowledged=False), sink)
    Plan(word='repeated', due_us=3606000000, urgent=False)
    """
    # Alertmanager waits, groups and repeats by itself.
    groups_itself = sink.kind == "alertmanager"
    wait_us = 0 if groups_itself else _us(sink.group_wait_s)
    again_us = 0 if groups_itself or now.acknowledged else _us(sink.repeat_s)
    # There, what is over must be said before what is open next on the same labels, however bad that is.
    urgent = now.severity >= CRITICAL and not groups_itself
    match told.state:
        case "none":
            return Plan("opened", told.routed_us + wait_us, urgent)
        case "firing" if now.resolved:
            return Plan("resolved", now.seen_us + wait_us, False) if sink.send_resolved else None
        case "firing":
            return _while_firing(now, told, sink, Plan("updated", now.seen_us + wait_us, urgent), again_us)
        case "dead" | "storm" if not now.resolved:
            if now.severity > told.severity:
                return Plan("opened", now.seen_us + wait_us, urgent)
            if told.state == "dead" and again_us:
                return Plan("opened", told.told_us + again_us, False)
    return None


def _while_firing(now: Now, told: Told, sink: SinkSettings, at_once: Plan, again_us: int) -> Plan | None:
    if now.severity > told.severity:
        return at_once
    if now.acknowledged and not told.acknowledged and sink.kind == "pagerduty":
        return Plan("acknowledged", told.told_us, True)
    plans = []
    if now.revision > told.revision and not now.acknowledged and sink.kind != "alertmanager":
        plans.append(Plan("updated", max(at_once.due_us, told.told_us + _us(sink.update_s)), False))
    if again_us:
        plans.append(Plan("repeated", told.told_us + again_us, False))
    return min(plans, key=lambda plan: plan.due_us, default=None)


def _us(seconds: float) -> int:
    return round(seconds * _SECOND_US)
