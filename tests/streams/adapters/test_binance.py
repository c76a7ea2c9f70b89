"""Binance's dumps: with and without header, ms and us, and what cumulative depth becomes."""

import io
import zipfile
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.errors import DecodeError
from detectors.events import BookSnapshot, DerivativeTicker, Liquidation, Trade
from streams.adapters.source import Wishes
from tests.streams.adapters.imports import SAMPLES, events_of, importing, lines_of, texts_of

JAN_31 = 1_706_659_200_000_000
TRADE = "1,42942.10,0.010,5,6,{when},{maker}\n"
DEPTH = "timestamp,percentage,depth,notional\n"


def named(directory: Path, what: str, text: str, symbol: str = "BTCUSDT") -> Path:
    path = directory / f"{symbol}-{what}-2024-01-31.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_trades_are_the_takers_and_take_the_symbol_of_the_file() -> None:
    assert texts_of(SAMPLES / "BTCUSDT-aggTrades-2024-01-31.csv") == [
        '{"type":"trade","timestamp":1706659200004000,"symbol":"BTCUSDT","price":42942.10,"amount":0.010,"side":"buy",'
        '"trade_id":"2016584801"}',
        '{"type":"trade","timestamp":1706659200104000,"symbol":"BTCUSDT","price":42942.0,"amount":1.500,"side":"sell",'
        '"trade_id":"2016584802"}',
    ]


def test_old_files_without_header_are_read_by_the_order_of_their_columns() -> None:
    assert events_of(SAMPLES / "BTCUSD_PERP-aggTrades-2021-01-31.csv") == [
        Trade(1_612_051_200_123_000, "BTCUSD_PERP", 34271.5, 12.0, "sell", "225512345"),
        Trade(1_612_051_200_125_000, "BTCUSD_PERP", 34271.6, 1.0, "buy", "225512346"),
    ]


@pytest.mark.parametrize(("when", "maker"), [("1706659200004", "True"), ("1706659200004000", "true")])
def test_times_in_ms_and_in_us_are_the_same(tmp_path: Path, when: str, maker: str) -> None:
    (event,) = events_of(named(tmp_path, "aggTrades", TRADE.format(when=when, maker=maker)))
    assert event == Trade(JAN_31 + 4_000, "BTCUSDT", 42942.10, 0.01, "sell", "1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TRADE.format(when="1706659200", maker="true"), "expected a time in `transact_time`, in ms"),
        (TRADE.format(when="1706659200004", maker="1"), "expected one of true, false in `is_buyer_maker`, found '1'"),
        ("1,2,3\n", "expected 7 or 8 columns in a file without a header, found 3"),
        (
            "price,quantity\n1,2\n",
            "expected columns agg_trade_id, transact_time, is_buyer_maker, found 'price,quantity'",
        ),
    ],
)
def test_what_is_no_trade_is_named_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DecodeError, match=r"BTCUSDT-aggTrades-2024-01-31.csv:1") as caught:
        lines_of(named(tmp_path, "aggTrades", text))
    assert message in str(caught.value)


def test_a_file_that_does_not_tell_its_symbol_needs_one(tmp_path: Path) -> None:
    path = tmp_path / "trades.csv"
    path.write_text(TRADE.format(when="1706659200004", maker="true"), encoding="utf-8")
    with pytest.raises(DecodeError, match="expected the name of the file to begin with the symbol, or --symbol"):
        lines_of(path, kind="binance-aggtrades")
    assert lines_of(path, kind="binance-aggtrades", wishes=Wishes(symbol="ETH"))[0].key == "ETH"


def test_a_zip_is_read_as_downloaded(tmp_path: Path) -> None:
    plain = SAMPLES / "BTCUSDT-aggTrades-2024-01-31.csv"
    packed = tmp_path / "BTCUSDT-aggTrades-2024-01-31.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(plain, plain.name)
    assert lines_of(packed) == lines_of(plain)


def test_a_zip_of_two_files_and_one_that_is_cut_off_are_refused(tmp_path: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("a.csv", "1")
        archive.writestr("b.csv", "2")
    path = tmp_path / "BTCUSDT-aggTrades-2024-01-31.zip"
    path.write_bytes(content.getvalue())
    with pytest.raises(DecodeError, match="expected a zip with one file in it, found 2"):
        lines_of(path)
    path.write_bytes(content.getvalue()[:40])
    with pytest.raises(DecodeError, match="after line 0: expected a readable file"):
        lines_of(path)


def test_of_metrics_the_open_interest_alone_is_taken() -> None:
    assert events_of(SAMPLES / "BTCUSDT-metrics-2024-01-31.csv") == [
        DerivativeTicker(JAN_31 + 300_000_000, "BTCUSDT", open_interest=79843.123),
        DerivativeTicker(JAN_31 + 600_000_000, "BTCUSDT", open_interest=79850.001),
    ]


def test_repeated_liquidations_and_those_of_nothing_are_passed_over_and_counted() -> None:
    with importing(SAMPLES / "BTCUSD_PERP-liquidationSnapshot-2023-06-25.csv") as imported:
        lines = list(imported)
    assert imported.passed_over == {"repeated row": 1, "nothing filled": 1}
    assert [line.raw.decode() for line in lines] == [
        '{"type":"liquidation","timestamp":1687651205123000,"symbol":"BTCUSD_PERP","side":"sell","price":30444.1,'
        '"amount":10}',
        '{"type":"liquidation","timestamp":1687651300001000,"symbol":"BTCUSD_PERP","side":"buy","price":30701.2,'
        '"amount":4}',
    ]


def test_a_symbol_column_of_liquidations_is_taken(tmp_path: Path) -> None:
    row = "1687651205123,ETHUSD_PERP,SELL,LIMIT,IOC,10,30310.5,30444.1,FILLED,3,10\n"
    (event,) = events_of(named(tmp_path, "liquidationSnapshot", row), kind="binance-liquidations")
    assert isinstance(event, Liquidation)
    assert event.amount == 10.0


def test_depth_becomes_a_level_a_band_with_exact_amounts_and_the_bands_mean_price() -> None:
    first, second = events_of(SAMPLES / "BTCUSDT-bookDepth-2025-05-19.csv")
    assert isinstance(first, BookSnapshot)
    # By hand: 3989.699 - 2294.324 within -2 % but not within -1 %, (331452387.7503 - 191369991.2178) / 1695.375 each.
    assert first.bids == [(83410.1858403, 2294.324), (82626.201597, 1695.375)]
    assert first.asks == [(84202.7859167, 2097.41), (85046.2829333, 1387.731)]
    assert second == BookSnapshot(first.timestamp + 30_000_000, "BTCUSDT", [(83000.0, 2000.0)], [(84000.0, 2000.0)])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["-1,10,990", "1,10,1010", "2,9,1020"], "expected no less depth within 2 % than nearer, found 9 after 10"),
        (["-1,10,990", "-1,10,990"], "expected each percentage once, and none of 0, found -1"),
        (["0,10,990"], "expected each percentage once, and none of 0, found 0"),
        (["-1,10,1010", "1,10,990"], "Expected best bid < best ask"),
    ],
)
def test_a_bad_snapshot_of_depth_is_one_bad_row_and_the_next_is_taken(
    tmp_path: Path, rows: list[str], message: str
) -> None:
    bad = "".join(f"2025-05-19 11:07:31,{row}\n" for row in rows)
    good = "2025-05-19 11:08:01,-1,10,990\n2025-05-19 11:08:01,1,10,1010\n"
    with importing(named(tmp_path, "bookDepth", DEPTH + bad + good), skip_bad=1) as imported:
        assert len(list(imported)) == 1
    assert imported.rejected == 1
    rejected = (tmp_path / "rejects.ndjson").read_text(encoding="utf-8")
    assert message in rejected


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 10**9)), min_size=1, max_size=10))
def test_depth_and_notional_within_each_percentage_come_back(
    tmp_path_factory: pytest.TempPathFactory, bands: list[tuple[int, int]]
) -> None:
    # Nearest band first: amounts in millionths, and mean prices that rise from band to band.
    amounts = [Decimal(amount).scaleb(-6) for amount, _ in bands]
    prices = [Decimal(1_000 + 10 * place) for place in range(len(bands))]
    text = DEPTH
    for place in range(len(bands)):
        depth = sum(amounts[: place + 1], Decimal(0))
        notional = sum((a * p for a, p in zip(amounts[: place + 1], prices, strict=False)), Decimal(0))
        text += f"2025-05-19 11:07:31,{place + 1},{depth},{notional}\n"
    (event,) = events_of(named(tmp_path_factory.mktemp("depth"), "bookDepth", text))
    assert isinstance(event, BookSnapshot)
    assert event.bids == []
    assert event.asks == [(float(price), float(amount)) for price, amount in zip(prices, amounts, strict=True)]
