"""Public questions, as the local Bybit answers them."""

from typing import Any

from tests.exchanges.bybit.exchange_room import Refused, Room
from tests.exchanges.bybit.listing import info, tiers
from tests.exchanges.bybit.market import INTERVALS, Market, recent
from tests.exchanges.bybit.records import MS

PAGE = 500


def tell(room: Room, markets: dict[str, Market], path: str, asked: dict[str, str]) -> dict[str, Any]:
    """The `result` of a GET. Raises `Refused`, and `KeyError` for a path that is not there."""
    now_ns = room.now_ns()
    if path == "/v5/market/time":
        return {"timeSecond": str(now_ns // 10**9), "timeNano": str(now_ns)}
    if path == "/v5/market/instruments-info":
        return _instruments(room, asked)
    if path == "/v5/market/risk-limit":
        asked_for = [room.instrument(asked)] if asked.get("symbol") else list(room.instruments.values())
        rows = [tier for instrument in asked_for for tier in tiers(instrument)]
        return {"category": "linear", "list": rows, "nextPageCursor": ""}
    if path == "/v5/market/tickers":
        chosen = [room.instrument(asked).venue_symbol] if asked.get("symbol") else list(markets)
        rows = [markets[s].ticker(room.exchange.floor.mark(markets[s].instrument.id), now_ns // MS) for s in chosen]
        return {"category": "linear", "list": rows}
    return _of_symbol(markets[room.instrument(asked).venue_symbol], path, asked, now_ns // MS)


def _instruments(room: Room, asked: dict[str, str]) -> dict[str, Any]:
    if asked.get("category") != "linear":
        return {"category": asked.get("category", ""), "list": [], "nextPageCursor": ""}
    chosen = [room.instrument(asked)] if asked.get("symbol") else list(room.instruments.values())
    size, first = min(int(asked.get("limit", PAGE)), 1_000), int(asked.get("cursor") or 0)
    cursor = str(first + size) if first + size < len(chosen) else ""
    rows = [info(instrument) for instrument in chosen[first : first + size]]
    return {"category": "linear", "list": rows, "nextPageCursor": cursor}


def _of_symbol(market: Market, path: str, asked: dict[str, str], now_ms: int) -> dict[str, Any]:
    symbol = market.instrument.venue_symbol
    if path == "/v5/market/orderbook":
        told = market.snapshot(min(int(asked.get("limit", 25)), 500), now_ms)
        return {**told["data"], "ts": told["ts"], "cts": told["cts"]}
    if path == "/v5/market/recent-trade":
        count = min(int(asked.get("limit", 500)), 1_000)
        return {"category": "linear", "list": [recent(trade) for trade in market.trades[: -count - 1 : -1]]}
    if path == "/v5/market/kline":
        interval = asked.get("interval", "")
        if interval not in INTERVALS:
            raise Refused(10001, "params error: Invalid period!")
        first, last = int(asked.get("start") or 0), int(asked.get("end") or now_ms)
        rows = market.candles(interval, first, last, min(int(asked.get("limit", 200)), 1_000), now_ms)
        return {"category": "linear", "symbol": symbol, "list": rows}
    if path == "/v5/market/funding/history":
        if asked.get("startTime") and not asked.get("endTime"):
            raise Refused(10001, "params error: endTime is required with startTime")
        first, last = int(asked.get("startTime") or 0), int(asked.get("endTime") or now_ms)
        rates = market.funding(first, last, now_ms, min(int(asked.get("limit", 200)), 200))
        return {"category": "linear", "list": rates}
    raise KeyError(path)
