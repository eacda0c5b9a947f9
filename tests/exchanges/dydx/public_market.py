"""What the local indexer tells everybody: books, trades, candles, rates; made of the events that move its market."""

import time
from collections import deque
from datetime import datetime
from itertools import count
from typing import Any

from domain.instrument import Instrument
from domain.market import Bar, Bbo, Book, Mark, MarketEvent, Trade
from exchanges.dydx.markets import Market
from exchanges.dydx.wire import RESOLUTIONS, ns_of
from tests.exchanges.dydx.indexer_words import iso
from tests.exchanges.dydx.node_room import Room
from tests.exchanges.serve import BarsOf

HOUR_NS = 3_600_000_000_000
KEPT_TRADES = 1_000
NO_RATE = "0.0000125"


class PublicMarket:
    """Its state by ticker; `on` says what an event is to the channels."""

    def __init__(self) -> None:
        self._books: dict[str, tuple[dict[str, str], dict[str, str]]] = {}
        self._trades: dict[str, deque[dict[str, Any]]] = {}
        self._bars: dict[str, list[dict[str, Any]]] = {}
        self._rates: dict[str, list[dict[str, Any]]] = {}
        self._ids = count()
        self.bars: BarsOf = lambda *_: []

    def on(self, market: Market, event: MarketEvent, room: Room) -> list[tuple[str, Any]]:
        """Channels and contents that this event changes."""
        i = market.instrument
        if isinstance(event, Book | Bbo):
            bids = event.bids if isinstance(event, Book) else ((event.bid, event.bid_qty),)
            asks = event.asks if isinstance(event, Book) else ((event.ask, event.ask_qty),)
            sides = [{i.price_text(price): i.qty_text(qty) for price, qty in side} for side in (bids, asks)]
            changes = self._change(market.ticker, sides)
            return [("v4_orderbook", changes)] if changes else []
        if isinstance(event, Trade):
            trade = {
                "id": f"{next(self._ids):024x}",
                "side": "BUY" if event.side > 0 else "SELL",
                "size": i.qty_text(event.qty),
                "price": i.price_text(event.price),
                "type": "LIMIT",
                "createdAt": iso(room.now_ns()),
                "createdAtHeight": str(room.height),
            }
            self._trades.setdefault(market.ticker, deque(maxlen=KEPT_TRADES)).append(trade)
            return [("v4_trades", {"trades": [trade]})]
        if isinstance(event, Mark):
            price = {"oraclePrice": i.price_text(event.price), "effectiveAt": iso(room.time_ns)}
            rate = {"nextFundingRate": f"{event.funding_rate:f}"}
            return [("v4_markets", {"oraclePrices": {market.ticker: price}, "trading": {market.ticker: rate}})]
        return []

    def _change(self, ticker: str, sides: list[dict[str, str]]) -> dict[str, Any]:
        """Levels that differ from the last book, as pairs of texts; gone ones have size 0."""
        old = self._books.get(ticker, ({}, {}))
        self._books[ticker] = (sides[0], sides[1])
        changes = {}
        for name, before, now in zip(("bids", "asks"), old, sides, strict=True):
            pairs = [[price, "0"] for price in before if price not in now]
            pairs += [[price, size] for price, size in now.items() if before.get(price) != size]
            if pairs:
                changes[name] = pairs
        return changes

    def book(self, ticker: str) -> dict[str, Any]:
        sides = self._books.get(ticker, ({}, {}))
        levels = [[{"price": price, "size": size} for price, size in side.items()] for side in sides]
        return {"bids": levels[0], "asks": levels[1]}

    def trades(self, ticker: str) -> list[dict[str, Any]]:
        return list(reversed(self._trades.get(ticker, ())))

    def keep(self, ticker: str, *, candles: list[dict[str, Any]] | None = None, rates: Any = None) -> None:
        """Candles and funding rates of the past, oldest first."""
        if candles is not None:
            self._bars[ticker] = candles
        if rates is not None:
            self._rates[ticker] = rates

    def candles(
        self, ticker: str, instrument: Instrument, interval_ns: int, query: Any, bars: BarsOf
    ) -> list[dict[str, Any]]:
        """Newest first."""
        limit = min(1_000, int(query.get("limit", 100)))
        resolution = RESOLUTIONS[interval_ns]
        from_iso, to_iso = query.get("fromISO", ""), query.get("toISO", "9")
        known = [c for c in self._bars.get(ticker, []) if c["resolution"] == resolution]
        if not known:
            end_ns = min(time.time_ns(), ns_of(datetime.fromisoformat(to_iso)) if "toISO" in query else 2**63)
            if "fromISO" in query:
                span_ns = max(0, end_ns - ns_of(datetime.fromisoformat(from_iso)))
                limit = min(limit, span_ns // interval_ns + 1)
            known = [candle(bar, instrument, ticker) for bar in bars(instrument.id, interval_ns, end_ns, limit)]
        inside = [c for c in known if from_iso <= c["startedAt"] < to_iso]
        return list(reversed(inside))[:limit]

    def rates(self, ticker: str, query: Any) -> list[dict[str, Any]]:
        """Newest first, those until effectiveBeforeOrAt; what nobody has set is one rate every hour."""
        limit, now_ns = min(1_000, int(query.get("limit", 100))), time.time_ns()
        before = query.get("effectiveBeforeOrAt", iso(now_ns))
        known = self._rates.get(ticker)
        if known is None:
            newest = min(now_ns, ns_of(datetime.fromisoformat(before))) // HOUR_NS
            known = [rate(ticker, hour * HOUR_NS, NO_RATE) for hour in range(newest - limit + 1, newest + 1)]
        return [told for told in reversed(known) if told["effectiveAt"] <= before][:limit]


def candle(bar: Bar, i: Instrument, ticker: str) -> dict[str, Any]:
    prices = {name: i.price_text(getattr(bar, name)) for name in ("low", "high", "open", "close")}
    named = {"startedAt": iso(bar.open_ts_ns), "ticker": ticker, "resolution": RESOLUTIONS[bar.interval_ns]}
    volume = {"baseTokenVolume": i.qty_text(bar.volume), "usdVolume": "0", "trades": 1, "startingOpenInterest": "0"}
    return named | prices | volume


def rate(ticker: str, at_ns: int, value: str) -> dict[str, Any]:
    at = iso(at_ns)
    return {"ticker": ticker, "rate": value, "price": "50000", "effectiveAt": at, "effectiveAtHeight": "1"}
