"""Layering: who takes back layers while filled on the other side is named; makers who pull their quotes are not."""

import random

from hypothesis import given
from hypothesis import strategies as st

from detectors.layering import Layering
from tests.detectors.further_flows import SYMBOL, cancels, grave, in_order, layers, results_of, trades
from tests.helpers import Arrival, at_us

END_S, STRESS_S = 620.0, 600.0


def calm(seed: int) -> list[Arrival]:
    return in_order(cancels(seed, END_S), trades(seed, END_S))


def test_who_takes_back_layers_on_one_side_while_filled_on_the_other_is_named() -> None:
    again = [layers(number, STRESS_S + 2.0 * number, "spoofer", levels=12) for number in range(4)]
    found = [one for one in results_of(calm(1), *again).alerts if one.pattern == "layering"]
    assert {(alert.symbol, alert.accounts) for alert in found} == {(SYMBOL, ("spoofer",))}
    first = found[0]
    assert at_us(STRESS_S) <= first.timestamp <= at_us(STRESS_S + 2.0)
    assert first.title.startswith(f"Layering by spoofer on {SYMBOL}: ")
    assert {part.unit for part in first.explanation} == {"share", "levels", "notional"}
    assert {one.topic for one in first.evidence} == {"cancels", "trades"}
    assert first.runbook.endswith("#layering")


def test_makers_who_pull_quotes_and_are_filled_give_no_alert_above_info() -> None:
    assert grave(results_of(calm(2)).alerts) == []


def test_layers_without_a_fill_on_the_other_side_are_none() -> None:
    only_cancels = [one for one in layers(3, STRESS_S, "puller", levels=12) if one[0] == "cancels"]
    assert [one for one in results_of(calm(3), only_cancels).alerts if one.pattern == "layering"] == []


numbers = st.integers(0, 300)


@given(numbers, numbers, numbers, st.floats(0.0, 1e9), st.floats(0.0, 1e9))
def test_fewer_levels_or_less_bait_is_never_stranger(
    levels: int, cancels: int, others: int, cancelled: float, filled: float
) -> None:
    detector, chance = Layering(), random.Random(1)
    for second in range(100):
        candidate = {"time_s": float(second), "levels": chance.choice((3, 4)), "cancelled": 300.0, "filled": 100.0}
        detector.learn_one(candidate)
    x = {"levels": levels, "cancels": cancels, "others": others, "cancelled": cancelled, "filled": filled}
    score = detector.score_one(x)
    assert detector.score_one(x | {"levels": levels // 2}) <= score
    assert detector.score_one(x | {"cancelled": cancelled / 2.0}) <= score
    assert detector.score_one(x | {"others": others + 1}) <= score + 1e-9 or cancels + others >= 200
    if levels < 3 or cancelled < 2.0 * filled or filled == 0.0:
        assert score == 0.0
