"""Settings that contradict each other: every rule fires on a bad one, and none on the defaults; and that it is so."""

import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from detectors.config import Alerts, Calibration, Timing
from detectors.correlation import family_p_value
from detectors.results import Signal
from detectors.scorer import Scorer
from detectors.timing import Watermark
from streams.doctor.lines import Line
from streams.doctor.setting_rules import RULES, check_settings
from streams.settings import Settings


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def fired(**settings: object) -> list[Line]:
    return [line for line in check_settings(Settings(**settings)) if line.mark != "OK"]


def test_no_rule_fires_on_the_defaults() -> None:
    assert fired() == []
    assert [rule(Settings()) for rule in RULES] == [None] * len(RULES)


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"calibration": {"publish_per_day": 0.05}}, "calibration.publish_per_day", "FAIL"),
    ({"calibration": {"publish_per_day": 2.0}}, "calibration.publish_per_day", "WARN"),
    ({"calibration": {"publish_per_day": 1_500.0}}, "calibration.publish_per_day", "WARN"),
    ({"calibration": {"warm_up": 2_000_000}}, "calibration.warm_up", "WARN"),
    ({"calibration": {"warm_up_s": 1e8}}, "calibration.warm_up_s", "FAIL"),
    ({"alerts": {"max_open": 1}}, "alerts.max_open", "WARN"),
    ({"timing": {"source_timeout_ms": 250}}, "timing.source_timeout_ms", "FAIL"),
    ({"timing": {"source_timeout_ms": 10_000}}, "timing.source_timeout_ms", "WARN"),
    ({"worker": {"degrade_lag_s": 5.0}}, "worker.degrade_lag_s", "WARN"),
    ({"worker": {"poll_interval_ms": 500}}, "worker.poll_interval_ms", "WARN"),
    ({"worker": {"fetch_max_wait_ms": 1_500}}, "worker.fetch_max_wait_ms", "WARN"),
    ({"worker": {"fetch_max_wait_ms": 60_000}}, "worker.fetch_max_wait_ms", "FAIL"),
    ({"worker": {"settle_timeout_s": 16.0}}, "worker.settle_timeout_s", "WARN"),
    ({"worker": {"fetch_max_bytes": 65_536}}, "worker.fetch_max_bytes", "WARN"),
    ({"partitions": 128}, "partitions", "WARN"),
    ({"timing": {"future_limit_s": 5}}, "timing.future_limit_s", "WARN"),
]


@pytest.mark.parametrize(("settings", "check", "mark"), BAD, ids=lambda value: str(value)[:60])
def test_a_rule_fires_on_a_bad_setting_and_says_how_to_mend_it(settings: dict[str, Any], check: str, mark: str) -> None:
    found = [line for line in fired(**settings) if (line.check, line.mark) == (check, mark)]
    assert found
    assert all(line.mend for line in found)


def test_every_rule_is_shown_to_fire() -> None:
    silent = [rule.__name__ for rule in RULES if not any(rule(Settings(**settings)) for settings, _, _ in BAD)]
    assert silent == ["_one_name_for_all_workers"]


def test_a_name_for_all_workers_is_found_in_a_file_and_not_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("squall.toml").write_text('[worker]\ngroup_instance_id = "one"\n', encoding="utf-8")
    assert [line.check for line in fired()] == ["worker.group_instance_id"]
    monkeypatch.setenv("SQUALL_WORKER__GROUP_INSTANCE_ID", "two")
    assert fired() == []


def test_it_is_true_that_a_signal_too_frequent_to_publish_is_never_made() -> None:
    """The rarest `info` of a single pattern stands above a `publish_per_day` below the budget of warnings."""
    alerts, calibration = Alerts(), Calibration(publish_per_day=0.1, warm_up=20, warm_up_s=0.0)
    scorer = Scorer(calibration, Counter())
    for second in range(5_000):
        scorer.judge(float(second % 7), float(second))
        scorer.pot.learn(float(second % 7))
    verdicts = [scorer.judge(score / 2, 5_000.0) for score in range(400)]
    made = [verdict.per_day for verdict in verdicts if verdict is not None]
    assert made
    assert max(made) <= alerts.false_alarms_per_day / 5


def test_it_is_true_that_signals_up_to_1728_a_day_count_for_correlation_over_a_second() -> None:
    def p_value(per_day: float) -> float:
        return family_p_value([Signal(0, "d", "thin_book", "symbol", "X", "X", 1e-5, per_day, 5.0, ())], 1)

    assert p_value(0.02 * 86_400) <= 0.02 < p_value(1_800.0)
    assert math.isclose(p_value(0.02 * 86_400), 0.02, rel_tol=0.02)


def test_it_is_true_that_a_source_is_given_up_between_two_of_its_frames() -> None:
    def reached_us(source_timeout_ms: int) -> int:
        mark = Watermark([], Timing(source_timeout_ms=source_timeout_ms), sources=["a", "b"])
        mark.frame("a", 1_000_000, at_rest=False, now_us=0)
        mark.frame("b", 9_000_000, at_rest=False, now_us=200_000)
        return mark.value(now_us=260_000)

    assert reached_us(250) == 9_000_000
    assert reached_us(30_000) == 1_000_000
