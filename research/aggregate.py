"""Coarser bars: from finer ones, and from trades; what a market trades a day."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from domain.errors import DataError
from domain.market import Bar, MarketEvent, Trade
from engine.data.tables import BarTable, Floats

DAY_NS = 86_400 * 10**9


def coarser(table: BarTable, interval_ns: int) -> BarTable:
    """Bars of `interval_ns`, aligned to UTC. What is cut off at either end, or has a hole, is left out.

    Raises `DataError` when the interval is not a whole number of the file's bars.
    """
    if interval_ns == table.interval_ns:
        return table
    if interval_ns < table.interval_ns or interval_ns % table.interval_ns:
        raise DataError(
            f"{table.name}: its bars of {table.interval_ns / 1e9:g} s do not add up to bars of {interval_ns / 1e9:g} s"
        )
    buckets = table.open_ts_ns // interval_ns
    first = np.flatnonzero(np.diff(buckets, prepend=buckets[0] - 1))
    if not len(first):
        raise DataError(f"{table.name}: no bars")
    sizes = np.diff(first, append=len(buckets))
    whole = sizes == interval_ns // table.interval_ns
    if not whole.any():
        raise DataError(f"{table.name}: not one whole bar of {interval_ns / 1e9:g} s in it")
    return BarTable(
        name=table.name,
        interval_ns=interval_ns,
        open_ts_ns=(buckets[first] * interval_ns)[whole],
        open=table.open[first][whole],
        high=np.maximum.reduceat(table.high, first)[whole],
        low=np.minimum.reduceat(table.low, first)[whole],
        close=table.close[first + sizes - 1][whole],
        volume=np.add.reduceat(table.volume, first)[whole],
        gaps=table.gaps,
        notes=(
            *table.notes,
            f"bars of {table.interval_ns / 1e9:g} s made into bars of {interval_ns / 1e9:g} s"
            + (f"; {int((~whole).sum())} with a hole left out" if not whole.all() else ""),
        ),
    )


def traded_a_day(qty: Floats, price: Floats, span_ns: int) -> float | None:
    """Notional that was traded a day; None where no quantity is known. Quantities are taken as base units."""
    traded = float(np.nansum(qty * price))
    return traded / span_ns * DAY_NS if traded > 0 and span_ns > 0 else None


def with_bars(events: Iterable[MarketEvent], interval_ns: int) -> Iterator[MarketEvent]:
    """The events, and bars made of their trades as they are seen, each before what comes at or after its close.

    An interval without a trade is a flat bar at the last price; the first, cut-off one is left out.
    """
    bar: Bar | None = None
    is_whole = False
    for event in events:
        while bar is not None and event.ts_ns >= bar.open_ts_ns + interval_ns:
            if is_whole:
                yield bar
            is_whole = True
            bar = _flat(bar, interval_ns)
        if isinstance(event, Trade):
            if bar is None:
                bar = _first(event, interval_ns)
            _add(bar, event)
        yield event


def _first(trade: Trade, interval_ns: int) -> Bar:
    opened = trade.ts_ns // interval_ns * interval_ns
    return _bar(trade.instrument, interval_ns, opened, trade.price)


def _flat(before: Bar, interval_ns: int) -> Bar:
    return _bar(before.instrument, interval_ns, before.open_ts_ns + interval_ns, before.close)


def _bar(instrument: str, interval_ns: int, opened: int, price: int) -> Bar:
    closed = opened + interval_ns
    return Bar(
        ts_ns=closed,
        venue_ts_ns=closed,
        instrument=instrument,
        interval_ns=interval_ns,
        open_ts_ns=opened,
        open=price,
        high=price,
        low=price,
        close=price,
        volume=0,
    )


def _add(bar: Bar, trade: Trade) -> None:
    price = trade.price
    if not bar.volume:
        bar.open = bar.high = bar.low = price
    bar.high = max(bar.high, price)
    bar.low = min(bar.low, price)
    bar.close = price
    bar.volume += trade.qty
