"""What is normal in made series: many kinds of them, each from a seeded generator."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Chance = np.random.Generator
Background = Callable[[int, Chance], Values]


def _autoregressive(length: int, chance: Chance, *coefficients: float) -> Values:
    noise = chance.normal(size=length + 200)
    values = np.zeros(length + 200)
    order = len(coefficients)
    for index in range(order, length + 200):
        values[index] = noise[index] + sum(c * values[index - 1 - lag] for lag, c in enumerate(coefficients))
    return values[200:]


def white(length: int, chance: Chance) -> Values:
    """Independent values of a light, a heavy or a skewed law."""
    law = chance.integers(4)
    if law == 0:
        return chance.normal(size=length)
    if law == 1:
        return chance.standard_t(4, size=length)
    return chance.laplace(size=length) if law == 2 else chance.lognormal(0.0, 0.5, size=length)


def smooth(length: int, chance: Chance) -> Values:
    """First-order memory of some tens of points."""
    return _autoregressive(length, chance, chance.uniform(0.8, 0.97))


def resonant(length: int, chance: Chance) -> Values:
    """Second-order memory that swings, never quite periodic."""
    damp, period = chance.uniform(0.95, 0.99), chance.uniform(15, 60)
    return _autoregressive(length, chance, 2 * damp * np.cos(2 * np.pi / period), -damp * damp)


def sine(length: int, chance: Chance) -> Values:
    """A sine with harmonics and noise."""
    phase = 2 * np.pi * np.arange(length) / chance.uniform(20, 250)
    harmonics = sum(chance.uniform(-0.5, 0.5) * np.sin(k * phase + chance.uniform(0, 6)) for k in (2, 3))
    return np.asarray(np.sin(phase) + harmonics + chance.uniform(0.02, 0.3) * chance.normal(size=length))


def beats(length: int, chance: Chance) -> Values:
    """A sharp template that repeats with a jittered period and height, as a pulse does."""
    period = int(chance.integers(40, 200))
    where = np.linspace(0.0, 1.0, period)
    bumps = [(chance.uniform(0.1, 0.9), chance.uniform(0.01, 0.08), chance.uniform(-0.6, 1.5)) for _ in range(4)]
    template = sum(height * np.exp(-0.5 * ((where - place) / width) ** 2) for place, width, height in bumps)
    parts: list[Values] = []
    while sum(map(len, parts)) < length:
        size = int(period * (1 + 0.04 * chance.normal()))
        parts.append((1 + 0.05 * chance.normal()) * np.interp(np.linspace(0, 1, max(size, 8)), where, template))
    return np.concatenate(parts)[:length] + chance.uniform(0.005, 0.05) * chance.normal(size=length)


def calendar(length: int, chance: Chance) -> Values:
    """Days within weeks, as the load of a service: positive, with noise that grows with the level."""
    day = int(chance.choice([24, 48, 96, 144]))
    time = np.arange(length) / day
    level = 1.2 + np.sin(2 * np.pi * time) + 0.4 * np.sin(4 * np.pi * time + chance.uniform(0, 6))
    level = np.maximum(level * np.where(time % 7 < 5, 1.0, chance.uniform(0.5, 0.9)), 0.1)
    return np.asarray(100 * level * chance.lognormal(0.0, chance.uniform(0.03, 0.15), size=length))


def counts(length: int, chance: Chance) -> Values:
    """Poisson counts of a seasonal rate."""
    rate = chance.uniform(2, 30) * (1 + 0.6 * np.sin(2 * np.pi * np.arange(length) / chance.uniform(50, 300)))
    return np.asarray(chance.poisson(rate).astype(float))


def walk(length: int, chance: Chance) -> Values:
    """A random walk with heavy-tailed steps, as a price."""
    return np.asarray(np.cumsum(chance.standard_t(5, size=length)))


def trending(length: int, chance: Chance) -> Values:
    """A season on a trend."""
    return sine(length, chance) + np.linspace(0.0, chance.uniform(-8, 8), length)


def stepping(length: int, chance: Chance) -> Values:
    """Levels that change now and then, as a machine's operating points: that is normal here."""
    levels = chance.normal(0, 5, size=5)
    values, index = np.zeros(length), 0
    while index < length:
        stay = int(chance.integers(50, 250))
        values[index : index + stay] = chance.choice(levels)
        index += stay
    return np.asarray(np.convolve(values, np.ones(5) / 5, mode="same") + 0.3 * chance.normal(size=length))


def idle(length: int, chance: Chance) -> Values:
    """Low and steady, with bursts of random height at random times."""
    bursts = np.zeros(length)
    for start in np.flatnonzero(chance.random(length) < 0.01):
        bursts[start : start + int(chance.integers(2, 12))] += chance.exponential(5.0)
    return bursts + 0.2 * np.abs(chance.normal(size=length))


def switching(length: int, chance: Chance) -> Values:
    """On and off, without noise, in a steady rhythm."""
    on, off = chance.integers(20, 80, size=2)
    return np.where(np.arange(length) % (on + off) < on, 1.0, 0.0)


def breathing(length: int, chance: Chance) -> Values:
    """Noise whose spread changes slowly, and a level that wanders."""
    spread = np.exp(0.6 * np.sin(2 * np.pi * np.arange(length) / chance.uniform(300, 1500)))
    return np.asarray(spread * chance.normal(size=length) + 0.05 * np.cumsum(chance.normal(size=length)))


def chaotic(length: int, chance: Chance) -> Values:
    """Mackey and Glass's delay equation."""
    delay = int(chance.integers(17, 25))
    values = np.full(length + 500 + delay, 1.2) + 0.1 * chance.random(length + 500 + delay)
    for index in range(delay, len(values) - 1):
        late = values[index - delay]
        values[index + 1] = values[index] + 0.2 * late / (1 + late**10) - 0.1 * values[index]
    return values[-length:]


BACKGROUNDS: dict[str, Background] = {
    kind.__name__: kind
    for kind in (
        white, smooth, resonant, sine, beats, calendar, counts, walk, trending, stepping, idle, switching, breathing,
        chaotic,
    )
}  # fmt: skip
