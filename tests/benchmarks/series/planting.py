"""Anomalies planted in made series, with their labels."""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.series.backgrounds import BACKGROUNDS, Chance, Values

Plant = Callable[[Values, float, Chance], Values]

_LENGTH = 4_000
#: Nothing is planted in the first fifth.
_FIRST = 0.2


class Series(NamedTuple):
    """A series with a label for each point: 1 where something was planted."""

    name: str
    values: Values
    labels: NDArray[np.int8]


def spike(part: Values, scale: float, chance: Chance) -> Values:
    """One or a few points far off."""
    part = part.copy()
    part[: max(1, len(part) // 30)] += chance.choice([-1, 1]) * chance.uniform(4, 10) * scale
    return part


def shift(part: Values, scale: float, chance: Chance) -> Values:
    """Another level for a while."""
    return np.asarray(part + chance.choice([-1, 1]) * chance.uniform(2, 5) * scale)


def drift(part: Values, scale: float, chance: Chance) -> Values:
    """A ramp, and back at once."""
    return np.asarray(part + chance.choice([-1, 1]) * chance.uniform(3, 6) * scale * np.linspace(0, 1, len(part)))


def noise(part: Values, scale: float, chance: Chance) -> Values:
    """More noise."""
    return part + chance.uniform(0.7, 2) * scale * chance.normal(size=len(part))


def flat(part: Values, scale: float, chance: Chance) -> Values:
    """The last value, again and again."""
    return np.full(len(part), part[0])


def reverse(part: Values, scale: float, chance: Chance) -> Values:
    """Backwards in time."""
    return part[::-1].copy()


def stretch(part: Values, scale: float, chance: Chance) -> Values:
    """Slower, or twice as fast."""
    if chance.random() < 0.5:
        return np.concatenate([part[::2], part[::2]])[: len(part)]
    return np.asarray(np.interp(np.arange(len(part)) / 2, np.arange(len(part)), part))


def swell(part: Values, scale: float, chance: Chance) -> Values:
    """Larger or smaller swings about the same mean."""
    factor = chance.choice([0.3, 1.8])
    return np.asarray(part.mean() + factor * (part - part.mean()))


def clip(part: Values, scale: float, chance: Chance) -> Values:
    """Cut off at the top."""
    return np.minimum(part, np.quantile(part, 0.5))


PLANTS: dict[str, Plant] = {
    plant.__name__: plant for plant in (spike, shift, drift, noise, flat, reverse, stretch, swell, clip)
}
#: On these a change of shape is not to be told from chance, or is one without a meaning.
_SHAPELESS = {"white", "smooth", "walk", "breathing", "idle", "counts", "stepping"}
_SHAPES = {"reverse", "stretch", "clip", "swell"}


def made(background: str, plant: str, seed: int) -> Series:
    """One series of a kind with one to four anomalies of a kind."""
    chance = np.random.default_rng([seed, *background.encode(), 0, *plant.encode()])
    values = BACKGROUNDS[background](_LENGTH, chance)
    labels = np.zeros(_LENGTH, dtype=np.int8)
    scale = _scale(background, plant, values)
    pieces = int(chance.integers(1, 5))
    bounds = np.linspace(_FIRST * _LENGTH, _LENGTH - 50, pieces + 1).astype(int)
    for begin, end in pairwise(bounds.tolist()):
        size = int(chance.integers(1, 4)) if plant == "spike" else int(chance.integers(30, 150))
        size = min(size, (end - begin) // 2)
        start = int(chance.integers(begin, end - size))
        values[start : start + size] = PLANTS[plant](values[start : start + size], scale, chance)
        labels[start : start + size] = 1
    unit = 10 ** chance.uniform(-3, 6)
    return Series(f"{background}/{plant}/{seed}", unit * (values + chance.normal(0, 10)), labels)


def _scale(background: str, plant: str, values: Values) -> float:
    """What a planted change is measured by: the spread of values, or of steps where values have no level."""
    if background == "walk":
        return float(np.std(np.diff(values))) * (2.0 if plant == "spike" else 6.0)
    spread = float(np.subtract(*np.quantile(values, [0.9, 0.1]))) / 2.56
    return spread * (0.5 if plant == "noise" else 1.0)


def corpus(seeds: range) -> list[Series]:
    """One series for each kind of background and fitting anomaly, and seed."""
    return [
        made(background, plant, seed)
        for seed in seeds
        for background in BACKGROUNDS
        for plant in PLANTS
        if not (background in _SHAPELESS and plant in _SHAPES)
    ]
