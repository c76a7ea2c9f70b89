"""The parts of a score as contributions: the largest first, with their shares."""

import math
from collections.abc import Iterable
from typing import NamedTuple

from detectors.results import Contribution

_LEAST_P = 1e-300


class Part(NamedTuple):
    """What one quantity adds to a score (in any unit, >= 0), what was seen and expected, and its p-value."""

    weight: float
    signal: str
    observed: float
    expected: float
    unit: str
    p_value: float


def contributions(parts: Iterable[Part]) -> tuple[Contribution, ...]:
    """Contributions of the parts that add anything; their shares sum to 1.

    Examples
    --------
    >>> found = contributions([Part(1.0, "b", 2.0, 1.0, "s", 0.1), Part(3.0, "a", 9.0, 1.0, "s", 0.001)])
    >>> [(one.signal, one.share) for one in found]
    [('a', 0.75), ('b', 0.25)]
    """
    kept = sorted((part for part in parts if part.weight > 0.0), key=lambda part: (-part.weight, part.signal))
    whole = sum(part.weight for part in kept)
    return tuple(
        Contribution(
            part.signal,
            round(part.observed, 6),
            round(part.expected, 6),
            part.unit,
            min(max(part.p_value, _LEAST_P), 1.0),
            part.weight / whole,
        )
        for part in kept
    )


def normal_tail(z: float) -> float:
    """Chance that a normal variable lies more than z deviations above its mean.

    Examples
    --------
    >>> round(normal_tail(1.96), 3)
    0.025
    """
    return 0.5 * math.erfc(z * math.sqrt(0.5))
