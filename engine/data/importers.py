"""Bars, trades, books and funding rates out of Parquet and CSV files, refusing files that lie.

    read_bars(path, stamp=Stamp.OPEN)   the caller says whether times stamp a bar's open or its close
    read_trades(path)
    read_books(path)                    wide rows: bid_price_0, bid_qty_0, ask_price_0, ask_qty_0, bid_price_1, ...
    read_funding(path)

Every problem is a `DataError` with the file, the row and the reason; where several can be seen, all are named.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from domain.errors import DataError
from engine.data import checks
from engine.data.columns import Columns, load
from engine.data.noise import Ints
from engine.data.tables import BarTable, BookTable, Floats, FundingTable, TradeTable
from engine.data.times import NAIVE

_TIME = ("ts_ns", "ts_us", "ts_ms", "ts_s", "ts", "timestamp", "time", "datetime", "date", "unix", "t")
_OPEN_TIME = ("open_time", "opentime", "open_ts_ns", "start", "start_time")
_CLOSE_TIME = ("close_time", "closetime", "close_ts_ns", "end", "end_time")
_VOLUME = ("volume", "vol", "v", "base_volume", "volume_base")
_PRICE = ("price", "px", "p")
_QTY = ("qty", "quantity", "size", "amount", "sz", "volume", "q")
_SIDE = ("side", "taker_side", "aggressor", "is_buyer_maker", "m")
_TRADE_ID = ("trade_id", "id", "tid", "agg_trade_id", "a")
_RATE = ("funding_rate", "fundingrate", "rate", "open")
_SIDES = {
    **dict.fromkeys(("buy", "b", "bid", "1", "+1", "long"), 1),
    **dict.fromkeys(("sell", "s", "a", "ask", "-1", "short"), -1),
}
_BUYER_IS_MAKER = {"true": -1, "1": -1, "false": 1, "0": 1}
_MAX_FUNDING = 0.1


class Stamp(enum.StrEnum):
    """What a bar's time in a file is."""

    OPEN = "open"
    CLOSE = "close"


def read_bars(
    path: Path,
    *,
    stamp: Stamp,
    interval_ns: int = 0,
    time_unit: str = "",
    newest_first: bool = False,
    tolerate_gaps: bool = False,
    columns: Sequence[str] = (),
) -> BarTable:
    """Read bars.

    `interval_ns` is told from the times where it is 0. `newest_first` turns such a file round.
    `tolerate_gaps` reports missing bars in `gaps` instead of refusing. Raises `DataError`.
    """
    file = load(path, columns)
    times, unit = file.times(_bar_time_column(file, stamp), time_unit)
    prices = [
        file.numbers(file.need(name, name, name[0], f"{name}_price")) for name in ("open", "high", "low", "close")
    ]
    volume = _volume(file)
    rows = np.arange(1, len(times) + 1)
    if newest_first:
        rows, times, volume = rows[::-1], times[::-1], volume[::-1]
        prices = [values[::-1] for values in prices]
    problems = checks.order(times, rows, newest_first=newest_first) + checks.candles(rows, *prices)
    leap = checks.clocks_change(times, rows) if unit == NAIVE else unit.partition("; ")[2]
    checks.refuse(file.name, [*problems, leap] if problems and leap else problems)
    interval = checks.interval(file.name, times, rows, interval_ns)
    gaps = checks.gaps(times, rows, interval)
    if gaps and not tolerate_gaps:
        text = (
            f"{sum(gap.missing for gap in gaps)} bars are missing in {len(gaps)} gaps, the first after "
            f"row {gaps[0].row}; pass tolerate_gaps (--tolerate-gaps) to use the file as it is"
        )
        checks.refuse(file.name, [text, leap] if leap else [text])
    if stamp is Stamp.CLOSE:
        times = _opens_from_closes(times, interval)
    return BarTable(
        name=file.name,
        interval_ns=interval,
        open_ts_ns=times,
        open=prices[0],
        high=prices[1],
        low=prices[2],
        close=prices[3],
        volume=volume,
        gaps=gaps,
        notes=(f"{unit}, taken as the {stamp} of each bar",),
    )


def read_trades(
    path: Path, *, time_unit: str = "", newest_first: bool = False, columns: Sequence[str] = ()
) -> TradeTable:
    """Read public trades; equal times are allowed, equal ids are not. Raises `DataError`."""
    file = load(path, columns)
    times, unit = file.times(file.need("time", *_TIME, "trade_time"), time_unit)
    prices = file.numbers(file.need("price", *_PRICE))
    quantities = file.numbers(file.need("quantity", *_QTY))
    sides = _sides(file)
    id_column = file.find(*_TRADE_ID)
    ids = file.texts(id_column) if id_column else []
    rows = np.arange(1, len(times) + 1)
    if newest_first:
        rows, times, ids = rows[::-1], times[::-1], ids[::-1]
        prices, quantities, sides = prices[::-1], quantities[::-1], sides[::-1]
    problems = checks.order(times, rows, newest_first=newest_first, repeats=True)
    problems += checks.positive(rows, price=prices, quantity=quantities)
    problems += checks.twice(rows, ids) if ids else []
    checks.refuse(file.name, problems)
    return TradeTable(
        name=file.name,
        ts_ns=times,
        price=prices,
        qty=quantities,
        side=sides,
        trade_id=tuple(ids or [""] * len(times)),
        notes=(unit,),
    )


def read_books(path: Path, *, time_unit: str = "", columns: Sequence[str] = ()) -> BookTable:
    """Read order book snapshots, one a row, as many levels as the columns have. Raises `DataError`."""
    file = load(path, columns)
    times, unit = file.times(file.need("time", *_TIME), time_unit)
    sides = [_levels(file, side, what) for side in ("bid", "ask") for what in ("price", "qty")]
    rows = np.arange(1, len(times) + 1)
    problems = checks.order(times, rows, newest_first=False, repeats=True) + checks.books(*sides)
    checks.refuse(file.name, problems)
    return BookTable(
        name=file.name,
        ts_ns=times,
        bid_price=sides[0],
        bid_qty=sides[1],
        ask_price=sides[2],
        ask_qty=sides[3],
        notes=(unit,),
    )


def read_funding(path: Path, *, time_unit: str = "", columns: Sequence[str] = ()) -> FundingTable:
    """Read funding rates; in candle-shaped files the rate is the open and the rest is zero. Raises `DataError`."""
    file = load(path, columns)
    times, unit = file.times(file.need("time", *_TIME), time_unit)
    column = file.need("funding rate", *_RATE)
    notes = [unit]
    if column.lower() == "open":
        rest = [file.numbers(file.need(name, name)) for name in ("high", "low", "close")]
        if any(values.any() for values in rest):
            raise DataError(f"{file.name}: these are bars, not funding rates: its high, low and close are not all zero")
        notes.append("a candle-shaped file: the rate is the column open")
    rates = file.numbers(column)
    rows = np.arange(1, len(times) + 1)
    problems = checks.order(times, rows, newest_first=False)
    wild = np.flatnonzero(np.abs(rates) > _MAX_FUNDING)
    if len(wild):
        problems.append(f"row {wild[0] + 1}: a rate of {rates[wild[0]]:g} is no fraction per funding interval")
    checks.refuse(file.name, problems)
    return FundingTable(name=file.name, ts_ns=times, rate=rates, notes=tuple(notes))


def _bar_time_column(file: Columns, stamp: Stamp) -> str:
    """The column with the stated time; a file that has only the other one is refused."""
    fitting, other = (_OPEN_TIME, _CLOSE_TIME) if stamp is Stamp.OPEN else (_CLOSE_TIME, _OPEN_TIME)
    column = file.find(*fitting) or file.find(*_TIME)
    wrong = file.find(*other)
    if column is None and wrong is not None:
        raise DataError(f"{file.name}: its times are called {wrong}, but they were said to stamp the {stamp}")
    return column or file.need("time", *_TIME)


def _volume(file: Columns) -> Floats:
    """Volumes; a file without any (mark prices) has NaN, a file with some missing is refused."""
    column = file.find(*_VOLUME)
    if column is None:
        return np.full(file.rows, np.nan)
    volume = file.numbers(column, allow_empty=True)
    empty = np.isnan(volume)
    problems = []
    if empty.any() and not empty.all():
        problems.append(f"row {int(empty.argmax()) + 1}: {column} is missing here, but not everywhere")
    if (volume < 0).any():
        problems.append(f"row {int((volume < 0).argmax()) + 1}: {column} is negative")
    checks.refuse(file.name, problems)
    return volume


def _opens_from_closes(closes: Ints, interval_ns: int) -> Ints:
    """Opens; closes such as 23:59:59.999, one unit early by a venue's habit, are put right."""
    for early_ns in (1, 1_000, 1_000_000):
        if not np.any((closes + early_ns) % interval_ns):
            return closes + early_ns - interval_ns
    return closes - interval_ns


def _sides(file: Columns) -> Ints:
    column = file.need("aggressor's side", *_SIDE)
    meaning = _BUYER_IS_MAKER if column.lower() in ("m", "is_buyer_maker") else _SIDES
    texts = [text.strip().lower().removesuffix(".0") for text in file.texts(column)]
    strange = next((at for at, text in enumerate(texts) if text not in meaning), None)
    if strange is not None:
        raise DataError(
            f"{file.name}, row {strange + 1}: {column} is {texts[strange]!r:.60}, expected {', '.join(meaning)}"
        )
    return np.array([meaning[text] for text in texts], np.int64)


def _levels(file: Columns, side: str, what: str) -> Floats:
    """One column a level, best first: bid_price_0, bids[0].price, bid_px_00 and their kin."""
    names = ("price", "px") if what == "price" else ("qty", "size", "sz", "amount", "quantity")
    columns: list[Floats] = []
    while True:
        at = len(columns)
        aliases = [
            alias
            for name in names
            for alias in (
                f"{side}_{name}_{at}",
                f"{side}_{name}_{at:02}",
                f"{side}s[{at}]_{name}",
                f"{side}{at}_{name}",
            )
        ]
        column = file.find(*aliases)
        if column is None:
            break
        columns.append(file.numbers(column, allow_empty=True))
    if not columns:
        file.need(f"best {side}'s {what}", *aliases)
    return np.stack(columns, axis=1)
