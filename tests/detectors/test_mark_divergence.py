"""Mark divergence: prices that part are told, what is ordinary for a feed is not."""

import math

from hypothesis import given
from hypothesis import strategies as st

from detectors.mark_divergence import MarkDivergence
from tests.detectors.further_flows import SYMBOL, grave, results_of, tickers
from tests.helpers import at_us

END_S, STRESS_S = 420.0, 400.0


def test_a_mark_that_leaves_its_index_is_told_within_two_seconds() -> None:
    parted = tickers(1, END_S, mark_shift=lambda time_s: 0.02 if time_s >= STRESS_S else 0.0)
    found = grave(results_of(parted).alerts)
    assert {(alert.pattern, alert.symbol) for alert in found} == {("mark_divergence", SYMBOL)}
    first = found[0]
    assert at_us(STRESS_S) <= first.timestamp <= at_us(STRESS_S + 2.0)
    assert first.title.startswith(f"Mark divergence on {SYMBOL}: mark from index in bp 199, usually ")
    assert (first.explanation[0].unit, round(first.explanation[0].observed, -1)) == ("basis points", 200)
    assert first.runbook.endswith("#mark_divergence")
    assert {one.topic for one in first.evidence} == {"tickers"}


def test_a_mark_that_stands_still_is_told_by_its_age() -> None:
    alerts = results_of(tickers(2, END_S, silent=(STRESS_S - 40.0, END_S))).alerts
    assert {alert.pattern for alert in alerts} == {"mark_divergence"}
    assert alerts[0].explanation[0].signal == "age of the mark price"
    assert alerts[0].explanation[0].expected < 1.5


def test_calm_tickers_give_no_alert() -> None:
    found = results_of(tickers(3, END_S), tickers(4, 1.0))
    assert found.alerts == []


@given(st.floats(0.0, 0.0004), st.floats(1e-3, 1e6), st.sampled_from([-1.0, 1.0]))
def test_inside_the_inner_band_nothing_is_strange(shift: float, price: float, sign: float) -> None:
    detector = MarkDivergence()
    for second in range(100):
        detector.learn_one({"time_s": float(second), "mark": price, "index": price})
    x = {"time_s": 100.0, "mark": price * (1.0 + sign * shift), "index": price, "last": price, "last_age_s": 0.1}
    assert detector.score_one(x) == 0.0


@given(st.floats(0.011, 0.5), st.floats(0.011, 0.5))
def test_beyond_the_outer_band_further_apart_is_stranger_however_used_one_is_to_it(one: float, other: float) -> None:
    detector = MarkDivergence()
    for second in range(2_000):
        detector.learn_one({"time_s": float(second), "mark": 100.0 * math.exp(0.2), "index": 100.0})
    scores = [
        detector.score_one({"time_s": 2_000.0, "mark": 100.0 * math.exp(0.2 + shift), "index": 100.0})
        for shift in sorted((one, other))
    ]
    assert 10.0 <= scores[0] <= scores[1]


def test_a_last_trade_of_long_ago_is_not_compared() -> None:
    detector = MarkDivergence()
    for second in range(100):
        detector.learn_one({"time_s": float(second), "mark": 100.0, "last": 100.0})
    x = {"time_s": 100.0, "mark": 100.0, "last": 110.0}
    assert detector.score_one(x | {"last_age_s": 1.0}) > 10.0
    assert detector.score_one(x | {"last_age_s": 6.0}) == 0.0
