"""What is watched of a symbol: nothing for inputs that never come, in one order, and each with a runbook."""

from collections import Counter
from pathlib import Path
from typing import get_args

import pytest

from detectors.budget import BESIDE, FURTHER_STREAMS, MAIN, STREAMS, severity_of
from detectors.config import Alerts, CoreSettings
from detectors.features.market import MarketTick
from detectors.feed_watch import FeedWatch
from detectors.latency_watch import LatencyWatch
from detectors.ledger import EvidenceWindow
from detectors.results import Pattern, Signal
from detectors.symbol_watch import WATCHES, SymbolWatch
from tests.detectors.further_flows import SYMBOL, cancels, contract, liquidations, trades

RUNBOOK = Path(__file__).parents[2] / "deploy" / "runbook.md"
MADE: list[Pattern] = sorted(
    {kind.pattern for kind in WATCHES}
    | {LatencyWatch.pattern, FeedWatch.pattern, "correlated_stress", "leverage_spike"}
)


def unguarded(_name: str, work: object, _nothing: list[Signal]) -> list[Signal]:
    return work()  # type: ignore[operator, no-any-return]


def watched(*topics: str) -> list[str]:
    """The watches of a symbol after a tick with some of its topics, each after another."""
    watch = SymbolWatch(SYMBOL, CoreSettings(), Counter())
    flows = {
        "cancels": cancels(1, 5.0),
        "trades": trades(1, 5.0),
        "tickers": contract(1, 30.0),
        "liquidations": liquidations(1, 5.0, lambda _: 5.0),
    }
    for tick, topic in enumerate(topics):
        state = MarketTick()
        getattr(state, f"add_{topic}")(event for _, event in flows[topic])
        watch.close_tick(tick, state.symbols[SYMBOL], EvidenceWindow(100), unguarded)
    return list(watch.state()["watches"])


def test_inputs_that_never_come_have_no_watches() -> None:
    assert set(watched("cancels")) == {"cancel_burst", "lockstep", "layering", "drift"}
    assert set(watched("cancels", "trades")) == {"cancel_burst", "lockstep", "layering", "trade_burst", "drift"}
    assert set(watched("liquidations")) == {"liquidation_wave"}


def test_watches_stand_in_one_order_whichever_input_came_first() -> None:
    assert watched("tickers", "trades", "cancels") == watched("cancels", "trades", "tickers")


@pytest.mark.parametrize("pattern", MADE)
def test_every_pattern_that_is_made_has_a_section_of_the_runbook(pattern: str) -> None:
    assert pattern in get_args(Pattern)
    assert f"\n## {pattern}\n" in RUNBOOK.read_text()


def test_the_shares_of_the_budget_add_up_to_one_alert_a_day() -> None:
    # Drift is never more than info.
    further = [pattern for pattern in MADE if pattern not in MAIN and pattern != "drift"]
    beside = [kind for kind in WATCHES if kind.pattern in MAIN and kind.name in BESIDE]
    assert {kind.name for kind in beside} == BESIDE
    # Each symbol has a feed of books and one of tickers; the other streams are one a pattern, or beside a main one.
    assert 7 / STREAMS + (len(further) + 1 + len(beside)) / FURTHER_STREAMS <= 1.0
    alerts = Alerts()
    assert severity_of("trade_burst", alerts.false_alarms_per_day / FURTHER_STREAMS, alerts) == "warning"
    assert severity_of("trade_burst", alerts.false_alarms_per_day / STREAMS, alerts) == "info"
    assert severity_of("thin_book", alerts.false_alarms_per_day / STREAMS, alerts, "execution_quality") == "info"
