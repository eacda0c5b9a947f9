"""The public side of the local Phemex: books as snapshots and deltas, trades, klines, tickers, funding rates.

As the wire has it: the sequence is shared by all symbols and jumps; a delta lists what changed, "0" deletes; the first
message after a subscription is a snapshot, and another one follows every minute.
"""

import random
import time
from collections import deque
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from domain.instrument import Instrument
from domain.market import Bar, Book, Mark, MarketEvent, Trade
from tests.exchanges.phemex.catalogue import PERPETUALS
from tests.exchanges.serve import BarsOf

DEPTH = 30
KEPT_TRADES = 200
RESOLUTIONS = (60, 180, 300, 900, 1_800, 3_600, 7_200, 10_800, 14_400, 21_600, 43_200, 86_400, 604_800)
PACK = ("symbol", "openRp", "highRp", "lowRp", "lastRp", "volumeRq", "turnoverRv", "openInterestRv", "indexRp",
        "markRp", "fundingRateRr", "predFundingRateRr")  # fmt: skip
NO_RATE = "0.0001"
S = 1_000_000_000
Sides = tuple[dict[str, str], dict[str, str]]
"""Sizes by price: bids, asks."""


class Public:
    """The newest of everything, by symbol. `bars` knows candles of the past."""

    def __init__(self, instruments: Sequence[Instrument]) -> None:
        self._by_id = {i.id: i for i in instruments}
        self.symbols = {i.venue_symbol: i for i in instruments}
        self.bars: BarsOf = lambda *_: []
        self.books: dict[str, Sides] = {symbol: ({}, {}) for symbol in self.symbols}
        self.trades: dict[str, deque[list[Any]]] = {s: deque(maxlen=KEPT_TRADES) for s in self.symbols}
        self.marks: dict[str, Mark] = {}
        self.rates: dict[str, list[dict[str, Any]]] = {}
        """Funding rates that were charged, by symbol; where there are none, the usual one."""
        self._klines: dict[tuple[str, int], list[Any]] = {}
        self._times: dict[str, int] = {}
        self._random = random.Random(7)
        self.sequence = 77_668_172

    def tell(self, event: MarketEvent) -> Iterator[tuple[str, dict[str, Any]]]:
        """Messages about an event, each with the channel that it belongs to."""
        i = self._by_id[event.instrument]
        symbol = i.venue_symbol
        self._times[symbol] = event.venue_ts_ns or time.time_ns()
        if isinstance(event, Book):
            changed = self._move(i, event)
            if any(changed.values()):
                yield f"orderbook_p {symbol}", self._book(symbol, changed, "incremental")
        elif isinstance(event, Trade):
            side = "Buy" if event.side > 0 else "Sell"
            row = [self._times[symbol], side, i.price_text(event.price), i.qty_text(event.qty)]
            self.trades[symbol].appendleft(row)
            said = {"sequence": self._next(), "symbol": symbol, "trades_p": [row], "type": "incremental"}
            yield f"trade_p {symbol}", said
            for resolution in RESOLUTIONS:
                row = self._kline(i, event, resolution)
                body = {"kline_p": [row], "sequence": self._next(), "symbol": symbol, "type": "incremental"}
                yield f"kline_p {symbol} {resolution}", body
        elif isinstance(event, Mark):
            self.marks[symbol] = event
            yield "perp_market24h_pack_p", self._pack([symbol], "incremental")
            tick = {"last": i.price_text(event.price), "symbol": f".M{symbol}", "timestamp": self._times[symbol]}
            yield f"tick_p .M{symbol}", {"tick_p": tick}

    def first(self, channel: str) -> dict[str, Any] | None:
        """What a new subscriber is told at once."""
        kind, _, rest = channel.partition(" ")
        symbol, _, resolution = rest.partition(" ")
        if kind == "orderbook_p":
            return self.snapshot(symbol)
        if kind == "trade_p":
            rows = list(self.trades[symbol])
            return {"sequence": self._next(), "symbol": symbol, "trades_p": rows, "type": "snapshot"}
        if kind == "kline_p":
            rows = self._past(self.symbols[symbol], int(resolution), time.time_ns(), 10)[::-1]
            running = self._klines.get((symbol, int(resolution)))
            rows = [running, *rows] if running is not None else rows
            return {"kline_p": rows, "sequence": self._next(), "symbol": symbol, "type": "snapshot"}
        priced = [symbol for symbol, (bids, _) in self.books.items() if bids]
        return self._pack(priced, "snapshot") if kind == "perp_market24h_pack_p" else None

    def snapshot(self, symbol: str) -> dict[str, Any]:
        """The book, as it comes every minute; it repeats the sequence of the last delta."""
        bids, asks = self.books[symbol]
        levels = {
            "bids": sorted(map(list, bids.items()), key=lambda level: -Decimal(level[0])),
            "asks": sorted(map(list, asks.items()), key=lambda level: Decimal(level[0])),
        }
        return self._book(symbol, levels, "snapshot")

    def _move(self, i: Instrument, event: Book) -> dict[str, list[list[str]]]:
        """Take a book; what changed, by side."""
        changed = {}
        books = []
        for name, side, old in zip(
            ("bids", "asks"), (event.bids, event.asks), self.books[i.venue_symbol], strict=True
        ):  # fmt: skip
            new = {i.price_text(price): i.qty_text(qty) for price, qty in side[:DEPTH]}
            gone = [[price, "0"] for price in old if price not in new]
            changed[name] = [[price, qty] for price, qty in new.items() if old.get(price) != qty] + gone
            books.append(new)
        self.books[i.venue_symbol] = (books[0], books[1])
        if any(changed.values()):
            self._next()
        return changed

    def _next(self) -> int:
        self.sequence += self._random.randint(1, 300)
        return self.sequence

    def _book(self, symbol: str, levels: dict[str, Any], kind: str) -> dict[str, Any]:
        now = time.time_ns()
        return {
            "depth": DEPTH,
            "dts": now,
            "mts": now,
            "orderbook_p": {"asks": levels["asks"], "bids": levels["bids"]},
            "sequence": self.sequence,
            "symbol": symbol,
            "timestamp": self._times.get(symbol, now),
            "type": kind,
        }

    def _kline(self, i: Instrument, event: Trade, resolution: int) -> list[Any]:
        """The running candle, as it is after a trade."""
        symbol, price, qty = i.venue_symbol, i.price_text(event.price), Decimal(i.qty_text(event.qty))
        opened = self._times[symbol] // S // resolution * resolution
        row = self._klines.get((symbol, resolution))
        if row is None or row[0] < opened:
            row = [opened, resolution, row[6] if row else price, price, price, price, price, "0", "0"]
            self._klines[symbol, resolution] = row
        row[4], row[5], row[6] = max(row[4], price, key=Decimal), min(row[5], price, key=Decimal), price
        row[7] = f"{Decimal(row[7]) + qty:f}"
        row[8] = f"{Decimal(row[8]) + qty * Decimal(price):f}"
        return row

    def _past(self, i: Instrument, resolution: int, end_ns: int, count: int) -> list[list[Any]]:
        return [_row(i, bar) for bar in self.bars(i.id, resolution * S, end_ns, count)] if count > 0 else []

    def _pack(self, symbols: list[str], kind: str) -> dict[str, Any]:
        rows = [[ticker[name] for name in PACK] for ticker in map(self._ticker, symbols)]
        more = {"method": "perp_market24h_pack_p.update", "timestamp": time.time_ns(), "type": kind}
        return {"data": rows, "fields": list(PACK), **more}

    def _ticker(self, symbol: str) -> dict[str, Any]:
        i = self.symbols[symbol]
        bids, asks = self.books[symbol]
        best = [max(bids, key=Decimal, default="0"), min(asks, key=Decimal, default="0")]
        mark = self.marks.get(symbol)
        last = self.trades[symbol][0][2] if self.trades[symbol] else best[0]
        marked = i.price_text(mark.price) if mark is not None else last
        rate = f"{mark.funding_rate:f}" if mark is not None else NO_RATE
        day = dict.fromkeys(("openRp", "highRp", "lowRp", "lastRp", "closeRp"), last)
        sums = {"volumeRq": "6747.727", "turnoverRv": "139029311.7517", "openInterestRv": "0"}
        marks = dict.fromkeys(("indexRp", "indexPriceRp", "markRp", "markPriceRp"), marked)
        rates = {"fundingRateRr": rate, "predFundingRateRr": rate}
        touch = {"bidRp": best[0], "askRp": best[1]}
        return {"symbol": symbol, "timestamp": time.time_ns(), **day, **sums, **marks, **rates, **touch}

    # REST

    def answer(self, path: str, asked: dict[str, str]) -> dict[str, Any] | None:
        """The result of a GET of /md; None for what is not understood."""
        symbol = asked.get("symbol", "")
        if symbol not in self.symbols:
            return None
        if path == "/md/v2/orderbook":
            return self.snapshot(symbol)
        if path == "/md/v2/trade":
            return {"sequence": self.sequence, "symbol": symbol, "trades_p": list(self.trades[symbol]),
                    "type": "snapshot"}  # fmt: skip
        return self._ticker(symbol) if path in {"/md/v2/ticker/24hr", "/md/v3/ticker/24hr"} else None

    def klines(self, asked: dict[str, str]) -> list[list[Any]] | str:
        """Rows of /md/v2/kline/list, or what is missing of the question."""
        missing = [name for name in ("symbol", "resolution", "from", "to") if name not in asked]
        if missing:
            return f"Missing parameter - {missing[0]}"
        i, resolution = self.symbols.get(asked["symbol"]), int(asked["resolution"])
        if i is None or resolution not in RESOLUTIONS:
            return "Please double check input arguments"
        first = -(-int(asked["from"]) // resolution) * resolution
        end = min(int(asked["to"]), time.time_ns() // S)
        rows = self._past(i, resolution, end * S, min(2_000, (end - first) // resolution))
        return [row for row in rows if first <= row[0] < int(asked["to"])]

    def last_klines(self, asked: dict[str, str]) -> list[list[Any]] | str:
        """Rows of /md/v2/kline/last."""
        i, resolution = self.symbols.get(asked.get("symbol", "")), int(asked.get("resolution", 0))
        if i is None or resolution not in RESOLUTIONS:
            return "Please double check input arguments"
        return self._past(i, resolution, time.time_ns(), int(asked.get("limit", 5)))

    def funding(self, asked: dict[str, str]) -> list[dict[str, Any]]:
        """Rows of /api-data/public/data/funding-rate-history, oldest first; 100 unless more is asked for."""
        product = next((p for p in PERPETUALS if p["fundingRate8hSymbol"] == asked.get("symbol")), None)
        if product is None:
            return []
        step_ms = product["fundingInterval"] * 1_000
        now_ms = time.time_ns() // 1_000_000
        start = int(asked.get("start", now_ms - 100 * step_ms))
        end = min(int(asked.get("end", now_ms)), now_ms)
        kept = self.rates.get(product["symbol"])
        if kept is None:
            times = range(-(-start // step_ms) * step_ms, end + 1, step_ms)
            kept = [{"fundingTime": at, "fundingRate": NO_RATE} for at in times]
        more = {"symbol": asked["symbol"], "intervalSeconds": product["fundingInterval"]}
        return [{**more, **row} for row in kept if start <= row["fundingTime"] <= end][: int(asked.get("limit", 100))]


def _row(i: Instrument, bar: Bar) -> list[Any]:
    prices = [i.price_text(price) for price in (bar.open, bar.open, bar.high, bar.low, bar.close)]
    return [bar.open_ts_ns // S, bar.interval_ns // S, *prices, i.qty_text(bar.volume), "0"]
