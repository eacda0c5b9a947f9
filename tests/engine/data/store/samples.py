"""Candles, trades and books to store."""

import numpy as np
import pyarrow as pa

from domain.instrument import Instrument
from domain.market import Bar, Book, Mark, Trade
from engine.data.store import frames
from engine.data.store.series import Kind, Series

MINUTE_NS = 60_000_000_000
START_NS = 1_737_918_840_000_000_000
"""2025-01-26 19:14:00 UTC."""
BTC = Instrument(
    id="BTC-USDC-PERP.HYPERLIQUID", venue_symbol="BTC", price_decimals=1, qty_decimals=5, max_significant=5
)
CANDLES = Series(instrument=BTC.id, kind=Kind.CANDLES, interval_ns=MINUTE_NS)
TRADES = Series(instrument=BTC.id, kind=Kind.TRADES)
BOOKS = Series(instrument=BTC.id, kind=Kind.BOOKS)


def bar(minute: int, close: int = 1_000_010) -> Bar:
    opened = START_NS + minute * MINUTE_NS
    return Bar(
        ts_ns=opened + MINUTE_NS,
        instrument=BTC.id,
        interval_ns=MINUTE_NS,
        open_ts_ns=opened,
        open=1_000_000,
        high=1_000_500,
        low=999_500,
        close=close,
        volume=123_456,
    )


def candles(*minutes: int, close: int = 1_000_010) -> pa.Table:
    return frames.of_bars([bar(minute, close) for minute in minutes], BTC)


def minutes(first: int, last: int) -> tuple[int, int]:
    return START_NS + first * MINUTE_NS, START_NS + last * MINUTE_NS


def trade(second: float, trade_id: str = "", qty: int = 219) -> Trade:
    at = START_NS + int(second * 1e9)
    return Trade(ts_ns=at + 5, venue_ts_ns=at, instrument=BTC.id, price=1_050_560, qty=qty, side=1, trade_id=trade_id)


def trades(*of: Trade) -> pa.Table:
    return frames.of_trades(of, BTC)


def book(second: float) -> Book:
    at = START_NS + int(second * 1e9)
    return Book(
        ts_ns=at + 5,
        venue_ts_ns=at,
        instrument=BTC.id,
        bids=((1_050_550, 303_622), (1_050_500, 394_526)),
        asks=((1_050_560, 634_472),),
    )


def mark(second: float, rate: str) -> Mark:
    from decimal import Decimal

    return Mark(ts_ns=START_NS + int(second * 1e9), instrument=BTC.id, price=1_050_555, funding_rate=Decimal(rate))


def times(frame: pa.Table) -> list[int]:
    return [int(ts) for ts in (np.asarray(frame.column("ts_ns")) - START_NS) // MINUTE_NS]
