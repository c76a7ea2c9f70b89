"""Files of events: routing, merging by time, and what cannot be read."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.errors import DecodeError
from detectors.events import Cancel, Latency, Trade
from streams.files import EventFiles, Line, UnroutableLine, line_of, route


def trade(timestamp: int, symbol: str = "BTC") -> bytes:
    return line_of("trades", Trade(timestamp, symbol, 100.0, 1.0, "buy")).raw


def test_lines_are_routed_by_type_and_keyed_by_the_topics_field() -> None:
    lines = [
        line_of("trades", Trade(5, "BTC", 100.0, 1.0, "buy")),
        line_of("cancels", Cancel(6, "ETH", "a1", 1, "buy", 100.0, 1.0)),
        line_of("latency", Latency(7, "gateway", 80.0)),
    ]
    assert [route(line.raw, "f", 1) for line in lines] == lines
    assert [line.key for line in lines] == ["BTC", "ETH", "gateway"]


def test_an_event_that_will_be_refused_later_is_still_routed() -> None:
    assert route(b'{"type":"trade","symbol":"BTC","price":-1}', "f", 1, 9) == Line(
        9, "trades", "BTC", b'{"type":"trade","symbol":"BTC","price":-1}'
    )


@pytest.mark.parametrize(
    ("raw", "reason", "message"),
    [
        (b"no json", "malformed", "malformed"),
        (b"[]", "schema", "Expected `object`, got `array`"),
        (b"{}", "schema", "got None - at `$.type`"),
        (b'{"type":["trade"]}', "schema", "at `$.type`"),
        (b'{"type":"trade","symbol":5}', "schema", "got 5 - at `$.symbol`"),
        (b'{"type":"leverage","symbol":"BTC"}', "schema", "at `$.account`"),
        (b'{"x":' * 100_000, "malformed", "recursion"),
        (b'{"type":"\xff"}', "malformed", "utf-8"),
    ],
)
def test_a_line_without_a_topic_is_refused_with_file_and_number(raw: bytes, reason: str, message: str) -> None:
    found = route(raw, "a.ndjson", 17, 4)
    assert isinstance(found, UnroutableLine)
    assert (found.file, found.timestamp, found.refused.offset, found.refused.raw) == ("a.ndjson", 4, 17, raw)
    assert found.refused.reason == reason
    assert message in found.refused.message


@given(st.binary(max_size=80))
def test_no_line_escapes(raw: bytes) -> None:
    assert route(raw, "f", 1).timestamp >= 0


def test_plain_and_gzipped_files_are_merged_by_time_and_equal_times_keep_the_order_of_the_files(tmp_path: Path) -> None:
    first, second = tmp_path / "first.ndjson", tmp_path / "second.ndjson.gz"
    first.write_bytes(b"\n".join([trade(1, "A"), b"", trade(5, "B"), b"broken", trade(9, "C")]) + b"\n")
    second.write_bytes(gzip.compress(b"\n".join([trade(2, "D"), trade(5, "E"), trade(7, "F")])))
    files = EventFiles([first, second])
    found = list(files)
    assert [line.key if isinstance(line, Line) else line.refused.offset for line in found] == [
        "A",
        "D",
        "B",
        4,
        "E",
        "F",
        "C",
    ]
    assert files.read_bytes == files.total_bytes == first.stat().st_size + second.stat().st_size


def test_progress_stands_within_the_whole_each_time_the_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(b"\n".join(trade(number) for number in range(5_000)))
    files = EventFiles([path])
    for _ in range(2):
        for _ in files:
            assert 0 <= files.read_bytes <= files.total_bytes
        assert files.read_bytes == files.total_bytes


def test_a_file_that_is_cut_off_is_named_with_the_last_line_read(tmp_path: Path) -> None:
    path = tmp_path / "cut.ndjson.gz"
    whole = gzip.compress(b"\n".join(trade(number) for number in range(2_000)))
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DecodeError, match=r"cut\.ndjson\.gz, after line \d+: expected a readable file"):
        list(EventFiles([path]))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DecodeError, match=r"absent\.ndjson, after line 0"):
        list(EventFiles([tmp_path / "absent.ndjson"]))
