"""Titles: words for people, names as they are, and how seldom chance brings several signals together."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.correlation import Joint
from detectors.results import Contribution, Scope, Signal
from detectors.titles import joint_title, said, signal_title


def a_signal(pattern: str, symbol: str = "BTC_USDT", scope: Scope = "symbol", label: str = "ask_depth_5bp") -> Signal:
    part = Contribution(label, 12.0, 9_000.0, "notional", 1e-6, 1.0)
    return Signal(0, pattern, pattern, scope, symbol, symbol, 1e-6, 0.1, 5.0, (part,))  # type: ignore[arg-type]


def a_joint(per_day: float, *signals: Signal, scope: Scope = "symbol") -> Joint:
    return Joint(scope, "BTC_USDT", 1e-9, per_day, 9.0, 10, (1e-6, 1e-3), (), signals)


@pytest.mark.parametrize(
    ("per_day", "words"),
    [
        (40.0, "by chance 40 times a day"),
        (1.0, "by chance once a day"),
        (0.05, "by chance once in 20 days"),
        (1.0 / 730.0, "by chance once in 2 years"),
        (1e-9, "by chance less than once in a century"),
        (0.0, "by chance less than once in a century"),
    ],
)
def test_correlated_stress_says_how_often_chance_brings_it(per_day: float, words: str) -> None:
    joint = a_joint(per_day, a_signal("thin_book"), a_signal("cancel_burst"), a_signal("trade_burst"))
    what = "cancel burst, thin book and trade burst"
    assert joint_title(joint, "BTC_USDT") == f"Correlated stress on BTC_USDT within 10 s, {words}: {what}"


def test_stress_across_the_market_names_symbols_and_components() -> None:
    slow = a_signal("latency_shock", "matching", "market")
    joint = a_joint(0.5, a_signal("thin_book"), a_signal("thin_book", "ETH_USDT"), slow, scope="market")
    assert joint_title(joint, "*") == (
        "Correlated stress across 2 symbols within 10 s, by chance once in 2 days: "
        "BTC_USDT, ETH_USDT, latency shock of matching"
    )


def test_names_stay_as_they_are_while_quantities_are_said_in_words() -> None:
    assert signal_title(a_signal("thin_book")) == "Thin book on BTC_USDT: ask depth within 5 bp 12, usually 9,000"


@given(st.from_regex(r"[a-z_]{1,30}[a-z0-9 ,%()]{0,30}", fullmatch=True), st.floats(-1e15, 1e15))
def test_any_label_is_said_without_underscores_and_with_both_numbers(label: str, value: float) -> None:
    words = said(Contribution(label, value, 7.0, "s", 0.5, 1.0))
    assert not re.search(r"[a-z0-9]_[a-z0-9]", words.partition(" (")[0])
    assert re.search(r"-?\d", words)
    assert " 7" in words
