"""LOBSTER's pairs of files: cancels with the age of their order, trades by the taker, books now and then."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.errors import ConfigError, DecodeError
from detectors.events import BookSnapshot, Cancel, Trade
from streams.adapters.source import Wishes
from tests.streams.adapters.imports import SAMPLES, events_of, importing, lines_of

STEM = "AAPL_2012-06-21_34200000_57600000_{}_2.csv"
MESSAGE, BOOK = SAMPLES / STEM.format("message"), SAMPLES / STEM.format("orderbook")
#: Half past nine in New York, in summer.
OPEN = 1_340_285_400_000_000


def pair(directory: Path, messages: list[str], books: list[str] | None = None) -> list[Path]:
    paths = [directory / STEM.format("message")]
    paths[0].write_text("".join(f"{line}\n" for line in messages), encoding="utf-8")
    if books is not None:
        paths.append(directory / STEM.format("orderbook"))
        paths[1].write_text("".join(f"{line}\n" for line in books), encoding="utf-8")
    return paths


def test_cancels_have_the_time_of_a_submission_that_was_seen_and_trades_the_takers_side() -> None:
    with importing(MESSAGE) as imported:
        lines = list(imported)
    assert imported.passed_over == {"submissions": 2, "auction trades": 1, "halts": 1}
    assert events_of(MESSAGE) == [
        Trade(OPEN + 201_743, "AAPL", 585.33, 8.0, "sell"),
        Cancel(OPEN + 301_743, "AAPL", "unknown", "16113584", "buy", 585.32, 5.0, OPEN + 25_551),
        Cancel(OPEN + 401_743, "AAPL", "unknown", "16113584", "buy", 585.32, 13.0, OPEN + 25_551),
        Cancel(OPEN + 501_743, "AAPL", "unknown", "16113594", "sell", 585.91, 100.0, 0),
        Trade(OPEN + 601_743, "AAPL", 585.5, 50.0, "buy"),
    ]
    assert b'"price":585.3300,' in lines[0].raw


def test_one_book_comes_in_each_stretch_of_time_without_levels_that_are_not_there() -> None:
    books = [event for event in events_of(MESSAGE, BOOK) if isinstance(event, BookSnapshot)]
    assert [book.timestamp - OPEN for book in books] == [4_241, 301_743, 501_743, 801_743]
    assert books[0].bids == [(585.33, 18.0)]
    assert books[1].asks == [(585.91, 100.0), (585.94, 200.0)]
    often = events_of(MESSAGE, BOOK, wishes=Wishes(book_every_us=1))
    assert sum(isinstance(event, BookSnapshot) for event in often) == 9


def test_an_account_that_was_asked_for_stands_for_everybody() -> None:
    events = events_of(MESSAGE, wishes=Wishes(account="nasdaq"))
    assert {event.account for event in events if isinstance(event, Cancel)} == {"nasdaq"}


def test_an_order_that_was_filled_is_forgotten(tmp_path: Path) -> None:
    messages = ["34200.1,1,7,10,5853300,1", "34200.2,4,7,10,5853300,1", "34200.3,3,7,10,5853300,1"]
    cancel = events_of(*pair(tmp_path, messages))[-1]
    assert isinstance(cancel, Cancel)
    assert cancel.order_timestamp == 0


@pytest.mark.parametrize(
    ("messages", "books", "message"),
    [
        (["34200.1,1,7,10,5853300,1"], [], "orderbook_2.csv: expected line 1, as in .*, found its end"),
        (["34200.1,1,7,10,5853300,1"], ["2,1,1,1", "2,1,1,1"], "expected no more lines than .*, found line 2"),
        (["34200.1,1,7,10"], ["5853400,1,5853300,1"], ":1: expected columns time, type"),
        (["34200.1,8,7,10,5853300,1"], None, ":1: expected a type of 1 to 7 and a direction of 1 or -1, found '8'"),
        (["34200.1,3,7,10,5853300,0"], None, "found '3' and '0'"),
        (["34200.1,3,7,10,-5,1"], None, "expected a whole number in `price`, found '-5'"),
        (["86400.1,3,7,10,5,1"], None, "expected seconds after midnight in `time`, found '86400.1'"),
        (["34200.1,1,7,10,5853300,1"], ["5853300,1,5853300,1"], "Expected best bid < best ask"),
        (["34200.1,1,7,10,5853300,1"], ["5853300,1,5853300"], "expected four columns of the book a level, found 3"),
    ],
)
def test_what_is_no_pair_of_good_rows_is_refused(
    tmp_path: Path, messages: list[str], books: list[str] | None, message: str
) -> None:
    with pytest.raises(DecodeError, match=message):
        lines_of(*pair(tmp_path, messages, books))


def test_a_book_without_its_messages_and_a_name_without_a_date_are_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected its message file too"):
        lines_of(BOOK)
    (path,) = pair(tmp_path, [])
    other = path.rename(tmp_path / "messages.csv")
    other.write_text("34200.1,1,7,10,5853300,1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="for the date of its times"):
        lines_of(other, kind="lobster")


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.tuples(st.integers(0, 10**9 - 1), st.sampled_from("123455"), st.integers(1, 9), st.integers(1, 50)),
        max_size=60,
    )
)
def test_every_cancel_is_as_old_as_a_model_that_forgets_nothing_says(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, str, int, int]]
) -> None:
    messages: list[str] = []
    left: dict[int, int] = {}
    placed: dict[int, int] = {}
    expected: list[tuple[int, int, int]] = []
    for number, (nanos, kind, order, size) in enumerate(steps):
        at_us = number * 1_000_000 + nanos // 1_000
        messages.append(f"{34_200 + number}.{nanos:09d},{kind},{order},{size},5853300,1")
        if kind == "1":
            left[order], placed[order] = size, OPEN + at_us
        elif kind in "234":
            if kind != "4":
                expected.append((order, size, placed[order] if left.get(order, 0) > 0 else 0))
            left[order] = 0 if kind == "3" else left.get(order, 0) - size
    events = events_of(*pair(tmp_path_factory.mktemp("lobster"), messages))
    found = [(int(e.order_id), int(e.amount), e.order_timestamp) for e in events if isinstance(e, Cancel)]
    assert found == expected
