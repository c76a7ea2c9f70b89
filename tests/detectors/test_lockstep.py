"""Accounts in step, against sets of the seconds in which they were active."""

import math
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from detectors.lockstep import Lockstep

ACCOUNTS = [f"a{number}" for number in range(6)]
#: Who cancels in each of the next seconds, and how many seconds nobody does before.
histories = st.lists(
    st.tuples(st.integers(0, 20), st.lists(st.sampled_from(ACCOUNTS), min_size=1, unique=True)), min_size=1, max_size=25
)


def links_of(seconds: dict[str, set[int]], now_s: int, present: list[str]) -> set[tuple[str, str]]:
    """Pairs that share far more of the last minute's seconds than chance would give, by definition."""
    active = {name: {second for second in seconds[name] if second > now_s - 60} for name in present}
    active = {name: there for name, there in active.items() if 3 <= len(there) <= 45}
    found = set()
    for one, other in combinations(sorted(active), 2):
        shared = len(active[one] & active[other])
        expected = len(active[one]) * len(active[other]) / 60
        if shared >= 3 and shared > expected and shared * math.log(shared / expected) - (shared - expected) > 5.0:
            found.add((one, other))
    return found


def components(links: set[tuple[str, str]]) -> list[set[str]]:
    found: list[set[str]] = []
    for link in links:
        touching = [one for one in found if one & set(link)]
        found = [one for one in found if one not in touching] + [set(link).union(*touching)]
    return found


@given(histories)
def test_groups_are_the_connected_accounts_of_the_last_minute(history: list[tuple[int, list[str]]]) -> None:
    lockstep, now_s = Lockstep(), 0
    seconds: dict[str, set[int]] = {name: set() for name in ACCOUNTS}
    for gap_s, present in history:
        now_s += gap_s + 1
        x = dict.fromkeys(present, 1.0) | {"time_s": float(now_s)}
        for name in present:
            seconds[name].add(now_s)
        groups = [sorted(group) for group in components(links_of(seconds, now_s, present)) if len(group) >= 3]
        found = list(lockstep.group(x))
        assert (lockstep.score_one(x) > 0.0) == bool(groups)
        assert found in groups if groups else found == []
        lockstep.learn_one(x)


def test_an_account_that_cancels_every_second_is_in_step_with_nobody() -> None:
    lockstep = Lockstep()
    for second in range(120):
        ring = {f"ring-{number}": 1.0 for number in range(4)} if second % 8 == 0 else {}
        lockstep.learn_one({"time_s": float(second), "maker": 5.0, **ring})
    x = {"time_s": 120.0, "maker": 5.0} | {f"ring-{number}": 1.0 for number in range(4)}
    assert lockstep.group(x) == ("ring-0", "ring-1", "ring-2", "ring-3")


def test_a_flood_of_accounts_pushes_out_those_silent_longest() -> None:
    lockstep = Lockstep(max_accounts=8)
    for number in range(100):
        lockstep.learn_one({"time_s": number / 10, f"a{number}": 1.0})
    assert [account for account, *_ in lockstep.state()["accounts"]] == [f"a{number}" for number in range(92, 100)]
