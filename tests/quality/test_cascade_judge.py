"""The judge of warnings of cascades, on numbers worked by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.cascade_settings import Cascade
from detectors.events import BookSnapshot, Liquidation, Side
from tests.benchmarks.detection.cascade_judge import (
    Course,
    attempts_of,
    cascade_findings,
    chosen_threshold,
    judged,
    onset_delays,
    probability_scores,
    warnings_of,
)
from tests.benchmarks.detection.cascade_page import cascade_aims
from tests.benchmarks.detection.cascade_runs import (
    SCORERS,
    SQUALL,
    Attempt,
    CascadeRun,
    Forecast,
    Rise,
    exchange_settings,
    run_chain,
)
from tests.benchmarks.detection.cascade_truth import CascadeTruth
from tests.benchmarks.detection.flows import SECOND_US, SYMBOLS

MINUTE_S = 60.0


def course(chances: list[float], onsets_min: list[float]) -> Course:
    times_s = [MINUTE_S * number for number in range(len(chances))]
    return Course(times_s, chances, [MINUTE_S * onset for onset in onsets_min])


def test_a_warning_is_right_if_a_cascade_begins_while_it_stands_or_within_its_half_hour() -> None:
    soon = course([0.1] * 10 + [0.9] * 5 + [0.1] * 60, [39.0])
    late = course([0.1] * 10 + [0.9] * 5 + [0.1] * 60, [41.0])
    standing = course([0.1] * 10 + [0.9] * 45 + [0.1] * 30, [54.0])
    assert [one.onset_s for one in warnings_of(soon, 0.5)] == [39.0 * MINUTE_S]
    assert [one.onset_s for one in warnings_of(late, 0.5)] == [None]
    assert [one.onset_s for one in warnings_of(standing, 0.5)] == [54.0 * MINUTE_S]


def test_gaps_of_five_minutes_are_bridged_and_longer_ones_are_not() -> None:
    bridged = course([0.9] * 3 + [0.1] * 4 + [0.9] * 3, [])
    apart = course([0.9] * 3 + [0.1] * 5 + [0.9] * 3, [])
    assert len(list(warnings_of(bridged, 0.5))) == 1
    assert len(list(warnings_of(apart, 0.5))) == 2


def test_nothing_is_counted_while_by_definition_no_other_cascade_can_begin() -> None:
    running = course([0.1] * 10 + [0.9] * 20 + [0.1] * 60, [20.5])
    still_high = course([0.1] * 10 + [0.9] * 25 + [0.1] * 60, [20.5])
    assert judged([(running, 0.5)])["wrong_warnings"] == 0
    assert judged([(still_high, 0.5)])["wrong_warnings"] == 1


def test_a_warning_that_never_ends_is_wrong_every_hour() -> None:
    found = judged([(course([0.9] * 600, []), 0.5)])
    assert found["wrong_warnings"] == 10
    assert found["precision"] == 0.0


def test_lead_counts_from_the_first_right_warning_and_a_cascade_counts_once() -> None:
    flickering = course([0.1] * 10 + [0.9] + [0.1] * 9 + [0.9] + [0.1] * 60, [30.0])
    found = judged([(flickering, 0.5), (course([0.1] * 80, [50.0]), 0.5)])
    assert (found["cascades"], found["warned"], found["wrong_warnings"]) == (2, 1, 0)
    assert found["lead_median_s"] == 20.0 * MINUTE_S
    assert (found["coverage"], found["precision"], found["early_of_all"]) == (0.5, 1.0, 0.5)


def test_the_threshold_is_the_one_with_most_early_warnings_that_are_precise() -> None:
    high = [course([0.1] * 10 + [0.7] * 20 + [0.1] * 40, [30.0]) for _ in range(4)]
    low = [course([0.1] * 10 + [0.4] * 20 + [0.1] * 60, []) for _ in range(4)]
    threshold, is_precise = chosen_threshold([*high, *low])
    assert is_precise
    assert 0.4 <= threshold < 0.7
    assert chosen_threshold(low)[1] is False


def run_of(forecasts: list[Forecast], onset_s: list[float], rises: list[Rise], fed_s: list[float]) -> CascadeRun:
    return CascadeRun(
        seed=1,
        seconds=7_200,
        forecasts=forecasts,
        rises=rises,
        onsets={"X": [round(one * SECOND_US) for one in onset_s]},
        self_fed={"X": [round(one * SECOND_US) for one in fed_s]},
        attempts=[Attempt("X", 0, 3_000 * SECOND_US), Attempt("X", 4_000 * SECOND_US, 5_000 * SECOND_US)],
        counted=len(onset_s),
    )


def test_brier_scores_and_reliability_are_those_worked_by_hand() -> None:
    forecasts = [
        Forecast(minute * 60 * SECOND_US, "X", {SQUALL: (0.8 if 30 <= minute < 45 else 0.1, 0.5)})
        for minute in range(120)
    ]
    run = run_of(forecasts, [2_700.0], [], [])
    short, _ = probability_scores([([run], [0.5, 0.5])], SQUALL)
    # Of 105 forecasts whose quarter of an hour the run holds, the fifteen of minutes 30 to 44 were right.
    assert short["forecasts"] == 105
    assert short["base_rate"] == pytest.approx(15 / 105)
    assert short["brier"] == pytest.approx((15 * 0.04 + 90 * 0.01) / 105)
    assert short["base_brier"] == pytest.approx(0.25)
    assert [(row["forecasts"], row["happened"]) for row in short["reliability"]] == [(90, 0.0), (15, 1.0)]


def test_onset_counts_from_the_first_liquidation_of_its_burst_that_fed_on_others() -> None:
    def rise(opened_s: float, resolved_s: float) -> Rise:
        return Rise(round(opened_s * SECOND_US), round(resolved_s * SECOND_US), "liquidation_wave", "X")

    fed_s = [100.0, 2_690.0, 2_691.0, 2_700.0]
    prompt = onset_delays([run_of([], [2_700.0], [rise(2_693.5, 2_800.0)], fed_s)])
    assert (prompt["median_s"], prompt["unnoticed"], prompt["open_already"]) == (3.5, 0, 0)
    standing = onset_delays([run_of([], [2_700.0], [rise(2_000.0, 2_800.0)], fed_s)])
    assert (standing["median_s"], standing["open_already"]) == (0.0, 1)
    over = onset_delays([run_of([], [2_700.0], [rise(2_000.0, 2_100.0)], fed_s)])
    assert over["unnoticed"] == 1
    without = onset_delays([run_of([], [2_700.0], [], [100.0])])
    assert without["cascades_with_feedback"] == 0


def test_build_ups_without_a_cascade_are_counted_as_fizzled() -> None:
    found = attempts_of([run_of([], [2_700.0, 3_500.0], [], [])])
    assert found == {"build_ups": 2, "with_cascade": 1, "fizzled": 1, "cascades_without_build_up": 1}


steps = st.lists(
    st.tuples(st.integers(1, 30), st.floats(0.97, 1.03), st.sampled_from(["buy", "sell", None]), st.floats(0.1, 50.0)),
    min_size=1,
    max_size=60,
)


@given(steps)
def test_a_cascade_of_the_truth_meets_the_definition_of_the_product(
    given_steps: list[tuple[int, float, str | None, float]],
) -> None:
    settings = Cascade(quiet_s=0)
    truth = CascadeTruth(settings)
    seen: list[tuple[int, float, float, float]] = []
    second, price = 0, 100.0
    for gap_s, factor, side, amount in given_steps:
        second, price = second + gap_s, price * factor
        if side is not None:
            taker: Side = "buy" if side == "buy" else "sell"
            truth.take_liquidation(Liquidation(second * SECOND_US, "X", taker, price, amount))
        before = len(truth.onsets_us)
        notional = price * amount
        seen.append((second, price, notional if side == "sell" else 0.0, notional if side == "buy" else 0.0))
        truth.take_book(BookSnapshot(second * SECOND_US, "X", [(price - 0.01, 1.0)], [(price + 0.01, 1.0)]))
        lately = [one for one in seen if one[0] > second - settings.window_s]
        fell = max(one[1] for one in lately) / price - 1.0
        rose = price / min(one[1] for one in lately) - 1.0
        if len(truth.onsets_us) > before:
            assert (fell >= 0.0099 and sum(one[2] for one in lately) > 0.0) or (
                rose >= 0.0099 and sum(one[3] for one in lately) > 0.0
            )


def test_a_short_chain_of_flows_gives_forecasts_of_every_scorer() -> None:
    first, second = run_chain([(301, 200), (303, 260)])
    assert {one.symbol for one in second.forecasts} == set(SYMBOLS)
    assert all(set(one.within) == set(SCORERS) for one in second.forecasts)
    assert all(0.0 <= chance <= 1.0 for one in second.forecasts for pair in one.within.values() for chance in pair)
    assert exchange_settings(301, 200).cascades is not None
    found = cascade_findings([[first], [second]])
    assert found["seeds"] == [[301], [303]]
    assert [aim.flow for aim in cascade_aims(found)] == ["cascades"] * 3
