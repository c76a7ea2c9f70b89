"""Every model broken, in every way: guardrails still trip, and plain counters still limit."""

from collections.abc import Callable
from typing import Any

import pytest

import detectors
from detectors.base import Detector, Features
from detectors.cancel_burst import CancelBurst
from detectors.checks import detector_classes
from detectors.config import Calibration, CoreSettings
from detectors.events import BookSnapshot, Cancel, DerivativeTicker, Event, Latency, LeverageChange, Liquidation, Trade
from detectors.mark_divergence import MarkDivergence
from detectors.pipeline import Pipeline, Results
from detectors.trade_burst import TradeBurst
from tests.helpers import at_us

MODELS: tuple[type[Detector], ...] = tuple(detector_classes(detectors))
Breaking = Callable[[pytest.MonkeyPatch], None]


def raises(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> Any:  # noqa: ANN401
        raise ZeroDivisionError("a model's own fault")

    for model in MODELS:
        for name in ("score_one", "learn_one", "explain_one", "learn_tick", "group"):
            if hasattr(model, name):
                monkeypatch.setattr(model, name, fail)


def answers_nan(monkeypatch: pytest.MonkeyPatch) -> None:
    def nan(self: Detector, x: Features) -> float:
        return float("nan")

    for model in MODELS:
        monkeypatch.setattr(model, "score_one", nan)


def never_warms_up(monkeypatch: pytest.MonkeyPatch) -> None:
    for model in MODELS:
        monkeypatch.setattr(model, "ready", False)


def is_as_it_was(_: pytest.MonkeyPatch) -> None:
    """Nothing is broken: what is compared with."""


def events() -> list[tuple[str, Event]]:
    """A market in which every guardrail has a reason to trip, and an account to be limited."""
    found: list[tuple[str, Event]] = []
    for tick in range(300):
        now_us = at_us(tick / 10)
        found.append(("trades", Trade(now_us, "X", 100.0 if tick < 200 else 120.0, 1.0, "buy")))
        found.append(("books", BookSnapshot(now_us, "X", [(99.9, 1e4 if tick < 200 else 1e-3)], [(100.1, 1e4)])))
        found += [("cancels", Cancel(now_us, "X", "rogue", n, "buy", 99.0, 1.0, now_us - 1)) for n in range(5)]
        mark = 100.0 if tick < 200 else 107.0
        if tick < 220:
            found.append(("tickers", DerivativeTicker(now_us, "X", 100.0, mark, 100.0, open_interest=1_000.0)))
        if tick == 210:
            found.append(("liquidations", Liquidation(now_us, "X", "sell", 100.0, 1e6)))
            found.append(("latency", Latency(now_us, "matching", 5e6)))
            found.append(("leverage", LeverageChange(now_us, "whale", "X", 100.0, 10.0, 2e6, 100.0)))
    return found


def run() -> tuple[Results, Pipeline]:
    settings = CoreSettings(calibration=Calibration(warm_up=20, warm_up_s=0.0))
    pipeline = Pipeline(settings, 1, lambda _: 0)
    for offset, (topic, event) in enumerate(events()):
        assert pipeline.push(topic, offset, event) is None
    pipeline.flush()
    return pipeline.results(), pipeline


RULES = {
    "price_move",
    "mark_index",
    "depth_floor",
    "liquidations",
    "component_latency",
    "leverage_cap",
    "account_exposure",
    "open_interest_share",
    "stale_mark",
    "stale_index",
}


@pytest.mark.parametrize("break_models", [is_as_it_was, raises, answers_nan, never_warms_up])
def test_guardrails_trip_and_counters_limit_whatever_the_models_do(
    break_models: Breaking, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _ = run()
    break_models(monkeypatch)
    broken, _ = run()
    assert broken.trips == whole.trips
    assert {trip.rule for trip in broken.trips} == RULES
    assert [limit.account for limit in broken.limits if limit.indicator == "pressure"]


def test_what_fails_is_counted_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    _, whole = run()
    raises(monkeypatch)
    _, broken = run()
    assert whole.counters["model_failed"] == 0
    assert broken.counters["model_failed"] > 100
    stage = broken._market[0]
    assert "cancel_burst of X: ZeroDivisionError: a model's own fault" in stage.faults


def test_a_score_that_is_no_number_is_counted_and_not_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    answers_nan(monkeypatch)
    results, broken = run()
    assert broken.counters["score_not_finite"] > 100
    assert results.signals == []


def thin_book_of(pipeline: Pipeline) -> object:
    """What the model of the book has learned."""
    watch = pipeline._market[0]._watches.get("X")
    assert watch is not None
    return watch.state()["watches"]["thin_book"]["models"]


def test_a_model_that_fails_does_not_keep_the_others_of_its_symbol_from_learning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> float:
        raise ZeroDivisionError("a model's own fault")

    _, whole = run()
    for model in (CancelBurst, TradeBurst, MarkDivergence):
        monkeypatch.setattr(model, "score_one", fail)
    _, broken = run()
    assert broken.counters["model_failed"] > 100
    assert thin_book_of(broken) == thin_book_of(whole)
