"""What lies between one station and the broker: how far behind it reads, and which inputs wait for the others."""

import time
from collections.abc import Mapping, Sequence
from typing import Protocol

from faust.types import TP

from streams.alignment import Alignment, Progress, Reach, partitions_of
from streams.batches import RecordBatch
from streams.lag import ReadLag
from streams.topics import NO_SOURCES


class TimedStage(Protocol):
    """What is asked of a stage about event time."""

    @property
    def settled_us(self) -> int:
        """The time before which nothing waits any more."""
        ...

    @property
    def tick_us(self) -> int:
        """Length of a tick."""
        ...

    @property
    def watermark(self) -> Reach:
        """How far its inputs have come."""
        ...

    @property
    def open_ticks(self) -> int:
        """How many ticks may still grow."""
        ...


class Backlog:
    """The lag of a station's inputs, and those of them that are not to be fetched now.

    Parameters
    ----------
    partition
        The partition of its stage.
    topics
        Its inputs.
    upstream
        Per kind of stage, the topics that it reads: to hold a stage upstream is to hold these.
    max_open_ticks
        See `Alignment`.
    sources
        What topics are called on the broker, where the stage calls them otherwise.

    Attributes
    ----------
    held
        Topic partitions not to be fetched, some of them perhaps another worker's.
    lag_s
        Per topic partition, the lag last measured.
    """

    def __init__(
        self,
        partition: int,
        topics: Sequence[str],
        upstream: Mapping[str, Sequence[str]],
        max_open_ticks: int,
        sources: Mapping[str, str] = NO_SOURCES,
    ) -> None:
        self._sources = sources
        self._partition = partition
        self._upstream = upstream
        self._max_open_ticks = max_open_ticks
        self._alignment: Alignment | None = None
        self._lags = {topic: ReadLag() for topic in topics}
        self.held: frozenset[TP] = frozenset()
        self.lag_s: dict[TP, float] = {}

    def take(self, batch: RecordBatch) -> None:
        """Note that a batch was taken."""
        self._lags[batch.topic].take(batch.sent_ms)

    def measure(self, topic: str, position: int | None, end: int | None) -> float | None:
        """Tell the lag of an input now; see `ReadLag.measure`."""
        lag_s = self._lags[topic].measure(position, end, time.time())
        if lag_s is not None:
            self.lag_s[TP(topic, self._partition)] = lag_s
        return lag_s

    def align(self, stage: TimedStage) -> None:
        """Decide anew what is held, after the stage has closed what it can."""
        self._alignment = self._alignment or Alignment(self._max_open_ticks, stage.tick_us)
        progress = Progress(stage.settled_us, stage.open_ticks, stage.watermark.reached_us())
        names = [self._sources.get(name, name) for name in self._alignment.held(progress)]
        self.held = frozenset(tp for name in names for tp in partitions_of(name, self._partition, self._upstream))
