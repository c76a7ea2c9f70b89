"""What stages measure, as Prometheus sees it: added up over partitions, symbols bounded, nothing left standing."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from detectors.measures import Measure
from streams.stage_metrics import Source, StageMetrics
from streams.symbol_labels import SymbolLabels


class Told:
    """A stage that measures what it is told."""

    def __init__(self, *measures: Measure) -> None:
        self.told: tuple[Measure, ...] = measures

    def measures(self) -> Iterable[Measure]:
        return self.told


class Board:
    """Metrics of a registry, and a room with partitions."""

    def __init__(self, *stages: object, most: int = 50) -> None:
        self.registry = CollectorRegistry()
        self.metrics = StageMetrics.create(self.registry, SymbolLabels(most=most), "shadow")
        self.sources = [Source(stage, {}) for stage in stages]

    def show(self) -> None:
        self.metrics.show("market", self.sources)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"squall_{name}", labels)


def test_partitions_add_up_and_the_fullest_one_is_told() -> None:
    first = Told(Measure("entities", ("symbol",), 3), Measure("entities_fill", ("symbol",), 0.3))
    second = Told(Measure("entities", ("symbol",), 1), Measure("entities_fill", ("symbol",), 0.1))
    board = Board(first, second)
    board.show()
    assert board.value("entities", stage="market", kind="symbol") == 4
    assert board.value("entities_fill_ratio", stage="market", kind="symbol") == 0.3


def test_a_stage_that_measures_nothing_is_passed_over() -> None:
    board = Board(object())
    board.show()
    assert board.value("alerts_open", pattern="correlated_stress", severity="critical", symbol="*") == 0


def test_an_alert_that_is_over_is_shown_as_0_and_a_book_that_is_gone_not_at_all() -> None:
    stage = Told(Measure("alerts_open", ("thin_book", "info", "X"), 1), Measure("spread_bp", ("X",), 2.0))
    board = Board(stage)
    board.show()
    assert board.value("alerts_open", pattern="thin_book", severity="info", symbol="X") == 1
    assert board.value("market_spread_ratio", symbol="X") == 2e-4
    stage.told = ()
    board.show()
    assert board.value("alerts_open", pattern="thin_book", severity="info", symbol="X") == 0
    assert board.value("market_spread_ratio", symbol="X") is None


def test_verdicts_are_shown_and_a_ranker_that_goes_off_is_on_no_more() -> None:
    stage = Told(
        Measure("ranker_verdicts", ("noise",), 12),
        Measure("ranker_state", ("on",), 1),
        Measure("ranker_log_loss", ("base_rate",), 0.69),
    )
    board = Board(stage)
    board.show()
    assert board.value("ranker_verdicts", verdict="noise") == 12
    assert board.value("ranker_log_loss", of="base_rate") == 0.69
    stage.told = (Measure("ranker_state", ("off",), 1),)
    board.show()
    assert board.value("ranker_state", state="on") == 0
    assert board.value("ranker_state", state="off") == 1


def test_symbols_beyond_the_most_add_up_in_other_and_have_no_spread() -> None:
    symbols = ("X", "Y", "Z")
    board = Board(
        Told(
            *(Measure("cancels", (symbol,), 5) for symbol in symbols),
            *(Measure("spread_bp", (symbol,), 1.0) for symbol in symbols),
            *(Measure("trips_in_force", ("price_move", "hard", symbol), 1) for symbol in symbols),
        ),
        most=1,
    )
    board.show()
    assert board.value("market_cancels_total", symbol="X") == 5
    assert board.value("market_cancels_total", symbol="other") == 10
    assert board.value("guardrails_tripped", rule="price_move", level="hard", symbol="other") == 2
    assert board.value("market_spread_ratio", symbol="other") is None


def test_costs_are_shown_as_shares_of_the_price_and_moved_ground_by_what_moved() -> None:
    stage = Told(
        Measure("effective_spread_bp", ("X",), 3.0),
        Measure("slippage_bp", ("X",), 4.0),
        Measure("fill_degradation", ("X", "slippage"), 1.5),
        Measure("ground_moved", ("X", "thin_book"), 1.0),
    )
    board = Board(stage)
    board.show()
    assert board.value("market_effective_spread_ratio", symbol="X") == pytest.approx(3e-4)
    assert board.value("market_slippage_ratio", symbol="X") == pytest.approx(4e-4)
    assert board.value("market_fill_degradation_ratio", symbol="X", of="slippage") == 1.5
    assert board.value("drift_ground_moved", symbol="X", of="thin_book") == 1.0
    stage.told = ()
    board.show()
    assert board.value("drift_ground_moved", symbol="X", of="thin_book") is None


@given(counts=st.lists(st.integers(0, 5), max_size=20), forgotten=st.sets(st.integers(0, 19)))
def test_a_count_never_falls_though_its_symbol_is_forgotten_and_comes_back(
    counts: list[int], forgotten: set[int]
) -> None:
    stage, total, count = Told(), 0, 0
    board = Board(stage)
    for turn, more in enumerate(counts):
        if turn in forgotten:
            stage.told, count = (), 0
        else:
            count += more
            total += more
            stage.told = (Measure("cancels", ("X",), count),)
        board.show()
    assert (board.value("market_cancels_total", symbol="X") or 0) == total


@given(symbols=st.lists(st.text(min_size=1, max_size=3), max_size=60), most=st.integers(0, 5))
def test_a_label_takes_at_most_so_many_values(symbols: list[str], most: int) -> None:
    labels = SymbolLabels(most=most)
    named = {labels.of(symbol) for symbol in symbols if symbol != "*"} - {"other"}
    assert len(named) <= most
    assert named <= set(symbols)
