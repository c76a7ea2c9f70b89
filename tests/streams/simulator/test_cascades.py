"""Build-ups, liquidations that feed liquidations, and what must hold whatever happens."""

from collections import Counter
from random import Random
from statistics import fmean

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.errors import ConfigError
from detectors.events import BookSnapshot, Event, LeverageChange, Liquidation, Trade
from streams.simulator import Cascades, Exchange, ExchangeSettings, Forced
from streams.simulator.agenda import Agenda
from streams.simulator.build_ups import UNWIND_S, BuildUp, plan
from streams.simulator.clearing import Clearing
from streams.simulator.dislocation import Dislocation
from streams.simulator.holdings import Holdings
from streams.simulator.market import Market, Venue
from streams.simulator.settings import contract_of

SYMBOL = "BTC-PERP"
PRICE = 60_000.0
START_US = ExchangeSettings().start_us


class House:
    """One market whose accounts hold nothing yet, with a book as deep as asked for."""

    def __init__(self, level_lots: int) -> None:
        wanted = ExchangeSettings(symbols=(SYMBOL,), accounts=100, makers=4, events_per_s=100)
        self.events: list[tuple[str, Event]] = []
        self.forced: list[Forced] = []
        contract = contract_of(SYMBOL)
        self.holdings = Holdings(contract, wanted, np.random.default_rng(1))
        self.holdings.lots[:] = 0
        venue = Venue(wanted, Agenda(100_000), self.events.append)
        self.market = Market(contract, venue, self.holdings, Random(1))
        self.clearing = Clearing(self.market, self.holdings, Random(2))
        self.clearing.dislocation = Dislocation()
        self.clearing.log = self.forced.append
        for offset in range(80):
            for is_buy in (True, False):
                self.market.rest(START_US, offset % 4, is_buy, offset, level_lots)

    def hold(self, account: int, lots: int, leverage: float, entry: float = PRICE) -> None:
        self.holdings.leverage[account] = leverage
        self.holdings.fill(account, lots, entry)
        self.holdings.fill(0, -lots, entry)

    def tick(self, outside: float, second: int = 1) -> None:
        if outside != self.clearing.outside:
            self.clearing.outside = self.market.last_price = outside
        self.clearing.tick(START_US + 1_000_000 * second, None)

    def liquidated(self) -> list[Liquidation]:
        return [event for _, event in self.events if isinstance(event, Liquidation)]


def test_an_account_is_liquidated_when_the_mark_crosses_its_margin_and_not_before() -> None:
    house = House(level_lots=1_000)
    house.hold(50, 100, leverage=50)
    house.hold(51, 100, leverage=10)
    house.hold(52, -100, leverage=50)
    house.tick(PRICE * 0.985)
    assert house.liquidated() == []
    house.tick(PRICE * 0.983)
    (event,) = house.liquidated()
    assert (event.account, event.side, event.amount) == (house.market.names[50], "sell", 0.1)
    assert house.holdings.lots[50] == 0
    assert house.holdings.lots[51] == 100
    house.tick(PRICE * 0.983, 2)
    assert len(house.liquidated()) == 1


positions = st.lists(
    st.tuples(st.integers(10, 99), st.integers(-400, 400).filter(bool), st.sampled_from([5.0, 20.0, 50.0, 100.0])),
    min_size=1,
    max_size=12,
    unique_by=lambda one: one[0],
)


@settings(deadline=None, max_examples=60)
@given(positions, st.lists(st.floats(-0.06, 0.06), min_size=1, max_size=6), st.integers(1, 200))
def test_what_is_liquidated_is_closed_once_and_nothing_is_made_or_lost(
    held: list[tuple[int, int, float]], moves: list[float], level_lots: int
) -> None:
    house = House(level_lots)
    for account, lots, leverage in held:
        house.hold(account, lots, leverage)
    before = house.holdings.lots.copy()
    for second, move in enumerate(moves, 1):
        house.tick(PRICE * (1.0 + move), second)
    after = house.holdings.lots
    assert int(after.sum()) == 0
    closed: Counter[str] = Counter()
    for one in house.forced:
        closed[one.account] += one.lots
    for account, _, _ in held:
        assert abs(int(before[account])) - abs(int(after[account])) == closed[house.market.names[account]]
        assert int(before[account]) * int(after[account]) >= 0
    traded = [event for _, event in house.events if isinstance(event, Trade)]
    assert all(event.liquidation for event in traded)
    assert sum(round(event.amount * 1_000) for event in traded) == closed.total()
    assert sum(round(event.amount * 1_000) for event in house.liquidated()) == closed.total()


@pytest.mark.parametrize(("level_lots", "is_forced"), [(60, True), (20_000, False)])
def test_a_liquidation_forces_the_next_one_unless_the_book_is_deep_enough(level_lots: int, is_forced: bool) -> None:
    house = House(level_lots)
    # The hundredfold ones are due, the other one is 0.3 % further down.
    for account in range(20, 24):
        house.hold(account, 1_000, 100, entry=PRICE / 0.9939)
    house.hold(30, 500, 75, entry=1.00639 * PRICE)
    for second in range(1, 60):
        house.tick(PRICE, second)
    assert {one.account for one in house.forced if not one.is_self_fed} == set(house.market.names[20:24])
    fed = {one.account for one in house.forced if one.is_self_fed}
    assert fed == ({house.market.names[30]} if is_forced else set())


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 10_000), strength=st.floats(0.1, 50.0), every_s=st.floats(60.0, 20_000.0))
def test_build_ups_of_a_symbol_do_not_overlap_and_go_from_nothing_to_nothing(
    seed: int, strength: float, every_s: float
) -> None:
    wanted = ExchangeSettings(seed=seed, duration_s=86_400)
    build_ups, shocks = plan(SYMBOL, wanted, Cascades(every_s=every_s, strength=strength))
    free_us = wanted.start_us
    for one in build_ups:
        assert free_us <= one.start_us < one.ripe_us
        assert one.start_us < one.end_us
        free_us = one.end_us + round(UNWIND_S * 1e6)
        assert one.progress(one.start_us) == one.progress(free_us) == 0.0
        assert 0.0 < one.progress(one.end_us) <= 1.0
        assert one.size > 0.0
        assert 0.0 <= one.thinning < 1.0
    assert shocks == sorted(shocks, key=lambda one: one.start_us)
    assert all(one.start_us < one.end_us for one in shocks)
    assert plan(SYMBOL, wanted, Cascades(every_s=every_s, strength=strength)) == (build_ups, shocks)


@given(st.lists(st.tuples(st.booleans(), st.floats(0.98, 1.02)), max_size=40))
def test_arbitrage_takes_a_dislocation_back_and_never_past_the_world(forced: list[tuple[bool, float]]) -> None:
    found = Dislocation()
    for is_buy, traded in forced:
        before = found.own
        found.force(is_buy=is_buy, traded=100.0 * traded, fair=100.0)
        assert (found.own >= before) if is_buy else (found.own <= before)
    carried, index = found.own, found.index(100.0)
    found.pass_time(300.0)
    assert found.own == pytest.approx(carried / 2)
    assert abs(found.index(100.0) - index) <= abs(100.0 * carried)
    assert found.undisturbed(100.0) == 100.0


def small(seed: int, seconds: float, cascades: Cascades | None) -> ExchangeSettings:
    return ExchangeSettings(
        seed=seed, symbols=(SYMBOL,), accounts=400, makers=8, events_per_s=16, duration_s=seconds, books_per_s=1,
        cascades=cascades,
    )  # fmt: skip


#: Of this seed the first build-up is complete, and news comes; of the other one it is called off.
CRASH_SEED, FIZZLE_SEED = 4, 8
OFTEN = Cascades(every_s=300, build_up_s=900, news_per_day=0)


class Course:
    """What happened on a small exchange until its first build-up was over."""

    def __init__(self, seed: int) -> None:
        self.build_up = first_build_up(seed)
        over_us = self.build_up.end_us + round(UNWIND_S * 1e6)
        self.forced: list[Forced] = []
        wanted = small(seed, (over_us - START_US) / 1e6, OFTEN)
        self.events = [event for _, event in Exchange(wanted, log=self.forced.append).events()]

    def depth(self, start_us: int, end_us: int) -> float:
        books = [e for e in self.events if isinstance(e, BookSnapshot) and start_us <= e.timestamp < end_us]
        return fmean(sum(amount for _, amount in book.bids + book.asks) for book in books)


def first_build_up(seed: int) -> BuildUp:
    return plan(SYMBOL, small(seed, 86_400, OFTEN), OFTEN)[0][0]


@pytest.fixture(scope="module")
def crash() -> Course:
    return Course(CRASH_SEED)


@pytest.fixture(scope="module")
def fizzle() -> Course:
    return Course(FIZZLE_SEED)


def test_the_same_seed_makes_the_same_cascade(crash: Course) -> None:
    forced: list[Forced] = []
    span_s = (crash.events[-1].timestamp - START_US) / 1e6
    again = [event for _, event in Exchange(small(CRASH_SEED, span_s, OFTEN), log=forced.append).events()]
    encode = msgspec.json.Encoder().encode_lines
    assert encode(again) == encode(crash.events[: len(again)])
    assert forced == crash.forced[: len(forced)]
    assert len(again) > 10_000


def test_there_are_no_cascades_unless_asked_for() -> None:
    assert ExchangeSettings().cascades is None
    forced: list[Forced] = []
    assert sum(1 for _ in Exchange(small(CRASH_SEED, 60, None), log=forced.append).events()) > 500
    assert forced == []


def test_a_crowd_raises_leverage_and_open_interest_and_the_book_thins(crash: Course) -> None:
    one = crash.build_up
    changes = [e for e in crash.events if isinstance(e, LeverageChange) and one.start_us <= e.timestamp < one.ripe_us]
    raises = [e for e in changes if e.prev_leverage is not None and e.leverage > e.prev_leverage >= 3]
    held = [e for e in changes if e.position * one.sign > 0 and e.leverage >= 20]
    assert len(raises) > 30
    assert len(held) > 15
    quarter_us = (one.ripe_us - one.start_us) // 4
    early = crash.depth(START_US, one.start_us + quarter_us)
    late = crash.depth(one.ripe_us - quarter_us, one.ripe_us)
    assert late < (1.0 - 0.4 * one.thinning) * early


def test_news_upon_a_crowd_makes_liquidations_that_feed_further_ones(crash: Course) -> None:
    forced = [one for one in crash.forced if one.timestamp >= crash.build_up.start_us]
    fed = [one for one in forced if one.is_self_fed]
    assert len({one.account for one in forced}) > 20
    assert len(fed) > 10
    assert forced[0].timestamp <= fed[0].timestamp
    told = [event for event in crash.events if isinstance(event, Liquidation)]
    assert [(e.timestamp, e.account) for e in told] == [(one.timestamp, one.account) for one in crash.forced]


def test_a_build_up_that_is_called_off_forces_almost_nobody(fizzle: Course) -> None:
    assert fizzle.build_up.end_us < fizzle.build_up.ripe_us
    assert len({one.account for one in fizzle.forced if one.timestamp >= fizzle.build_up.start_us}) < 8
    grown = [e for e in fizzle.events if isinstance(e, LeverageChange) and e.position * fizzle.build_up.sign > 0]
    assert len(grown) > 15


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"every_s": 0.0}, r"exchange.cascades.every_s must be > 0, was 0.0"),
        ({"build_up_s": 5.0}, r"exchange.cascades.build_up_s must be >= 60, was 5.0"),
        ({"strength": -1.0}, r"exchange.cascades.strength must be > 0, was -1.0"),
        ({"news_per_day": -1.0}, r"exchange.cascades.news_per_day must be >= 0, was -1.0"),
    ],
)
def test_cascade_settings_out_of_range_are_refused(changed: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Cascades(**changed)


def test_books_come_only_at_rates_that_divide_a_second() -> None:
    with pytest.raises(ConfigError, match=r"books_per_s must be one of \(1, 2, 5, 10\), was 3"):
        ExchangeSettings(books_per_s=3)
