"""Imported market data as typed columns, before an instrument makes integers and events of it.

Times are UTC nanoseconds, prices and quantities float64. A table has passed every check that needs no
instrument; the tick is checked when events are made. `notes` say what was understood or assumed.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from domain.errors import DataError
from domain.instrument import Instrument
from domain.market import Bar, Book, Mark, Trade
from engine.data.noise import Ints
from engine.data.scale import to_integers, to_nearest

Floats = NDArray[np.float64]
CHUNK = 16_384
"""Rows that are Python objects at one time: a million bars at once would be 400 MiB."""


def rows_of(*columns: NDArray[Any]) -> Iterator[tuple[Any, ...]]:
    """The rows of equally long columns as Python values, made a chunk at a time."""
    for first in range(0, len(columns[0]), CHUNK):
        yield from zip(*(column[first : first + CHUNK].tolist() for column in columns), strict=True)


class Gap(Struct, frozen=True):
    """`missing` bars are not there after the one of `row` that opens at `open_ts_ns`."""

    row: int
    open_ts_ns: int
    missing: int


class BarTable(Struct, frozen=True, kw_only=True):
    """Bars, oldest first, by their open; `volume` is NaN throughout where the file has none (mark prices)."""

    name: str
    interval_ns: int
    open_ts_ns: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    gaps: tuple[Gap, ...] = ()
    notes: tuple[str, ...] = ()

    def prices(self) -> Floats:
        """Every price of the file."""
        return np.concatenate((self.open, self.high, self.low, self.close))

    def quantities(self) -> Floats:
        """Every volume of the file."""
        return self.volume

    def events(self, instrument: Instrument, latency_ns: int = 0) -> Iterator[Bar]:
        """`Bar`s stamped at their close plus the latency with which the engine sees them.

        Raises `DataError` with the row of a price that is not on the tick.
        """
        columns = [
            to_integers(self.name, column, values, instrument.price_decimals, instrument.tick)
            for column, values in (("open", self.open), ("high", self.high), ("low", self.low), ("close", self.close))
        ]
        volume = to_nearest(self.name, "volume", np.nan_to_num(self.volume), instrument.qty_decimals)
        name, interval_ns = instrument.id, self.interval_ns
        for opened, first, high, low, last, traded in rows_of(self.open_ts_ns, *columns, volume):
            closed = opened + interval_ns
            yield Bar(
                ts_ns=closed + latency_ns,
                venue_ts_ns=closed,
                instrument=name,
                interval_ns=interval_ns,
                open_ts_ns=opened,
                open=first,
                high=high,
                low=low,
                close=last,
                volume=traded,
            )

    def marks(self, instrument: Instrument, funding: FundingTable | None = None) -> Iterator[Mark]:
        """The closes as mark prices, each with the latest known funding rate."""
        closes = to_nearest(self.name, "close", self.close, instrument.price_decimals)
        closed = self.open_ts_ns + self.interval_ns
        known, at = [Decimal(0)], np.zeros(len(closed), np.int64)
        if funding is not None:
            known += [Decimal(repr(rate)) for rate in funding.rate.tolist()]
            at = np.searchsorted(funding.ts_ns, closed, side="right")
        for ts_ns, price, rate in rows_of(closed, closes, at):
            yield Mark(ts_ns=ts_ns, venue_ts_ns=ts_ns, instrument=instrument.id, price=price, funding_rate=known[rate])


class TradeTable(Struct, frozen=True, kw_only=True):
    """Public trades in time order; `side` is the aggressor's (+1 bought, -1 sold)."""

    name: str
    ts_ns: Ints
    price: Floats
    qty: Floats
    side: Ints
    trade_id: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def prices(self) -> Floats:
        """Every price of the file."""
        return self.price

    def quantities(self) -> Floats:
        """Every quantity of the file."""
        return self.qty

    def events(self, instrument: Instrument, latency_ns: int = 0) -> Iterator[Trade]:
        """`Trade`s, seen `latency_ns` after they happened.

        Raises `DataError` with the row of a price or quantity that is not on the tick or lot.
        """
        prices = to_integers(self.name, "price", self.price, instrument.price_decimals, instrument.tick)
        quantities = to_integers(self.name, "quantity", self.qty, instrument.qty_decimals, instrument.lot)
        rows = rows_of(self.ts_ns, prices, quantities, self.side)
        for (ts, price, qty, side), trade_id in zip(rows, self.trade_id, strict=True):
            yield Trade(
                ts_ns=ts + latency_ns,
                venue_ts_ns=ts,
                instrument=instrument.id,
                price=price,
                qty=qty,
                side=side,
                trade_id=trade_id,
            )


class BookTable(Struct, frozen=True, kw_only=True):
    """Snapshots of the nearest levels, one row each, best first; NaN where a side has fewer levels."""

    name: str
    ts_ns: Ints
    bid_price: Floats
    bid_qty: Floats
    ask_price: Floats
    ask_qty: Floats
    notes: tuple[str, ...] = ()

    def prices(self) -> Floats:
        """Every price of the file."""
        both = np.concatenate((self.bid_price.ravel(), self.ask_price.ravel()))
        return both[np.isfinite(both)]

    def quantities(self) -> Floats:
        """Every quantity of the file."""
        both = np.concatenate((self.bid_qty.ravel(), self.ask_qty.ravel()))
        return both[np.isfinite(both)]

    def events(self, instrument: Instrument, latency_ns: int = 0) -> Iterator[Book]:
        """`Book`s, seen `latency_ns` after they were so.

        Raises `DataError` with the row of a price or quantity that is not on the tick or lot.
        """
        bids = self._side("bid", self.bid_price, self.bid_qty, instrument)
        asks = self._side("ask", self.ask_price, self.ask_qty, instrument)
        for ts, bid, ask in zip(self.ts_ns.tolist(), bids, asks, strict=True):
            yield Book(ts_ns=ts + latency_ns, venue_ts_ns=ts, instrument=instrument.id, bids=bid, asks=ask)

    def _side(
        self, side: str, prices: Floats, quantities: Floats, instrument: Instrument
    ) -> Iterator[tuple[tuple[int, int], ...]]:
        depth = np.isfinite(prices).sum(axis=1).tolist()
        columns = [
            (
                to_integers(
                    self.name, f"{side} price", _filled(prices, at), instrument.price_decimals, instrument.tick
                ),
                to_integers(
                    self.name, f"{side} size", _filled(quantities, at), instrument.qty_decimals, instrument.lot
                ),
            )
            for at in range(prices.shape[1])
        ]
        price_rows = np.stack([price for price, _ in columns], axis=1).tolist()
        qty_rows = np.stack([qty for _, qty in columns], axis=1).tolist()
        for levels, price_row, qty_row in zip(depth, price_rows, qty_rows, strict=True):
            yield tuple(zip(price_row[:levels], qty_row[:levels], strict=True))


def _filled(values: Floats, at: int) -> Floats:
    return np.nan_to_num(values[:, at])


class FundingTable(Struct, frozen=True, kw_only=True):
    """Funding rates (fraction per funding interval) at the times they were charged."""

    name: str
    ts_ns: Ints
    rate: Floats
    notes: tuple[str, ...] = ()

    def at(self, ts_ns: int) -> Decimal:
        """The latest rate at or before a time. Raises `DataError` before the first one."""
        index = int(np.searchsorted(self.ts_ns, ts_ns, side="right"))
        if index == 0:
            raise DataError(f"{self.name}: no funding rate is known at {ts_ns}")
        return Decimal(repr(float(self.rate[index - 1])))
