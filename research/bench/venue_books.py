"""What a change of an order book costs at Binance, Bybit, Phemex and dYdX, from bytes to a `Book` of 20 levels a side.

A snapshot of 50 levels a side comes first, then changes of ten levels a side, every sequence whole; ccxt.pro keeps its
own book of the same frames.
"""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from domain.instrument import Instrument
from domain.market import Feed, FeedKind
from engine.clock import WallClock
from research.bench.journal import Rival, Row
from research.bench.venue_rivals import RULES, ccxt_exchange, ccxt_take, once_us

LEVELS, CHANGED = 50, 10
FIRST, NOW_MS = 1_000, 1_700_000_000_000
PATIENCE_S = 5.0
Sides = tuple[list[list[str]], list[list[str]]]


async def rows(count: int) -> list[Row]:
    """A row for each venue."""
    return [
        row("Binance depthUpdate", await _binance(), ccxt_binance(), binance_changes(count)),
        row("Bybit orderbook delta", _bybit(), ccxt_book("bybit", "linear", bybit_frame(0)), bybit_changes(count)),
        row("Phemex orderbook_p", _phemex(), ccxt_book("phemex", "ws", phemex_frame(0)), phemex_changes(count)),
        row("dYdX v4_orderbook", _dydx(), ccxt_book("dydx", "ws", dydx_frame(0)), dydx_changes(count)),
    ]


def row(name: str, ours: Callable[[bytes], object], exchange: Any, frames: list[bytes]) -> Row:  # noqa: ANN401 - ccxt
    """Both on the same frames. Raises `AssertionError` when ccxt has not followed them to the end."""
    client = next(iter(exchange.clients.values()))
    theirs = once_us(frames, lambda frame: exchange.handle_message(client, json.loads(frame)))
    best = exchange.orderbooks["BTC/USDT:USDT"]["bids"][0][1]
    if best != float(levels(1, len(frames))[0][0][1]):
        raise AssertionError(f"{name}: ccxt's best bid has a size of {best}")
    beside = Rival(engine="ccxt.pro", value=theirs, detail="")
    value = once_us(frames, ours)
    case = f"{name} {CHANGED}+{CHANGED} message"
    return Row(case=case, value=value, unit="us", rules=f"{RULES}; book of 20+20 built", rivals=[beside])


def instrument_of(venue: str) -> Instrument:
    """A contract of each."""
    return Instrument(
        id=f"BTC-USDT-PERP.{venue}", venue_symbol="BTCUSDT", price_decimals=1, qty_decimals=3, min_notional=Decimal(5)
    )


def levels(count: int, number: int) -> Sides:
    """Levels around 50,000; `number` moves their sizes."""
    return (
        [[f"{50_000 - at}.0", f"{1 + (number * 7 + at) % 90}.{at % 10}00"] for at in range(count)],
        [[f"{50_001 + at}.0", f"{1 + (number * 3 + at) % 90}.{at % 10}00"] for at in range(count)],
    )


# ours


def feed_of(venue: str, *more: object) -> tuple[Any, list[object]]:
    """A feed's dialect that is not connected, and what it tells. By name: research does not build on these venues."""
    kind = f"{venue.capitalize()}FeedDialect"
    dialect = getattr(importlib.import_module(f"exchanges.{venue}.feed"), kind)(
        *more, Reader(), [instrument_of(venue.upper())]
    )
    feed = importlib.import_module("exchanges.viaccxt.feed").PublicFeed(
        dialect, WallClock(), [instrument_of(venue.upper())]
    )
    told: list[object] = []
    feed.emit = told.append
    return dialect, told


class Reader:
    """Stands where a feed asks over REST: for the snapshot of a book."""

    async def read(self, _path: str, kind: Any, *_more: object) -> Any:  # noqa: ANN401 - whatever is asked for
        """The snapshot that Binance's changes follow."""
        bids, asks = levels(LEVELS, 0)
        return msgspec.convert({"lastUpdateId": FIRST, "bids": bids, "asks": asks}, kind)


def taker(dialect: Any, told: list[object], url: str) -> Callable[[bytes], object]:  # noqa: ANN401
    """A frame must become an event."""

    def take(frame: bytes) -> None:
        told.clear()
        dialect.take(url, frame, NOW_MS * 1_000_000)
        if not told:
            raise AssertionError(f"{frame[:200]!r} became nothing")

    return take


async def _binance() -> Callable[[bytes], object]:
    config = importlib.import_module("exchanges.binance.config")
    dialect, told = feed_of("binance", next(iter(config.NETWORKS.values())))
    dialect.take("", binance_frame(0), NOW_MS * 1_000_000)
    async with asyncio.timeout(PATIENCE_S):
        while not told:  # noqa: ASYNC110 - the snapshot comes in the loop's next turns
            await asyncio.sleep(0)
    return taker(dialect, told, "")


def _bybit() -> Callable[[bytes], object]:
    take = taker(*feed_of("bybit", "wss://bench"), "wss://bench")
    take(bybit_frame(0))
    return take


def _phemex() -> Callable[[bytes], object]:
    config = importlib.import_module("exchanges.phemex.config")
    dialect, told = feed_of("phemex", next(iter(config.NETWORKS.values())))
    [(url, _), *_] = dialect.topics(Feed(kind=FeedKind.BOOK, instrument=instrument_of("PHEMEX").id))
    take = taker(dialect, told, url)
    take(phemex_frame(0))
    return take


def _dydx() -> Callable[[bytes], object]:
    dialect, told = feed_of("dydx", "wss://bench")
    [(_, topic), *_] = dialect.topics(Feed(kind=FeedKind.BOOK, instrument=instrument_of("DYDX").id))
    dialect.subscribe([topic], 1)
    take = taker(dialect, told, "wss://bench")
    take(dydx_frame(0))
    return take


# ccxt's


def ccxt_book(name: str, where: str, snapshot: bytes) -> Any:  # noqa: ANN401 - ccxt is untyped
    """A ccxt exchange that has had its snapshot."""
    exchange = ccxt_exchange(name, "BTC/USDT:USDT", "BTCUSDT", instrument_of(name.upper()))
    ccxt_take(exchange, f"wss://example.invalid/{where}")(snapshot)
    return exchange


def ccxt_binance() -> Any:  # noqa: ANN401 - ccxt is untyped
    """Binance's snapshot comes over REST, so it is put where ccxt would."""
    exchange = ccxt_exchange("binanceusdm", "BTC/USDT:USDT", "BTCUSDT", instrument_of("BINANCE"))
    bids, asks = ([[float(price), float(qty)] for price, qty in side] for side in levels(LEVELS, 0))
    book = exchange.order_book({"bids": bids, "asks": asks, "nonce": FIRST, "symbol": "BTC/USDT:USDT"}, 1_000)
    exchange.orderbooks["BTC/USDT:USDT"] = book
    ccxt_take(exchange, "wss://example.invalid/public/ws")(binance_frame(0))
    return exchange


# frames


def binance_frame(number: int) -> bytes:
    """One change; they follow each other from the snapshot on."""
    bids, asks = levels(CHANGED, number)
    last = FIRST + 1 + number
    head = {"e": "depthUpdate", "E": NOW_MS + number, "T": NOW_MS + number, "s": "BTCUSDT"}
    return msgspec.json.encode({**head, "U": last, "u": last, "pu": last - 1, "b": bids, "a": asks})


def binance_changes(count: int) -> list[bytes]:
    """Those after the first, which has met the snapshot."""
    return [binance_frame(number) for number in range(1, count + 1)]


def bybit_frame(number: int) -> bytes:
    """The snapshot (0) or a change."""
    bids, asks = levels(CHANGED if number else LEVELS, number)
    data = {"s": "BTCUSDT", "b": bids, "a": asks, "u": FIRST + number, "seq": FIRST + number}
    kind = "delta" if number else "snapshot"
    head = {"topic": "orderbook.50.BTCUSDT", "type": kind, "ts": NOW_MS + number, "cts": NOW_MS + number}
    return msgspec.json.encode({**head, "data": data})


def bybit_changes(count: int) -> list[bytes]:
    """Those after the snapshot."""
    return [bybit_frame(number) for number in range(1, count + 1)]


def phemex_frame(number: int) -> bytes:
    """The snapshot (0) or a change."""
    bids, asks = levels(CHANGED if number else LEVELS, number)
    kind = "incremental" if number else "snapshot"
    head = {"depth": 0, "sequence": FIRST + number, "symbol": "BTCUSDT", "timestamp": (NOW_MS + number) * 10**6}
    return msgspec.json.encode({**head, "orderbook_p": {"asks": asks, "bids": bids}, "type": kind})


def phemex_changes(count: int) -> list[bytes]:
    """Those after the snapshot."""
    return [phemex_frame(number) for number in range(1, count + 1)]


def dydx_frame(number: int) -> bytes:
    """What a subscription begins with (0), or a change."""
    bids, asks = levels(CHANGED if number else LEVELS, number)
    head = {"connection_id": "bench", "message_id": number, "channel": "v4_orderbook", "id": "BTCUSDT"}
    if number:
        contents: object = {"bids": bids, "asks": asks}
        return msgspec.json.encode({"type": "channel_data", **head, "version": "1.0.0", "contents": contents})
    contents = {
        side: [{"price": price, "size": size} for price, size in told]
        for side, told in (("bids", bids), ("asks", asks))
    }
    return msgspec.json.encode({"type": "subscribed", **head, "contents": contents})


def dydx_changes(count: int) -> list[bytes]:
    """Those after the first."""
    return [dydx_frame(number) for number in range(1, count + 1)]
