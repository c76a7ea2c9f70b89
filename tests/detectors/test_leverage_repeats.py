"""A change of leverage that is told again counts once, and the order inside a tick does not matter."""

import random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from detectors.account_stage import AccountStage
from detectors.events import LeverageChange
from detectors.results import LeverageMove
from tests.helpers import at_us, quick_settings

SETTINGS = quick_settings()
LEVERAGES = (2.0, 5.0, 10.0, 20.0)


def moves_of(changes: list[LeverageChange]) -> tuple[list[tuple[int, LeverageMove]], int]:
    """What an account stage says of changes, in this order, and how many it took for repeated."""
    stage = AccountStage(0, 1, SETTINGS)
    stage.push("leverage", range(len(changes)), changes, 0)
    found = stage.flush()
    said = [(tick.tick, move) for tick in found.signals.ticks for move in tick.moves]
    return said, stage.counters["repeated_leverage"]


def totals(moves: list[tuple[int, LeverageMove]]) -> tuple[int, int, int, int]:
    return (
        sum(move.changes for _, move in moves),
        sum(move.raises for _, move in moves),
        sum(move.doublings_micro for _, move in moves),
        sum(move.notional_cents for _, move in moves),
    )


@st.composite
def honest_changes(draw: st.DrawFn) -> list[LeverageChange]:
    """Changes of some accounts within some ticks, each from what the account had to something else."""
    before: dict[str, float] = {}
    found: list[LeverageChange] = []
    now_us = at_us(0.0)
    one = st.tuples(st.sampled_from("abc"), st.sampled_from(LEVERAGES), st.integers(1, 60_000))
    for account, leverage, gap_us in draw(st.lists(one, min_size=1, max_size=30)):
        now_us += gap_us
        if leverage != before.get(account, 1.0):
            position = float(len(found) % 5)
            change = LeverageChange(now_us, account, "X", leverage, before.get(account, 1.0), position, 100.0)
            before[account] = leverage
            found.append(change)
    return found


@given(honest_changes(), st.randoms(use_true_random=False))
def test_changes_sent_twice_in_any_order_within_the_lateness_count_once(
    changes: list[LeverageChange], chance: random.Random
) -> None:
    again = [msgspec.structs.replace(change) for change in changes if chance.random() < 0.7]
    lateness_us = SETTINGS.timing.lateness_us
    shuffled = sorted([*changes, *again], key=lambda change: change.timestamp + chance.randrange(lateness_us))
    assert moves_of(shuffled)[0] == moves_of(changes)[0]
    assert moves_of(changes)[1] == 0


def test_a_change_to_what_the_account_has_already_is_no_raise_but_moves_the_position() -> None:
    first = LeverageChange(at_us(1.0), "a", "X", 20.0, 5.0, 1.0, 100.0)
    later = LeverageChange(at_us(3.0), "a", "X", 20.0, 5.0, 3.0, 100.0)
    once, _ = moves_of([first])
    twice, repeated = moves_of([first, later])
    assert repeated == 1
    assert totals(twice)[:3] == totals(once)[:3]
    assert totals(twice)[3] == 3 * totals(once)[3]


def test_the_same_leverage_at_the_same_time_counts_once_whatever_was_before() -> None:
    first = LeverageChange(at_us(1.0), "a", "X", 20.0, 5.0)
    other = msgspec.structs.replace(first, prev_leverage=10.0)
    assert totals(moves_of([first, other])[0])[:2] == (1, 1)


def test_raises_of_other_accounts_symbols_and_times_all_count() -> None:
    changes = [
        LeverageChange(at_us(1.0), "a", "X", 20.0, 5.0),
        LeverageChange(at_us(1.0), "b", "X", 20.0, 5.0),
        LeverageChange(at_us(1.0), "a", "Y", 20.0, 5.0),
        LeverageChange(at_us(2.0), "a", "X", 5.0, 20.0),
        LeverageChange(at_us(3.0), "a", "X", 20.0, 5.0),
    ]
    found, repeated = moves_of(changes)
    assert (repeated, *totals(found)[:2]) == (0, 5, 4)
