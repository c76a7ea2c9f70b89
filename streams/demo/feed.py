"""The exchange of a demo as a process of its own, so that making its events does not slow down who watches.

Reads its order as JSON from the command line and says on stdout, a line each, how far it has come.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import asdict

import msgspec
import uvloop

from streams.demo.plan import DemoPlan
from streams.files import Line, line_of
from streams.produce import produce
from streams.security import NO_SECURITY
from streams.settings import Settings
from streams.simulator import Exchange

_REPORT_EVERY_S = 0.05
#: The pace is kept in strides of event time: to sleep before each event would cost more than to make it.
_STRIDE_US = 100_000


class FeedOrder(msgspec.Struct, frozen=True):
    """What to play, and where to."""

    broker: str
    partitions: int
    config: str | None
    plan: DemoPlan


class Progress(msgspec.Struct, frozen=True, array_like=True):
    """How far the feed has come: by the machine's monotonic clock, in event time, and in events sent."""

    at_s: float
    event_us: int
    events: int


def feed_command(order: FeedOrder) -> list[str]:
    """Write the command that runs the feed."""
    return [sys.executable, "-m", "streams.demo.feed", msgspec.json.encode(order).decode()]


def _lines(plan: DemoPlan) -> Iterator[Line]:
    said_s, number, last_us = float("-inf"), 0, 0
    for number, (topic, event) in enumerate(Exchange(plan.exchange(), plan.incidents()).events()):
        # Whoever asks for the next event has sent the one before.
        now_s = time.monotonic()
        if number and now_s - said_s >= _REPORT_EVERY_S:
            _say(Progress(now_s, last_us, number))
            said_s = now_s
        last_us = event.timestamp
        yield line_of(topic, event)._replace(timestamp=last_us - last_us % _STRIDE_US)
    _say(Progress(time.monotonic(), last_us, number + 1))


def _say(progress: Progress) -> None:
    sys.stdout.write(msgspec.json.encode(progress).decode() + "\n")
    sys.stdout.flush()


def _main(order: FeedOrder) -> None:
    settings = Settings(
        broker=order.broker, partitions=order.partitions, config=order.config, security=asdict(NO_SECURITY)
    )
    uvloop.run(produce(settings, _lines(order.plan), speed=order.plan.speed))


if __name__ == "__main__":
    _main(msgspec.json.decode(sys.argv[1], type=FeedOrder))
