"""Whole imports: order of time over files, late rows, bad rows, what a file is taken for, memory."""

import gzip
import json
import random
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.errors import ConfigError, DecodeError
from streams.adapters.ordering import Reorder
from streams.adapters.rows import LONGEST_ROW_BYTES, RowFault
from streams.adapters.source import Wishes
from streams.adapters.writing import write_file
from streams.files import EventFiles, Line
from tests.streams.adapters.imports import SAMPLES, importing, lines_of

HEADER = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"
START = 1_706_659_200_000_000


def trades(directory: Path, name: str, times: list[int], prices: list[str] | None = None) -> Path:
    path = directory / f"x_trades_{name}.csv"
    rows = zip(times, prices or ["5.0"] * len(times), strict=True)
    path.write_text(HEADER + "".join(f"x,BTC,{START + at},0,,buy,{price},1\n" for at, price in rows), encoding="utf-8")
    return path


def at(line: Line) -> int:
    return line.timestamp - START


def test_files_of_any_kind_are_merged_by_time() -> None:
    lines = lines_of(*sorted(path for path in SAMPLES.glob("*") if "orderbook" not in path.name))
    assert [line.timestamp for line in lines] == sorted(line.timestamp for line in lines)
    assert {line.topic for line in lines} == {"trades", "books", "tickers", "liquidations", "cancels"}


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(st.integers(0, 2_000), max_size=20), min_size=1, max_size=4), st.sampled_from([2_000, 10**7]))
def test_rows_within_the_tolerance_come_out_in_order_of_time_and_file(
    tmp_path_factory: pytest.TempPathFactory, files: list[list[int]], tolerance_us: int
) -> None:
    directory = tmp_path_factory.mktemp("merge")
    paths = [trades(directory, str(number), times) for number, times in enumerate(files)]
    with importing(*paths, tolerance_us=tolerance_us) as imported:
        found = [at(line) for line in imported]
    assert found == sorted(time for times in files for time in times)
    assert imported.rows == imported.events.total() == len(found)


@given(st.lists(st.integers(0, 50), max_size=60), st.integers(0, 20))
def test_a_line_is_late_only_when_a_later_one_was_given_out(times: list[int], tolerance: int) -> None:
    reorder = Reorder(tolerance)
    given_out: list[Line] = []
    late = 0
    for number, time in enumerate(times):
        try:
            reorder.push(Line(time, "trades", str(number), b""))
        except RowFault:
            late += 1
            assert time < max(times[:number]) - tolerance
        given_out += reorder.ready()
    given_out += reorder.rest()
    assert [line.timestamp for line in given_out] == sorted(line.timestamp for line in given_out)
    assert len(given_out) + late == len(times)
    same = [(line.timestamp, int(line.key)) for line in given_out]
    assert same == sorted(same)


def test_a_row_that_goes_back_too_far_is_a_bad_row(tmp_path: Path) -> None:
    path = trades(tmp_path, "a", [0, 9_000_000, 18_000_000, 1])
    with pytest.raises(DecodeError, match=r"a\.csv:5: expected times at most 0:00:05 behind those before") as caught:
        lines_of(path)
    assert "found 2024-01-31T00:00:00.000Z after 2024-01-31T00:00:18.000Z" in str(caught.value)


def test_so_many_bad_rows_as_allowed_are_put_aside_as_they_stood(tmp_path: Path) -> None:
    path = trades(tmp_path, "a", [0, 1, 2, 3], ["5.0", "x", "6.0", "-1"])
    with importing(path, skip_bad=2) as imported:
        assert [at(line) for line in imported] == [0, 2]
    assert (imported.rows, imported.rejected) == (4, 2)
    rejects = [json.loads(line) for line in (tmp_path / "rejects.ndjson").read_bytes().splitlines()]
    assert rejects[0] == {
        "file": "x_trades_a.csv",
        "line": 3,
        "message": "expected a number in `price`, found 'x'",
        "value": f"x,BTC,{START + 1},0,,buy,x,1",
    }
    assert rejects[1]["line"] == 5


def test_one_more_bad_row_than_allowed_ends_it_and_the_rejects_stay(tmp_path: Path) -> None:
    path = trades(tmp_path, "a", [0, 1, 2], ["x", "y", "z"])
    with (
        pytest.raises(DecodeError, match=r":4: .* found 'z' \(bad row 3, 2 allowed"),
        importing(path, skip_bad=2) as it,
    ):
        list(it)
    assert len((tmp_path / "rejects.ndjson").read_bytes().splitlines()) == 3


def test_without_bad_rows_allowed_no_file_of_rejects_is_made(tmp_path: Path) -> None:
    with pytest.raises(DecodeError):
        lines_of(trades(tmp_path, "a", [0], ["x"]))
    assert not (tmp_path / "rejects.ndjson").exists()


def test_a_file_of_an_unknown_kind_is_wrong_use_that_names_the_kinds(tmp_path: Path) -> None:
    path = tmp_path / "day.csv"
    path.write_text(HEADER, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"day\.csv: .* say --kind with one of tardis-trades, "):
        lines_of(path)
    with pytest.raises(ConfigError, match=r"--kind: expected one of .*, found 'nonsense'"):
        lines_of(path, kind="nonsense")
    assert lines_of(path, kind="tardis-trades") == []


def test_the_header_tells_the_kind_where_the_name_does_not(tmp_path: Path) -> None:
    for sample in SAMPLES.glob("*"):
        first = sample.read_text(encoding="utf-8").split("\n", 1)[0]
        if "percentage" in first or "funding_rate" in first or "asks[0]" in first or "sum_open_interest" in first:
            renamed = tmp_path / f"{len(list(tmp_path.iterdir()))}.csv"
            renamed.write_bytes(b"\xef\xbb\xbf" + sample.read_bytes())
            assert len(lines_of(renamed, wishes=Wishes(symbol="BTC"))) > 0
    assert len(list(tmp_path.iterdir())) == 4


def test_an_empty_file_and_one_of_a_header_alone_give_nothing(tmp_path: Path) -> None:
    path = trades(tmp_path, "a", [])
    empty = tmp_path / "x_trades_b.csv"
    empty.touch()
    assert lines_of(path, empty) == []


def test_a_line_without_end_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "x_trades_a.csv.gz"
    path.write_bytes(gzip.compress(HEADER.encode() + b"5" * (3 * LONGEST_ROW_BYTES)))
    with pytest.raises(DecodeError, match=r":2: expected a row of at most 1048576 bytes"):
        lines_of(path)


def test_a_file_that_is_cut_off_is_named_with_the_last_line_read(tmp_path: Path) -> None:
    whole = gzip.compress(trades(tmp_path, "a", list(range(5_000))).read_bytes())
    path = tmp_path / "x_trades_b.csv.gz"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DecodeError, match=r"b\.csv\.gz, after line \d+: expected a readable file"):
        lines_of(path)


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    chance = random.Random(5)
    peaks = []
    for rows in (1_000, 5_000):
        path = trades(tmp_path, str(rows), [number * 10_000 + chance.randrange(20_000) for number in range(rows)])
        tracemalloc.start()
        with importing(path, tolerance_us=1_000_000) as imported:
            assert sum(1 for _ in imported) == rows
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from(sorted(path.name for path in SAMPLES.glob("*") if "orderbook" not in path.name)),
    st.lists(st.tuples(st.integers(0, 2_000), st.binary(max_size=3), st.integers(0, 3)), min_size=1, max_size=4),
)
def test_no_bytes_escape_an_import(
    tmp_path_factory: pytest.TempPathFactory, name: str, cuts: list[tuple[int, bytes, int]]
) -> None:
    content = (SAMPLES / name).read_bytes()
    for at, put, gone in cuts:
        place = at % len(content)
        content = content[:place] + put + content[place + gone :]
    path = tmp_path_factory.mktemp("hostile") / name
    path.write_bytes(content)
    try:
        with importing(path, skip_bad=100) as imported:
            lines = list(imported)
    except (DecodeError, ConfigError):
        return
    assert [line.timestamp for line in lines] == sorted(line.timestamp for line in lines)
    assert imported.events.total() == len(lines)


def test_progress_ends_at_the_whole(tmp_path: Path) -> None:
    with importing(trades(tmp_path, "a", list(range(3_000))), trades(tmp_path, "b", [5])) as imported:
        for _ in imported:
            assert 0 <= imported.read_bytes <= imported.total_bytes
        assert imported.read_bytes == imported.total_bytes > 0


@pytest.mark.parametrize("name", ["out.ndjson", "out.ndjson.gz"])
def test_what_is_written_is_the_same_each_time_and_reads_back_as_it_was(tmp_path: Path, name: str) -> None:
    source = trades(tmp_path, "a", list(range(100)))
    written = []
    for directory in (tmp_path / "one", tmp_path / "two"):
        directory.mkdir()
        with importing(source) as imported:
            write_file(imported, directory / name)
        written.append((directory / name).read_bytes())
        assert [path.name for path in directory.iterdir()] == [name]
    assert written[0] == written[1]
    assert list(EventFiles([tmp_path / "one" / name])) == lines_of(source)


def test_a_failed_import_leaves_no_file(tmp_path: Path) -> None:
    source = trades(tmp_path, "a", [0, 1], ["5", "x"])
    out = tmp_path / "out" / "events.ndjson"
    out.parent.mkdir()
    with pytest.raises(DecodeError), importing(source) as imported:
        write_file(imported, out)
    assert list(out.parent.iterdir()) == []
    with pytest.raises(DecodeError, match="expected a file to write to"), importing(source) as imported:
        write_file(imported, tmp_path / "absent" / "events.ndjson")
