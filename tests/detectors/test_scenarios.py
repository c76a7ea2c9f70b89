"""Stress that is planted gives its alert under the default settings; a quiet market gives none."""

import pytest

from detectors.config import CoreSettings
from detectors.pipeline import Pipeline
from detectors.results import Alert
from tests.detectors.workers import alerts_of_pipeline
from tests.helpers import Flow, Log, at_us

#: When stress is planted: by then every detector is warm.
STRESS_S = 220.0


def a_market(seed: int, seconds: float = STRESS_S + 25.0) -> Flow:
    return Flow(seed, seconds, cancels_per_s=6.0, trades_per_s=2.0, books_per_s=4.0, raises_per_s=3.0)


def alerts_of(flow: Flow) -> list[Alert]:
    return alerts_of_pipeline(Log(flow.arrivals(), partitions=1), CoreSettings())


def grave(alerts: list[Alert]) -> list[Alert]:
    return [alert for alert in alerts if alert.severity != "info"]


def check_explained(alerts: list[Alert]) -> None:
    """Every alert says why, and where in the input to look."""
    for alert in alerts:
        assert alert.explanation
        assert sum(part.share for part in alert.explanation) == pytest.approx(1.0)
        assert alert.evidence
        assert alert.runbook.endswith(f"#{alert.pattern}")


@pytest.mark.parametrize("seed", [21, 22])
def test_a_quiet_market_gives_no_alert_above_info(seed: int) -> None:
    log, settings = Log(a_market(seed).arrivals(), partitions=2), CoreSettings()
    pipeline = Pipeline(settings, log.partitions, log.partition_of)
    for topic, offset, event in log.records:
        pipeline.push(topic, offset, event)
    pipeline.flush()
    assert grave(pipeline.results().alerts) == []
    assert pipeline.counters["scored"] > 10 * pipeline.counters["published"] > 0
    assert pipeline.counters["late"] == 0


def test_an_account_that_takes_back_many_young_orders_is_named() -> None:
    alerts = alerts_of(a_market(23).burst(STRESS_S, "ETH-PERP", "acct-05", cancels=60))
    check_explained(alerts)
    found = grave(alerts)
    assert {(alert.pattern, alert.symbol) for alert in found} == {("cancel_burst", "ETH-PERP")}
    assert found[0].accounts[0] == "acct-05"
    assert at_us(STRESS_S) <= found[0].timestamp <= at_us(STRESS_S + 1.5)


def test_a_ring_of_accounts_that_cancel_in_the_same_seconds_is_found() -> None:
    ring = tuple(f"ring-{number}" for number in range(5))
    alerts = alerts_of(a_market(24).ring(STRESS_S - 8.0, "SOL-PERP", ring, cancels=2))
    check_explained(alerts)
    assert any(alert.symbol == "SOL-PERP" and set(ring) <= set(alert.accounts) for alert in alerts)
    assert grave([alert for alert in alerts if alert.symbol != "SOL-PERP"]) == []


def test_a_book_that_loses_most_of_its_depth_is_found_at_once() -> None:
    alerts = alerts_of(a_market(25).thin(STRESS_S, STRESS_S + 15.0, "BTC-PERP", share=0.2))
    check_explained(alerts)
    found = grave(alerts)
    assert {(alert.pattern, alert.symbol) for alert in found} == {("thin_book", "BTC-PERP")}
    assert at_us(STRESS_S) <= found[0].timestamp <= at_us(STRESS_S + 2.0)


def test_a_book_that_grows_is_no_alert() -> None:
    assert grave(alerts_of(a_market(26).thin(STRESS_S, STRESS_S + 15.0, "BTC-PERP", share=5.0))) == []


def test_accounts_that_raise_their_leverage_together_are_found() -> None:
    alerts = alerts_of(a_market(27).rush(STRESS_S, "ETH-PERP", raises=40))
    check_explained(alerts)
    found = grave(alerts)
    assert {(alert.pattern, alert.symbol) for alert in found} == {("leverage_spike", "ETH-PERP")}
    assert len(found[-1].accounts) >= 10
    assert at_us(STRESS_S) <= found[0].timestamp <= at_us(STRESS_S + 4.0)


def test_all_at_once_on_one_symbol_is_one_critical_correlated_stress() -> None:
    begin_s = 330.0
    flow = a_market(28, seconds=begin_s + 25.0).burst(begin_s, "ETH-PERP", "acct-05", cancels=60)
    alerts = alerts_of(flow.thin(begin_s, begin_s + 15.0, "ETH-PERP", share=0.2).rush(begin_s, "ETH-PERP", raises=40))
    check_explained(alerts)
    assert all(alert.timestamp >= at_us(begin_s) for alert in grave(alerts))
    opened = [alert for alert in alerts if alert.pattern == "correlated_stress" and alert.status == "open"]
    assert [(alert.symbol, alert.severity) for alert in opened if alert.severity == "critical"] == [
        ("ETH-PERP", "critical")
    ]
    assert opened[0].rank == 1
    assert len(opened[0].explanation) >= 2
