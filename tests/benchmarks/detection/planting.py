"""What every planted incident is made of: its label, its chance, and the flow into which it is put."""

from collections.abc import Callable, Iterable, Sequence
from random import Random

import msgspec

from detectors.events import Event
from tests.benchmarks.detection.flows import SECOND_US, Arrival
from tests.benchmarks.detection.surroundings import Surroundings


class Label(msgspec.Struct, frozen=True):
    """One planted incident.

    Parameters
    ----------
    family
        Its name in `families.FAMILIES`.
    entity
        The symbol, or component, on which it happens.
    start_us, end_us
        From when until when, microseconds since the epoch.
    intensity
        How strong, > 0; 1 is the research recipe.
    seed
        Of its chance; the same for all intensities, so that these differ in strength alone.
    crisis_us
        For a cascade, when the first forced order comes: warnings count before it. 0: there is no such moment.
    """

    family: str
    entity: str
    start_us: int
    end_us: int
    intensity: float
    seed: int
    crisis_us: int = 0

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return (self.end_us - self.start_us) / SECOND_US

    def chance(self, what: str) -> Random:
        """Chance of its own for one part of an incident, the same at every intensity."""
        return Random(f"{self.family}/{self.entity}/{self.start_us}/{self.seed}/{what}")


#: The flow from before an incident until after it, what is usual, the label: the flow with the incident.
Planter = Callable[[Sequence[Arrival], Surroundings, Label], list[Arrival]]


def in_order(arrivals: Iterable[Arrival]) -> list[Arrival]:
    """In order of time; what comes at the same time stays as it was."""
    return sorted(arrivals, key=lambda one: one[1].timestamp)


def on_entity(event: Event, label: Label) -> bool:
    """Whether an event is of the label's symbol or component, and within its time."""
    if not label.start_us <= event.timestamp < label.end_us:
        return False
    return label.entity in (getattr(event, "symbol", None), getattr(event, "component", None))


def moments(rng: Random, rate_per_s: float, start_us: int, end_us: int) -> list[int]:
    """Times of a Poisson process; none at a rate of 0."""
    found: list[int] = []
    at_us = float(start_us)
    while rate_per_s > 0.0:
        at_us += rng.expovariate(rate_per_s) * SECOND_US
        if at_us >= end_us:
            break
        found.append(int(at_us))
    return found


def whole(rng: Random, value: float) -> int:
    """A whole number with this mean."""
    return int(value + rng.random())


def ramp(at_us: int, start_us: int, length_us: int) -> float:
    """How far something that begins at `start_us` has come, from 0 to 1.

    Examples
    --------
    >>> ramp(5, 10, 10), ramp(15, 10, 10), ramp(99, 10, 10)
    (0.0, 0.5, 1.0)
    """
    return min(max((at_us - start_us) / length_us, 0.0), 1.0)
