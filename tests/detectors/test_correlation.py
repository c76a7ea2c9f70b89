"""What stands together on one entity, and what only seems to."""

import random
from collections import Counter

import pytest

from detectors.config import Calibration
from detectors.correlation import Correlator, Joint
from detectors.families import family_of
from detectors.results import Contribution, Pattern, Signal

TICK_US = 100_000
SECOND_TICKS = 10


def _signal(pattern: Pattern, second: int, per_day: float) -> Signal:
    part = Contribution(pattern, 9.0, 1.0, "events", 1e-6, 1.0)
    time_us = (second + 1) * 1_000_000
    return Signal(time_us, pattern, pattern, "symbol", "X", "X", 1e-6, per_day, 6.0, (part,))


class _Market:
    """A symbol whose patterns are heard by chance, independently, each of any rarity."""

    def __init__(self, seed: int, patterns: tuple[Pattern, ...]) -> None:
        self.correlator = Correlator("symbol", 3, Calibration(), Counter(), TICK_US)
        self.correlator.families = max(3, len({family_of(pattern) for pattern in patterns}))
        self._rng = random.Random(seed)
        self._patterns = patterns
        self.second = 0

    def say(self, pattern: Pattern, per_day: float) -> None:
        tick = self.second * SECOND_TICKS
        self.correlator.add("X", family_of(pattern), pattern, tick, _signal(pattern, self.second, per_day))

    def close(self) -> list[Joint]:
        found = self.correlator.close_second(self.second * SECOND_TICKS + SECOND_TICKS - 1)
        self.second += 1
        return found

    def live(self, seconds: int) -> list[Joint]:
        """A stream of 86,400 tests a day publishes what chance gives 2,000 times a day, or more seldom."""
        found = []
        for _ in range(seconds):
            for pattern in self._patterns:
                rarity = self._rng.random() * 86_400.0
                if rarity <= 2_000.0:
                    self.say(pattern, rarity)
            found += self.close()
        return found


_THREE: tuple[Pattern, ...] = ("cancel_burst", "thin_book", "leverage_spike")


def test_two_patterns_of_one_family_are_no_correlated_stress() -> None:
    market = _Market(1, _THREE)
    market.live(1_200)
    market.say("cancel_burst", 1e-9)
    market.say("trade_burst", 1e-9)
    market.say("layering", 1e-9)
    assert market.close() == []


def test_explanation_names_every_pattern_of_a_family_and_shares_sum_to_one() -> None:
    market = _Market(1, _THREE)
    market.live(1_200)
    for pattern in ("cancel_burst", "trade_burst", "thin_book"):
        market.say(pattern, 1e-6)
    (joint,) = market.close()
    named = " ".join(part.signal for part in joint.contributions)
    assert all(pattern in named for pattern in ("cancel_burst", "trade_burst", "thin_book"))
    assert sum(part.share for part in joint.contributions) == pytest.approx(1.0)
    assert len(joint.family_p_values) == 2


@pytest.mark.parametrize("seed", range(5))
def test_what_goes_together_now_and_then_does_not_hide_what_never_did(seed: int) -> None:
    """The tail is that of scores beyond the least there can be, not of the gap between it and silence."""
    market = _Market(seed, _THREE)
    for _ in range(10):
        market.live(90)
        market.say("cancel_burst", 500.0)
        market.say("thin_book", 500.0)
    for pattern in _THREE:
        market.say(pattern, 1e-6)
    (joint,) = market.close()
    assert joint.per_day < 0.01


def test_chance_alone_speaks_no_more_often_than_it_says() -> None:
    """Of independent streams: episodes said to be as rare as `x` a day come at most some `x` times a day."""
    days, seen = 0.0, []
    for seed in range(6):
        market = _Market(100 + seed, _THREE)
        market.live(1_200)
        seen += market.live(7_200)
        days += 7_200 / 86_400
    rare = [joint for joint in seen if joint.per_day <= 24.0]
    assert len(rare) <= 2.0 * 24.0 * days + 4
