"""Which inputs run too far ahead of the others to be fetched: what bounds the ticks that a stage holds open."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from faust.types import TP


class Reach(Protocol):
    """What a watermark tells."""

    def reached_us(self) -> Mapping[str, int]:
        """Per input (a topic, or a stage upstream), the event time before which all of it is there."""
        ...


class Progress(NamedTuple):
    """How far a stage on one partition has come, in event time.

    Every tick that ends at or before `closed_us` is closed; `open_ticks` later ones are not. `reached_us` is, for each
    input (a topic, or a stage upstream as "market/3"), the time before which all of it was taken.
    """

    closed_us: int
    open_ticks: int
    reached_us: Mapping[str, int]


class Alignment:
    """Decides which inputs of one stage are held back, so that its open ticks do not grow without end.

    An input is held while it has reached more than `max_open_ticks` ticks beyond what is closed, *and* the stage holds
    more than so many ticks open; it is let go at half of either. Only an input that is read ahead makes ticks wait, and
    only as long as it is read.

    It cannot bring a stage to a stop. A stage closes what its watermark passes, and the watermark is what the slowest
    of the inputs that it waits for has reached: that one stands less than a tick beyond `closed_us`, and an input is
    held only from a whole tick beyond on. So the slowest is always read. What it brings moves `closed_us`; when it has
    nothing more, it comes to rest and the next one is the slowest. In the end the held ones are. The same holds across
    stages: a stage upstream is held by holding its inputs, and of all partitions with records left to read the one
    whose next record is the oldest is behind every stage that could hold it.

    A held partition is not at its end, and is not stated to be: it goes on counting at what it has reached, which is
    far ahead, and does not hold the watermark there before it is let go.

    Parameters
    ----------
    max_open_ticks
        Ticks that may be open before anything is held, at least 2: half of them must be one.
    tick_us
        Length of a tick in microseconds of event time, > 0.

    Examples
    --------
    >>> alignment = Alignment(max_open_ticks=10, tick_us=100)
    >>> alignment.held(Progress(5_000, 40, {"leverage": 9_000, "cancels": 5_050}))
    frozenset({'leverage'})
    >>> alignment.held(Progress(8_400, 6, {"leverage": 9_000, "cancels": 8_450}))
    frozenset({'leverage'})
    >>> alignment.held(Progress(8_500, 5, {"leverage": 9_000, "cancels": 8_550}))
    frozenset()
    """

    def __init__(self, max_open_ticks: int, tick_us: int) -> None:
        self._max_open_ticks = max_open_ticks
        self._tick_us = tick_us
        self._held: frozenset[str] = frozenset()

    def held(self, progress: Progress) -> frozenset[str]:
        """Names of the inputs to hold now."""
        self._held = frozenset(name for name in progress.reached_us if self._is_ahead(name, progress))
        return self._held

    def _is_ahead(self, name: str, progress: Progress) -> bool:
        ticks = self._max_open_ticks // 2 if name in self._held else self._max_open_ticks
        ahead_us = progress.reached_us[name] - progress.closed_us
        return progress.open_ticks > ticks and ahead_us > ticks * self._tick_us


def partitions_of(name: str, partition: int, topics: Mapping[str, Sequence[str]]) -> list[TP]:
    """Tell which topic partitions to hold, for an input of a stage on `partition`.

    Those of a stage upstream that works elsewhere are named too, and do no harm: each worker holds what it has.

    Examples
    --------
    >>> partitions_of("cancels", 2, {})
    [TP(topic='cancels', partition=2)]
    >>> [tp.topic for tp in partitions_of("market/3", 2, {"market": ("trades", "cancels")})]
    ['trades', 'cancels']
    """
    stage, _, number = name.partition("/")
    if not number:
        return [TP(name, partition)]
    return [TP(topic, int(number)) for topic in topics[stage]]
