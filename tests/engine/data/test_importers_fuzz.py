"""Whatever a file holds, importers answer with a table or with `DataError`."""

import contextlib
import io
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import DataError
from engine.data.importers import Stamp, read_bars, read_books, read_funding, read_trades
from engine.data.scale import default_instrument_for
from engine.data.tables import BarTable, BookTable, FundingTable, TradeTable

READERS: list[Callable[[Path], BarTable | TradeTable | BookTable | FundingTable]] = [
    lambda path: read_bars(path, stamp=Stamp.OPEN, tolerate_gaps=True),
    read_trades,
    read_books,
    read_funding,
]
COLUMNS = ["time", "open", "high", "low", "close", "volume", "price", "qty", "side", "id", "rate",
           "bid_price_0", "bid_qty_0", "ask_price_0", "ask_qty_0"]  # fmt: skip
CELLS = st.one_of(
    st.integers(),
    st.integers(1_700_000_000, 1_700_009_000),
    st.floats(),
    st.floats(0.5, 2),
    st.sampled_from(["", "nan", "buy", "sell", "1", "2024-01-01", "2024-01-02T00:00:00Z", "1e999", "-0", "0x1", "١٢"]),
    st.text(max_size=6),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


def read_all(path) -> None:
    for reader in READERS:
        with contextlib.suppress(DataError):
            table = reader(path)
            times = table.open_ts_ns if isinstance(table, BarTable) else table.ts_ns
            assert len(times) > 0


@given(content=st.binary(max_size=300), prefix=st.sampled_from([b"", b"PAR1", b"\x1f\x8b\x08", b"time,open\n"]))
def test_random_bytes(folder, content, prefix):
    path = folder / "random.csv"
    path.write_bytes(prefix + content)
    read_all(path)


@given(
    columns=st.lists(st.sampled_from(COLUMNS), unique=True),
    rows=st.lists(st.lists(CELLS, min_size=len(COLUMNS), max_size=len(COLUMNS)), max_size=4),
)
def test_random_cells_in_csv(folder, columns, rows):
    path = folder / "cells.csv"
    lines = [",".join(columns), *(",".join(str(cell) for cell in row[: len(columns)]) for row in rows)]
    path.write_text("\n".join(lines), encoding="utf-8", errors="replace")
    read_all(path)


ARROW = [
    *(pa.int64(), pa.uint64(), pa.float64(), pa.float32(), pa.decimal128(30, 4), pa.bool_(), pa.string(), pa.binary()),
    *(pa.timestamp("us"), pa.date32(), pa.time64("us"), pa.duration("s"), pa.list_(pa.int8()), pa.null()),
]


@given(types=st.lists(st.sampled_from(ARROW), min_size=len(COLUMNS), max_size=len(COLUMNS)), data=st.data())
def test_random_parquet_columns(folder, types, data):
    arrays = []
    for kind in types:
        values = data.draw(st.lists(st.one_of(st.none(), st.integers(0, 2_000_000_000)), min_size=2, max_size=2))
        try:
            arrays.append(pa.array(values, pa.int64()).cast(kind))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            arrays.append(pa.nulls(2, kind))
    path = folder / "typed.parquet"
    pq.write_table(pa.table(arrays, names=COLUMNS), path)
    read_all(path)


@given(cut=st.integers(0, 2_000), flip=st.integers(0, 2_000), byte=st.integers(0, 255))
def test_damaged_parquet(folder, cut, flip, byte):
    buffer = io.BytesIO()
    pq.write_table(pa.table({"time": [1_700_000_000, 1_700_000_060], "open": [1.0, 2.0]}), buffer)
    raw = bytearray(buffer.getvalue())
    raw[flip % len(raw)] = byte
    path = folder / "damaged.parquet"
    path.write_bytes(bytes(raw[: len(raw) - cut % 40]))
    read_all(path)


@given(prices=st.lists(st.floats(1e-9, 1e9), min_size=1, max_size=150), qty=st.lists(st.floats(0, 1e12), min_size=1))
def test_a_derived_instrument_carries_the_numbers_it_was_derived_from(prices, qty):
    try:
        instrument, _ = default_instrument_for("x", "A-USDC-PERP.PAPER", np.array(prices), np.array(qty))
    except DataError:
        return
    for price in prices:
        units = price * 10**instrument.price_decimals / instrument.tick
        assert math.isclose(units, round(units), rel_tol=1e-9, abs_tol=1e-5)
