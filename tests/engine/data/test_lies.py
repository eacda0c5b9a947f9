"""One lie put into a true file: the importer gives the true rows to the last digit, or names the row that lies."""

import csv
import datetime as dt
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import DataError
from domain.instrument import Instrument
from engine.data.importers import Stamp, read_bars
from tests.needs import recorded_data

CENTS = Instrument(id="BTC-USDC-PERP.PAPER", venue_symbol="BTC", price_decimals=2, qty_decimals=3)
FIRST_S = 1_700_000_040
HEAD = ("time", "open", "high", "low", "close", "volume")
Rows = list[list[Any]]


def true_rows(prices: list[int]) -> Rows:
    """Minute bars in cents of a price that goes through `prices`."""
    rows: Rows = []
    for at, (first, last) in enumerate(pairwise(prices)):
        high, low = max(first, last) + 7, min(first, last) - 3
        rows.append([FIRST_S + 60 * at, first / 100, high / 100, low / 100, last / 100, 1.5])
    return rows


def written(path: Path, rows: Rows, head: tuple[str, ...] = HEAD) -> Path:
    if path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([head, *rows])
    else:
        columns = [pa.array(list(column)) for column in zip(*rows, strict=True)]
        pq.write_table(pa.table(columns, names=list(head)), path)
    return path


def integers(path: Path) -> list[tuple[int, ...]]:
    table = read_bars(path, stamp=Stamp.OPEN)
    return [(b.open_ts_ns, b.open, b.high, b.low, b.close, b.volume) for b in table.events(CENTS)]


def iso(seconds: int, zone: str) -> str:
    return dt.datetime.fromtimestamp(seconds, tz=dt.UTC).isoformat(sep=" ").removesuffix("+00:00") + zone


def with_cell(column: int, value: object) -> Callable[[Rows, int], tuple[Rows, set[int]]]:
    def lie(rows: Rows, at: int) -> tuple[Rows, set[int]]:
        rows[at][column] = value
        return rows, {at + 1}

    return lie


def repeated(rows: Rows, at: int) -> tuple[Rows, set[int]]:
    rows.insert(at, list(rows[at]))
    return rows, {at + 2}


def exchanged(rows: Rows, at: int) -> tuple[Rows, set[int]]:
    rows[at], rows[at - 1] = rows[at - 1], rows[at]
    return rows, {at + 1}


def missing(rows: Rows, at: int) -> tuple[Rows, set[int]]:
    del rows[at]
    return rows, {at}


def late(rows: Rows, at: int) -> tuple[Rows, set[int]]:
    rows[at][0] += 13
    return rows, {at + 1, at + 2}


def low_high(rows: Rows, at: int) -> tuple[Rows, set[int]]:
    rows[at][2], rows[at][3] = rows[at][3], rows[at][2]
    return rows, {at + 1}


def off_tick(rows: Rows, at: int) -> tuple[Rows, set[int]]:
    rows[at][2] += 0.004
    return rows, {at + 1}


def in_milliseconds(rows: Rows, at: int) -> tuple[Rows, set[int]]:
    rows[at][0] *= 1000
    return rows, {at + 1}


LIES = [
    *(with_cell(column, value) for column in (1, 2, 3, 4) for value in (0.0, -5.0, float("nan"), float("inf"))),
    with_cell(5, -1.0),
    *(repeated, exchanged, missing, late, low_high, off_tick, in_milliseconds),
]
IN_TEXT = [
    *(with_cell(column, value) for column in range(5) for value in ("", "n/a", "12,5", "1 000", "abc")),
    with_cell(0, "2023-11-14T22:15:00+05:00"),
    with_cell(0, "14.11.2023 22:15"),
    with_cell(0, "2023-03-26 02:30:00 CET"),
]
PRICES = st.lists(st.integers(1_000, 90_000), min_size=6, max_size=12)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lies")


@settings(max_examples=60)
@given(PRICES, st.sampled_from(LIES), st.integers(1, 3), st.sampled_from([".csv", ".parquet"]))
def test_the_row_that_lies_is_named(folder, prices, lie, at, kind):
    rows, named = lie(true_rows(prices), at)
    with pytest.raises(DataError) as caught:
        integers(written(folder / f"bars{kind}", rows))
    assert any(f"row {row}" in str(caught.value) for row in named), str(caught.value)


@settings(max_examples=40)
@given(PRICES, st.sampled_from(IN_TEXT), st.integers(1, 3), st.booleans())
def test_the_text_that_is_none_is_named(folder, prices, lie, at, dates):
    rows = true_rows(prices)
    for row in rows:
        row[0] = iso(int(str(row[0])), "") if dates else row[0]
    rows, named = lie(rows, at)
    with pytest.raises(DataError) as caught:
        integers(written(folder / "bars.csv", rows))
    assert any(f"row {row}" in str(caught.value) for row in named), str(caught.value)


@settings(max_examples=40)
@given(
    PRICES,
    st.permutations(range(6)),
    st.sampled_from(["s", "ms", "us", "ns", "text", "zone"]),
    st.floats(-4e-10, 4e-10),
    st.sampled_from([".csv", ".parquet"]),
)
def test_what_only_looks_otherwise_is_read_to_the_last_digit(folder, prices, order, unit, noise, kind):
    truth = [(r[0] * 10**9, *(round(p * 100) for p in r[1:5]), 1500) for r in true_rows(prices)]
    rows = true_rows(prices)
    scale = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
    for row in rows:
        seconds = int(str(row[0]))
        texts = {"text": iso(seconds, ""), "zone": iso(seconds + 7_200, "+02:00")}
        row[0] = texts[unit] if unit in texts else seconds * scale[unit]
        row[1:5] = [float(str(price)) + noise for price in row[1:5]]
        row[2], row[3] = max(row[1:5]), min(row[1:5])
    shuffled = [[row[column] for column in order] for row in rows]
    assert integers(written(folder / f"bars{kind}", shuffled, tuple(HEAD[column] for column in order))) == truth


def test_times_with_and_without_a_zone_are_not_taken_together(tmp_path):
    rows = true_rows([5_000, 5_010, 5_020, 5_030, 5_040])
    for at, row in enumerate(rows):
        row[0] = iso(FIRST_S + 60 * at, "+00:00" if at < 2 else "")
    with pytest.raises(DataError, match=r"row 3: time is '.*': row 1 names a time zone and row 3 does not"):
        integers(written(tmp_path / "bars.csv", rows))


def test_rows_that_go_back_because_their_zones_are_mixed_say_so(tmp_path):
    rows = true_rows([5_000, 5_010, 5_020, 5_030, 5_040])
    for at, row in enumerate(rows):
        row[0] = iso(FIRST_S + 60 * at, "+02:00" if at == 3 else "+00:00")
    with pytest.raises(
        DataError, match=r"row 4: its time is before .*their offset from UTC changes at row 4, .*\+02:00"
    ):
        integers(written(tmp_path / "bars.csv", rows))


def test_a_change_of_the_offset_is_told_and_the_same_leap_without_zones_is_refused(tmp_path):
    """The night in which Berlin's clocks go on from 02:00 to 03:00."""
    utc = [dt.datetime(2024, 3, 31, 0, 30, tzinfo=dt.UTC) + dt.timedelta(minutes=15 * n) for n in range(6)]
    rows = true_rows([5_000 + n for n in range(7)])
    local = [(moment + dt.timedelta(hours=1 if n < 2 else 2)).replace(tzinfo=None) for n, moment in enumerate(utc)]
    for n, row in enumerate(rows):
        row[0] = f"{local[n].isoformat()}{'+01:00' if n < 2 else '+02:00'}"
    table = read_bars(written(tmp_path / "bars.csv", rows), stamp=Stamp.OPEN)
    assert table.open_ts_ns[0] == utc[0].timestamp() * 1e9
    assert "offset from UTC changes at row 3, 2024-03-31T01:45:00+01:00 to 2024-03-31T03:00:00+02:00" in table.notes[0]
    for n, row in enumerate(rows):
        row[0] = local[n].isoformat()
    with pytest.raises(DataError, match="its times name no zone and leap by an hour after row 2, as where clocks are"):
        integers(written(tmp_path / "bars.csv", rows))


def test_open_and_close_that_are_swapped_are_noticed_and_a_true_walk_is_not(tmp_path):
    walk = (50_000 + np.cumsum(np.random.default_rng(7).integers(-40, 41, 201))).tolist()
    rows = true_rows([int(price) for price in walk])
    assert len(integers(written(tmp_path / "bars.csv", rows))) == 200
    swapped = ("time", "close", "high", "low", "open", "volume")
    with pytest.raises(DataError, match=r"row 2: its close .* the columns called open and close are swapped"):
        integers(written(tmp_path / "bars.csv", rows, swapped))


def test_two_columns_of_one_name_are_refused_in_both_kinds_of_file(tmp_path):
    rows = true_rows([5_000, 5_010, 5_020])
    for kind in (".csv", ".parquet"):
        with pytest.raises(DataError, match="two columns have the same name"):
            integers(written(tmp_path / f"bars{kind}", rows, ("time", "open", "high", "low", "close", "Close")))


def test_an_empty_line_is_named_and_those_at_the_end_are_nothing(tmp_path):
    path = written(tmp_path / "bars.csv", true_rows([5_000, 5_010, 5_020]))
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*lines, "", ""]), encoding="utf-8")
    assert len(integers(path)) == 2
    path.write_text("\n".join([*lines[:2], "", *lines[2:]]), encoding="utf-8")
    with pytest.raises(DataError, match=r"row 2: the line is empty"):
        integers(path)


@pytest.mark.real_data
def test_the_real_file_that_lies_is_told_everything_that_is_wrong_with_it():
    path = recorded_data("bad", "BTCUSD-6h-mislabelled-newest-first.csv")
    for newest_first in (False, True):
        with pytest.raises(DataError) as caught:
            read_bars(path, stamp=Stamp.OPEN, newest_first=newest_first)
        told = str(caught.value)
        assert "the column called open holds the low in every row" in told
        assert "row 301" in told
