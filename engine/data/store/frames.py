"""Rows of one kind as an Arrow table: from events, from imported tables, and back; checked, and each row once.

Prices and quantities are decimals (float64), times UTC nanoseconds in `ts_ns`, as the importers read them: a part of
the store is a file like any other. `received_ns` is when a live feed brought the row; 0 = it was not there.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from domain.instrument import Instrument
from domain.market import Bar, Book, FundingRate, Mark, Trade
from engine.data import checks
from engine.data.noise import Ints
from engine.data.store.series import Kind
from engine.data.store.spans import Span
from engine.data.tables import BarTable, BookTable, Floats, FundingTable, TradeTable

DEPTH = 20
"""Levels of a stored book."""
_LEVELS = [f"{side}_{what}_{at}" for side in ("bid", "ask") for what in ("price", "qty") for at in range(DEPTH)]
_FLOATS = {
    Kind.CANDLES: ["open", "high", "low", "close", "volume"],
    Kind.TRADES: ["price", "qty"],
    Kind.FUNDING: ["funding_rate"],
    Kind.BOOKS: _LEVELS,
    Kind.MARKS: ["mark_price", "funding_rate"],
}
_INTS = {Kind.TRADES: ["side", "received_ns"], Kind.BOOKS: ["received_ns"]}


def schema(kind: Kind) -> pa.Schema:
    """The columns of a kind."""
    columns = [("ts_ns", pa.int64()), *((name, pa.float64()) for name in _FLOATS[kind])]
    columns += [(name, pa.int64()) for name in _INTS.get(kind, [])]
    if kind is Kind.TRADES:
        columns.append(("trade_id", pa.string()))
    return pa.schema(columns)


def _table(kind: Kind, **columns: Any) -> pa.Table:  # noqa: ANN401 - arrays, lists
    return pa.table({name: columns[name] for name in schema(kind).names}, schema=schema(kind))


def ints(frame: pa.Table, column: str) -> Ints:
    """A column of whole numbers."""
    values: Ints = frame.column(column).to_numpy()
    return values


def floats(frame: pa.Table, column: str) -> Floats:
    """A column of decimals."""
    values: Floats = frame.column(column).to_numpy()
    return values


# out of events


def of_bars(bars: Sequence[Bar], instrument: Instrument) -> pa.Table:
    """Candles; their time is the open."""
    price = instrument.price_float
    return _table(
        Kind.CANDLES,
        ts_ns=[bar.open_ts_ns for bar in bars],
        open=[price(bar.open) for bar in bars],
        high=[price(bar.high) for bar in bars],
        low=[price(bar.low) for bar in bars],
        close=[price(bar.close) for bar in bars],
        volume=[instrument.qty_float(bar.volume) for bar in bars],
    )


def of_trades(trades: Sequence[Trade], instrument: Instrument) -> pa.Table:
    """Trades at the venue's time, in its order."""
    return _table(
        Kind.TRADES,
        ts_ns=[trade.venue_ts_ns or trade.ts_ns for trade in trades],
        price=[instrument.price_float(trade.price) for trade in trades],
        qty=[instrument.qty_float(trade.qty) for trade in trades],
        side=[trade.side for trade in trades],
        received_ns=[trade.ts_ns for trade in trades],
        trade_id=[trade.trade_id for trade in trades],
    )


def of_funding(rates: Sequence[FundingRate]) -> pa.Table:
    """Funding rates that were charged."""
    return _table(Kind.FUNDING, ts_ns=[rate.ts_ns for rate in rates], funding_rate=[float(rate.rate) for rate in rates])


def of_books(books: Sequence[Book], instrument: Instrument) -> pa.Table:
    """Book snapshots at the venue's time; what is deeper than `DEPTH` is left out."""
    columns: dict[str, Any] = {name: np.full(len(books), np.nan) for name in _LEVELS}
    for row, book in enumerate(books):
        for side, levels in (("bid", book.bids), ("ask", book.asks)):
            for at, (price, qty) in enumerate(levels[:DEPTH]):
                columns[f"{side}_price_{at}"][row] = instrument.price_float(price)
                columns[f"{side}_qty_{at}"][row] = instrument.qty_float(qty)
    columns["ts_ns"] = [book.venue_ts_ns or book.ts_ns for book in books]
    columns["received_ns"] = [book.ts_ns for book in books]
    return _table(Kind.BOOKS, **columns)


def of_marks(marks: Sequence[Mark], instrument: Instrument) -> pa.Table:
    """Mark prices and running funding rates."""
    return _table(
        Kind.MARKS,
        ts_ns=[mark.venue_ts_ns or mark.ts_ns for mark in marks],
        mark_price=[instrument.price_float(mark.price) for mark in marks],
        funding_rate=[float(mark.funding_rate) for mark in marks],
    )


# out of imported files, and back


def of_table(table: BarTable | TradeTable | BookTable | FundingTable) -> pa.Table:
    """What an importer has read."""
    if isinstance(table, BarTable):
        prices = {"open": table.open, "high": table.high, "low": table.low, "close": table.close}
        return _table(Kind.CANDLES, ts_ns=table.open_ts_ns, volume=table.volume, **prices)
    if isinstance(table, FundingTable):
        return _table(Kind.FUNDING, ts_ns=table.ts_ns, funding_rate=table.rate)
    nowhen = np.zeros(len(table.ts_ns), np.int64)
    if isinstance(table, TradeTable):
        columns = {"price": table.price, "qty": table.qty, "side": table.side, "trade_id": list(table.trade_id)}
        return _table(Kind.TRADES, ts_ns=table.ts_ns, received_ns=nowhen, **columns)
    levels: dict[str, Any] = {name: np.full(len(nowhen), np.nan) for name in _LEVELS}
    for side, what, values in (
        ("bid", "price", table.bid_price),
        ("bid", "qty", table.bid_qty),
        ("ask", "price", table.ask_price),
        ("ask", "qty", table.ask_qty),
    ):
        for at in range(min(DEPTH, values.shape[1])):
            levels[f"{side}_{what}_{at}"] = values[:, at]
    return _table(Kind.BOOKS, ts_ns=table.ts_ns, received_ns=nowhen, **levels)


def to_bars(name: str, frame: pa.Table, interval_ns: int) -> BarTable:
    """Stored candles as the backtest takes them, with their gaps."""
    times = ints(frame, "ts_ns")
    return BarTable(
        name=name,
        interval_ns=interval_ns,
        open_ts_ns=times,
        open=floats(frame, "open"),
        high=floats(frame, "high"),
        low=floats(frame, "low"),
        close=floats(frame, "close"),
        volume=floats(frame, "volume"),
        gaps=checks.gaps(times, np.arange(1, len(times) + 1), interval_ns),
    )


def to_trades(name: str, frame: pa.Table) -> TradeTable:
    """Stored trades as the backtest takes them."""
    return TradeTable(
        name=name,
        ts_ns=ints(frame, "ts_ns"),
        price=floats(frame, "price"),
        qty=floats(frame, "qty"),
        side=ints(frame, "side"),
        trade_id=tuple(frame.column("trade_id").to_pylist()),
    )


def to_funding(name: str, frame: pa.Table) -> FundingTable:
    """Stored funding rates as the backtest takes them."""
    return FundingTable(name=name, ts_ns=ints(frame, "ts_ns"), rate=floats(frame, "funding_rate"))


def to_books(name: str, frame: pa.Table) -> BookTable:
    """Stored books as the backtest takes them, as deep as they are."""
    sides: dict[str, Any] = {}
    for part in ("bid_price", "bid_qty", "ask_price", "ask_qty"):
        columns = [floats(frame, f"{part}_{at}") for at in range(DEPTH)]
        deepest = max((at for at, values in enumerate(columns) if np.isfinite(values).any()), default=0)
        sides[part] = np.stack(columns[: deepest + 1], axis=1)
    return BookTable(name=name, ts_ns=ints(frame, "ts_ns"), **sides)


def digest(*tables: pa.Table) -> str:
    """SHA-256 of what the rows say, however they lie in parts."""
    content = hashlib.sha256()
    for frame in tables:
        for name in frame.column_names:
            column = frame.column(name)
            text = pa.types.is_string(column.type)
            content.update("\n".join(column.to_pylist()).encode() if text else column.to_numpy().tobytes())
    return content.hexdigest()


# checks, and each row once


def check(name: str, kind: Kind, frame: pa.Table, interval_ns: int) -> None:
    """Refuse rows that lie. Raises `DataError` naming every problem and its row."""
    times = ints(frame, "ts_ns")
    rows = np.arange(1, len(times) + 1)
    repeats = kind in {Kind.TRADES, Kind.BOOKS, Kind.MARKS}
    problems = checks.order(times, rows, newest_first=False, repeats=repeats)
    if kind is Kind.CANDLES:
        problems += checks.candles(rows, *(floats(frame, column) for column in ("open", "high", "low", "close")))
        askew = np.flatnonzero((times - times[0]) % interval_ns)
        problems += [f"row {askew[0] + 1}: not a whole number of intervals after row 1"] if len(askew) else []
    elif kind is Kind.TRADES:
        problems += checks.positive(rows, price=floats(frame, "price"), quantity=floats(frame, "qty"))
    elif kind is Kind.BOOKS:
        problems += checks.books(
            *(
                np.stack([floats(frame, f"{part}_{at}") for at in range(DEPTH)], axis=1)
                for part in ("bid_price", "bid_qty", "ask_price", "ask_qty")
            )
        )
    else:
        rates = floats(frame, "funding_rate")
        wild = np.flatnonzero(~(np.abs(rates) < 1))
        problems += [f"row {wild[0] + 1}: a funding rate of {rates[wild[0]]:g}"] if len(wild) else []
    checks.refuse(name, problems)


def keys(kind: Kind, frame: pa.Table) -> list[Any]:
    """What makes a row itself: its time; of trades also the id, or, without one, how often the same has come before."""
    times: list[Any] = ints(frame, "ts_ns").tolist()
    if kind is not Kind.TRADES:
        return times
    seen: Counter[Any] = Counter()
    out: list[Any] = []
    content = zip(
        times, *(frame.column(name).to_pylist() for name in ("trade_id", "price", "qty", "side")), strict=True
    )
    for ts_ns, trade_id, *rest in content:
        if trade_id:
            out.append((ts_ns, trade_id))
        else:
            row = (ts_ns, *rest)
            out.append((*row, seen[row]))
            seen[row] += 1
    return out


def unique(kind: Kind, frame: pa.Table) -> pa.Table:
    """In order of time, and each row once: the first that came."""
    frame = frame.take(np.argsort(ints(frame, "ts_ns"), kind="stable"))
    first: dict[Any, int] = {}
    for at, key in enumerate(keys(kind, frame)):
        first.setdefault(key, at)
    return frame if len(first) == frame.num_rows else frame.take(sorted(first.values()))


def merged(kind: Kind, old: pa.Table, new: pa.Table) -> pa.Table:
    """Both in order of time, without the rows of `new` that `old` has."""
    known = set(keys(kind, old))
    fresh = [at for at, key in enumerate(keys(kind, new)) if key not in known] if known else range(new.num_rows)
    both = pa.concat_tables([old, new.take(np.array(fresh, np.int64))])
    return both.take(np.argsort(ints(both, "ts_ns"), kind="stable"))


def differing(kind: Kind, old: pa.Table, new: pa.Table) -> list[int]:
    """Times at which both have a candle, or a charged rate, and not the same one."""
    if kind not in {Kind.CANDLES, Kind.FUNDING}:
        return []
    times, old_at, new_at = np.intersect1d(ints(old, "ts_ns"), ints(new, "ts_ns"), return_indices=True)
    unlike = np.zeros(len(times), bool)
    for column in _FLOATS[kind]:
        unlike |= ~np.isclose(floats(old, column)[old_at], floats(new, column)[new_at], 1e-12, 0, equal_nan=True)
    return [int(ts_ns) for ts_ns in times[unlike]]


def holes(frame: pa.Table, interval_ns: int) -> tuple[Span, ...]:
    """Where candles are missing between these."""
    times = ints(frame, "ts_ns")
    at = np.flatnonzero(np.diff(times) > interval_ns)
    return tuple(zip((times[at] + interval_ns).tolist(), times[at + 1].tolist(), strict=True))
