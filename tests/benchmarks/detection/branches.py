"""Clean and planted runs: one clean run that is forked where an incident begins.

At each onset the process forks once an incident. The child sees the flow with the incident until shortly after its end,
says what it saw, and dies; the parent goes on with the clean flow. So every incident meets exactly the state that the
clean run has at that moment, no incident teaches another's run, and the pair differs in nothing but the incident.
"""

import gc
import os
import traceback
from collections import deque
from collections.abc import Iterator, Sequence

import msgspec

from detectors.config import CoreSettings
from tests.benchmarks.detection.baselines import BASELINES
from tests.benchmarks.detection.families import FAMILIES, Family
from tests.benchmarks.detection.flows import COMPONENTS, SECOND_US, Arrival, Flow
from tests.benchmarks.detection.observer import Observer, Raised, Said, measured_settings
from tests.benchmarks.detection.planting import Label

#: What is said so long after an incident's end is still said of it.
GRACE_S = 10
#: Most that an incident needs, with some room before the next onset.
_WINDOW_S = 135


class Branch(msgspec.Struct, frozen=True):
    """What was said while an incident was planted: from its first second on, until `GRACE_S` after its end."""

    label: Label
    fold: int
    first_second: int
    signals: list[Said]
    alerts: list[Raised]
    scores: dict[str, list[float]]


class Plan(msgspec.Struct, frozen=True):
    """What is planted into a flow, and which part of it is judged.

    Parameters
    ----------
    warm_up_s
        Nothing is judged or planted before.
    every_s
        Seconds between onsets; intensities other than 1 are planted at every second one only.
    all_intensities
        Whether others than 1 are planted at all.
    fold_s
        Begins of the flow's folds, in seconds; thresholds of one fold are set on the clean flow of the other.
    folds
        Their numbers.
    """

    warm_up_s: int
    every_s: int
    all_intensities: bool
    fold_s: tuple[int, ...]
    folds: tuple[int, ...]

    def fold_at(self, second: int) -> int:
        """The fold of a second after the beginning of the flow."""
        return [fold for begin_s, fold in zip(self.fold_s, self.folds, strict=True) if second >= begin_s][-1]


class Run(msgspec.Struct, frozen=True):
    """A flow seen clean, and every incident that was planted into it."""

    flow: Flow
    plan: Plan
    first_second: int
    signals: list[Said]
    alerts: list[Raised]
    #: Scorer, set of features, entity, and the score of each second from `first_second` on.
    scores: list[tuple[str, str, str, list[float]]]
    branches: list[Branch]
    #: Detector, scope, what is calibrated together, and how many scores it has seen.
    scores_seen: list[tuple[str, str, str, int]]
    #: Price, least depth within 25 bp, and cancels, every ten seconds of the first symbol: for pictures.
    timeline: list[tuple[float, float, float]]


def planned(
    flow: Flow, plan: Plan, families: Sequence[Family], number: int, start_us: int
) -> Iterator[tuple[Family, Label]]:
    """The labels of the onset of this number."""
    for place, family in enumerate(families):
        entities = COMPONENTS if family.features == "latency" else flow.symbols
        # Symbols by turns, so that each family meets each.
        entity = entities[(number + place) % len(entities)]
        for intensity in family.ladder:
            if intensity == 1.0 or (plan.all_intensities and number % 2 == 0):
                yield family, family.label(entity, start_us, intensity, number)


def run(flow: Flow, plan: Plan, families: Sequence[Family] = FAMILIES, settings: CoreSettings | None = None) -> Run:
    """See a flow clean, and with each incident that is planned."""
    possible = [family for family in families if flow.topics.issuperset(family.needs)]
    observer = Observer(flow, settings or measured_settings(), possible)
    feed = _Feed(flow.arrivals())
    branches: list[Branch] = []
    for number, onset_s in enumerate(range(plan.warm_up_s, flow.seconds - _WINDOW_S, plan.every_s)):
        # Not on a whole second: nothing may begin with it by luck.
        start_us = flow.start_us + onset_s * SECOND_US + 123_457 * (number % 7)
        observer.see(feed.take_until(start_us))
        window = feed.look_until(start_us + _WINDOW_S * SECOND_US)
        # A page that a child touches is copied: its collector shall not walk through what is there already.
        gc.freeze()
        for family, label in planned(flow, plan, possible, number, start_us):
            branches.append(_branch(observer, window, family, label, plan.fold_at(onset_s)))
        gc.unfreeze()
    observer.see(feed.rest())
    observer.finish()
    return Run(
        flow=flow,
        plan=plan,
        first_second=observer.first_second,
        signals=observer.signals,
        alerts=observer.alerts,
        scores=[(scorer, *stream, list(values)) for (scorer, stream), values in observer.scores.items()],
        branches=branches,
        scores_seen=[(*stream, count) for stream, count in sorted(observer.scores_seen().items())],
        timeline=observer.timeline,
    )


class _Feed:
    """Arrivals, in order of time, that can be looked at before they are taken."""

    def __init__(self, arrivals: Iterator[Arrival]) -> None:
        self._arrivals = arrivals
        self._ahead: deque[Arrival] = deque()

    def _pull(self) -> bool:
        arrival = next(self._arrivals, None)
        if arrival is not None:
            self._ahead.append(arrival)
        return arrival is not None

    def look_until(self, end_us: int) -> list[Arrival]:
        """Everything before a time, and it stays."""
        while not self._ahead or self._ahead[-1][1].timestamp < end_us:
            if not self._pull():
                break
        return [one for one in self._ahead if one[1].timestamp < end_us]

    def take_until(self, end_us: int) -> Iterator[Arrival]:
        """Everything before a time, once."""
        while (self._ahead or self._pull()) and self._ahead[0][1].timestamp < end_us:
            yield self._ahead.popleft()

    def rest(self) -> Iterator[Arrival]:
        """Everything that is left."""
        yield from self._ahead
        yield from self._arrivals


def _branch(observer: Observer, window: Sequence[Arrival], family: Family, label: Label, fold: int) -> Branch:
    """Fork, let the child see the incident, and take what it says."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reading)
            with os.fdopen(writing, "wb") as answer:
                answer.write(msgspec.msgpack.encode(_seen(observer, window, family, label, fold)))
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        said = answer.read()
    _, status = os.waitpid(child, 0)
    if status:
        raise RuntimeError(f"planting {label} failed with status {status}, see above")
    return msgspec.msgpack.decode(said, type=Branch)


def _seen(observer: Observer, window: Sequence[Arrival], family: Family, label: Label, fold: int) -> Branch:
    """Plant the incident, and see it; the observer is of no other use afterwards."""
    gc.disable()
    observer.keep_only(family, label.entity, label.seed + 1)
    signals, alerts, second = len(observer.signals), len(observer.alerts), observer.second
    begin = second - observer.first_second
    end_us = label.end_us + GRACE_S * SECOND_US
    before = [one for one in window if one[1].timestamp < end_us]
    memory = observer.memories.get(label.entity) or next(iter(observer.memories.values()))
    observer.see(family.plant(before, memory.describe(), label))
    observer.finish()
    stream = family.features, label.entity
    return Branch(
        label=label,
        fold=fold,
        first_second=second,
        signals=observer.signals[signals:],
        alerts=observer.alerts[alerts:],
        scores={scorer: list(observer.scores[scorer, stream][begin:]) for scorer in BASELINES},
    )
