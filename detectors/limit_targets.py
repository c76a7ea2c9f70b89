"""From what is known of an account at one moment to the multiplier that its limit should have, and why."""

import math
from collections.abc import Sequence

import msgspec

from detectors.decisions import Indicator
from detectors.limit_settings import Limits
from detectors.results import Contribution

#: Rarity of a signal, in false ones a day, at which it begins to count, and at which it counts in full.
_RARE_PER_DAY, _RAREST_PER_DAY = 1.0, 1e-3
#: What is not rare at all.
ORDINARY_PER_DAY = 1e9


class Reading(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is known of an account at the end of a tick: pressures as shares of caps, levels in [0, 1].

    `ratio` is its own pressure, `collective` that of all newcomers where it is one of them (else 0), `stress` that of
    the symbol it presses on most, `blame` the level of the worst alert that names it, `per_day` how often a signal as
    rare as its rarest comes by chance, and `p_value` that signal's.
    """

    ratio: float
    collective: float = 0.0
    stress: float = 0.0
    blame: float = 0.0
    per_day: float = ORDINARY_PER_DAY
    p_value: float = 1.0


class Target(msgspec.Struct, frozen=True):
    """The multiplier wanted, the number that crossed a threshold, and the share of each signal in it."""

    multiplier: float
    indicator: Indicator
    value: float
    trigger: float
    contributions: tuple[Contribution, ...]


def rarity_level(per_day: float) -> float:
    """How much a signal counts, in [0, 1]: 0 at one a day by chance, 1 at one in a thousand days.

    Examples
    --------
    >>> rarity_level(1.0), round(rarity_level(0.0316), 2), rarity_level(1e-9), rarity_level(ORDINARY_PER_DAY)
    (0.0, 0.5, 1.0, 0.0)
    """
    decades = math.log10(_RARE_PER_DAY / _RAREST_PER_DAY)
    return min(max(math.log10(_RARE_PER_DAY / max(per_day, 1e-300)) / decades, 0.0), 1.0)


def target_of(reading: Reading, settings: Limits) -> Target | None:
    """The multiplier that a reading asks for; None: the baseline.

    Three stages, of which the lowest multiplier counts:

    - plain: `1 - (1 - floor) * (eff - soft) / (hard - soft)` above `soft`, with `eff = ratio / (1 - stress_gain *
      stress)`: under market stress every cap counts as smaller;
    - collective: the same line for the pressure of all newcomers, for a newcomer who presses;
    - models: `1 - (1 - model_floor) * level`, with the level of its rarest signal or of the worst alert that blames it,
      and only from `model_least_pressure` on: a model never tightens who does not press.

    Parameters
    ----------
    reading
        What is known.
    settings
        Thresholds and floors.

    Examples
    --------
    >>> target_of(Reading(0.4), Limits()) is None
    True
    >>> target = target_of(Reading(0.4, stress=1.0), Limits(soft_pressure=0.5, stress_gain=0.5, floor=0.1))
    >>> round(target.multiplier, 2), target.indicator, round(target.value, 2), target.trigger
    (0.46, 'stress', 0.8, 0.5)
    """
    effective = reading.ratio / (1.0 - settings.stress_gain * reading.stress)
    stages: list[tuple[float, Indicator, float, float, str]] = []
    plain = _line(effective, settings)
    if plain < 1.0:
        indicator: Indicator = "pressure" if reading.ratio >= settings.soft_pressure else "stress"
        stages.append((plain, indicator, effective, settings.soft_pressure, "share of cap"))
    collective = _line(reading.collective, settings)
    if collective < 1.0:
        found = reading.collective, settings.soft_pressure, "share of cap"
        stages.append((collective, "collective_pressure", *found))
    if reading.ratio >= settings.model_least_pressure:
        if (level := rarity_level(reading.per_day)) > 0.0:
            stages.append((_model(level, settings), "p_value", reading.per_day, _RARE_PER_DAY, "a day by chance"))
        if reading.blame > 0.0:
            stages.append((_model(reading.blame, settings), "alert", reading.blame, 0.0, "level of alert"))
    if not stages:
        return None
    multiplier, indicator, value, trigger, _ = min(stages, key=lambda stage: stage[0])
    return Target(multiplier, indicator, value, trigger, _contributions(stages, reading))


def _line(ratio: float, settings: Limits) -> float:
    soft, hard = settings.soft_pressure, settings.hard_pressure
    return 1.0 - (1.0 - settings.floor) * min(max((ratio - soft) / (hard - soft), 0.0), 1.0)


def _model(level: float, settings: Limits) -> float:
    return 1.0 - (1.0 - settings.model_floor) * level


def _contributions(
    stages: Sequence[tuple[float, Indicator, float, float, str]], reading: Reading
) -> tuple[Contribution, ...]:
    whole = sum(1.0 - stage[0] for stage in stages)
    return tuple(
        Contribution(
            signal=indicator,
            observed=value,
            expected=trigger,
            unit=unit,
            p_value=reading.p_value if indicator == "p_value" else 1.0,
            share=(1.0 - multiplier) / whole if whole else 0.0,
        )
        for multiplier, indicator, value, trigger, unit in stages
    )
