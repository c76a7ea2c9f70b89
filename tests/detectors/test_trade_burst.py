"""Trade burst: a burst on one side is told with who it was; a market that trades twice as much is not one."""

from hypothesis import given
from hypothesis import strategies as st

from detectors.base import Features
from detectors.trade_burst import TradeBurst
from tests.detectors.further_flows import SYMBOL, grave, results_of, trades
from tests.helpers import at_us

END_S, STRESS_S = 320.0, 300.0


def test_buys_of_one_account_at_twenty_times_the_rate_are_told_with_its_name() -> None:
    def in_burst(time_s: float) -> bool:
        return STRESS_S <= time_s < STRESS_S + 4.0

    burst = trades(
        1,
        END_S,
        per_s=lambda time_s: 60.0 if in_burst(time_s) else 3.0,
        buys=lambda time_s: 1.0 if in_burst(time_s) else 0.5,
        taker=lambda time_s: 7.0 if in_burst(time_s) else -1.0,
    )
    found = grave(results_of(burst).alerts)
    assert {(alert.pattern, alert.symbol) for alert in found} == {("trade_burst", SYMBOL)}
    first = found[0]
    assert at_us(STRESS_S) <= first.timestamp <= at_us(STRESS_S + 4.5)
    assert first.accounts[0] == "acct-07"
    assert "% one-sided" in first.title
    assert first.notional_at_risk > 0.0
    assert first.runbook.endswith("#trade_burst")


def test_calm_trades_and_twice_the_trades_give_no_alert_above_info() -> None:
    busier = trades(2, END_S, per_s=lambda time_s: 6.0 if time_s >= STRESS_S - 100.0 else 3.0)
    assert grave(results_of(busier).alerts) == []


def test_a_burst_on_a_symbol_that_hardly_trades_is_told() -> None:
    """A trade in half a minute: the seconds between teach what is usual, not the trades alone."""
    burst = trades(
        3,
        1_320.0,
        per_s=lambda time_s: 3.0 if time_s >= 1_300.0 else 0.03,
        buys=lambda time_s: 1.0 if time_s >= 1_300.0 else 0.5,
    )
    found = [alert for alert in results_of(burst).alerts if alert.pattern == "trade_burst"]
    assert {alert.status for alert in found} >= {"open"}
    assert all(alert.timestamp >= at_us(1_300.0) for alert in found)


def known() -> TradeBurst:
    burst = TradeBurst()
    for tick in range(2_000):
        burst.learn_one(features(tick / 10, 1.0, 10.0, 100.0, 0.5))
    return burst


def features(time_s: float, tick: float, second: float, ten: float, buys: float, crowding: float = 0.0) -> Features:
    x: Features = {"time_s": time_s, "crowding": crowding}
    for name, count in (("tick", tick), ("1s", second), ("10s", ten)):
        x |= {f"trades_{name}": count, f"notional_{name}": 50.0 * count, f"bought_{name}": 50.0 * buys * count}
    return x


counts = st.floats(0.0, 1e6)


@given(counts, counts, st.floats(0.0, 1.0))
def test_more_trades_are_never_less_strange(one: float, other: float, buys: float) -> None:
    burst = known()
    low, high = sorted((one, other))
    scores = [burst.score_one(features(200.0, n, n + 10.0, n + 100.0, buys)) for n in (low, high)]
    assert scores[0] <= scores[1] + 1e-9


@given(counts, st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_a_burst_of_one_side_or_of_one_account_counts_twice_that_of_a_crowd(n: float, buys: float, one: float) -> None:
    burst = known()
    of_crowd = burst.score_one(features(200.0, n, n + 10.0, n + 100.0, 0.5))
    of_one = burst.score_one(features(200.0, n, n + 10.0, n + 100.0, 0.5, crowding=1.0))
    of_side = burst.score_one(features(200.0, n, n + 10.0, n + 100.0, 1.0))
    some = burst.score_one(features(200.0, n, n + 10.0, n + 100.0, buys, crowding=one))
    assert abs(of_one - 2.0 * of_crowd) < 1e-9 * (1.0 + of_one)
    assert abs(of_side - of_one) < 1e-9 * (1.0 + of_one)
    assert of_crowd - 1e-9 <= some <= of_one + 1e-9
