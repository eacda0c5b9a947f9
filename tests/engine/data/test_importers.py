"""Importers take good files in every dress and refuse files that lie, with the row and the reason."""

import gzip
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domain.errors import DataError
from domain.instrument import Instrument
from domain.market import Bar, Book, Trade
from engine.data.importers import Stamp, read_bars, read_books, read_funding, read_trades
from engine.data.tables import Gap
from tests.engine.data.samples import MINUTE_NS

FIRST_S = 1_700_000_040
FIRST_NS = FIRST_S * 10**9
HEAD = "time,open,high,low,close,volume"
BTC_CENTS = Instrument(id="BTC-USDC-PERP.PAPER", venue_symbol="BTC", price_decimals=2, qty_decimals=3)


def bar_rows(count: int = 4) -> list[list]:
    return [[FIRST_S + 60 * at, 100.0 + at, 101.5 + at, 99.25 + at, 100.5 + at, 1.5] for at in range(count)]


def csv(tmp_path, rows, head: str = HEAD, name: str = "bars.csv"):
    path = tmp_path / name
    path.write_text("\n".join([head, *(",".join(str(cell) for cell in row) for row in rows)]) + "\n")
    return path


def changed(row: int, cell: int, value) -> list[list]:
    rows = bar_rows()
    rows[row][cell] = value
    return rows


def refused(path, *expected: str, **options) -> str:
    options.setdefault("stamp", Stamp.OPEN)
    with pytest.raises(DataError) as error:
        read_bars(path, **options)
    message = str(error.value)
    assert path.name in message
    for text in expected:
        assert text in message
    return message


def test_a_bar_becomes_an_event_stamped_at_its_close(tmp_path):
    table = read_bars(csv(tmp_path, bar_rows()), stamp=Stamp.OPEN)
    assert next(table.events(BTC_CENTS)) == Bar(
        ts_ns=FIRST_NS + MINUTE_NS,
        venue_ts_ns=FIRST_NS + MINUTE_NS,
        instrument=BTC_CENTS.id,
        interval_ns=MINUTE_NS,
        open_ts_ns=FIRST_NS,
        open=10_000,
        high=10_150,
        low=9_925,
        close=10_050,
        volume=1_500,
    )
    assert table.notes == ("times in s, told from their size, taken as the open of each bar",)


def test_times_that_stamp_the_close_are_moved_to_the_open(tmp_path):
    table = read_bars(csv(tmp_path, bar_rows()), stamp=Stamp.CLOSE)
    assert table.open_ts_ns[0] == FIRST_NS - MINUTE_NS


def test_closes_one_millisecond_early_are_put_right(tmp_path):
    rows = [[FIRST_S * 1000 + 60_000 * (at + 1) - 1, *row[1:]] for at, row in enumerate(bar_rows())]
    table = read_bars(csv(tmp_path, rows, HEAD.replace("time", "close_time")), stamp=Stamp.CLOSE)
    assert table.open_ts_ns[0] == FIRST_NS


def test_a_file_that_names_its_times_otherwise_than_the_caller_is_refused(tmp_path):
    path = csv(tmp_path, bar_rows(), HEAD.replace("time", "close_time"))
    refused(path, "called close_time", "said to stamp the open")


@pytest.mark.parametrize(
    "text",
    ["2023-11-14 22:14:00", "2023-11-14T22:14:00Z", "2023-11-15T00:14:00+02:00", str(FIRST_S), f"{FIRST_S}.0",
     f"{FIRST_S}000", f"{FIRST_S}000000", f"{FIRST_S}000000000"],
)  # fmt: skip
def test_times_are_understood_in_every_unit_and_as_dates(tmp_path, text):
    table = read_bars(csv(tmp_path, [[text, 1, 1, 1, 1, 1]]), stamp=Stamp.OPEN, interval_ns=MINUTE_NS)
    assert table.open_ts_ns.tolist() == [FIRST_NS]


@pytest.mark.parametrize(
    ("times", "unit", "reason"),
    [
        (["1700000040", "1700000100000"], "", "row 2: time is 1700000100000; row 1 (1700000040) is in s, this is not"),
        (["1700000040", "1700000100"], "ms", "said to be in ms, but 1700000040 only makes sense in s"),
        (["1700000040", "1700000100"], "h", "expected one of s, ms, us, ns"),
        (["60", "120"], "", "in no unit"),
        (["1700000040", "soon"], "", "row 2: time is 'soon', not a time"),
        (["2023-11-14", "14.11.2023"], "", "row 2: time is '14.11.2023', not a time"),
        (["1815-06-18", "1815-06-19"], "", "not between 1990 and 2100"),
        (["", "1700000100"], "", "row 1: time is '', not a time"),
        (["1e400", "1700000100"], "", "not a time"),
    ],
)
def test_times_in_a_wrong_unit_or_none_are_refused(tmp_path, times, unit, reason):
    rows = [[text, 1, 1, 1, 1, 1] for text in times]
    with pytest.raises(DataError) as error:
        read_bars(csv(tmp_path, rows), stamp=Stamp.OPEN, time_unit=unit)
    assert reason in str(error.value)


@pytest.mark.parametrize(
    ("row", "cell", "value", "reason"),
    [
        (2, 2, 90, "row 3: its high 90 is below its open or close (1 of 4 rows)"),
        (1, 3, 101.2, "row 2: its low 101.2 is above its open or close"),
        (0, 4, -1, "row 1: close -1 is not above zero"),
        (3, 1, 0, "row 4: open 0 is not above zero"),
        (2, 1, "nan", "row 3: open is empty or not a number"),
        (2, 1, "", "row 3: open is empty or not a number"),
        (2, 2, "inf", "row 3: high is infinite"),
        (2, 2, "1_000", "row 3: high is '1_000', not a number"),
        (1, 5, "", "row 2: volume is missing here, but not everywhere"),
        (1, 5, -4, "row 2: volume is negative"),
        (1, 0, FIRST_S, "row 2: the same time as row 1"),
        (2, 0, FIRST_S - 60, "row 3: its time is before that of row 2"),
        (3, 0, FIRST_S + 170, "row 4: 50 s after row 3, which is no multiple of the usual 60 s"),
        (3, 0, FIRST_S + 300, "2 bars are missing in 1 gaps, the first after row 3"),
    ],
)
def test_a_row_that_lies_is_named(tmp_path, row, cell, value, reason):
    refused(csv(tmp_path, changed(row, cell, value)), reason)


def test_several_lies_are_all_named(tmp_path):
    rows = changed(1, 2, 1)[::-1]
    refused(csv(tmp_path, rows), "newest first", "pass newest_first", "row 3: its high 1 is below")


def test_columns_that_are_called_wrong_are_recognised(tmp_path):
    rows = [[row[0], row[3], row[2], row[1], row[4], row[5]] for row in bar_rows()]
    refused(csv(tmp_path, rows), "the column called open holds the low in every row")


def test_a_file_that_runs_backwards_can_be_turned_round(tmp_path):
    table = read_bars(csv(tmp_path, bar_rows()[::-1]), stamp=Stamp.OPEN, newest_first=True)
    assert table.open.tolist() == [100.0, 101.0, 102.0, 103.0]
    refused(csv(tmp_path, bar_rows()), "oldest first, although newest_first", newest_first=True)


def test_gaps_can_be_tolerated_and_are_reported(tmp_path):
    table = read_bars(csv(tmp_path, changed(3, 0, FIRST_S + 300)), stamp=Stamp.OPEN, tolerate_gaps=True)
    assert table.gaps == (Gap(3, FIRST_NS + 2 * MINUTE_NS, 2),)


def test_a_stated_interval_has_to_be_that_of_the_file(tmp_path):
    refused(csv(tmp_path, bar_rows()), "60 s apart, not 300 s", interval_ns=5 * MINUTE_NS)
    refused(csv(tmp_path, bar_rows(1)), "a single row: how long its bars are cannot be told")


def test_a_price_off_the_tick_is_refused_but_float_noise_is_rounded(tmp_path):
    noisy = read_bars(csv(tmp_path, changed(0, 1, 100.0000000001)), stamp=Stamp.OPEN)
    assert next(noisy.events(BTC_CENTS)).open == 10_000
    off = read_bars(csv(tmp_path, changed(2, 1, 102.001)), stamp=Stamp.OPEN)
    with pytest.raises(DataError, match=r"bars.csv, row 3: open 102.001 is not a multiple of 0.01 \(1 such rows\)"):
        list(off.events(BTC_CENTS))
    half = Instrument(id=BTC_CENTS.id, venue_symbol="", price_decimals=2, qty_decimals=3, tick=50)
    with pytest.raises(DataError, match=r"row 1: low 99\.25 is not a multiple of 0\.50"):
        list(read_bars(csv(tmp_path, bar_rows()), stamp=Stamp.OPEN).events(half))


def test_parquet_and_csv_and_gzip_say_the_same(tmp_path):
    plain = csv(tmp_path, bar_rows())
    packed = tmp_path / "bars.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    columns = list(zip(*bar_rows(), strict=True))
    typed = tmp_path / "bars.parquet"
    pq.write_table(pa.table(dict(zip(HEAD.split(","), columns, strict=True))), typed)
    dated = tmp_path / "dated.parquet"
    moments = pa.array([row[0] * 1000 for row in bar_rows()], pa.int64()).cast(pa.timestamp("ms", "UTC"))
    pq.write_table(pa.table([moments, *columns[1:]], names=HEAD.split(",")), dated)
    events = [list(read_bars(path, stamp=Stamp.OPEN).events(BTC_CENTS)) for path in (plain, packed, typed, dated)]
    assert events[0] == events[1] == events[2] == events[3]


def test_other_names_and_delimiters_are_understood(tmp_path):
    path = tmp_path / "odd.csv"
    path.write_text("Open Time;O;H;L;C;Vol\n1700000040;1;2;1;2;3\n1700000100;1;2;1;2;3\n")
    assert read_bars(path, stamp=Stamp.OPEN).high.tolist() == [2, 2]
    path.write_text("1700000040,1,2,1,2\n1700000100,1,2,1,2\n")
    refused(path, "no header")
    table = read_bars(path, stamp=Stamp.OPEN, columns=["t", "open", "high", "low", "close"])
    assert np.isnan(table.volume).all()
    assert next(table.events(BTC_CENTS)).volume == 0


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"time,open,high,low,close\n", "no rows"),
        (b"time,open,high,low\n1700000040,1,1,1\n", "no column for the close"),
        (b"time,open,open,low,close\n", "two columns have the same name"),
        (b"time,open\n1,2,3\n", "row 1: 3 cells, the header has 2"),
        (b"\xff\xfe\x00", "neither Parquet nor text"),
        (b"PAR1 is how it starts", "not a readable Parquet file"),
        (b"\x1f\x8b broken", "cannot be read"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path, content, reason):
    path = tmp_path / "some.csv"
    path.write_bytes(content)
    refused(path, reason)


def test_a_missing_file_is_said(tmp_path):
    refused(tmp_path / "absent.csv", "cannot be read")


def test_trades_are_read_with_the_side_of_the_aggressor(tmp_path):
    path = csv(
        tmp_path, [[FIRST_S, 100.5, 0.25, "Sell", "a1"], [FIRST_S, 100.6, 1, "buy", "a2"]], "ts,px,size,side,tid"
    )
    table = read_trades(path)
    first = next(table.events(BTC_CENTS))
    assert first == Trade(
        ts_ns=FIRST_NS, venue_ts_ns=FIRST_NS, instrument=BTC_CENTS.id, price=10_050, qty=250, side=-1, trade_id="a1"
    )
    maker = csv(tmp_path, [[FIRST_S, 1, 1, "true"], [FIRST_S, 1, 1, "False"]], "time,price,qty,is_buyer_maker")
    assert read_trades(maker).side.tolist() == [-1, 1]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([[FIRST_S, 1, 1, "up", "1"]], "row 1: side is 'up', expected buy"),
        ([[FIRST_S, 1, 0, "buy", "1"]], "row 1: quantity 0 is not above zero"),
        ([[FIRST_S, 1, 1, "buy", "7"], [FIRST_S, 1, 1, "buy", "7"]], "row 2: the id '7' comes a second time"),
        ([[FIRST_S + 1, 1, 1, "buy", "1"], [FIRST_S, 1, 1, "buy", "2"]], "newest first"),
    ],
)
def test_trades_that_lie_are_refused(tmp_path, rows, reason):
    with pytest.raises(DataError) as error:
        read_trades(csv(tmp_path, rows, "time,price,qty,side,id"))
    assert reason in str(error.value)


BOOK_HEAD = "time,bid_price_0,bid_qty_0,ask_price_0,ask_qty_0,bid_price_1,bid_qty_1,ask_price_1,ask_qty_1"


def test_books_are_read_from_wide_rows_with_missing_levels_at_the_end(tmp_path):
    path = csv(
        tmp_path, [[FIRST_S, 99.5, 1, 100, 2, 99, 3, 101, 4], [FIRST_S + 1, 99.5, 1, 100, 2, 99, 3, "", ""]], BOOK_HEAD
    )
    first, second = read_books(path).events(BTC_CENTS)
    assert first == Book(
        ts_ns=FIRST_NS,
        venue_ts_ns=FIRST_NS,
        instrument=BTC_CENTS.id,
        bids=((9_950, 1_000), (9_900, 3_000)),
        asks=((10_000, 2_000), (10_100, 4_000)),
    )
    assert second.asks == ((10_000, 2_000),)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ([FIRST_S, 100, 1, 100, 2, 99, 3, 101, 4], "row 1: crossed, best bid 100 and best ask 100"),
        ([FIRST_S, 99, 1, 100, 2, 99.5, 3, 101, 4], "row 1: bid levels are not best first"),
        ([FIRST_S, 99, 1, 100, 2, 98, "", 101, 4], "row 1: a bid price without a size"),
        ([FIRST_S, 99, 1, 100, 2, 98, 0, 101, 4], "row 1: a bid price or size is not above zero"),
        ([FIRST_S, "", "", 100, 2, 98, 1, 101, 4], "row 1: a hole between bid levels"),
    ],
)
def test_books_that_lie_are_refused(tmp_path, row, reason):
    with pytest.raises(DataError) as error:
        read_books(csv(tmp_path, [row], BOOK_HEAD))
    assert reason in str(error.value)


def test_funding_rates_are_read_and_joined_to_mark_prices(tmp_path):
    funding = read_funding(csv(tmp_path, [[FIRST_S, 0.0001], [FIRST_S + 120, -0.0002]], "time,funding_rate"))
    bars = read_bars(csv(tmp_path, bar_rows()), stamp=Stamp.OPEN)
    marks = list(bars.marks(BTC_CENTS, funding))
    assert [mark.funding_rate for mark in marks] == [
        Decimal(text) for text in ("0.0001", "-0.0002", "-0.0002", "-0.0002")
    ]
    assert marks[0].price == 10_050
    assert funding.at(FIRST_NS) == Decimal("0.0001")
    with pytest.raises(DataError, match="no funding rate is known"):
        funding.at(FIRST_NS - 1)


def test_a_candle_shaped_funding_file_is_understood_and_real_bars_are_not_taken_for_one(tmp_path):
    shaped = read_funding(csv(tmp_path, [[FIRST_S, 0.0001, 0, 0, 0, 0]]))
    assert shaped.rate.tolist() == [0.0001]
    with pytest.raises(DataError, match="these are bars, not funding rates"):
        read_funding(csv(tmp_path, bar_rows()))
    with pytest.raises(DataError, match="row 1: a rate of 12 is no fraction"):
        read_funding(csv(tmp_path, [[FIRST_S, 12]], "time,rate"))
