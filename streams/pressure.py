"""What a worker does under more input than it can take: it holds what runs ahead, and gives up precision in order."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from faust.types import TP

from streams.degradation import Degradation
from streams.metrics import Metrics

log = logging.getLogger(__name__)

#: A worker that uses at least so much of one processor is short of time; one that uses less waits for others.
_BUSY_SHARE = 0.5


class PressedRoom(Protocol):
    """What is asked of a room."""

    @property
    def name(self) -> str:
        """Of its stage."""
        ...

    @property
    def held(self) -> frozenset[TP]:
        """Topic partitions that its stages want held."""
        ...

    @property
    def lag_s(self) -> Mapping[TP, float]:
        """The lag of its inputs."""
        ...

    def sample(self, one_in: int) -> None:
        """Let its stages' heavy models look at one observation in so many."""
        ...


class Pressure:
    """Holds and degrades for all rooms of a worker.

    The worker is one thread, so that its rooms degrade together, by the longest lag of any partition. One that is held
    counts only while this worker is busy: else it waits for others, perhaps another worker's, not for lack of time.

    Parameters
    ----------
    rooms
        All of them.
    lag_limit_s
        See `Degradation`.
    metrics
        Where to show it.
    """

    def __init__(self, rooms: Sequence[PressedRoom], lag_limit_s: float, metrics: Metrics) -> None:
        self._rooms = rooms
        self._degradation = Degradation(lag_limit_s)
        self._metrics = metrics
        self._looked: tuple[float, float] | None = None
        for room in rooms:
            metrics.held_partitions.labels(room.name).set(0)
            metrics.degradation_level.labels(room.name).set(0)

    def held(self, assigned: Callable[[], set[TP]]) -> frozenset[TP]:
        """Tell which of the partitions assigned here are to be held now."""
        mine = assigned() if any(room.held for room in self._rooms) else set()
        wanted = {room.name: room.held & mine for room in self._rooms}
        for name, partitions in wanted.items():
            self._metrics.held_partitions.labels(name).set(len(partitions))
        return frozenset().union(*wanted.values())

    def relieve(self, now_s: float, cpu_s: float) -> None:
        """Change the level of degradation if it is time to.

        Parameters
        ----------
        now_s
            Of any monotonic clock.
        cpu_s
            Processor time that this process has used.
        """
        busy = self._is_busy(now_s, cpu_s)
        waiting = frozenset[TP]() if busy else frozenset[TP]().union(*(room.held for room in self._rooms))
        lags_s = (lag_s for room in self._rooms for tp, lag_s in room.lag_s.items() if tp not in waiting)
        lag_s = max(lags_s, default=0.0)
        before = self._degradation.level
        level = self._degradation.update(lag_s, now_s)
        if level == before:
            return
        log.warning(
            "lag %.1f s: degradation level %d, was %d; see deploy/runbook.md#squalldegraded", lag_s, level, before
        )
        for room in self._rooms:
            room.sample(self._degradation.one_in)
            self._metrics.degradation_level.labels(room.name).set(level)

    def _is_busy(self, now_s: float, cpu_s: float) -> bool:
        before, self._looked = self._looked, (now_s, cpu_s)
        return before is not None and cpu_s - before[1] >= _BUSY_SHARE * (now_s - before[0])
