"""Permissions: what the broker says that we may do. Nothing is tried, for a try at writing is a record."""

from collections.abc import Iterator, Mapping

from streams.agents import ACCOUNT_EVENT_TOPIC, MARKET_TOPICS
from streams.doctor.clients import Unanswered
from streams.doctor.facts import GroupFacts
from streams.doctor.lines import Line
from streams.doctor.requests import missing_rights
from streams.topics import (
    ACCOUNT_ACTIVITY,
    ALERTS,
    AUDIT,
    DEAD_LETTERS,
    FEEDBACK,
    GUARDRAILS,
    OVERRIDES,
    RATE_LIMITS,
    SIGNALS,
    SNAPSHOTS,
    STRESS,
)

_READ = ("read", "describe")
_WRITE = ("write", "describe")
_BOTH = ("read", "write", "describe")
#: What a worker does to each topic.
NEEDED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys((*MARKET_TOPICS, ACCOUNT_EVENT_TOPIC), _READ),
    **dict.fromkeys((OVERRIDES, FEEDBACK), _READ),
    **dict.fromkeys((ACCOUNT_ACTIVITY, SIGNALS, STRESS, SNAPSHOTS), _BOTH),
    **dict.fromkeys((ALERTS, RATE_LIMITS, GUARDRAILS, AUDIT, DEAD_LETTERS), _WRITE),
}


def check_rights(
    app_id: str,
    topics: Mapping[str, int | None] | Unanswered,
    group: GroupFacts | Unanswered,
    needed: Mapping[str, tuple[str, ...]] = NEEDED,
) -> Iterator[Line]:
    """What of `needed`, and of the consumer group, is not allowed."""
    if isinstance(topics, Unanswered):
        yield _untold("rights on topics", topics.reason)
    elif not any(topics.get(name) is not None for name in needed):
        yield _untold("rights on topics", "the broker does not tell them")
    else:
        yield from _topic_rights(topics, needed)
    yield _group_rights(app_id, group)


def _group_rights(app_id: str, group: GroupFacts | Unanswered) -> Line:
    check = f"rights on group {app_id}"
    if isinstance(group, Unanswered):
        missing = list(_READ) if group.is_denied else []
    else:
        missing = [] if group.rights is None else missing_rights(group.rights, _READ)
    if missing:
        mend = f"kafka-acls.sh --add --allow-principal User:... --group {app_id} --operation Read --operation Describe"
        return Line("FAIL", check, f"may not {' or '.join(missing)}", mend)
    if isinstance(group, Unanswered):
        return _untold(check, group.reason)
    return _untold(check, "the broker does not tell them") if group.rights is None else Line("OK", check, "may join")


def _topic_rights(topics: Mapping[str, int | None], wanted: Mapping[str, tuple[str, ...]]) -> Iterator[Line]:
    refused = False
    for name, needed in wanted.items():
        allowed = topics.get(name)
        missing = [] if allowed is None else missing_rights(allowed, needed)
        if missing:
            refused = True
            operations = " ".join(f"--operation {right.capitalize()}" for right in missing)
            yield Line(
                "FAIL",
                f"rights on {name}",
                f"may not {' or '.join(missing)}",
                f"kafka-acls.sh --add --allow-principal User:... --topic {name} {operations}",
            )
    if not refused:
        yield Line("OK", "rights on topics", "may read inputs, write outputs, and both between stages")


def _untold(check: str, reason: str) -> Line:
    return Line("SKIP", check, f"not checked: {reason}")
