"""Plans of build-ups: who could say what comes, before it comes.

A plan draws how large a crowd's position becomes, how far makers step back meanwhile (or not at all), how fast it goes,
whether the crowd loses heart before it is complete, and when news comes. Most complete crowds meet news that goes
against them, some wait in vain, and some news meets no crowd. What follows is the market's: most news moves the price
less than a cascade does by its definition, which takes a crowd large enough and a book thin enough; nobody draws that.
"""

import math
from random import Random

import msgspec

from streams.simulator.settings import Cascades, ExchangeSettings

#: Spread of the logarithms of length and size.
_LENGTH_SIGMA, _SIZE_SIGMA = 0.4, 0.5
_LONGEST, _SHORTEST = 3.0, 0.4
#: Share of crowds that lose heart before they are complete, and after which part of the way.
_CALLED_OFF, _CALLED_OFF_AT = 0.4, (0.3, 1.0)
#: Share of complete crowds that no news comes for; mean wait of the others for it, the longest that any crowd waits,
#: and the time after news until a crowd that still stands goes home.
_IN_VAIN, _WAIT_S, _LONGEST_WAIT_S, _AFTERMATH_S = 0.08, 900.0, 2_700.0, 600.0
#: How long it takes a crowd to go home.
UNWIND_S = 900.0
#: Share of build-ups during which makers stay, and how far they step back in the others.
_DEEP, _THINNING = 0.3, (0.4, 0.8)
_LONGS = 0.75
#: News: median move and the spread of its logarithm, how long it takes, and how often it goes against a crowd.
_MOVE, _MOVE_SIGMA, _MOVE_S, _AGAINST = 0.007, 0.25, (5.0, 60.0), 0.9


class Shock(msgspec.Struct, frozen=True):
    """News that moves the price everywhere, by `move` (of its logarithm) from `start_us` to `end_us`."""

    start_us: int
    end_us: int
    move: float


class BuildUp(msgspec.Struct, frozen=True):
    """A crowd that builds up leveraged positions on one side of one symbol.

    Parameters
    ----------
    symbol
        Where.
    sign
        1: it is long, -1: it is short.
    start_us
        When the first of it enter.
    ripe_us
        When its position would be complete.
    end_us
        When it loses heart and begins to go home, maybe before `ripe_us`.
    size
        Its complete position, in usual depths of one side of the whole book.
    thinning
        Share of makers' orders that are away when it is complete.
    """

    symbol: str
    sign: int
    start_us: int
    ripe_us: int
    end_us: int
    size: float
    thinning: float

    def progress(self, now_us: int) -> float:
        """How far it has come, from 0 to 1; going home takes it back to 0.

        Examples
        --------
        >>> one = BuildUp("X", 1, 0, 100, 150, 1.0, 0.0)
        >>> one.progress(50), one.progress(120), one.progress(150 + round(UNWIND_S * 1e6))
        (0.5, 1.0, 0.0)
        """
        come = min(max((min(now_us, self.end_us) - self.start_us) / (self.ripe_us - self.start_us), 0.0), 1.0)
        gone = min(max((now_us - self.end_us) / (UNWIND_S * 1e6), 0.0), 1.0)
        return come * (1.0 - gone)


def plan(symbol: str, settings: ExchangeSettings, cascades: Cascades) -> tuple[list[BuildUp], list[Shock]]:
    """All build-ups and news of a symbol, in order; those of a symbol never overlap, news may come at any time.

    Examples
    --------
    >>> wanted = ExchangeSettings(duration_s=86_400.0)
    >>> build_ups, shocks = plan("BTC-PERP", wanted, Cascades())
    >>> build_ups == sorted(build_ups, key=lambda one: one.start_us), len(build_ups) > 5
    (True, True)
    """
    rng = Random(f"build-ups {settings.seed} {symbol}")
    build_ups, shocks = [], _alone(Random(f"news {settings.seed} {symbol}"), settings, cascades)
    at_s = rng.expovariate(1.0 / cascades.every_s)
    while at_s < settings.duration_s:
        one, shock = _build_up(rng, symbol, settings.start_us, at_s, cascades)
        build_ups.append(one)
        shocks += [shock] if shock is not None else []
        at_s = (one.end_us - settings.start_us) / 1e6 + UNWIND_S + rng.expovariate(1.0 / cascades.every_s)
    return build_ups, sorted(shocks, key=lambda one: one.start_us)


def _build_up(rng: Random, symbol: str, start_us: int, at_s: float, cascades: Cascades) -> tuple[BuildUp, Shock | None]:
    length_s = cascades.build_up_s * min(max(math.exp(rng.gauss(0.0, _LENGTH_SIGMA)), _SHORTEST), _LONGEST)
    sign = 1 if rng.random() < _LONGS else -1
    waits_s = rng.expovariate(1.0 / _WAIT_S)
    shock = None
    if rng.random() < _CALLED_OFF:
        lasts_s = length_s * rng.uniform(*_CALLED_OFF_AT)
    elif rng.random() < _IN_VAIN or waits_s > _LONGEST_WAIT_S:
        lasts_s = length_s + _LONGEST_WAIT_S
    else:
        lasts_s = length_s + waits_s + _AFTERMATH_S
        against = -sign if rng.random() < _AGAINST else sign
        shock = _shock(rng, start_us + round((at_s + length_s + waits_s) * 1e6), against)
    one = BuildUp(
        symbol,
        sign,
        start_us + round(at_s * 1e6),
        start_us + round((at_s + length_s) * 1e6),
        start_us + round((at_s + lasts_s) * 1e6),
        cascades.strength * math.exp(rng.gauss(0.0, _SIZE_SIGMA)),
        0.0 if rng.random() < _DEEP else rng.uniform(*_THINNING),
    )
    return one, shock


def _alone(rng: Random, settings: ExchangeSettings, cascades: Cascades) -> list[Shock]:
    """News that does not wait for a crowd: a Poisson process, up or down."""
    shocks: list[Shock] = []
    at_s = 0.0
    while cascades.news_per_day > 0:
        at_s += rng.expovariate(cascades.news_per_day / 86_400.0)
        if at_s >= settings.duration_s:
            break
        shocks.append(_shock(rng, settings.start_us + round(at_s * 1e6), rng.choice((-1, 1))))
    return shocks


def _shock(rng: Random, at_us: int, sign: int) -> Shock:
    move = sign * _MOVE * math.exp(rng.gauss(0.0, _MOVE_SIGMA))
    return Shock(at_us, at_us + round(rng.uniform(*_MOVE_S) * 1e6), move)
