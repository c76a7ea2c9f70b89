"""What holds for every record, order of delivery and sequence of questions."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.client import Baseline, LimitView, RateLimit, Refused, TokenBuckets, Trust, read_account, read_limit

SECOND_US = 1_000_000
START_US = 1_700_000_000_000_000
BASELINE = Baseline(orders_per_second=10.0, burst=20.0)
ACCOUNTS = ("A", "B")

numbers = st.one_of(st.floats(-1.0, 40.0), st.sampled_from([0.0, 1e-300, 1.0, 1e300]))
times_us = st.integers(-40, 140).map(lambda tenths: START_US + tenths * SECOND_US // 2)
records: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "account": st.sampled_from(ACCOUNTS),
        "version": st.integers(-2, 12),
        "mode": st.sampled_from(["enforce", "enforce", "enforce", "shadow", "dry"]),
        "action": st.sampled_from(["none", "throttle", "throttle", "post_only", "reduce_only", "block", "explode"]),
        "orders_per_second": numbers,
        "burst": numbers,
        "multiplier": st.one_of(st.floats(0.01, 1.0), numbers),
        "issued_at": times_us,
        "expires_at": times_us,
        "exempt": st.just([]),
        "indicator": st.just("pressure"),
        "value": st.just(1.0),
        "trigger": st.just(0.5),
        "reason": st.just("why"),
        "alert_ids": st.just([]),
        "next": st.just({"multiplier": 1.0, "at": 0}),
        "override_id": st.sampled_from(["", "o-1"]),
        "schema": st.sampled_from([1, 1, 1, 2]),
    }
)
values = st.one_of(
    st.none(), records.map(msgspec.json.encode), records.map(msgspec.json.encode), st.binary(max_size=40)
)
asked = st.sampled_from(["new", "post_only", "cancel", "reduce_only"])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("record"), st.sampled_from(ACCOUNTS), values),
        st.tuples(st.just("allow"), st.sampled_from(ACCOUNTS), asked),
        st.tuples(st.just("feed"), st.none(), st.none()),
        st.tuples(st.just("pass"), st.integers(-30, 100), st.none()),
    ),
    max_size=60,
)


def limit(version: int, issued_us: int, rate: float = 5.0, burst: float = 10.0, **more: object) -> RateLimit:
    fields = {
        "account": "A", "version": version, "mode": "enforce", "action": "throttle", "orders_per_second": rate,
        "burst": burst, "multiplier": 0.5, "issued_at": issued_us, "expires_at": issued_us + 30 * SECOND_US,
        "exempt": [], "indicator": "pressure", "value": 1.0, "trigger": 0.5, "reason": "why", "alert_ids": [],
        "next": {"multiplier": 1.0, "at": issued_us},
    }  # fmt: skip
    return msgspec.convert(fields | more, RateLimit)


def watched(trust: Trust | None = None) -> LimitView:
    view = LimitView("engine-1", BASELINE, trust=trust)
    view.feed_seen(START_US)
    return view


@given(steps)
def test_no_input_refuses_cancels_or_leaves_the_bounds_of_the_baseline(steps: list[tuple[str, Any, Any]]) -> None:
    view, now_us = watched(), START_US
    buckets = TokenBuckets(view)
    for what, one, other in steps:
        if what == "pass":
            now_us += one * SECOND_US // 10
        elif what == "feed":
            view.feed_seen(now_us)
        elif what == "record":
            view.apply(one, None if other is None else read_limit(one, other), now_us)
        else:
            buckets.allow(one, other, now_us)
        for account in ACCOUNTS:
            assert buckets.allow(account, "cancel", now_us)
            assert buckets.allow(account, "reduce_only", now_us)
            found = view.limit_of(account, now_us)
            if found is not None:
                assert 0.0 <= found.orders_per_second <= BASELINE.orders_per_second
                assert 1.0 <= found.burst <= BASELINE.burst
                assert found.orders_per_second > 0.0 or found.record.action in ("reduce_only", "block")
                assert found.record.action != "block" or found.record.override_id
                assert found.record.mode == "enforce"
                assert found.record.issued_at - 2 * SECOND_US <= now_us < found.record.expires_at + 2 * SECOND_US


@given(st.binary(max_size=200), st.one_of(st.none(), st.binary(max_size=200)))
def test_any_bytes_are_read_or_refused(value: bytes, key: bytes | None) -> None:
    account = read_account(key)
    assert account is None or 0 < len(account) <= 128
    assert isinstance(read_limit("A", value), RateLimit | Refused)


def test_a_nesting_too_deep_to_read_is_refused() -> None:
    said = read_limit("A", b'{"version":3,"next":' * 100_000)
    assert isinstance(said, Refused)
    assert said.fault == "malformed"


@given(st.permutations(range(1, 8)), st.sets(st.integers(1, 7)), st.sets(st.integers(1, 7)))
def test_any_order_of_delivery_ends_in_the_newest_version(
    order: list[int], refused: set[int], released: set[int]
) -> None:
    view = watched()
    for version in order:
        rate = -1.0 if version in refused else float(version)
        action = "none" if version in released else "throttle"
        value = msgspec.json.encode(limit(version, START_US, rate, action=action))
        view.apply("A", read_limit("A", value), START_US)
    found = view.limit_of("A", START_US)
    if 7 in refused | released:
        assert found is None
    else:
        assert found is not None
        assert (found.record.version, found.orders_per_second) == (7, 7.0)


changes = st.tuples(st.just("limit"), st.floats(0.01, 12.0), st.floats(0.0, 25.0))
questions = st.tuples(st.just("ask"), st.integers(1, 30), st.just(0.0))
passings = st.tuples(st.just("pass"), st.integers(1, 40_000_000), st.just(0.0))


@given(st.lists(st.one_of(changes, questions, passings, st.tuples(st.just("drop"), st.just(0), st.just(0.0)))))
def test_no_window_gives_more_than_burst_and_rate_however_limits_change(steps: list[tuple[str, Any, float]]) -> None:
    view, now_us, given_at_us = watched(Trust(silence_s=1e8)), START_US, list[int]()
    buckets = TokenBuckets(view)
    for version, (what, one, burst) in enumerate(steps):
        if what == "limit":
            view.apply("A", limit(version, now_us, one, burst), now_us)
        elif what == "drop":
            view.apply("A", None, now_us)
        elif what == "pass":
            now_us += one
        else:
            given_at_us += [now_us] * sum(buckets.allow("A", "new", now_us) for _ in range(one))
    for first, from_us in enumerate(given_at_us):
        for last in range(first, len(given_at_us)):
            passed_s = (given_at_us[last] - from_us) / SECOND_US
            assert last - first + 1 <= BASELINE.burst + BASELINE.orders_per_second * passed_s + 1e-6


@given(st.floats(0.05, 10.0), st.floats(1.0, 20.0), st.lists(st.integers(0, 1_000_000), max_size=60))
def test_no_window_under_a_limit_gives_more_than_its_burst_and_rate(rate: float, burst: float, gaps: list[int]) -> None:
    view, now_us, given_at_us = watched(Trust(silence_s=1e8)), START_US, list[int]()
    view.apply("A", limit(1, START_US, rate, burst, expires_at=START_US + 100 * SECOND_US), START_US)
    buckets = TokenBuckets(view)
    for gap_us in gaps:
        now_us += gap_us
        given_at_us += [now_us] * sum(buckets.allow("A", "new", now_us) for _ in range(3))
    for first, from_us in enumerate(given_at_us):
        for last in range(first, len(given_at_us)):
            assert last - first + 1 <= burst + rate * (given_at_us[last] - from_us) / SECOND_US + 1e-6


@given(st.lists(st.booleans(), min_size=1, max_size=30), st.floats(0.05, 1.0))
def test_switching_a_limit_on_and_off_never_fills_a_bucket(switches: list[bool], multiplier: float) -> None:
    view = watched()
    buckets = TokenBuckets(view)
    assert sum(buckets.allow("A", "new", START_US) for _ in range(30)) == 20
    for version, on in enumerate(switches):
        rate, burst = 10.0 * multiplier, 20.0 * multiplier
        view.apply("A", limit(version, START_US, rate, burst, action="throttle" if on else "none"), START_US)
        assert not buckets.allow("A", "new", START_US)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 3_000_000)), max_size=200))
def test_a_flood_of_accounts_keeps_no_more_buckets_than_there_is_room_for(asked: list[tuple[int, int]]) -> None:
    buckets, now_us = TokenBuckets(watched(), most=8), START_US
    for account, passed_us in asked:
        now_us += passed_us
        buckets.allow(f"flood-{account}", "new", now_us)
        assert len(buckets) <= 8


def test_a_bucket_that_is_not_full_outlives_those_that_are() -> None:
    buckets = TokenBuckets(watched(), most=4)
    assert sum(buckets.allow("A", "new", START_US) for _ in range(30)) == 20
    for number in range(1, 10):
        # Each has its one token back before the next comes.
        assert buckets.allow(f"flood-{number}", "new", START_US + number * 150_000)
    assert sum(buckets.allow("A", "new", START_US + 1_500_000) for _ in range(30)) == 15
    assert (len(buckets), buckets.forgotten_early) == (4, 0)


def test_the_fullest_of_a_few_is_forgotten_early_and_counted() -> None:
    buckets = TokenBuckets(watched(), most=2)
    for account, orders in (("A", 15), ("B", 1), ("C", 1)):
        assert all(buckets.allow(account, "new", START_US) for _ in range(orders))
    assert buckets.forgotten_early == 1
    assert sum(buckets.allow("A", "new", START_US) for _ in range(30)) == 5


def test_a_clock_that_goes_back_neither_fills_a_bucket_nor_stops_it_from_filling() -> None:
    buckets = TokenBuckets(watched())
    assert sum(buckets.allow("A", "new", START_US) for _ in range(30)) == 20
    back_us = START_US - 3_600 * SECOND_US
    assert not buckets.allow("A", "new", back_us)
    assert sum(buckets.allow("A", "new", back_us + SECOND_US) for _ in range(30)) == 10


def test_a_record_that_comes_after_the_clock_went_back_does_not_stop_a_bucket_from_filling() -> None:
    view = watched(Trust(silence_s=1e8))
    buckets = TokenBuckets(view)
    assert sum(buckets.allow("A", "new", START_US) for _ in range(30)) == 20
    back_us = START_US - 3_600 * SECOND_US
    view.apply("A", limit(1, back_us), back_us)
    assert sum(buckets.allow("A", "new", back_us + SECOND_US) for _ in range(30)) == 10


def test_an_account_is_forgotten_once_no_older_record_could_hold_and_not_before() -> None:
    view = watched(Trust(longest_lease_s=60.0, longest_order_s=120.0))
    view.apply("A", limit(5, START_US), START_US)
    assert view.forget_old(START_US + 124 * SECOND_US - 1) == 0
    assert view.forget_old(START_US + 124 * SECOND_US) == len(view) + 1 == 1
    older = limit(4, START_US + 2 * SECOND_US, expires_at=START_US + 122 * SECOND_US, override_id="o-1")
    late = view.apply("A", older, START_US + 124 * SECOND_US)
    assert late is not None
    assert late.status == "stale"


def test_baselines_come_from_a_mapping_or_a_callable_and_have_a_default() -> None:
    vip = Baseline(300.0, 600.0)
    for baselines in ({"A": vip}, lambda account: vip if account == "A" else None):
        view = LimitView("engine-1", BASELINE, baselines)
        assert [view.baseline(account) for account in ACCOUNTS] == [vip, BASELINE]


@pytest.mark.parametrize(
    ("rate", "burst"), [(0.0, 5.0), (-1.0, 5.0), (float("nan"), 5.0), (1.0, 0.5), (1.0, float("inf"))]
)
def test_a_baseline_that_would_block_or_not_bound_an_account_is_refused(rate: float, burst: float) -> None:
    with pytest.raises(ValueError, match="baseline: expected"):
        Baseline(rate, burst)


def test_a_kind_of_order_that_is_not_known_is_refused_and_named() -> None:
    with pytest.raises(ValueError, match="expected one of new, post_only, reduce_only, cancel, found 'cancle'"):
        TokenBuckets(watched()).allow("A", "cancle", START_US)


def test_a_view_feeds_one_set_of_buckets() -> None:
    view = watched()
    TokenBuckets(view)
    with pytest.raises(ValueError, match="a view of their own"):
        TokenBuckets(view)


@pytest.mark.parametrize("name", ["", "e" * 129])
def test_an_engine_whose_answers_would_be_refused_is_not_taken(name: str) -> None:
    with pytest.raises(ValueError, match="1 to 128 characters"):
        LimitView(name, BASELINE)


@pytest.mark.parametrize("wrong", [{"silence_s": 0.0}, {"clock_tolerance_s": -1.0}, {"longest_lease_s": float("nan")}])
def test_trust_without_bounds_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Trust(**wrong)
