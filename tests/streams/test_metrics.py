"""Metrics of a worker: what is counted of what goes out, and what is not shown of what went away."""

import time
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from detectors.config import CoreSettings
from detectors.decisions import Mode, NextLimit, RateLimit
from detectors.errors import ConfigError
from detectors.limit_settings import Limits
from detectors.results import Alert, Signal, SignalFrame, SignalTick
from streams.metrics import Metrics
from streams.settings import Settings

TOPICS = ("trades", "cancels")


class Page:
    """Metrics of a registry, and their values."""

    def __init__(self, core: CoreSettings | None = None) -> None:
        self.registry = CollectorRegistry()
        self.metrics = Metrics.create(self.registry, core)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"squall_{name}", labels)


def an_alert(age_s: float) -> Alert:
    now_us = int((time.time() - age_s) * 1e6)
    return Alert(
        "id", 1, "open", now_us, "thin_book", "warning", 1.0, 1, 1e-6, "X", (), 0, now_us, "t", (), (), 0.0, "r", "v"
    )


def a_limit(mode: Mode) -> RateLimit:
    now_us = int(time.time() * 1e6)
    following = NextLimit(1.0, now_us)
    return RateLimit(
        "a", 1, mode, "throttle", 1.0, 1.0, 0.5, now_us, now_us, (), "pressure", 1.0, 0.5, "r", (), following
    )  # fmt: skip


def test_an_alert_is_counted_and_its_latency_observed() -> None:
    page = Page()
    page.metrics.decided.observe_alert(an_alert(age_s=0.3))
    assert page.value("alerts_total", pattern="thin_book", severity="warning", status="open") == 1
    assert page.value("event_to_alert_seconds_bucket", le="0.25") == 0
    assert page.value("event_to_alert_seconds_bucket", le="10.0") == 1


@pytest.mark.parametrize("age_s", [-60.0, 86_400.0])
def test_the_time_of_a_replayed_day_is_no_latency(age_s: float) -> None:
    page = Page()
    page.metrics.decided.observe_alert(an_alert(age_s))
    assert page.value("alerts_total", pattern="thin_book", severity="warning", status="open") == 1
    assert page.value("event_to_alert_seconds_count") == 0


def test_a_limit_is_counted_by_mode_and_its_latency_observed() -> None:
    page = Page(replace(CoreSettings(), limits=Limits(mode="enforce")))
    assert page.value("rate_limits_total", mode="enforce", action="throttle", indicator="pressure") == 0
    page.metrics.decided.observe_limit(a_limit("enforce"))
    assert page.value("rate_limits_total", mode="enforce", action="throttle", indicator="pressure") == 1
    assert page.value("event_to_limit_seconds_count") == 1
    assert page.value("limits_mode_info", mode="enforce") == 1


def test_signals_are_counted_and_their_rarity_is_in_decades() -> None:
    page = Page()
    signal = Signal(0, "thin_book", "thin_book", "symbol", "X", "X", 1e-6, 0.1, 9.0, ())
    page.metrics.decided.observe_signals(SignalFrame("market/0", 0, False, (SignalTick(1, (signal, signal)),)))
    assert page.value("signals_total", pattern="thin_book") == 2
    assert page.value("signal_surprise_sum", pattern="thin_book") == pytest.approx(12.0)


def test_partitions_that_belong_to_others_are_shown_no_more() -> None:
    page = Page()
    metrics = page.metrics
    for partition in ("0", "1"):
        metrics.consumer_lag_seconds.labels("trades", partition).set(40)
        metrics.watermark_lag_seconds.labels("market", partition).set(40)
        metrics.open_ticks.labels("market", partition).set(3)
    metrics.forget("market", {1, 2}, TOPICS)
    for name, labels in (
        ("consumer_lag_seconds", {"topic": "trades"}),
        ("watermark_lag_seconds", {"stage": "market"}),
        ("open_ticks", {"stage": "market"}),
    ):
        assert page.value(name, partition="0", **labels) is not None
        assert page.value(name, partition="1", **labels) is None


def test_the_budget_is_that_of_the_settings() -> None:
    core = CoreSettings()
    page = Page(core)
    assert page.value("alert_budget_per_day", severity="warning") == core.alerts.false_alarms_per_day
    assert page.value("alert_budget_per_day", severity="info") == core.alerts.info_per_day


def test_which_symbols_are_named_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQUALL_WORKER__METRIC_SYMBOLS", '["BTC-*"]')
    assert Settings().worker.metric_symbols == ("BTC-*",)
    with pytest.raises(ConfigError, match="metric_symbols_max must be >= 0, was -1"):
        Settings(worker={"metric_symbols_max": -1})
