"""Whether the effects of all records below a committed offset were there when it was committed."""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate

from streams.codecs import decode_activity_frame, decode_alert, decode_signal_frame
from streams.topics import ACCOUNT_ACTIVITY, ALERTS, DEAD_LETTERS, SIGNALS
from tests.chaos.facts import Facts, LetterKey, final_alerts, identity, letter_key
from tests.chaos.oracle import Place
from tests.chaos.watch import Sample


def early_commits(facts: Facts) -> Iterator[tuple[Sample, Place, str]]:
    """Every committed offset of every sample, and what was missing below it ("" for nothing)."""
    closing = _Closing(facts)
    letters = _LettersBelow(facts)
    alerts = _AlertsBelow(facts)
    for sample in facts.samples:
        for place, offset in sample.committed.items():
            if offset > 0:
                what = closing.missing(sample, place, offset) or letters.missing(sample, place, offset)
                yield sample, place, what or alerts.missing(sample, place, offset)


class _Closing:
    """Whether the ticks of all records below an offset were said to be closed."""

    def __init__(self, facts: Facts) -> None:
        tick_us = facts.tick_us
        ends = {
            place: [-1 if us is None else (us // tick_us + 1) * tick_us for us in times]
            for place, times in facts.event_us.items()
        }
        for place, values in facts.frames.items():
            if place[0] == ACCOUNT_ACTIVITY:
                frames = (decode_activity_frame(value) for value in values)
                ends[place] = [(frame.ticks[-1][0] + 1) * tick_us if frame.ticks else -1 for frame in frames]
        self._newest = {place: list(accumulate(found, max)) for place, found in ends.items()}

    def missing(self, sample: Sample, place: Place, offset: int) -> str:
        newest = self._newest.get(place)
        if not newest:
            return ""
        stage = "account" if place[0] in (ACCOUNT_ACTIVITY, "leverage") else "market"
        closed_us = sample.closed_us.get(f"{stage}/{place[1]}", -1)
        needed_us = newest[min(offset, len(newest)) - 1]
        return "" if needed_us <= closed_us else f"{(needed_us - closed_us) / 1e6:.1f} s of events are not closed"


class _LettersBelow:
    """Whether all that was refused below an offset stood in the dead letters."""

    def __init__(self, facts: Facts) -> None:
        first: dict[LetterKey, int] = {}
        for number, record in enumerate(facts.outputs[DEAD_LETTERS]):
            first.setdefault(letter_key(record), number)
        never = len(facts.outputs[DEAD_LETTERS]) + 1
        #: Of each place: offsets of refused records, and how many dead letters must be there once they are passed.
        self._needed: dict[Place, tuple[list[int], list[int]]] = {}
        for place, refused in facts.expected.refused.items():
            ordered = sorted(refused, key=lambda one: one.offset)
            needed = (first.get((*place, one.offset, one.element), never) + 1 for one in ordered)
            self._needed[place] = [one.offset for one in ordered], list(accumulate(needed, max))

    def missing(self, sample: Sample, place: Place, offset: int) -> str:
        offsets, needed = self._needed.get(place, ([], []))
        passed = bisect_right(offsets, offset - 1)
        return "a dead letter is missing" if passed and needed[passed - 1] > sample.seen[DEAD_LETTERS] else ""


class _AlertsBelow:
    """Whether all of the oracle's alerts up to the newest tick of the signal frames below an offset were there."""

    def __init__(self, facts: Facts) -> None:
        first: dict[tuple[str, int], int] = {}
        for number, record in enumerate(facts.outputs[ALERTS]):
            first.setdefault(identity(decode_alert(record.value)), number)
        never = len(facts.outputs[ALERTS]) + 1
        alerts = final_alerts(facts.expected.outputs, facts.expected.cutoff_us)
        self._times = [alert.timestamp for alert in alerts]
        self._needed = list(accumulate((first.get(identity(alert), never) + 1 for alert in alerts), max))
        frames = (decode_signal_frame(value) for value in facts.frames.get((SIGNALS, 0), []))
        ends = ((frame.ticks[-1].tick + 1) * facts.tick_us if frame.ticks else -1 for frame in frames)
        self._newest = list(accumulate(ends, max))

    def missing(self, sample: Sample, place: Place, offset: int) -> str:
        if place[0] != SIGNALS or not self._newest:
            return ""
        due = bisect_right(self._times, self._newest[min(offset, len(self._newest)) - 1])
        return "an alert is missing" if due and self._needed[due - 1] > sample.seen[ALERTS] else ""
