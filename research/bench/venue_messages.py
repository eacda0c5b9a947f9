"""Microseconds per message, from bytes to domain event, at each venue, with ccxt.pro doing the same frames beside it.

Ours ends with an event in exact integers, checked; ccxt ends with its cached structure of floats and strings, before
anybody has awaited it. hyperliquid-python-sdk hands out the decoded JSON and nothing more.
"""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import Callable, Sequence

import msgspec

from research.bench import venue_books
from research.bench.feeds import BTC, START_NS, book_frames
from research.bench.journal import Rival, Row
from research.bench.venue_rivals import RULES, ccxt_exchange, ccxt_take, close_all, once_us


def run(count: int) -> list[Row]:
    """Every venue that is built, on `count` frames of each kind."""
    return asyncio.run(_run(count))


async def _run(count: int) -> list[Row]:
    try:
        return [*hyperliquid_rows(count), *await venue_books.rows(count)]
    finally:
        await close_all()


def rows_of(
    venue: str,
    cases: Sequence[tuple[str, list[bytes]]],
    ours: Callable[[bytes], object],
    rivals: Sequence[tuple[str, Callable[[bytes], object]]],
) -> list[Row]:
    """A row for each kind of frame, with what the others take for the same."""
    rows = []
    for name, frames in cases:
        beside = [Rival(engine=who, value=once_us(frames, take), detail="") for who, take in rivals]
        value = once_us(frames, ours)
        rows.append(Row(case=f"{venue} {name} message", value=value, unit="us", rules=RULES, rivals=beside))
    return rows


def hyperliquid_rows(count: int) -> list[Row]:
    """Books, trades and quotes through the router, order updates through the order side."""
    wire = importlib.import_module("exchanges.hyperliquid.wire")
    router = importlib.import_module("exchanges.hyperliquid.router")
    events: list[object] = []
    take_public = router.Router([wire.CoinCodec(BTC)], events.append, START_NS).take
    exchange = ccxt_exchange("hyperliquid", "BTC/USDC:USDC", "BTC/USDC:USDC", BTC)
    rivals = [("ccxt.pro", ccxt_take(exchange)), ("hyperliquid-python-sdk", sdk_take)]
    public = rows_of(
        "Hyperliquid",
        [
            ("l2Book 20+20", book_frames(count)),
            ("trades x1", trade_frames(count, 1)),
            ("trades x5", trade_frames(count, 5)),
        ],
        lambda frame: take_public(frame, START_NS),
        rivals,
    )
    if not events:
        raise AssertionError("the router passed nothing on")
    return [*public, *rows_of("Hyperliquid", [("orderUpdates x1", update_frames(count))], order_side(), rivals)]


def sdk_take(frame: bytes) -> object:
    """What the SDK does with a frame before its callback is called."""
    return json.loads(frame)


def order_side() -> Callable[[bytes], object]:
    """Decoding and translating what is told of orders."""
    orders = importlib.import_module("exchanges.hyperliquid.orders")
    private = importlib.import_module("exchanges.hyperliquid.private")
    heard: list[object] = []
    known = orders.Orders({"BTC": BTC}, heard.append)

    def take(frame: bytes) -> None:
        heard.clear()
        for update in private.decode_private(frame).data:
            known.on_update(update)
        if not heard:
            raise AssertionError("an update was lost")

    return take


def trade_frames(count: int, each: int) -> list[bytes]:
    """Frames of `each` trades, none of them known already."""
    return [
        msgspec.json.encode(
            {
                "channel": "trades",
                "data": [
                    {
                        "coin": "BTC", "side": "AB"[at % 2], "px": f"{105_055 + at}.0", "sz": "0.00219",
                        "time": START_NS // 10**6 + number, "hash": "0x" + "0" * 64, "tid": number * each + at,
                        "users": ["0x" + "1" * 40, "0x" + "2" * 40],
                    }
                    for at in range(each)
                ],
            }
        )
        for number in range(count)
    ]  # fmt: skip


def update_frames(count: int) -> list[bytes]:
    """Frames that say of one order each that it rests."""
    return [
        msgspec.json.encode(
            {
                "channel": "orderUpdates",
                "data": [
                    {
                        "order": {
                            "coin": "BTC", "side": "B", "limitPx": "49000.0", "sz": "0.01", "oid": 1_000 + number,
                            "timestamp": START_NS // 10**6, "origSz": "0.01", "cloid": f"0x{number:032x}",
                        },
                        "status": "open",
                        "statusTimestamp": START_NS // 10**6,
                    }
                ],
            }
        )
        for number in range(count)
    ]  # fmt: skip
