"""Latency shock: a component that is slow is told by name, one slow answer is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.latency_watch import quantile
from tests.detectors.further_flows import grave, latencies, results_of
from tests.helpers import Flow, at_us

END_S, STRESS_S = 320.0, 300.0


def test_a_component_that_is_four_times_slower_is_told_by_name() -> None:
    slow = latencies(1, END_S, factor=lambda time_s: 4.0 if time_s >= STRESS_S else 1.0)
    found = grave(results_of(slow, latencies(2, END_S, "gateway"), partitions=2).alerts)
    assert {(alert.pattern, alert.symbol) for alert in found} == {("latency_shock", "*")}
    first = found[0]
    assert at_us(STRESS_S) <= first.timestamp <= at_us(STRESS_S + 5.0)
    assert first.title.startswith("Latency shock of matching: ")
    assert {part.unit for part in first.explanation} == {"us"}
    assert first.runbook.endswith("#latency_shock")


@pytest.mark.parametrize("per_s", [1.0, 20.0])
def test_calm_latencies_with_single_slow_answers_give_no_alert_above_info(per_s: float) -> None:
    def spikes(time_s: float) -> float:
        return 30.0 if per_s > 1.0 and int(time_s * 20) % 400 == 0 else 1.0

    assert grave(results_of(latencies(3, END_S, factor=spikes, per_s=per_s)).alerts) == []


def test_a_slow_component_and_a_thin_book_stand_together_across_the_market() -> None:
    begin_s, end_s = 560.0, 575.0
    flow = Flow(7, end_s, cancels_per_s=1.0, trades_per_s=1.0, books_per_s=4.0, raises_per_s=0.1)
    thin = flow.thin(begin_s, end_s, "BTC-PERP", share=0.2).arrivals()
    slow = latencies(4, end_s, factor=lambda time_s: 8.0 if time_s >= begin_s else 1.0)
    together = [alert for alert in results_of(thin, slow).alerts if alert.pattern == "correlated_stress"]
    assert together
    assert {alert.symbol for alert in together} == {"*"}
    assert "latency shock of matching" in together[0].title
    assert "BTC-PERP" in together[0].title


@given(st.lists(st.floats(0.0, 1e9), min_size=1, max_size=50), st.floats(0.01, 0.99))
def test_a_quantile_has_its_share_below_it(values: list[float], share: float) -> None:
    found = quantile(sorted(values), share)
    assert sum(value <= found for value in values) >= share * len(values) - 1e-6
    assert sum(value < found for value in values) <= share * len(values)
