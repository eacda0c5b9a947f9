"""The market data of the benchmark cases: made here by the peers' formulas, so that every engine sees the same numbers.

One-minute bars, quotes about 100 ms apart and trades at every fourth quote, on a random walk in integer ticks (0.1)
and milli-units. Arrays are kept as .npy in a cache folder; events are made of them a chunk at a time.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterator
from decimal import Decimal
from operator import attrgetter
from pathlib import Path

import numpy as np

from domain.instrument import Instrument
from domain.market import Bar, Bbo, MarketEvent, Trade
from engine.data.noise import Ints
from engine.data.tables import rows_of

START_NS = 1_700_000_000_000_000_000
MINUTE_NS = 60_000_000_000
FULL = 1_000_000
TRADES = 250_000
SHA256 = {
    "bars": "e7055f0e53c5472d748d391fe44c63292a632195b47a27a1e909cb34c36219e1",
    "quotes": "7188bc45afa9073efc6ce334901a28995402d06fb1eeeab8d202adf52c2901bf",
    "candles": "84062ccf14c795c84d448580e6c19b72ad6d5e02242cfcbe24406ede90e05c69",
    "trades": "081e174b47165defdc44542ad13da50835a0e8c70a3f9405b7f462090bdd9970",
}
"""Of the full arrays, column by column, as the peers' generator reports them."""
BTC = Instrument(
    id="BTC-USDT-PERP.PAPER",
    venue_symbol="BTCUSDT",
    price_decimals=1,
    qty_decimals=3,
    max_qty=1_000_000,
    min_notional=Decimal(10),
    maker_fee=Decimal("0.0002"),
    taker_fee=Decimal("0.0005"),
)
CANDLES = Instrument(
    id="BTC-USDT-PERP.PAPER",
    venue_symbol="BTCUSDT",
    price_decimals=2,
    qty_decimals=8,
    maker_fee=Decimal("0.001"),
    taker_fee=Decimal("0.001"),
)
"""The market of freqtrade's million candles, with its fee."""
CANDLES_START_NS = 1_672_531_200_000_000_000
_by_time = attrgetter("ts_ns")


def arrays(kind: str, folder: Path) -> Ints:
    """The rows of "bars", "quotes" or "trades" out of the cache folder, where they are made the first time."""
    path = folder / f"{kind}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        ticks = zip(("quotes", "trades"), make_ticks(), strict=True)
        for name, made in (("bars", make_bars()), ("candles", make_candles()), *ticks):
            check(name, made)
            np.save(folder / f"{name}.npy", made)
    loaded: Ints = np.load(path, mmap_mode="r")
    return loaded


def check(kind: str, rows: Ints) -> None:
    """Raise AssertionError unless the arrays are those that the peers were measured on."""
    digest = hashlib.sha256()
    for column in rows.T:
        digest.update(np.ascontiguousarray(column, dtype="<i8").tobytes())
    if digest.hexdigest() != SHA256[kind]:
        raise AssertionError(f"the benchmark's {kind} are not those of the peers: has numpy's generator changed?")


def make_bars(count: int = FULL) -> Ints:
    """(close time, open, high, low, close, volume) of one-minute bars whose price is folded into 20,000 to 80,000."""
    random = np.random.Generator(np.random.PCG64(20240101))
    walk = np.cumsum(random.integers(-120, 121, size=(count, 4), dtype=np.int64).sum(axis=1))
    low, high, first = 200_000, 800_000, 500_000
    span = high - low
    away = np.mod(first + walk - low, 2 * span)
    close = low + np.where(away < span, away, 2 * span - away)
    opened = np.concatenate(([first], close[:-1]))
    wick = random.integers(0, 150, size=(count, 2), dtype=np.int64)
    volume = random.integers(1_000, 500_000, size=count, dtype=np.int64)
    times = START_NS + np.arange(1, count + 1, dtype=np.int64) * MINUTE_NS
    tops, bottoms = np.maximum(opened, close) + wick[:, 0], np.minimum(opened, close) - wick[:, 1]
    return np.stack((times, opened, tops, bottoms, close, volume), axis=1)


def make_candles(count: int = FULL) -> Ints:
    """Freqtrade's one-minute candles, as rows of `make_bars` in the scales of `CANDLES`, from 2023-01-01 on."""
    random = np.random.default_rng(7)
    returns = random.standard_normal(count) * 0.0006
    close = 30000.0 * np.exp(np.cumsum(returns - returns.mean() * 0.9))
    opened = np.concatenate(([30000.0], close[:-1]))
    spread = np.abs(random.standard_normal((2, count))) * 0.0003
    high, low = np.maximum(opened, close) * (1 + spread[0]), np.minimum(opened, close) * (1 - spread[1])
    volume = random.lognormal(2.0, 0.8, count)
    times = CANDLES_START_NS + np.arange(1, count + 1, dtype=np.int64) * MINUTE_NS
    prices = [np.rint(price.round(2) * 100).astype(np.int64) for price in (opened, high, low, close)]
    return np.stack((times, *prices, np.rint(volume.round(5) * 1e5).astype(np.int64) * 1_000), axis=1)


def make_ticks(count: int = FULL, trades: int = TRADES) -> tuple[Ints, Ints]:
    """Quotes (time, bid, ask, bid size, ask size) and trades (time, price, size, side, number) at the touch."""
    random = np.random.Generator(np.random.PCG64(20240202))
    times = START_NS + np.cumsum(random.integers(1_000_000, 199_000_001, size=count, dtype=np.int64))
    middle = 1_000_000 + np.cumsum(random.integers(-3, 4, size=count, dtype=np.int64))
    half = random.integers(1, 5, size=count, dtype=np.int64)
    bid = (middle - half) // 2
    ask = np.maximum(-((-(middle + half)) // 2), bid + 1)
    sizes = [random.integers(1, 20_000, size=count, dtype=np.int64) for _ in range(2)]
    at = np.sort(random.choice(count - 1, size=trades, replace=False))
    side = np.where(random.integers(0, 2, size=trades) == 1, 1, -1).astype(np.int64)
    price = np.where(side == 1, ask[at], bid[at])
    size = random.integers(1, 5_000, size=trades, dtype=np.int64)
    number = np.arange(1, trades + 1, dtype=np.int64)
    return np.stack((times, bid, ask, *sizes), axis=1), np.stack(
        (times[at] + 500_000, price, size, side, number), axis=1
    )


def bars(rows: Ints) -> Iterator[Bar]:
    """The bars as events."""
    name = BTC.id
    for closed, opened, high, low, close, volume in rows_of(*rows.T):
        yield Bar(
            ts_ns=closed,
            venue_ts_ns=closed,
            instrument=name,
            interval_ns=MINUTE_NS,
            open_ts_ns=closed - MINUTE_NS,
            open=opened,
            high=high,
            low=low,
            close=close,
            volume=volume,
        )


def quotes(rows: Ints) -> Iterator[Bbo]:
    """The quotes as events."""
    name = BTC.id
    for ts_ns, bid, ask, bid_qty, ask_qty in rows_of(*rows.T):
        yield Bbo(ts_ns=ts_ns, venue_ts_ns=ts_ns, instrument=name, bid=bid, bid_qty=bid_qty, ask=ask, ask_qty=ask_qty)


def trades(rows: Ints) -> Iterator[Trade]:
    """The trades as events."""
    name = BTC.id
    for ts_ns, price, qty, side, number in rows_of(*rows.T):
        yield Trade(
            ts_ns=ts_ns, venue_ts_ns=ts_ns, instrument=name, price=price, qty=qty, side=side, trade_id=str(number)
        )


def quotes_and_trades(quote_rows: Ints, trade_rows: Ints) -> Iterator[MarketEvent]:
    """Both, in order of time, up to the last quote."""
    until_ns = int(quote_rows[-1, 0])
    within = trade_rows[: int(np.searchsorted(trade_rows[:, 0], until_ns, side="right"))]
    return heapq.merge(quotes(quote_rows), trades(within), key=_by_time)
