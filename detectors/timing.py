"""How far event time has come: watermark over several inputs, and a guard against clocks that run ahead."""

from collections import deque
from collections.abc import Iterable

from detectors.config import Timing

#: Before anything was seen.
BEGINNING_US = -1


#: Frames at rest in a row after which a source no longer holds: it speaks each quarter of the idle time-out, the first
#: time perhaps at once, so that they span at least one idle time-out of its own clock, however late they are read.
RESTS_ENOUGH = 6


#: A longer step of the caller's clock counts as this much: its process stood still, not the inputs.
_LONGEST_STEP_US = 1_000_000


class _Input:
    __slots__ = ("complete_us", "heard_us", "rested_until_us", "resting_since_us", "rests")

    def __init__(self) -> None:
        self.complete_us = BEGINNING_US
        self.heard_us = 0
        self.wake()

    def wake(self) -> None:
        self.resting_since_us: int | None = None
        self.rested_until_us = 0
        self.rests = 0


class Watermark:
    """The time up to which all active inputs are complete; it never goes back.

    An input is *complete* to a time that whoever feeds it states: newest event minus lateness for a topic, closed ticks
    for a stage upstream. It holds the others back until it is *at rest*; a stage upstream also when it is not heard of
    for `source_timeout_ms`. A topic is at rest when the broker's answers over `idle_ms` said that it was read to its
    end; a stage upstream, when it said so itself for as long. How late that is heard does not count, for a reader that
    has fallen behind must not take its own slowness for silence. When every input is at rest, all that was seen is
    complete. The first event after such a silence makes every input wait its `idle_ms` again, so that a burst of input
    is taken together, whichever topic shows it first.

    Times named `now_us` are the caller's clock (any monotonic microseconds); the others are event time.

    Parameters
    ----------
    topics
        Names of the topics that are waited for.
    timing
        The settings of time.
    sources
        Names of the stages upstream that are waited for.

    Examples
    --------
    >>> mark = Watermark(["trades", "cancels"], Timing(lateness_ms=200))
    >>> mark.observe("trades", 5_000_000, now_us=0)
    >>> mark.value(now_us=0)
    -1
    >>> mark.observe("cancels", 4_000_000, now_us=0)
    >>> mark.value(now_us=0)
    4000000
    """

    def __init__(self, topics: Iterable[str], timing: Timing, sources: Iterable[str] = ()) -> None:
        self.timing = timing
        self._sources = frozenset(sources)
        self._inputs = {name: _Input() for name in (*topics, *self._sources)}
        # Time as this object has seen it pass: what happens while its process is stopped is nobody's silence.
        self._awake_us = 0
        self._last_us: int | None = None
        #: The newest event time that any input has shown.
        self.newest_us = BEGINNING_US
        self._value_us = BEGINNING_US
        self._all_at_rest = False
        #: When (by the caller's clock) the newest event time became what it was, over the last moments.
        self._risen: deque[tuple[int, int]] = deque()
        self._shown_us = BEGINNING_US

    def knows(self, name: str) -> bool:
        """Whether `name` is one of the inputs."""
        return name in self._inputs

    def reached_us(self) -> dict[str, int]:
        """Per input, the time before which all of it is there; `BEGINNING_US`: it has shown nothing."""
        return {name: state.complete_us for name, state in self._inputs.items()}

    def observe(self, name: str, complete_us: int, now_us: int, newest_us: int | None = None) -> None:
        """State that everything of `name` before `complete_us` is there.

        Its newest event is at `newest_us`, by default just before.
        """
        self._pass(now_us)
        state = self._inputs[name]
        state.complete_us = max(state.complete_us, complete_us)
        state.heard_us = self._awake_us
        newest_us = complete_us - 1 if newest_us is None else newest_us
        if newest_us > self.newest_us:
            self.newest_us = newest_us
            self._risen.append((now_us, newest_us))
        if self._all_at_rest:
            self._all_at_rest = False
            for other in self._inputs.values():
                other.wake()
                other.heard_us = self._awake_us
        state.wake()

    def rest(self, name: str, seen_us: int) -> None:
        """State that `name` was read to its end when the broker last answered, at `seen_us` of the caller's clock.

        What others had shown a lateness before that, it has nothing older to add to: it would have been there by then.
        So an input that speaks seldom does not hold back the others for longer than that. But time has to go on: while
        nothing newer is shown, whoever writes all of them may stand still, with events to come within the lateness.
        """
        state = self._inputs[name]
        since_us, before_us = state.resting_since_us, state.rested_until_us
        state.rested_until_us = max(before_us, seen_us)
        if since_us is None or seen_us - before_us > _LONGEST_STEP_US:
            # The answer may have waited while the process stood still: it says nothing of the time since.
            state.resting_since_us = state.rested_until_us
        elif seen_us > since_us:
            while self._risen and self._risen[0][0] <= seen_us - self.timing.lateness_us:
                self._shown_us = self._risen.popleft()[1]
            if state.complete_us != BEGINNING_US:
                shown_us = min(self._shown_us, self.newest_us - self.timing.lateness_us)
                state.complete_us = max(state.complete_us, shown_us)

    def resume(self, complete_us: int, newest_us: int) -> None:
        """Take up where another left off: everything before `complete_us` is done with, of every input."""
        self.newest_us = newest_us
        for state in self._inputs.values():
            state.complete_us = complete_us
        self._value_us = complete_us

    def frame(self, name: str, complete_us: int, at_rest: bool, now_us: int) -> None:
        """Take note of how far a stage upstream has come, and whether it says that it is at rest."""
        state = self._inputs[name]
        if not at_rest:
            self.observe(name, complete_us, now_us)
            return
        if complete_us > state.complete_us:
            self.observe(name, complete_us, now_us)
        self._pass(now_us)
        state.heard_us = self._awake_us
        state.rests += 1

    def at_rest(self, now_us: int) -> bool:
        """Whether no input is active any more."""
        self._pass(now_us)
        return not any(self._holds(name, state) for name, state in self._inputs.items())

    def value(self, now_us: int) -> int:
        """The watermark, in event-time microseconds; `BEGINNING_US` while an active input has shown nothing."""
        self._pass(now_us)
        active = [state.complete_us for name, state in self._inputs.items() if self._holds(name, state)]
        self._all_at_rest = not active
        reached = min(active) if active else self.newest_us + self.timing.tick_us
        if not active and self.newest_us == BEGINNING_US:
            reached = BEGINNING_US
        self._value_us = max(self._value_us, reached)
        return self._value_us

    def _pass(self, now_us: int) -> None:
        if self._last_us is not None:
            self._awake_us += min(max(now_us - self._last_us, 0), _LONGEST_STEP_US)
        self._last_us = now_us

    def _holds(self, name: str, state: _Input) -> bool:
        if name in self._sources and self._awake_us - state.heard_us >= self.timing.source_timeout_ms * 1_000:
            return False
        if state.rests >= RESTS_ENOUGH:
            return False
        since_us = state.resting_since_us
        return since_us is None or state.rested_until_us - since_us < self.timing.idle_us


class ClockGuard:
    """Refuses events of one input that are further ahead of it than a clock can be wrong by accident.

    When `future_patience` events in a row, over `future_patience_s` seconds of their own time, are that far ahead, it
    is the input that has moved (a market reopened), and they are taken again. One producer whose clock is wrong does
    not get there while others' events come in between.

    Examples
    --------
    >>> guard = ClockGuard(Timing(future_limit_s=3600))
    >>> guard.accepts(1_000_000), guard.accepts(7_200_000_000), guard.accepts(2_000_000)
    (True, False, True)
    """

    __slots__ = ("_limit_us", "_patience", "_patience_us", "_since_us", "ahead", "newest_us")

    def __init__(self, timing: Timing) -> None:
        self._limit_us = timing.future_limit_s * 1_000_000
        self._patience = timing.future_patience
        self._patience_us = timing.future_patience_s * 1_000_000
        #: Events in a row that were too far ahead (one that is not ends the row), and the earliest time among them.
        self.ahead = 0
        self._since_us = 0
        self.newest_us = BEGINNING_US

    def accepts(self, timestamp: int) -> bool:
        """Whether an event of this time may pass; one that may moves the input's newest time."""
        if timestamp > self.newest_us:
            if timestamp - self.newest_us > self._limit_us and self.newest_us != BEGINNING_US:
                self._since_us = min(self._since_us, timestamp) if self.ahead else timestamp
                self.ahead += 1
                if self.ahead < self._patience or timestamp - self._since_us < self._patience_us:
                    return False
            self.newest_us = timestamp
        self.ahead = 0
        return True

    def state(self) -> list[int]:
        """The newest time, and the row of events ahead of it."""
        return [self.newest_us, self.ahead, self._since_us]

    def restore(self, state: list[int]) -> None:
        """Take up where `state()` was made."""
        self.newest_us, self.ahead, self._since_us = state
