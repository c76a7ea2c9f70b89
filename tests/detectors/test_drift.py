"""Drift: ground that moves for good is told once; noise, bursts, tides and silence are not."""

import math
import random
from collections import Counter
from collections.abc import Callable

import msgspec
import pytest

from detectors.budget import severity_of
from detectors.config import Alerts, Calibration, CoreSettings, Timing
from detectors.correlation_stage import CorrelationStage
from detectors.drift import Drift
from detectors.drift_watch import DriftWatch
from detectors.results import Pattern, Signal, SignalFrame, SignalTick
from detectors.scorer import Scorer
from tests.detectors.further_flows import SYMBOL, results_of, trades
from tests.detectors.killed import KilledWorkers
from tests.detectors.workers import alerts_of_pipeline
from tests.helpers import Log, at_us

MINUTES_A_DAY = 1_440
HOUR_S = 3_600.0
#: What a series is at a minute.
Course = Callable[[int], float]


def leaning(seed: int, minutes: float, spread: float = 0.3) -> Course:
    """Noise that forgets within so many minutes."""
    chance, keep, value = random.Random(seed), math.exp(-1.0 / minutes), 0.0

    def at(_: int) -> float:
        nonlocal value
        value = keep * value + chance.gauss(0.0, spread * math.sqrt(1.0 - keep * keep))
        return value

    return at


def tide(minute: int) -> float:
    """Three times as much at the day's height as at its low."""
    return 0.55 * math.sin(2.0 * math.pi * minute / MINUTES_A_DAY)


def followed(days: float, *courses: Course) -> tuple[list[int], list[int]]:
    """The minutes at which a series is found to have moved, and those with an alert under the default settings."""
    detector, alerts = Drift(), Alerts()
    moved, told = list[int](), list[int]()
    scorer = Scorer(Calibration(), Counter(), DriftWatch.prior_scale, DriftWatch.warm_up)
    for minute in range(int(days * MINUTES_A_DAY)):
        x = {f"series-{number}": 3.0 + course(minute) for number, course in enumerate(courses)}
        x["time_s"] = 60.0 * minute
        if detector.score_one(x) > 0.0:
            moved.append(minute)
        verdict = scorer.step(detector, x, x["time_s"])
        if verdict is not None and severity_of("drift", verdict.per_day, alerts) is not None:
            told.append(minute)
    return moved, told


@pytest.mark.parametrize("memory_minutes", [0.2, 5.0, 60.0])
def test_stationary_flow_that_leans_on_itself_moves_and_alarms_less_than_once_a_symbol_day(
    memory_minutes: float,
) -> None:
    days, symbols = 2.0, 2
    for seed in range(symbols):
        moved, told = followed(days, *(leaning(10 * seed + n, memory_minutes) for n in range(6)))
        assert len(told) <= len(moved) <= days


def test_tides_of_the_day_are_told_on_the_first_day_if_ever() -> None:
    noises = [leaning(seed, 1.0, 0.1) for seed in range(3)]
    courses: list[Course] = [lambda minute, noise=noise: tide(minute) + noise(minute) for noise in noises]  # type: ignore[misc]
    _, found = followed(6.0, *courses)
    assert len(found) <= 3
    assert all(minute <= 2 * MINUTES_A_DAY for minute in found)


@pytest.mark.parametrize(("length_s", "height"), [(10.0, 5.0), (60.0, 5.0), (120.0, 5.0)])
def test_bursts_are_no_drift(length_s: float, height: float) -> None:
    noise = leaning(5, 1.0, 0.1)
    # At most what of each minute the burst covers, one each two hours.
    share = min(length_s, 60.0) / 60.0
    minutes = max(1, int(length_s / 60.0))
    moved, _ = followed(3.0, lambda minute: noise(minute) + (height * share if minute % 120 < minutes else 0.0))
    assert moved == []


@pytest.mark.parametrize("factor", [2.0, 0.5, 5.0])
def test_a_lasting_change_is_told_once_within_the_hour(factor: float) -> None:
    noise = leaning(6, 0.5, 0.1)
    _, found = followed(2.0, lambda minute: noise(minute) + (math.log(factor) if minute >= MINUTES_A_DAY else 0.0))
    assert len(found) == 1
    assert MINUTES_A_DAY <= found[0] <= MINUTES_A_DAY + 60


def test_a_lasting_change_of_a_real_input_is_one_alert_that_says_what_and_since_when() -> None:
    begin_s = 3 * HOUR_S
    alerts = results_of(trades(1, begin_s + 1_800.0, lambda time_s: 0.3 if time_s < begin_s else 2.0)).alerts
    found = [alert for alert in alerts if alert.pattern == "drift"]
    assert [(alert.symbol, alert.severity, alert.status) for alert in found] == [
        (SYMBOL, "info", "open"),
        (SYMBOL, "info", "resolved"),
    ]
    part = found[0].explanation[0]
    name, since, zone = part.signal.rsplit(" ", 2)
    hours, minutes = map(int, since.split(":"))
    assert (name, zone) == ("trades since", "UTC")
    assert abs(60 * hours + minutes - at_us(begin_s) // 60_000_000 % MINUTES_A_DAY) <= 2
    assert (round(part.expected, 1), part.unit) == (0.2, "trades a second")
    assert 1.4 < part.observed < 2.0
    assert found[0].runbook.endswith("#drift")
    assert found[0].evidence


@pytest.mark.slow
def test_killed_stages_tell_drift_as_those_that_were_not() -> None:
    begin_s = 3 * HOUR_S
    flow = trades(2, begin_s + 1_800.0, lambda time_s: 0.2 if time_s < begin_s else 2.0)
    log, settings = Log(flow, 1), CoreSettings(timing=Timing(source_timeout_ms=10_000_000))
    expected = alerts_of_pipeline(log, settings)
    workers = KilledWorkers(settings, log, seed=1, batch=400, kills=0.02)
    found = {(alert.alert_id, alert.revision): msgspec.json.encode(alert) for alert in workers.run()}
    assert workers.happened["taken up"] > 2
    assert workers.notes == []
    assert list(found.values()) == [msgspec.json.encode(alert) for alert in expected]
    assert "drift" in {alert.pattern for alert in expected}


def test_drift_is_correlated_with_nothing() -> None:
    stage = CorrelationStage(["market/0", "account/0"], CoreSettings())
    patterns: tuple[Pattern, ...] = ("drift", "cancel_burst")
    rare = [Signal(1_000_000, name, name, "symbol", "X", "X", 1e-12, 1e-9, 30.0, ()) for name in patterns]
    stage.push_frame(SignalFrame("market/0", 2_000_000, True, (SignalTick(9, tuple(rare)),)), 0, 0)
    stage.push_frame(SignalFrame("account/0", 2_000_000, True, ()), 1, 0)
    assert {(alert.pattern, alert.severity) for alert in stage.flush().alerts} == {
        ("drift", "info"),
        ("cancel_burst", "warning"),
    }
