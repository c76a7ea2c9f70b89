"""What stages say of themselves: right, and without any effect on what they decide."""

from collections import Counter
from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from detectors.account_stage import AccountStage
from detectors.alert_book import AlertBook
from detectors.config import Alerts, CoreSettings
from detectors.decisions import Override
from detectors.events import BookSnapshot, Cancel, DerivativeTicker, Event, Latency, LeverageChange, Trade
from detectors.feedback_ranker import FeedbackRanker
from detectors.findings import Finding
from detectors.limit_controller import LimitController
from detectors.market_stage import MarketStage
from detectors.measures import Measure
from detectors.pressed_tick import Candidate, PressedTick
from detectors.ranker_settings import Ranker

SECOND_US = 1_000_000


def a_market() -> MarketStage:
    return MarketStage(0, 1, CoreSettings(), lambda _: 0)


def a_controller(*, first: bool = True) -> LimitController:
    return LimitController(CoreSettings(), 1, Counter(), lambda _: True, first=first)


def an_order(action: str, scope: str, limit: str = "throttle") -> Override:
    order = {"override_id": scope, "scope": scope, "action": action, "author": "ann", "reason": "a test"}
    return msgspec.convert(order | {"timestamp": 0, "expires_at": 90 * SECOND_US, "limit": limit}, Override)


def of(measures: object, *quantities: str) -> dict[tuple[str, ...], float]:
    found: Counter[tuple[str, ...]] = Counter()
    for one in measures:  # type: ignore[attr-defined]
        if one.quantity in quantities:
            found[one.quantity, *one.labels] += one.value
    return dict(found)


def test_a_market_stage_counts_closed_ticks_and_shows_the_newest_book_and_open_interest() -> None:
    stage = a_market()
    cancels: list[Event] = [Cancel(n * SECOND_US, "X", "a", "o", "buy", 100.0, 1.0) for n in range(1, 4)]
    stage.push("cancels", [0, 1, 2], cancels, 0)
    stage.push("trades", [0], [Trade(SECOND_US, "X", 100.0, 1.0, "buy")], 0)
    stage.push("books", [0], [BookSnapshot(SECOND_US, "X", [(99.99, 2.0)], [(100.01, 1.0)])], 0)
    stage.push("tickers", [0], [DerivativeTicker(SECOND_US, "X", open_interest=7.0)], 0)
    assert of(stage.measures(), "cancels", "trades") == {}
    stage.flush()
    assert of(stage.measures(), "cancels", "trades", "open_interest") == {
        ("cancels", "X"): 3,
        ("trades", "X"): 1,
        ("open_interest", "X"): 7.0,
    }
    depth = of(stage.measures(), "depth_10bp")
    assert depth == {("depth_10bp", "X", "bid"): 199.98, ("depth_10bp", "X", "ask"): 100.01}
    assert round(of(stage.measures(), "spread_bp")["spread_bp", "X"], 6) == 2.0
    assert of(stage.measures(), "entities")["entities", "symbol"] == 1


def test_calibrations_warm_up_one_stream_of_scores_at_a_time() -> None:
    stage = a_market()
    for second in range(1, 3):
        for symbol in ("X", "Y"):
            cancel = Cancel(second * SECOND_US, symbol, "a", "o", "buy", 100.0, 1.0)
            stage.push("cancels", [2 * second + (symbol == "Y")], [cancel], 0)
    stage.flush()
    states = of(stage.measures(), "calibrations")
    assert states["calibrations", "cancel_burst", "warming"] == 2
    for watch in (stage._watches.get("X"),):
        assert watch is not None
        for _ in range(500):
            watch._watches[0].scorer.pot.learn(0.0)
    states = of(stage.measures(), "calibrations")
    assert (states["calibrations", "cancel_burst", "warming"], states["calibrations", "cancel_burst", "warm"]) == (1, 1)


def test_trips_are_measured_by_rule_level_and_symbol_and_never_by_account() -> None:
    stage = a_market()
    stage.push("latency", [0], [Latency(SECOND_US, "matching", 300_000.0)], 0)
    accounts = AccountStage(0, 1, CoreSettings())
    change = LeverageChange(SECOND_US, "desk-7", "X", 60.0, position=20.0, entry_price=60_000.0)
    accounts.push("leverage", [0], [change], 0)
    assert of(stage.measures(), "trips_in_force") == {("trips_in_force", "component_latency", "soft", ""): 1}
    assert of(accounts.measures(), "trips_in_force") == {("trips_in_force", "leverage_cap", "hard", "X"): 1}


def test_limits_and_orders_in_force_are_measured_once() -> None:
    first, other = a_controller(), a_controller(first=False)
    for controller in (first, other):
        controller.obey(an_order("silence", "pattern:thin_book"))
        controller.note(PressedTick(SECOND_US, 0.0, (Candidate("a", 2.0, False, "X"),)))
        controller.advance(2 * SECOND_US)
    first.obey(an_order("pin", "account:b", limit="post_only"))
    assert of(first.measures(), "limits_in_force", "orders_in_force") == {
        ("limits_in_force", "throttle"): 1,
        ("limits_in_force", "post_only"): 1,
        ("orders_in_force", "pin"): 1,
        ("orders_in_force", "silence"): 1,
    }
    assert of(other.measures(), "orders_in_force") == {}
    first.obey(an_order("kill", "controller"))
    assert of(first.measures(), "limits_in_force")["limits_in_force", "throttle"] == 0


def test_open_alerts_are_measured_until_they_are_resolved() -> None:
    book = AlertBook(Alerts(), "v", "r", Counter(), FeedbackRanker(Ranker(), Counter()))
    finding = Finding(0, "thin_book", "X", "warning", 0.1, 1e-6, 0, "t", (), (), 0.0, (), 1)
    book.take([finding], SECOND_US)
    assert list(book.measures()) == [Measure("alerts_open", ("thin_book", "warning", "X"), 1)]
    book.resolve(100 * SECOND_US)
    assert list(book.measures()) == []


EVENTS = st.lists(
    st.tuples(st.integers(1, 80), st.sampled_from("ab"), st.sampled_from("XY"), st.booleans()), min_size=1, max_size=30
)


@given(events=EVENTS, looks=st.sets(st.integers(0, 29)))
def test_looking_at_a_stage_changes_nothing(events: list[tuple[int, str, str, bool]], looks: set[int]) -> None:
    watched, left_alone = a_market(), a_market()
    for offset, (tick, account, symbol, _) in enumerate(sorted(events)):
        event = Cancel(tick * 100_000, symbol, account, "o", "buy", float(Decimal("100.5")), 1.0)
        for stage in (watched, left_alone):
            stage.push("cancels", [offset], [event], 0)
        if offset in looks:
            list(watched.measures())
    assert watched.flush() == left_alone.flush()
    encode = msgspec.msgpack.Encoder(order="sorted").encode
    assert encode(watched.head()) == encode(left_alone.head())
