"""When a message is tried again, and when a sink is left in peace."""

import random

from hypothesis import given
from hypothesis import strategies as st

from streams.notify.posting import hidden
from streams.notify.retrying import Breaker, pause_us


@given(st.integers(1, 10_000), st.integers(), st.floats(0.0, 1e9))
def test_a_pause_grows_to_five_minutes_and_is_as_long_as_was_asked_for_up_to_an_hour(
    attempts: int, seed: int, asked_s: float
) -> None:
    pause_s = pause_us(attempts, random.Random(seed), asked_s) / 1e6
    longest_s = min(5.0 * 2.0 ** min(attempts - 1, 20), 300.0)
    assert max(longest_s / 2, min(asked_s, 3_600.0)) <= pause_s + 1e-6
    assert pause_s <= max(longest_s, min(asked_s, 3_600.0)) + 1e-6


@given(st.integers(1, 4), st.lists(st.tuples(st.booleans(), st.integers(0, 20)), max_size=40))
def test_a_breaker_is_open_after_failures_in_a_row_and_lets_one_probe_through_at_a_time(
    failures: int, story: list[tuple[bool, int]]
) -> None:
    breaker = Breaker(failures, rest_us=10)
    now_us = in_a_row = 0
    for succeeds, passes_us in story:
        now_us += passes_us
        if now_us < breaker.rests_until_us:
            assert breaker.is_open
            continue
        if succeeds:
            breaker.succeeded()
            in_a_row = 0
        else:
            in_a_row += 1
            assert breaker.failed(now_us) is (in_a_row == failures)
        assert breaker.is_open is (in_a_row >= failures)
        # After each probe that failed it rests anew.
        assert (breaker.rests_until_us == now_us + 10) is (breaker.is_open and not succeeds)


@given(st.text(max_size=50), st.text(min_size=6, max_size=30), st.text(max_size=50))
def test_no_answer_shows_a_secret(before: str, secret: str, after: str) -> None:
    assert secret not in hidden(f"{before}{secret}{after}", [secret]) or secret in before + "***" + after
