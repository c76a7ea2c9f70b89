"""How many scores each calibration of a core has seen: what its p-values are shares of."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from detectors.account_stage import AccountStage
from detectors.correlation_stage import CorrelationStage
from detectors.market_stage import MarketStage
from detectors.pipeline import Pipeline
from detectors.symbol_watch import WATCHES

#: Detector, scope, and what is calibrated together; `*`: all symbols, or accounts.
Stream = tuple[str, str, str]
TOGETHER = "*"
_SCOPES = {kind.name: kind.scope for kind in WATCHES}


def scores_seen(pipeline: Pipeline) -> Counter[Stream]:
    """Scores of every stream since it began."""
    seen: Counter[Stream] = Counter()
    for stage in pipeline.stages:
        kept, head = stage.kept(), stage.head()
        for symbol, watch in kept.get("symbol", {}).items() if isinstance(stage, MarketStage) else ():
            for name, state in watch.state()["watches"].items():
                seen[name, _SCOPES[name], symbol] += _in_models(state)
        for component, watch in kept.get("component", {}).items():
            seen["latency_shock", "market", component] += _in_models(watch.state())
        for symbol, feeds in kept.get("feed", {}).items():
            seen["feed_fault", "symbol", symbol] += sum(_seen_by(feeds.state()["watches"]))
        if isinstance(stage, AccountStage):
            seen["cancel_burst", "account", TOGETHER] += sum(_seen_by(head["accounts"]))
            seen["leverage_jump", "account", TOGETHER] += sum(_seen_by(head["leverage"]))
        if isinstance(stage, CorrelationStage):
            seen["leverage_spike", "symbol", TOGETHER] += sum(_seen_by(head["leverage"]))
    return seen


def _in_models(state: dict[str, Any]) -> int:
    return sum(_seen_by(state["models"]))


def _seen_by(state: Any) -> Iterator[int]:  # noqa: ANN401 - plain values of any shape
    """What all calibrations in a state have seen."""
    if isinstance(state, dict):
        if "pot" in state:
            yield state["pot"]["counts"][0]
        for name, value in state.items():
            if name != "pot":
                yield from _seen_by(value)
    elif isinstance(state, list):
        for value in state:
            yield from _seen_by(value)
