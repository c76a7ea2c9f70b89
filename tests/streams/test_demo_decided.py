"""Limits and guardrails in a demo: read from topics, counted at their worst, shown on a board that keeps its height."""

import asyncio
import io
import json
import time
from collections.abc import Sequence
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from rich.console import Console

from detectors.decisions import LimitAction, RateLimit, Trip
from streams.broker import Broker
from streams.demo.board import Scene, board, line
from streams.demo.decided import Decided, WorstMoment
from streams.demo.feed import Progress
from streams.demo.plan import DemoPlan
from streams.demo.scoring import match, taking_part
from streams.demo.show import LiveShow
from streams.demo.sources import follow_outputs, reading_outputs
from streams.demo.watch import Watch
from streams.demo.workers import worker_environment
from streams.settings import Settings
from streams.topics import ALERTS, GUARDRAILS, RATE_LIMITS
from tests.streams.decided import SECOND_US, a_limit, a_trip, an_alert, send, sent
from tests.streams.test_demo_scoring import alert

PLAN = DemoPlan(duration_s=240)
START_US = PLAN.exchange().start_us
PARTITIONS = 3


def limit(
    account: str = "acct-7", version: int = 1, *, at_s: float = 0.0, lasts_s: float = 30.0, to: float = 0.5
) -> RateLimit:
    at_us = START_US + round(at_s * 1e6)
    action: LimitAction = "none" if to >= 1.0 else "throttle"
    return a_limit(account, version, multiplier=to, action=action, at=at_us, lasts_us=round(lasts_s * 1e6))


def trip(
    rule: str = "mark_index", entity: str = "BTC-PERP", *, at_s: float = 0.0, hard: bool = True, cleared: bool = False
) -> Trip:
    made = a_trip(entity, rule=rule, state="cleared" if cleared else "tripped", at=START_US + round(at_s * 1e6))
    return replace(made, level="hard" if hard else "soft")


def decided(*records: RateLimit | Trip) -> Decided:
    seen = Decided()
    for one in records:
        if isinstance(one, RateLimit):
            seen.see_limit(one)
        else:
            seen.see_trip(one)
    return seen


def watch_at(event_s: float, *records: RateLimit | Trip) -> Watch:
    watch = Watch(2)
    watch.see_progress(Progress(50.0, START_US + round(event_s * 1e6), 100))
    watch.decided = decided(*records)
    return watch


def scene(watch: Watch) -> Scene:
    return Scene(PLAN, watch, match(PLAN.incidents(), watch.revisions), "incidents", elapsed_s=12.0)


def drawn(watch: Watch, lines: int = 40) -> list[str]:
    console = Console(file=io.StringIO(), width=118, force_terminal=False)
    console.print(board(scene(watch), lines))
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined, no-any-return]


def test_a_limit_ends_by_event_time_alone() -> None:
    held = limit(at_s=10.0, lasts_s=30.0)
    watch = watch_at(39.9, held)
    assert watch.limits_in_force() == [held]
    watch.see_progress(Progress(51.0, held.expires_at, 200))
    assert watch.limits_in_force() == []


def test_a_lifted_limit_is_not_in_force_and_an_older_version_does_not_bring_it_back() -> None:
    lifted = decided(limit(version=1), limit(version=2, to=1.0), limit(version=1))
    assert lifted.in_force(START_US) == []


def test_limits_come_the_tightest_first() -> None:
    mild, tight, middle = limit("a", to=0.9), limit("b", to=0.05), limit("c", to=0.5)
    assert decided(mild, tight, middle).in_force(START_US) == [tight, middle, mild]


def test_a_cleared_guardrail_is_not_tripped_and_a_record_that_comes_again_does_not_trip_it() -> None:
    first, end = trip(at_s=1.0), trip(at_s=70.0, cleared=True)
    assert decided(first, end).tripped() == []
    assert decided(first, end, first).tripped() == []
    assert decided(first, end, trip(at_s=80.0)).tripped() == [trip(at_s=80.0)]


def test_hard_guardrails_come_before_soft_ones_and_new_ones_before_old() -> None:
    old, new, soft = (
        trip("depth_floor", at_s=1.0),
        trip("price_move", at_s=2.0),
        trip("mark_index", at_s=3.0, hard=False),
    )
    assert decided(soft, old, new).tripped() == [new, old, soft]


def test_the_worst_level_of_each_entity_is_remembered_after_it_cleared() -> None:
    seen = decided(
        trip("mark_index", "A", hard=False),
        trip("mark_index", "A", at_s=1.0),
        trip("mark_index", "A", at_s=61.0, hard=False),
        trip("mark_index", "A", at_s=122.0, hard=False, cleared=True),
        trip("mark_index", "B", hard=False),
    )
    assert seen.ever_tripped == {"mark_index": {"A": "hard", "B": "soft"}}


def test_the_worst_moment_counts_who_was_limited_at_the_same_time() -> None:
    seen = decided(
        limit("a", at_s=0.0, lasts_s=10.0),
        limit("b", at_s=10.0, lasts_s=30.0),
        limit("c", at_s=20.0, lasts_s=30.0),
        limit("c", 2, at_s=25.0, to=1.0),
        limit("d", at_s=25.0),
    )
    assert seen.worst_moment() == WorstMoment(START_US + 20 * SECOND_US, frozenset({"b", "c"}))
    assert decided(limit(to=1.0)).worst_moment() is None


SPANS = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 4), st.integers(1, 6), st.sampled_from((0.5, 1.0))), max_size=12
)


@given(SPANS, st.randoms(use_true_random=False))
def test_the_worst_moment_is_that_of_every_moment_looked_at_alone(
    spans: Sequence[tuple[str, int, int, float]], random: Random
) -> None:
    limits: list[RateLimit] = []
    at_s = dict.fromkeys("abc", 0)
    for version, (account, after_s, lasts_s, to) in enumerate(spans, 1):
        at_s[account] += after_s
        limits.append(limit(account, version, at_s=at_s[account], lasts_s=lasts_s, to=to))

    def limited_at(now_us: int) -> frozenset[str]:
        issued = decided(*(one for one in limits if one.issued_at <= now_us))
        return frozenset(one.account for one in issued.in_force(now_us))

    each = [(one.issued_at, limited_at(one.issued_at)) for one in sorted(limits, key=lambda one: one.issued_at)]
    most = max((len(accounts) for _, accounts in each), default=0)
    muddled = limits * 2
    random.shuffle(muddled)
    found = decided(*muddled).worst_moment()
    assert found == next(
        (WorstMoment(at, accounts) for at, accounts in each if accounts and len(accounts) == most), None
    )


def test_an_account_takes_part_once_its_incident_has_begun_and_after_it_too() -> None:
    first, second = PLAN.incidents()[:2]
    one, other = first.accounts[0], second.accounts[0]
    assert taking_part([first], [one, "bystander"], first.start_us) == {one}
    assert taking_part([first], [one], first.end_us + 100 * SECOND_US) == {one}
    assert taking_part([first], [one], first.start_us - 1) == set()
    assert taking_part([first, second], [one, other], second.start_us) == {one, other}


def test_the_board_shows_each_limit_with_its_number_reason_end_and_mode() -> None:
    row = next(
        row for row in drawn(watch_at(20.0, limit("acct-7", at_s=10.0, lasts_s=65.0, to=0.25))) if "acct-7" in row
    )
    for told in ("x0.25", "7.5", "pressure", "cancel pressure at 62% of", "01:15", "shadow"):
        assert told in row


def test_the_board_shows_each_guardrail_with_its_value_and_limit() -> None:
    exact = replace(trip("depth_floor", "SOL-PERP"), value=Decimal("1234567.50000001"), limit=Decimal(2_000_000))
    row = next(row for row in drawn(watch_at(20.0, exact)) if "SOL-PERP" in row and "depth_floor" in row)
    for told in ("hard", "1,234,567.5 ", "2,000,000 "):
        assert told in row


def test_the_titles_count_all_and_say_how_many_are_not_shown() -> None:
    limits = [limit(f"acct-{number}") for number in range(7)]
    trips = [trip(entity=f"S{number}") for number in range(5)]
    shown = "\n".join(drawn(watch_at(1.0, *limits, *trips)))
    assert "rate limits in force, the tightest first: 7, 3 more below" in shown
    assert "guardrails tripped: 5, 2 more below" in shown


@pytest.mark.parametrize("lines", [23, 35])
@pytest.mark.parametrize("many", [0, 1, 4, 50])
def test_the_board_keeps_its_height_and_fits_the_terminal(lines: int, many: int) -> None:
    records = [made for number in range(many) for made in (limit(f"acct-{number}"), trip(entity=f"S{number}"))]
    watch = watch_at(1.0, *records)
    for number in range(many):
        watch.see_alert(alert(START_US, alert_id=f"{number}"), at_s=51.0)
    assert len(drawn(watch, lines)) == lines


def test_a_low_terminal_gets_counts_in_place_of_panels() -> None:
    shown = "\n".join(drawn(watch_at(1.0, limit(), trip()), lines=34))
    assert "limits 1 guardrails 1" in shown
    assert "acct-7" not in shown
    assert "planted incidents" in shown
    console = Console(file=io.StringIO(), width=118, height=24, force_terminal=True, color_system=None)
    with LiveShow(console) as show:
        show.show(scene(watch_at(1.0, limit(), trip())))
    assert "limits 1 guardrails 1" in console.file.getvalue()  # type: ignore[attr-defined]
    assert "05-" in console.file.getvalue()  # type: ignore[attr-defined]


def test_the_line_of_progress_counts_both() -> None:
    assert "| limits 2 guardrails 1 |" in f"{line(scene(watch_at(1.0, limit('a'), limit('b'), trip())))} |"


def test_what_a_producer_wrote_into_names_cannot_move_the_cursor() -> None:
    evil = "evil \x1b[2J"
    watch = watch_at(1.0, replace(limit("\x1b[2J"), reason=evil), replace(trip(), entity=evil))
    console = Console(file=io.StringIO(), width=118, force_terminal=True, color_system=None)
    console.print(board(scene(watch)))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert shown.count("[2J") == 3
    assert "\x1b[2J" not in shown


def test_the_watch_reads_alerts_limits_of_all_partitions_and_trips(own_broker: Broker) -> None:
    accounts = [f"acct-{number}" for number in range(12)]
    limits = [sent(RATE_LIMITS, account, limit(account)) for account in accounts]
    send(
        own_broker.url,
        [*limits, sent(GUARDRAILS, "mark_index/BTC-PERP", trip()), sent(ALERTS, "a", an_alert("a"))],
        PARTITIONS,
    )
    watch = Watch(2)

    async def read() -> None:
        async with reading_outputs(own_broker.url, PARTITIONS) as reader:
            following = asyncio.ensure_future(follow_outputs(reader, watch))
            deadline_s = time.monotonic() + 20.0
            while len(watch.limits_in_force()) < 12 or not watch.decided.tripped() or not watch.revisions:
                assert not following.done() and time.monotonic() < deadline_s, watch.limits_in_force()
                await asyncio.sleep(0.02)
            following.cancel()

    asyncio.run(read())
    assert [one.account for one in watch.limits_in_force()] == sorted(accounts)
    assert watch.decided.tripped() == [trip()]
    assert watch.open_alerts() == [an_alert("a")]


def test_workers_know_the_makers_unless_the_settings_say_who_is_in_which_tier() -> None:
    known = json.loads(worker_environment(Settings())["SQUALL_LIMITS__ACCOUNTS"])
    assert known == {"maker-*": "maker"}
    assert all(PLAN.exchange().account_names()[number].startswith("maker-") for number in range(24))
    own_accounts = Settings(limits={"accounts": {"desk-*": "maker"}})
    own_tiers = Settings(limits={"tiers": {"default": {"orders_per_second": 20.0}}})
    for own in (own_accounts, own_tiers):
        assert "SQUALL_LIMITS__ACCOUNTS" not in worker_environment(own)
