"""Each guardrail trips, rises, holds and clears, with the number and the limit that it was about."""

import ast
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from detectors.account_guardrails import AccountGuardrails
from detectors.config import CoreSettings
from detectors.decisions import Trip
from detectors.events import BookSnapshot, DerivativeTicker, Event, Latency, LeverageChange, Liquidation, Trade
from detectors.guardrail_settings import Guardrails
from detectors.market_guardrails import MarketGuardrails
from tests.detectors.guardrail_savings import Lives

ROOT = Path(__file__).parents[2]
SECOND_US = 1_000_000
Rows = list[tuple[int, str, str, str]]


def settings(**changes: object) -> CoreSettings:
    return replace(CoreSettings(), guardrails=Guardrails(**changes))  # type: ignore[arg-type]


def market(**changes: object) -> MarketGuardrails:
    return MarketGuardrails(settings(**changes), Counter())


def rows(trips: list[Trip]) -> Rows:
    """Second, state, level and value of each."""
    return [(one.timestamp // SECOND_US, one.state, one.level, f"{one.value:g}") for one in trips]


def ticker(at_s: float, mark: float, symbol: str = "BTC-PERP") -> DerivativeTicker:
    return DerivativeTicker(int(at_s * SECOND_US), symbol, mark_price=mark, index_price=100.0)


def book(at_s: float, bid_amount: float, symbol: str = "BTC-PERP") -> BookSnapshot:
    return BookSnapshot(int(at_s * SECOND_US), symbol, [(100.0, bid_amount)], [(100.0, 1_000.0)])


def latency(at_s: float, latency_us: float, component: str = "matching") -> Latency:
    return Latency(int(at_s * SECOND_US), component, latency_us)


def trade(at_s: float, price: float, symbol: str = "BTC-PERP") -> Trade:
    return Trade(int(at_s * SECOND_US), symbol, price, 1.0, "buy")


def liquidation(at_s: float, amount: float, symbol: str = "BTC-PERP") -> Liquidation:
    return Liquidation(int(at_s * SECOND_US), symbol, "sell", 1_000_000.0, amount)


def change(at_s: float, position: float, leverage: float = 5.0, account: str = "desk-7") -> LeverageChange:
    return LeverageChange(int(at_s * SECOND_US), account, "BTC-PERP", leverage, None, position, 1_000_000.0)


#: By rule: topic, an event whose value for the rule is a share of its soft limit (its hard limit is twice or more).
LAST_VALUE: dict[str, tuple[str, Callable[[float, float, str], Event]]] = {
    "mark_index": ("tickers", lambda at_s, share, symbol: ticker(at_s, 100.0 + round(2.0 * share, 6), symbol)),
    "depth_floor": ("books", lambda at_s, share, symbol: book(at_s, round(100.0 / share, 6), symbol)),
    "component_latency": ("latency", lambda at_s, share, name: latency(at_s, 250_000.0 * share, name)),
}


@pytest.mark.parametrize("rule", LAST_VALUE)
def test_a_rule_on_the_last_value_trips_rises_holds_and_clears(rule: str) -> None:
    topic, event = LAST_VALUE[rule]
    guardrails = market(min_hold_s=60, depth_floor=(Decimal(10_000), Decimal(4_000)))

    def levels(at_s: float, share: float, name: str = "one") -> list[tuple[str, str]]:
        trips = guardrails.on_events(topic, [event(at_s, share, name)])
        assert {one.rule for one in trips} <= {rule}
        return [(one.state, one.level) for one in trips]

    assert levels(0, 0.99) == levels(1, 1.0) == [], "a limit is not beyond itself"
    assert levels(2, 1.01) == [("tripped", "soft")]
    assert levels(3, 1.02) == [], "said once"
    assert levels(4, 9.0) == [("tripped", "hard")]
    assert levels(5, 1.01) == levels(63, 0.1) == [], "hard holds for a minute of its own"
    assert levels(64, 1.01) == [("tripped", "soft")], "the hard limit clears, the soft one is still broken"
    assert levels(123, 0.1) == [], "soft holds again"
    assert levels(124, 0.9) == [], "below the limit is not yet back within it"
    assert levels(125, 0.75) == [("cleared", "soft")]
    assert levels(126, 0.75) == []
    assert levels(130, 9.0) == [("tripped", "hard")]
    assert levels(131, 0.1) == [], "its last word"
    assert levels(189, 0.1, "another") == []
    assert levels(190, 0.1, "another") == [("cleared", "hard")], "time comes on by another's events"
    assert levels(200, 1.5) == [("tripped", "soft")]
    assert levels(900, 0.1, "another") == [], "what fell silent while broken stays tripped"


def test_a_price_that_falls_trips_and_clears_when_the_window_has_passed() -> None:
    guardrails = market(price_window_s=300, min_hold_s=60)
    fall = [trade(0, 100.0), trade(10, 95.0), trade(11, 94.9), trade(12, 94.0), trade(20, 89.9)]
    trips = guardrails.on_events("trades", fall)
    assert rows(trips) == [(11, "tripped", "soft", "0.051"), (20, "tripped", "hard", "0.101")]
    assert [(one.entity, one.limit, one.action) for one in trips] == [
        ("BTC-PERP", Decimal("0.05"), "reduce_only"),
        ("BTC-PERP", Decimal("0.1"), "halt"),
    ]
    assert trips[1].reason == "move of the last price within the window: 0.101 share, above the hard limit 0.1"
    assert guardrails.on_events("trades", [trade(90, 89.9), trade(300, 90.0), trade(300.9, 3_000.0, "ETH-PERP")]) == []
    # The highest price, of second 0, leaves; then that of second 10, and 94.9 and 94 are left.
    later = [trade(301, 3_000.0, "ETH-PERP"), trade(310, 3_000.0, "ETH-PERP"), trade(361, 3_000.0, "ETH-PERP")]
    trips = guardrails.on_events("trades", later)
    assert [one[:3] for one in rows(trips)] == [(301, "tripped", "soft"), (361, "cleared", "soft")]
    assert trips[0].value > trips[0].limit == Decimal("0.05")


def test_a_price_that_rises_trips_as_well() -> None:
    assert rows(market().on_events("trades", [trade(0, 100.0), trade(1, 105.0), trade(2, 105.1)])) == [
        (2, "tripped", "soft", "0.051")
    ]


def test_a_slow_slide_does_not_trip() -> None:
    guardrails = market(price_window_s=10)
    assert guardrails.on_events("trades", [trade(at_s, 100.0 - 0.3 * at_s) for at_s in range(100)]) == []


def test_a_trade_from_long_before_is_no_move() -> None:
    guardrails = market(price_window_s=10)
    assert guardrails.on_events("trades", [trade(100, 100.0), trade(89.9, 50.0), trade(101, 100.0)]) == []
    assert rows(guardrails.on_events("trades", [trade(95, 50.0)])) == [(101, "tripped", "hard", "0.5")]


def test_liquidations_add_up_over_symbols_of_their_own_and_leave_with_the_window() -> None:
    guardrails = market(liquidation_window_s=60, min_hold_s=60)
    wave = [liquidation(0, 4.0), liquidation(1, 4.9, "ETH-PERP"), liquidation(2, 1.000001), liquidation(30, 21.0)]
    trips = guardrails.on_events("liquidations", wave)
    assert rows(trips) == [(2, "tripped", "soft", "5000001.00"), (30, "tripped", "hard", "26000001.00")]
    # From 91 on the last of them is older than the window; the minute of hard was over before.
    trips = guardrails.on_events("liquidations", [liquidation(90.9, 1.0, "ETH-PERP"), liquidation(91, 1.0, "ETH-PERP")])
    assert rows(trips) == [(91, "cleared", "hard", "0.00")]


def test_liquidations_that_leave_in_part_step_down() -> None:
    guardrails = market(liquidation_window_s=60, min_hold_s=10)
    guardrails.on_events("liquidations", [liquidation(0, 20.0), liquidation(20, 6.0)])
    trips = guardrails.on_events("liquidations", [liquidation(61, 1.0, "ETH-PERP"), liquidation(81, 1.0, "ETH-PERP")])
    assert rows(trips) == [(61, "tripped", "soft", "6000000.00"), (81, "cleared", "soft", "0.00")]


def test_a_mark_that_no_longer_comes_is_stale() -> None:
    guardrails, said = market(), []
    for tick in range(800):
        comes = tick == 0 or tick >= 500
        end_us = (tick + 1) * 100_000
        newest = {"BTC-PERP": (end_us - 50_000 if comes else None, end_us - 50_000)}
        said += guardrails.close_tick(end_us, newest)
    assert [(one.rule, one.timestamp / SECOND_US, one.state, one.level) for one in said] == [
        ("stale_mark", 5.1, "tripped", "soft"),
        ("stale_mark", 30.1, "tripped", "hard"),
        # It came again at 50 s, but hard holds for a minute: these ticks end before.
    ]
    assert [(one.state, one.level) for one in guardrails.close_tick(90_100_000, {"BTC-PERP": (90_000_000, None)})] == [
        ("cleared", "hard"),
        ("tripped", "soft"),
    ]


def test_a_symbol_without_an_index_is_never_stale_for_it() -> None:
    guardrails = market()
    guardrails.close_tick(100_000, {"BTC-PERP": (50_000, None)})
    assert {one.rule for one in guardrails.close_tick(900_000_000, {})} == {"stale_mark"}


def test_leverage_above_the_cap_of_the_notional_trips_hard() -> None:
    guardrails = AccountGuardrails(settings(), Counter())
    changes = [
        change(0, position=0.2, leverage=125.0),
        change(1, position=0.25, leverage=50.0),
        change(2, position=0.25, leverage=51.0),
        change(3, position=-2.5, leverage=40.0),
        change(61, position=-2.5, leverage=16.0),
        change(62, position=-2.5, leverage=16.0),
    ]
    trips = guardrails.on_events(changes)
    assert rows(trips) == [(2, "tripped", "hard", "51.0"), (62, "cleared", "hard", "16.0")]
    assert [(one.rule, one.entity, one.limit) for one in trips] == [
        ("leverage_cap", "desk-7/BTC-PERP", Decimal(50)),
        ("leverage_cap", "desk-7/BTC-PERP", Decimal("16.0")),
    ]


def test_exposure_is_the_sum_over_symbols_and_follows_each() -> None:
    guardrails = AccountGuardrails(settings(min_hold_s=10), Counter())

    def exposures(*changes: LeverageChange) -> Rows:
        return rows([one for one in guardrails.on_events(changes) if one.rule == "account_exposure"])

    def on(symbol: str, at_s: float, position: float) -> LeverageChange:
        return msgspec.structs.replace(change(at_s, position), symbol=symbol)

    assert exposures(on("A", 0, 30.0), on("B", 1, -20.0)) == []
    assert exposures(on("C", 2, 0.00000001)) == [(2, "tripped", "soft", "50000000.01")]
    assert exposures(on("A", 3, -85.0)) == [(3, "tripped", "hard", "105000000.01")]
    assert exposures(on("A", 4, 0.0)) == []
    assert exposures(on("A", 13, 0.0)) == [(13, "cleared", "hard", "20000000.01")]


def test_a_position_without_a_price_keeps_its_notional_and_is_counted() -> None:
    counters: Counter[str] = Counter()
    guardrails = AccountGuardrails(settings(), counters)
    unpriced = msgspec.structs.replace(change(1, 1.0), entry_price=None)
    assert guardrails.on_events([change(0, 60.0), unpriced, change(100, 0.1, account="other")]) != []
    assert counters["unpriced_positions"] == 1
    assert rows(guardrails.on_events([change(200, 0.0)]))[-1] == (200, "cleared", "soft", "0.00")


def test_a_fall_of_open_interest_trips_who_did_nothing() -> None:
    guardrails = AccountGuardrails(settings(), Counter())
    assert guardrails.close_tick(100_000, [change(0, -140.0)], {"BTC-PERP": 1_000.0}) == []
    assert guardrails.close_tick(200_000, [], {"BTC-PERP": 940.0, "ETH-PERP": 1.0}) == []
    assert guardrails.close_tick(300_000, [], {"BTC-PERP": 0.0}) == [], "no open interest says nothing"
    trips = guardrails.close_tick(400_000, [], {"BTC-PERP": 700.0})
    trips += guardrails.close_tick(500_000, [], {"BTC-PERP": 350.0})
    assert [(one.level, one.value, one.limit) for one in trips] == [
        ("soft", Decimal("0.2"), Decimal("0.15")),
        ("hard", Decimal("0.4"), Decimal("0.3")),
    ]
    assert guardrails.close_tick(600_000, [], {"BTC-PERP": 5_000.0}) == []
    assert rows(guardrails.close_tick(60_500_000, [], {})) == [(60, "cleared", "hard", "0.028")]


def test_a_symbol_may_have_limits_of_its_own() -> None:
    guardrails = market(symbols={"DOGE-PERP": {"mark_index": ["0.001", "0.1"], "price_window_s": 1}})
    tickers = [ticker(0, 100.2), ticker(0, 100.2, "DOGE-PERP")]
    assert [(one.entity, one.limit) for one in guardrails.on_events("tickers", tickers)] == [
        ("DOGE-PERP", Decimal("0.001"))
    ]
    trades = [trade(at_s, price, symbol) for symbol in ("BTC", "DOGE-PERP") for at_s, price in ((0, 100.0), (9, 94.0))]
    assert [one.entity for one in guardrails.on_events("trades", trades)] == ["BTC"]


def test_a_hard_floor_of_nothing_is_never_broken() -> None:
    guardrails = market(depth_floor=(Decimal(10_000), Decimal(0)))
    empty = BookSnapshot(0, "BTC-PERP", [], [])
    assert rows(guardrails.on_events("books", [empty])) == [(0, "tripped", "soft", "0")]


def test_a_level_on_the_edge_of_the_band_counts_and_is_remembered() -> None:
    guardrails = market(min_hold_s=60)
    # Mid is 100; the bid at 99.5 is exactly 50 basis points away.
    edge = BookSnapshot(30 * SECOND_US, "BTC-PERP", [(99.9, 1.0), (99.5, 200.0)], [(100.1, 500.0)])
    assert rows(guardrails.on_events("books", [book(0, 50.0), edge])) == [(0, "tripped", "soft", "5000.00")]
    assert rows(guardrails.on_events("books", [book(60, 500.0, "ETH-PERP")])) == [(60, "cleared", "soft", "19999.90")]


def test_a_ticker_without_mark_and_index_still_moves_time() -> None:
    guardrails = market(min_hold_s=60)
    guardrails.on_events("tickers", [ticker(0, 103.0), ticker(1, 100.0)])
    bare = DerivativeTicker(60 * SECOND_US, "BTC-PERP", open_interest=5.0)
    assert rows(guardrails.on_events("tickers", [bare])) == [(60, "cleared", "soft", "0")]


def test_a_hold_that_ends_within_a_second_is_over_within_it() -> None:
    guardrails = market(price_window_s=1, min_hold_s=3)
    trips = guardrails.on_events("trades", [trade(11.0, 100.0), trade(11.3, 94.0)])
    assert rows(trips) == [(11, "tripped", "soft", "0.06")]
    trips = guardrails.on_events("trades", [trade(at_s, 1.0, "ETH-PERP") for at_s in (14.1, 14.2, 14.35, 14.9)])
    assert [(one.timestamp, one.state) for one in trips] == [(14_350_000, "cleared")]


def test_what_was_seen_last_is_saved_though_nothing_was_said_of_it() -> None:
    lives = Lives(MarketGuardrails, settings(min_hold_s=60))
    lives.now.on_events("latency", [latency(0, 3e5)])
    lives.save()
    lives.now.on_events("latency", [latency(1, 10.0)])
    lives.begin_again()
    assert rows(lives.now.on_events("latency", [latency(60, 1.0, "gateway")])) == [(60, "cleared", "soft", "10.0")]


def test_a_price_that_was_no_news_is_saved_all_the_same() -> None:
    lives = Lives(MarketGuardrails, CoreSettings())
    lives.now.on_events("trades", [trade(0, 100.0)])
    lives.save()
    lives.now.on_events("trades", [trade(0, 98.0)])
    lives.begin_again()
    assert rows(lives.now.on_events("trades", [trade(0, 102.998)])) == [(0, "tripped", "soft", "0.051")]


def imported(module: str) -> set[str]:
    """What a module of the core imports, and what is imported there in turn."""
    reached, todo = set[str](), [module]
    while todo:
        name = todo.pop()
        if name in reached:
            continue
        reached.add(name)
        path = ROOT.joinpath(*name.split(".")).with_suffix(".py")
        if path.is_file():
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom):
                    todo.append(node.module or "")
                elif isinstance(node, ast.Import):
                    todo += [alias.name for alias in node.names]
    return reached


@pytest.mark.parametrize("module", ["detectors.market_guardrails", "detectors.account_guardrails"])
def test_guardrails_know_no_model(module: str) -> None:
    reached = imported(module)
    assert "detectors.guardrail_states" in reached
    # Every detector is made of `base`.
    assert not {"detectors.base", "detectors.scorer", "detectors.calibration", "numpy"} & reached
    assert not [name for name in reached if name.partition(".")[0] == "river"]


def test_topics_without_a_rule_are_passed_over() -> None:
    assert market().on_events("cancels", [trade(0, 1.0)]) == []


def test_a_record_reads_back_as_it_was_written() -> None:
    (trip,) = market().on_events("tickers", [ticker(0, 103.0)])
    assert msgspec.json.decode(msgspec.json.encode(trip), type=Trip) == trip
    assert msgspec.json.decode(msgspec.json.encode(trip))["value"] == "0.03"
