"""Cascade risk: the density of liquidation prices, the gain against the book, odds, and contagion."""

import math
import random
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.book_profiles import BookProfiles
from detectors.budget import severity_of
from detectors.cascade_gain import INTERVAL_BP, RANGE_BP, cascade_gain, hit_probability
from detectors.cascade_odds import CascadeOdds
from detectors.cascade_pool import CascadePool
from detectors.cascade_settings import Cascade
from detectors.config import Alerts, CoreSettings
from detectors.contagion import debt_rank, spectral_radius
from detectors.contagion_graph import ContagionGraph, Node
from detectors.errors import ConfigError
from detectors.events import BookSnapshot, LeverageChange, Liquidation, Trade
from detectors.features.market import MarketTick, SymbolTick
from detectors.ledger import EvidenceWindow
from detectors.leverage_watch import LeverageWatch
from detectors.liquidation_density import BUCKET_BP, LONG, SHORT, LiquidationDensity, bucket_of
from detectors.liquidation_price import liquidation_price
from detectors.results import BookProfile, LeverageMove, Signal

TIERS = [(0.0, 0.005), (1e6, 0.02)]

prices = st.floats(min_value=1e-3, max_value=1e6)
positions = st.floats(min_value=-1e4, max_value=1e4).filter(lambda amount: abs(amount) > 1e-3)


@given(positions, prices, st.floats(min_value=1.0, max_value=125.0), st.floats(min_value=0.0, max_value=1e6))
def test_at_the_liquidation_price_the_margin_left_is_the_maintenance_margin(
    position: float, entry: float, leverage: float, collateral: float
) -> None:
    price = liquidation_price(position, entry, leverage, TIERS, collateral)
    margin = max(abs(position) * entry / leverage, collateral)
    rate = 0.02 if abs(position) * entry >= 1e6 else 0.005
    if price is None:
        assert position > 0.0
        assert margin >= position * entry * (1.0 - 1e-9)
        return
    left = margin + position * (price - entry)
    assert left == pytest.approx(rate * abs(position) * price, rel=1e-6, abs=1e-6 * abs(position) * (entry + price))


changes = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.floats(min_value=-50.0, max_value=50.0),
        st.floats(min_value=90.0, max_value=110.0),
        st.sampled_from([2.0, 10.0, 50.0]),
        st.sampled_from(["cross", "isolated"]),
    ),
    max_size=40,
)


@given(changes, st.integers(min_value=1, max_value=7))
def test_the_running_density_is_that_of_the_positions_as_they_stand(
    given_changes: list[tuple[str, float, float, float, str]], per_tick: int
) -> None:
    watch = LeverageWatch(CoreSettings(), Counter())
    density, cross_cents = LiquidationDensity(), 0
    standing: dict[str, LeverageChange] = {}
    for tick, begin in enumerate(range(0, len(given_changes), per_tick)):
        events: list[LeverageChange] = []
        for account, position, entry, leverage, mode in given_changes[begin : begin + per_tick]:
            event = LeverageChange(
                begin + len(events), account, "S", leverage, position=position, entry_price=entry,
                margin_mode="cross" if mode == "cross" else "isolated",
            )  # fmt: skip
            events.append(event)
            standing[account] = event
        moves, _ = watch.close_tick(tick, events, EvidenceWindow(10))
        for move in moves:
            cross_cents += move.cross_cents
            for side, bucket, cents in move.liquidations:
                density.add(side, bucket, cents)
    wanted: defaultdict[tuple[int, int], int] = defaultdict(int)
    for event in standing.values():
        price = liquidation_price(event.position, event.entry_price or 0.0, event.leverage, [(0.0, 0.005)])
        cents = int(abs(event.position) * (event.entry_price or 0.0) * 100.0)
        if price is not None and cents:
            wanted[LONG if event.position > 0 else SHORT, bucket_of(price)] += cents
    for side in (LONG, SHORT):
        of_side = {bucket: cents for (at, bucket), cents in wanted.items() if at == side}
        assert density.between(side, -20_000, 20_000) == sum(of_side.values())
        for bucket, cents in of_side.items():
            assert density.between(side, bucket, bucket) == cents
    expected = sum(
        int(abs(e.position) * (e.entry_price or 0.0) * 100.0) for e in standing.values() if e.margin_mode == "cross"
    )
    assert cross_cents == expected


def test_a_flood_of_price_levels_takes_no_more_room_and_leaves_nothing_behind() -> None:
    density = LiquidationDensity(max_buckets=10)
    for bucket in range(1_000):
        density.add(LONG, bucket, 100)
    assert density.buckets == 10
    assert density.unplaced_cents[LONG] == 99_000
    for bucket in range(1_000):
        density.add(LONG, bucket, -100)
    assert density.buckets == 0
    assert density.unplaced_cents[LONG] == 0


@given(
    st.dictionaries(st.integers(min_value=-180, max_value=0), st.integers(min_value=1, max_value=10**9), max_size=30),
    st.floats(min_value=1.0, max_value=1e6),
)
def test_the_gain_of_every_interval_is_what_is_liquidated_in_it_over_what_the_book_takes(
    below: dict[int, int], depth_per_bp: float
) -> None:
    density, here = LiquidationDensity(), bucket_of(100.0)
    for offset, cents in below.items():
        density.add(LONG, here + offset, cents)
    found = cascade_gain(density, LONG, 100.0, depth_per_bp)
    assert len(found.intervals) == RANGE_BP // INTERVAL_BP
    for one in found.intervals:
        first = one.begin_bp // BUCKET_BP
        inside = sum(cents for offset, cents in below.items() if first <= -offset < first + INTERVAL_BP // BUCKET_BP)
        assert one.gain == pytest.approx(inside / 100.0 / (depth_per_bp * INTERVAL_BP))
    feeding = [one.begin_bp for one in found.intervals if one.gain >= 1.0]
    assert found.self_feeding_bp == (feeding[0] if feeding else None)
    assert found.reach_bp >= (found.self_feeding_bp or 0)


def test_longs_are_forced_below_the_price_and_shorts_above() -> None:
    density = LiquidationDensity()
    density.add(SHORT, bucket_of(102.0), 10_000_000_00)
    assert cascade_gain(density, LONG, 100.0, 1_000.0).self_feeding_bp is None
    above = cascade_gain(density, SHORT, 100.0, 1_000.0)
    assert above.self_feeding_bp is not None
    assert above.self_feeding_bp <= 200 < above.self_feeding_bp + INTERVAL_BP


def test_the_chance_of_reaching_a_price_is_that_of_a_simulated_walk() -> None:
    chance = random.Random(3)
    reached = 0
    for _ in range(2_000):
        at = lowest = 0.0
        for _ in range(900):
            at += chance.gauss(0.0, 1.0)
            lowest = min(lowest, at)
        reached += lowest <= -40.0
    assert hit_probability(40.0, 1.0, 900.0) == pytest.approx(reached / 2_000, abs=0.03)


def odds_of_one() -> CascadeOdds:
    """Odds that rest on one number, and begin by believing it."""
    return CascadeOdds(900, prior=(0.0, 1.0), variances=(4.0, 1.0))


def logit(probability: float) -> tuple[float, float]:
    bounded = min(max(probability, 1e-3), 0.999)
    return 1.0, math.log(bounded / (1.0 - bounded))


def test_odds_say_that_they_know_nothing_until_cascades_were_foretold_better_than_by_the_base_rate() -> None:
    odds, chance, time_s = odds_of_one(), random.Random(5), 0.0
    assert not odds.forecast("X", logit(0.5), 0.0).known
    for _ in range(40):
        for _ in range(600):
            time_s += 60.0
            odds.pass_time("X", time_s)
            odds.forecast("X", logit(0.02 * chance.random()), time_s)
        for _ in range(10):
            time_s += 60.0
            odds.forecast("X", logit(0.6), time_s)
        odds.begin_cascade("X", time_s + 30.0)
    found = odds.forecast("X", logit(0.6), time_s)
    assert found.known
    assert found.brier < 0.5 * found.base_brier
    assert found.probability > 0.5
    assert odds.forecast("Y", logit(0.001), time_s).probability < 0.05


def test_odds_that_cry_wolf_are_lowered_and_not_believed() -> None:
    odds, chance = odds_of_one(), random.Random(6)
    for minute in range(20_000):
        odds.pass_time("X", 60.0 * minute)
        odds.forecast("X", logit(0.5 + 0.4 * chance.random()), 60.0 * minute)
        if minute % 2_000 == 1_999:
            odds.begin_cascade("X", 60.0 * minute + 1.0)
    found = odds.forecast("X", logit(0.7), 60.0 * 20_000)
    assert found.probability < 0.1
    assert not found.known


@given(st.lists(st.tuples(st.floats(0.0, 1.0), st.booleans()), max_size=60), st.integers(0, 59))
def test_odds_go_on_where_their_state_was_saved(steps: list[tuple[float, bool]], cut: int) -> None:
    whole, first = odds_of_one(), odds_of_one()
    for minute, (raw, begins) in enumerate(steps):
        if minute == cut:
            saved, first = first.state(), odds_of_one()
            first.restore(saved)
        for odds in (whole, first):
            odds.pass_time("X", 60.0 * minute)
            if begins:
                odds.begin_cascade("X", 60.0 * minute)
            odds.forecast("X", logit(raw), 60.0 * minute)
    assert first.state() == whole.state()


@given(
    st.integers(1, 6).flatmap(
        lambda n: st.lists(st.lists(st.floats(0.0, 2.0), min_size=n, max_size=n), min_size=n, max_size=n)
    )
)
def test_the_spectral_radius_is_that_of_a_full_decomposition(rows: list[list[float]]) -> None:
    weights = np.array(rows)
    wanted = max(abs(np.linalg.eigvals(weights)))
    assert spectral_radius(weights) == pytest.approx(wanted, rel=0.02, abs=0.02)


def test_stress_beyond_the_spectral_radius_of_one_reaches_everything() -> None:
    ring = np.array([[0.0, 1.2, 0.0], [0.0, 0.0, 1.2], [1.2, 0.0, 0.0]])
    assert spectral_radius(ring) == pytest.approx(1.2, abs=1e-3)
    assert debt_rank(ring, [0.1, 0.0, 0.0], [1.0, 1.0, 1.0]) == pytest.approx((3.0 - 0.1) / 3.0)


def test_a_market_that_falls_when_another_rises_is_no_way_for_contagion() -> None:
    for sign, wanted in ((1.0, 1.0), (-1.0, 0.5)):
        graph, chance, level = ContagionGraph(), random.Random(1), 0.0
        for minute in range(200):
            level += chance.gauss(0.0, 0.01)
            nodes = {
                "A": Node(math.exp(level), 0.5, 0.0, 1.0),
                "B": Node(math.exp(sign * level), 0.5, 0.0, 1.0),
            }
            found = graph.step(60.0 * minute, nodes)
        assert found.spectral_radius == pytest.approx(wanted, abs=0.01)


def pool_of() -> CascadePool:
    return CascadePool(CoreSettings(), Counter())


def walk(pool: CascadePool, seconds: int, seed: int, near_from_s: int | None = None) -> list[tuple[int, Signal]]:
    """Five-second profiles of a wandering price; from a time on a crowd stands just below it."""
    chance, mid, signals = random.Random(seed), 100.0, []
    for second in range(5, seconds, 5):
        mid *= math.exp(chance.gauss(0.0, 2e-4))
        tick, moves = second * 10 - 1, []
        if second == near_from_s:
            crowd = (LONG, bucket_of(mid * 0.993), 50_000_000_00)
            moves = [LeverageMove("S", 1, 1, 1, 50_000_000_00, 0, ("a",), (crowd,))]
        elif second == 5:
            far = (LONG, bucket_of(mid * 0.9), 5_000_000_00)
            moves = [LeverageMove("S", 1, 1, 1, 5_000_000_00, 0, ("a",), (far,))]
        depth = 10_000.0 * chance.uniform(0.8, 1.2)
        profile = BookProfile("S", mid, depth, depth, 50 * depth, 50 * depth)
        signals += [(second, signal) for signal in pool.close_tick(tick, moves, [profile], {})]
    return signals


def test_a_crowd_just_below_the_price_is_told_with_its_distance_and_probability() -> None:
    pool = pool_of()
    signals = walk(pool, 7_200, seed=2, near_from_s=6_000)
    assert signals
    second, signal = signals[0]
    assert 6_000 <= second <= 6_010
    assert signal.pattern == "cascade_risk"
    assert signal.per_day < 1.0
    distance = signal.contributions[0]
    assert distance.unit == "basis points"
    assert 0.0 <= distance.observed <= 100.0
    assert any(
        "probability of a cascade within 15 min (not yet known how good)" in p.signal for p in signal.contributions
    )
    assert sum(part.share for part in signal.contributions) == pytest.approx(1.0)
    assert pool.risks["S"].odds[1_800].probability >= pool.risks["S"].odds[900].probability
    assert pool.contagion is not None
    assert pool.contagion.spectral_radius > 1.0


@pytest.mark.parametrize("seed", range(3))
def test_a_wandering_price_far_from_liquidations_is_quiet(seed: int) -> None:
    assert walk(pool_of(), 7_200, seed=seed) == []


def test_a_cascade_begins_when_enough_is_forced_and_the_price_goes_with_it() -> None:
    counters: Counter[str] = Counter()
    pool = CascadePool(CoreSettings(cascade=Cascade(depth_share=0.5, move=0.01)), counters)
    for number in range(200):
        pool.close_tick(50 * number, [], [BookProfile("S", 100.0, 1e4, 1e4, 5e5, 5e5)], {})
    pool.close_tick(50 * 200, [], [BookProfile("S", 99.9, 1e4, 1e4, 5e5, 5e5, long_cents=400_000_00)], {})
    assert counters["cascades"] == 0
    (begun,) = pool.close_tick(50 * 201, [], [BookProfile("S", 98.5, 1e4, 1e4, 1e5, 5e5, long_cents=100_000_00)], {})
    assert counters["cascades"] == 1
    assert severity_of(begun.pattern, begun.per_day, Alerts()) == "warning"
    forced, moved = begun.contributions[:2]
    assert forced.signal == "notional liquidated in 60 s, against the least of a cascade"
    assert (forced.observed, forced.unit) == (500_000.0, "notional")
    assert forced.expected == pytest.approx(250_000.0, rel=0.01)
    assert (round(moved.observed), moved.expected, moved.unit) == (152, 100.0, "basis points")
    later = pool.close_tick(50 * 202, [], [BookProfile("S", 98.0, 1e4, 1e4, 1e5, 5e5, long_cents=100_000_00)], {})
    assert later == []
    assert counters["cascades"] == 1


def test_a_liquidation_told_twice_by_event_and_by_trade_counts_once() -> None:
    profiles = BookProfiles(CoreSettings(), Counter())
    tick = MarketTick()
    tick.add_liquidations([Liquidation(0, "S", "sell", 100.0, 3.0)])
    tick.add_trades(
        [Trade(0, "S", 100.0, 3.0, "sell", liquidation=True), Trade(0, "S", 100.0, 1.0, "sell", liquidation="maker")]
    )
    tick.add_books([BookSnapshot(0, "S", [(99.9, 1.0)], [(100.1, 1.0)])])
    profile = profiles.close_tick(0, "S", tick.symbol("S"))
    assert profile is not None
    assert (profile.long_cents, profile.short_cents) == (300_00, 100_00)
    assert profiles.close_tick(1, "S", SymbolTick()) is None


@pytest.mark.parametrize(
    "wrong",
    [{"window_s": 7}, {"depth_share": 0.0}, {"move": 1.0}, {"quiet_s": -1}, {"maintenance_tiers": {"5": 0.1}}],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"cascade\."):
        Cascade(**wrong)  # type: ignore[arg-type]
