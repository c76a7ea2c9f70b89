"""The consumer group: who is in it, what it has committed, how far it is behind."""

from collections.abc import Iterator, Mapping

from aiokafka import TopicPartition

from streams.doctor.clients import Unanswered
from streams.doctor.facts import GroupFacts
from streams.doctor.lines import Line
from streams.settings import Settings
from streams.times import span_text

#: Behind by more than this, alerts come too late to act on.
_LATE_US = 60_000_000
Bounds = Mapping[TopicPartition, tuple[int, int]]
Committed = Mapping[TopicPartition, int | None]


def check_group(settings: Settings, group: GroupFacts | Unanswered, reads_before: bool) -> Iterator[Line]:
    """Members; `reads_before`: whether the group has ever committed."""
    check = f"group {settings.app_id}"
    if isinstance(group, Unanswered):
        yield Line("SKIP", check, f"not checked: {group.reason}")
    elif not group.members and reads_before:
        yield Line("WARN", check, "no worker is in it: nobody reads", "start `squall worker`")
    elif not group.members:
        yield Line("SKIP", check, "no worker has ever been in it")
    elif group.members > settings.partitions:
        yield Line(
            "WARN",
            check,
            f"workers: {group.members}, partitions: {settings.partitions}; some workers have nothing to do",
            "start fewer workers; more partitions need new topics",
        )
    else:
        yield Line("OK", check, f"workers: {group.members}; {group.state}")


def check_offsets(committed: Committed, bounds: Bounds) -> Iterator[Line]:
    """Committed offsets must lie where there are records."""
    wrong = False
    for tp, offset in sorted((tp, offset) for tp, offset in committed.items() if offset is not None):
        first, end = bounds[tp]
        where = f"offsets of {tp.topic}/{tp.partition}"
        if offset < first:
            wrong = True
            said = f"committed {offset}, but the log begins at {first}: {first - offset} records were deleted unread"
            mend = (
                "they are lost; the worker goes on from the log's beginning. Keep the topic longer (retention.ms), "
                "or add workers so that they keep up"
            )
            yield Line("FAIL", where, said, mend)
        elif offset > end:
            wrong = True
            said = f"committed {offset}, but the log ends at {end}: the topic was made anew, or has lost records"
            mend = f"stop the workers, then kafka-consumer-groups.sh --reset-offsets --to-earliest --topic {tp.topic}"
            yield Line("FAIL", where, said, mend)
    if not wrong and any(offset is not None for offset in committed.values()):
        yield Line("OK", "offsets", "all committed ones are in the log")


def unread(committed: Committed, bounds: Bounds) -> dict[TopicPartition, int]:
    """The first record not yet done with of each partition that the group is behind on."""
    firsts = {tp: max(offset, bounds[tp][0]) for tp, offset in committed.items() if offset is not None}
    return {tp: first for tp, first in firsts.items() if first < bounds[tp][1]}


def check_lag(
    waiting: Mapping[TopicPartition, int], written_us: Mapping[TopicPartition, int], bounds: Bounds, now_us: int
) -> Iterator[Line]:
    """How far the group is behind: in records, and as the age of the oldest that waits.

    Parameters
    ----------
    waiting
        As `unread` gives them.
    written_us
        When each of these was written, where that could be read.
    bounds, now_us
        The log's, and this machine's clock.
    """
    many = sum(bounds[tp][1] - offset for tp, offset in waiting.items())
    late = {tp: now_us - written for tp, written in written_us.items() if now_us - written > _LATE_US}
    for tp in sorted(late):
        behind = bounds[tp][1] - waiting[tp]
        yield Line(
            "WARN",
            f"lag of {tp.topic}/{tp.partition}",
            f"{behind} records, the oldest written {span_text(late[tp] // 1_000_000 * 1_000_000)} ago",
            "start more workers (at most one a partition does something), or see in /metrics what is slow",
        )
    if not late:
        oldest_us = max((now_us - written for written in written_us.values()), default=0)
        yield Line("OK", "lag", f"{many} records, the oldest {max(oldest_us, 0) / 1e6:.1f} s old")


def check_session_bounds(settings: Settings, broker: Mapping[str, str]) -> Iterator[Line]:
    """The session time-out must lie within the broker's bounds, or nobody can join."""
    least, most = broker.get("group.min.session.timeout.ms"), broker.get("group.max.session.timeout.ms")
    found_ms = settings.worker.session_timeout_s * 1_000
    if least is None or most is None:
        yield Line("SKIP", "session time-out", "not checked: the broker does not tell its bounds")
    elif not int(least) <= found_ms <= int(most):
        yield Line(
            "FAIL",
            "session time-out",
            f"{found_ms:.0f} ms, the broker takes {least}..{most} ms: no worker can join",
            "set worker.session_timeout_s within the bounds",
        )
    else:
        yield Line("OK", "session time-out", "within the broker's bounds")
