"""Observed against nominal, on scores whose p-values are known to be right."""

from random import Random

import pytest

from tests.benchmarks.detection.observer import Said
from tests.benchmarks.detection.tail_calibration import calibrations

_DAY_S, _BEGIN_S, _SECONDS, _A_SECOND = 86_400.0, 1_000.0, 40_000, 2


def _signals(factor: float, *, symbols: tuple[str, ...] = ("X",), detector: str = "d") -> list[Said]:
    """Two uniform p-values a second and symbol, multiplied; those of at most 2 % are published."""
    rng = Random(3)
    said = []
    for second in range(_SECONDS):
        for symbol in symbols:
            for _ in range(_A_SECOND):
                p_value = rng.random() * factor
                if p_value <= 0.02:
                    at_us = int((_BEGIN_S + second + 1) * 1e6)
                    per_day = p_value * _A_SECOND * _DAY_S
                    said.append(Said(at_us, detector, "symbol", "thin_book", symbol, p_value, per_day))
    return said


def test_right_p_values_come_as_often_as_they_say() -> None:
    found = calibrations([(_signals(1.0), _BEGIN_S, _BEGIN_S + 10_000.0, _BEGIN_S + _SECONDS)])
    assert [one.nominal for one in found] == [1e-2, 1e-3, 1e-4]
    assert found[0].scores == pytest.approx(30_000 * _A_SECOND, rel=1e-3)
    assert found[0].ratio == pytest.approx(1.0, abs=0.15)


def test_p_values_that_are_three_times_too_small_are_found_out() -> None:
    found = calibrations([(_signals(1 / 3), _BEGIN_S, _BEGIN_S, _BEGIN_S + _SECONDS)])
    assert found[0].ratio == pytest.approx(3.0, abs=0.3)


def test_scores_of_symbols_with_one_calibration_are_not_counted_twice() -> None:
    apart = calibrations([(_signals(1.0, symbols=("X", "Y")), _BEGIN_S, _BEGIN_S, _BEGIN_S + _SECONDS)])
    together = calibrations(
        [(_signals(1.0, symbols=("X", "Y"), detector="leverage_spike"), _BEGIN_S, _BEGIN_S, _BEGIN_S + _SECONDS)]
    )
    assert apart[0].scores == pytest.approx(2 * together[0].scores, rel=1e-3)


def test_what_comes_at_once_is_one_cluster() -> None:
    said = [Said(int((2_000 + at_s) * 1e6), "d", "symbol", "thin_book", "X", 1e-4, 17.28) for at_s in (0, 5, 20, 100)]
    found = calibrations([(said, _BEGIN_S, _BEGIN_S, 3_000.0)])
    assert (found[-1].observed, found[-1].clusters) == (4, 2)
