"""Clocks: the newest records of the inputs against this machine's."""

from collections.abc import Iterable, Iterator

from streams.doctor.lines import Line
from streams.doctor.records import Moment
from streams.times import clock_text, span_text

#: Clocks that agree are closer than this, with the time that a record is under way.
_AHEAD_US = 5_000_000
#: An event so much older than the record that brings it was not sent as it happened.
_LATE_US = 60_000_000


def check_clocks(moments: Iterable[Moment], now_us: int) -> Iterator[Line]:
    """Compare, of each input topic, the newest record and the newest event with our clock.

    Parameters
    ----------
    moments
        The newest record of each partition that holds any.
    now_us
        This machine's clock, in microseconds since the epoch.
    """
    by_topic: dict[str, list[Moment]] = {}
    for moment in moments:
        by_topic.setdefault(moment.topic, []).append(moment)
    if not by_topic:
        yield Line("SKIP", "clocks", "not checked: the inputs hold no records yet")
    for topic, found in by_topic.items():
        yield from _written(topic, max(found, key=lambda moment: moment.written_us), now_us)
        events = [moment for moment in found if moment.event_us is not None]
        if events:
            yield from _events(topic, max(events, key=lambda moment: moment.event_us or 0), now_us)


def _written(topic: str, newest: Moment, now_us: int) -> Iterator[Line]:
    ahead_us = newest.written_us - now_us
    if ahead_us > _AHEAD_US:
        whose = "the broker's clock" if newest.by_broker else "a producer's clock"
        yield Line(
            "WARN",
            f"clock of {topic}",
            f"the newest record was written {span_text(ahead_us)} ahead of our clock, by {whose}",
            "set the clocks of this machine and of the other by NTP (chronyc tracking)",
        )
    else:
        yield Line("OK", f"clock of {topic}", f"newest record written {_ago(-ahead_us)}")


def _events(topic: str, newest: Moment, now_us: int) -> Iterator[Line]:
    event_us = newest.event_us or 0
    ahead_us, late_us = event_us - now_us, newest.written_us - event_us
    if ahead_us > _AHEAD_US:
        yield Line(
            "WARN",
            f"event time of {topic}",
            f"the newest event, {clock_text(event_us)}, is {span_text(ahead_us)} ahead of our clock",
            "see which producer's clock is wrong, or whether its timestamps are microseconds; "
            "events that are on time then count as late",
        )
    elif late_us > _LATE_US:
        yield Line(
            "WARN",
            f"event time of {topic}",
            f"the newest event, {clock_text(event_us)}, was {span_text(late_us)} old when it was written",
            "replaying history? Then all inputs must be replayed together, for they are compared by event time; "
            "if not, see which producer is slow or has a wrong clock",
        )
    else:
        yield Line("OK", f"event time of {topic}", f"newest event {_ago(max(now_us - event_us, 0))}")


def _ago(us: int) -> str:
    return "just now" if us < 1_000_000 else f"{span_text(us // 1_000_000 * 1_000_000)} ago"
