"""Tardis' CSV files: what each row becomes, digit for digit, and what is refused."""

import gzip
import io
import zipfile
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.errors import DecodeError
from detectors.events import BookSnapshot, DerivativeTicker, Trade
from streams.adapters.source import Wishes
from tests.streams.adapters.imports import SAMPLES, decoded, events_of, lines_of, texts_of

TRADES = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"
NOW = 1_706_659_200_000_000


def written(directory: Path, name: str, text: str) -> Path:
    path = directory / name
    path.write_text(text, encoding="utf-8")
    return path


def packed(content: bytes, packing: str) -> bytes:
    if packing == "zip":
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as open_archive:
            open_archive.writestr("x.csv", content)
        return archive.getvalue()
    return gzip.compress(content) if packing == "csv.gz" else content


def test_trades_keep_their_digits_and_come_in_order_of_the_venues_time() -> None:
    texts = texts_of(SAMPLES / "binance-futures_trades_2024-01-31_BTCUSDT.csv")
    assert texts == [
        '{"type":"trade","timestamp":1706659200003000,"symbol":"BTCUSDT","price":42942.0,"amount":1.50,"side":"sell",'
        '"trade_id":"4511480411"}',
        '{"type":"trade","timestamp":1706659200004000,"symbol":"BTCUSDT","price":42942.10,"amount":0.0100,"side":"buy",'
        '"trade_id":"4511480412"}',
        '{"type":"trade","timestamp":1706659201120000,"symbol":"BTCUSDT","price":42941.9,"amount":0.002,"side":"sell",'
        '"trade_id":"4511480413"}',
    ]


def test_liquidations_are_told_from_trades_by_the_name_of_the_file() -> None:
    (text,) = texts_of(SAMPLES / "binance-futures_liquidations_2024-01-31_BTCUSDT.csv")
    assert text == (
        '{"type":"liquidation","timestamp":1706659200500000,"symbol":"BTCUSDT","side":"sell","price":42890.33,'
        '"amount":0.116}'
    )


def test_an_empty_cell_of_a_ticker_is_a_value_that_is_not_known() -> None:
    events = events_of(SAMPLES / "binance-futures_derivative_ticker_2024-01-31_BTCUSDT.csv")
    assert events == [
        DerivativeTicker(NOW, "BTCUSDT", 42942.1, 42950.2, 42961.75, 79843.12, 0.00008951),
        DerivativeTicker(NOW + 1_000_000, "BTCUSDT", None, 42951.37, None, None, -0.00000012),
    ]


def test_books_of_any_depth_lose_the_levels_that_are_not_there() -> None:
    events = events_of(SAMPLES / "deribit_book_snapshot_2_2024-01-31_BTC-PERPETUAL.csv")
    bids = [(42943.0, 23450.0), (42942.5, 100.0)]
    assert events == [
        BookSnapshot(NOW + 31_000, "BTC-PERPETUAL", bids, [(42943.5, 10.0), (42944.0, 20.0)]),
        BookSnapshot(NOW + 131_000, "BTC-PERPETUAL", [bids[0], (42942.5, 120.5)], [(42943.5, 10.0)]),
    ]


def test_a_symbol_that_was_asked_for_takes_the_place_of_that_in_the_file() -> None:
    wishes = Wishes(symbol="BTC-PERP")
    lines = lines_of(SAMPLES / "binance-futures_trades_2024-01-31_BTCUSDT.csv", wishes=wishes)
    assert {line.key for line in lines} == {"BTC-PERP"}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("x,BTC,1706659200004000,0,1,buy,nan,1", "expected a number in `price`, found 'nan'"),
        ("x,BTC,1706659200004000,0,1,buy,1_0,1", "expected a number in `price`, found '1_0'"),
        ("x,BTC,1706659200004000,0,1,buy,1,1e99999", "expected a number in `amount`, found '1e99999'"),
        ("x,BTC,1706659200004000,0,1,buy,-5,1", "Expected `float` > 0.0 - at `$.price`, in "),
        ("x,BTC,1706659200004000,0,1,buy,5,-1", "Expected `float` >= 0.0 - at `$.amount`, in "),
        ("x,BTC,17066592000.5,0,1,buy,5,1", "expected a whole number in `timestamp`, found '17066592000.5'"),
        ("x,BTC,9999999999999999,0,1,buy,5,1", "at `$.timestamp`, in "),
        ("x,BTC,1706659200004000,0,1,unknown,5,1", "expected one of buy, sell in `side`, found 'unknown'"),
        ("x,,1706659200004000,0,1,buy,5,1", "Expected `str` of length >= 1 - at `$.symbol`, in "),
        ("x,BTC,1706659200004000,0,1,buy,5", "expected at least 8 columns, up to `amount`, found 7"),
    ],
)
def test_a_bad_row_is_named_with_what_was_expected_and_found(tmp_path: Path, row: str, message: str) -> None:
    path = written(
        tmp_path, "x_trades_2024-01-31_BTC.csv", TRADES + "x,BTC,1706659200000000,0,1,buy,5,1\n" + row + "\n"
    )
    with pytest.raises(DecodeError) as caught:
        lines_of(path)
    assert str(caught.value).startswith(f"{path}:3: ")
    assert message in str(caught.value)


def test_bytes_that_are_no_utf_8_are_a_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "x_trades_2024-01-31_BTC.csv"
    path.write_bytes(TRADES.encode() + b"x,B\xffC,1706659200000000,0,1,buy,5,1\n")
    with pytest.raises(DecodeError, match=r":2: .*(utf|UTF)"):
        lines_of(path)


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ("100,1,101,1", "Expected best bid < best ask"),
        ("100,1,99,1", None),
    ],
)
def test_a_crossed_book_is_a_bad_row(tmp_path: Path, levels: str, message: str | None) -> None:
    header = "exchange,symbol,timestamp,local_timestamp,asks[0].price,asks[0].amount,bids[0].price,bids[0].amount\n"
    path = written(tmp_path, "x_book_snapshot_1_2024.csv", f"{header}x,BTC,1706659200000000,0,{levels}\n")
    if message is None:
        assert len(lines_of(path)) == 1
    else:
        with pytest.raises(DecodeError, match=message):
            lines_of(path)


def test_a_book_that_is_not_sorted_is_a_bad_row(tmp_path: Path) -> None:
    sides = [
        f"{side}[{level}].{what}" for level in range(2) for side in ("asks", "bids") for what in ("price", "amount")
    ]
    header = ",".join(["exchange,symbol,timestamp,local_timestamp", *sides])
    path = written(
        tmp_path, "x_book_snapshot_2_2024.csv", f"{header}\nx,BTC,1706659200000000,0,100,1,99,1,100.5,1,99.5,1\n"
    )
    with pytest.raises(DecodeError, match=r":2: expected bids from the best price on, found 99\.5 behind 99\.0"):
        lines_of(path)


def test_missing_columns_are_named_with_the_header_that_was_found(tmp_path: Path) -> None:
    path = written(tmp_path, "x_trades_2024.csv", "exchange,symbol,timestamp\n")
    with pytest.raises(
        DecodeError, match=r":1, read as tardis-trades: expected columns side, price, amount, found 'ex"
    ):
        lines_of(path)


#: Spelled with all eight places, as venues do.
numbers = st.decimals(min_value="0.00000001", max_value="999999999", places=8)
rows_of_trades = st.lists(
    st.tuples(
        st.integers(NOW, NOW + 3_000_000), st.sampled_from(["buy", "sell"]), numbers, numbers, st.integers(0, 10**18)
    ),
    max_size=30,
)


@settings(deadline=None, max_examples=50)
@given(rows=rows_of_trades, packing=st.sampled_from(["csv", "csv.gz", "zip"]))
def test_random_trades_come_back_as_they_were_in_order_of_time_however_packed(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, str, Decimal, Decimal, int]], packing: str
) -> None:
    text = "".join(f"x,BTC,{at},{at},{number},{side},{price},{amount}\n" for at, side, price, amount, number in rows)
    path = tmp_path_factory.mktemp("tardis") / f"x_trades_2024-01-31_BTC.{packing}"
    path.write_bytes(packed((TRADES + text).encode(), packing))
    lines = lines_of(path)
    expected = sorted(rows, key=lambda row: row[0])
    assert [decoded(line) for line in lines] == [
        Trade(at, "BTC", float(price), float(amount), side, str(number))  # type: ignore[arg-type]
        for at, side, price, amount, number in expected
    ]
    for line, (_, _, price, amount, _) in zip(lines, expected, strict=True):
        # The digits, not only the value of their float.
        assert f'"price":{price},"amount":{amount}'.encode() in line.raw
