"""Observed against nominal, on scores whose p-values are known to be right."""

from random import Random

import pytest

from tests.benchmarks.detection.flows import SYMBOLS, simulated_flow
from tests.benchmarks.detection.observer import Observer, Said, measured_settings
from tests.benchmarks.detection.tail_calibration import Calibration, Span, calibrations, stream_of

_DAY_S, _BEGIN_S, _SECONDS, _A_SECOND = 86_400.0, 1_000.0, 40_000, 2


def _found(said: list[Said], from_s: float, until_s: float, detector: str = "d") -> list[Calibration]:
    """As if each symbol had made its scores evenly, and all were published that are rare."""
    symbols = ("*",) if detector == "leverage_spike" else tuple(sorted({one.symbol for one in said}))
    seen = {(detector, "symbol", symbol): round((until_s - _BEGIN_S) * _A_SECOND) for symbol in symbols}
    return calibrations([Span(said, seen, _BEGIN_S, from_s, until_s)])


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
    found = _found(_signals(1.0), _BEGIN_S + 10_000.0, _BEGIN_S + _SECONDS)
    assert [one.nominal for one in found] == [1e-2, 1e-3, 1e-4]
    assert found[0].scores == pytest.approx(30_000 * _A_SECOND, rel=1e-3)
    assert found[0].ratio == pytest.approx(1.0, abs=0.15)


def test_p_values_that_are_three_times_too_small_are_found_out() -> None:
    found = _found(_signals(1 / 3), _BEGIN_S, _BEGIN_S + _SECONDS)
    assert found[0].ratio == pytest.approx(3.0, abs=0.3)


def test_scores_of_symbols_with_one_calibration_are_not_counted_twice() -> None:
    pooled = _signals(1.0, symbols=("X", "Y"), detector="leverage_spike")
    apart = _found(_signals(1.0, symbols=("X", "Y")), _BEGIN_S, _BEGIN_S + _SECONDS)
    together = _found(pooled, _BEGIN_S, _BEGIN_S + _SECONDS, "leverage_spike")
    assert apart[0].scores == pytest.approx(2 * together[0].scores, rel=1e-3)


def test_what_comes_at_once_is_one_cluster() -> None:
    said = [Said(int((2_000 + at_s) * 1e6), "d", "symbol", "thin_book", "X", 1e-4, 17.28) for at_s in (0, 5, 20, 100)]
    found = _found(said, _BEGIN_S, 3_000.0)
    assert (found[-1].observed, found[-1].clusters) == (4, 2)


def test_scores_that_are_published_are_scores_that_were_seen() -> None:
    """Every stream of scores that speaks is found among those that are counted."""
    flow = simulated_flow(5, 400, SYMBOLS[:2])
    observer = Observer(flow, measured_settings(), ())
    observer.see(flow.arrivals())
    observer.finish()
    seen = observer.scores_seen()
    spoke = {(one.detector, one.scope, stream_of(one)) for one in observer.signals}
    assert len({detector for detector, _, _ in spoke}) >= 4
    assert all(seen[stream] >= 100 for stream in spoke)
