"""The public side of the local Binance: books by U/u/pu, quotes, trades, candles, marks; what REST knows of them."""

import time
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from domain.instrument import Instrument, InstrumentId
from domain.market import Bar, Bbo, Book, Mark, MarketEvent, Trade
from tests.exchanges.binance.venue_rules import MS, Refusal

INTERVALS_MS = {"1m": 60_000, "3m": 180_000, "5m": 300_000, "15m": 900_000, "30m": 1_800_000, "1h": 3_600_000,
                "2h": 7_200_000, "4h": 14_400_000, "6h": 21_600_000, "8h": 28_800_000, "12h": 43_200_000,
                "1d": 86_400_000, "3d": 259_200_000, "1w": 604_800_000}  # fmt: skip
FUNDING_MS = 8 * 3_600_000
RATE = "0.00010000"


class Public:
    """The newest of everything, by symbol. `bars` knows candles of the past: (instrument, interval, end, count)."""

    def __init__(self, instruments: Sequence[Instrument]) -> None:
        self._by_id = {instrument.id: instrument for instrument in instruments}
        self._symbols = {instrument.venue_symbol: instrument for instrument in instruments}
        self.bars: Callable[[InstrumentId, int, int, int], list[Bar]] = lambda *_: []
        self.books: dict[str, tuple[dict[int, int], dict[int, int]]] = {}
        self.update = dict.fromkeys(self._symbols, 1_027_024)
        self._trades: dict[str, list[dict[str, Any]]] = {}
        self._marks: dict[str, dict[str, Any]] = {}
        self._candles: dict[tuple[str, str], dict[str, Any]] = {}
        self._trade_id = 5_933_000

    def knows(self, symbol: str) -> bool:
        return symbol in self._symbols

    def tell(self, event: MarketEvent) -> Iterator[tuple[str, dict[str, Any]]]:
        """Messages about an event, by the stream that they belong to."""
        i = self._by_id[event.instrument]
        low, at_ms = i.venue_symbol.lower(), (event.venue_ts_ns or time.time_ns()) // MS
        if isinstance(event, Book):
            yield f"{low}@depth", self._depth(i, event, at_ms)
            if event.bids and event.asks:
                (bid, bid_qty), (ask, ask_qty) = event.bids[0], event.asks[0]
                yield f"{low}@bookTicker", self._ticker(i, (bid, bid_qty, ask, ask_qty), at_ms)
        elif isinstance(event, Bbo):
            yield f"{low}@bookTicker", self._ticker(i, (event.bid, event.bid_qty, event.ask, event.ask_qty), at_ms)
        elif isinstance(event, Trade):
            trade = self._trade(i, event, at_ms)
            yield f"{low}@aggTrade", trade
            told = {name: trade[name] for name in ("E", "s", "p", "q", "T", "m")}
            yield f"{low}@trade", {"e": "trade", "t": trade["a"], "X": "MARKET", **told}
            for name in INTERVALS_MS:
                yield f"{low}@kline_{name}", self._kline(i, event, at_ms, name)
        elif isinstance(event, Mark):
            mark = {
                "e": "markPriceUpdate", "E": at_ms, "s": i.venue_symbol, "p": i.price_text(event.price),
                "i": i.price_text(event.price), "P": i.price_text(event.price), "r": f"{event.funding_rate:.8f}",
                "T": (at_ms // FUNDING_MS + 1) * FUNDING_MS,
            }  # fmt: skip
            self._marks[i.venue_symbol] = mark
            yield f"{low}@markPrice@1s", mark

    def _depth(self, i: Instrument, event: Book, at_ms: int) -> dict[str, Any]:
        """What has changed since the last one, as absolute quantities."""
        symbol = i.venue_symbol
        old = self.books.get(symbol, ({}, {}))
        new = (dict(event.bids), dict(event.asks))
        self.books[symbol] = new
        before = self.update[symbol]
        sides = []
        for was, now in zip(old, new, strict=True):
            gone = {price: 0 for price in was if price not in now}
            changed = {price: qty for price, qty in now.items() if was.get(price) != qty}
            sides.append([[i.price_text(price), i.qty_text(qty)] for price, qty in {**gone, **changed}.items()])
        self.update[symbol] = before + max(1, sum(map(len, sides)))
        return {
            "e": "depthUpdate", "E": at_ms, "T": at_ms, "s": symbol, "U": before + 1, "u": self.update[symbol],
            "pu": before, "b": sides[0], "a": sides[1],
        }  # fmt: skip

    def _ticker(self, i: Instrument, touch: tuple[int, int, int, int], at_ms: int) -> dict[str, Any]:
        bid, bid_qty, ask, ask_qty = touch
        return {
            "e": "bookTicker", "u": self.update[i.venue_symbol], "E": at_ms, "T": at_ms, "s": i.venue_symbol,
            "b": i.price_text(bid), "B": i.qty_text(bid_qty), "a": i.price_text(ask), "A": i.qty_text(ask_qty),
        }  # fmt: skip

    def _trade(self, i: Instrument, event: Trade, at_ms: int) -> dict[str, Any]:
        number = self._trade_id + len(self._trades.get(i.venue_symbol, ()))
        trade = {"a": number, "p": i.price_text(event.price), "q": i.qty_text(event.qty), "f": number, "l": number,
                 "T": at_ms, "m": event.side < 0}  # fmt: skip
        self._trades.setdefault(i.venue_symbol, []).append(trade)
        return {"e": "aggTrade", "E": at_ms, "s": i.venue_symbol, **trade}

    def _kline(self, i: Instrument, event: Trade, at_ms: int, name: str) -> dict[str, Any]:
        length = INTERVALS_MS[name]
        opened = at_ms // length * length
        price, size = i.price_text(event.price), Decimal(i.qty_text(event.qty))
        candle = self._candles.get((i.venue_symbol, name))
        if candle is None or candle["t"] < opened:
            edge = {"t": opened, "T": opened + length - 1, "s": i.venue_symbol, "i": name, "f": 1, "L": 1, "x": False}
            candle = {
                **edge,
                "o": price,
                "h": price,
                "l": price,
                "v": "0",
                "n": 0,
                "q": "0",
                "V": "0",
                "Q": "0",
                "B": "0",
            }
            self._candles[i.venue_symbol, name] = candle
        candle["h"], candle["l"] = max(candle["h"], price, key=Decimal), min(candle["l"], price, key=Decimal)
        candle["c"], candle["v"], candle["n"] = price, f"{Decimal(candle['v']) + size:f}", candle["n"] + 1
        return {"e": "kline", "E": at_ms, "s": i.venue_symbol, "k": dict(candle)}

    # REST

    def answer(self, path: str, params: dict[str, Any]) -> Any:
        symbol = params.get("symbol", "")
        if symbol and not self.knows(symbol):
            raise Refusal(-1121, "Invalid symbol.")
        match path:
            case "depth":
                return self._whole(symbol, int(params.get("limit", 500)))
            case "klines":
                return self._past(params)
            case "aggTrades":
                return self._past_trades(params)
            case "fundingRate":
                return self._rates(params)
            case "fundingInfo":
                return []
            case "premiumIndex":
                mark = self._marks.get(symbol, {"p": "0", "r": RATE, "E": 0, "T": 0})
                return {"symbol": symbol, "markPrice": mark["p"], "lastFundingRate": mark["r"], "time": mark["E"]}
        raise Refusal(-5000, f"Path /fapi/v1/{path}, Method GET is invalid", 404)

    def _whole(self, symbol: str, limit: int) -> dict[str, Any]:
        i, now_ms = self._symbols[symbol], time.time_ns() // MS
        bids, asks = self.books.get(symbol, ({}, {}))
        sides = [sorted(bids.items(), reverse=True)[:limit], sorted(asks.items())[:limit]]
        texts = [[[i.price_text(price), i.qty_text(qty)] for price, qty in side] for side in sides]
        return {"lastUpdateId": self.update[symbol], "E": now_ms, "T": now_ms, "bids": texts[0], "asks": texts[1]}

    def _past(self, params: dict[str, Any]) -> list[list[Any]]:
        i, length = self._symbols[params["symbol"]], INTERVALS_MS[params["interval"]]
        limit = min(1_500, int(params.get("limit", 500)))
        now_ms = time.time_ns() // MS
        end_ms = min(int(params.get("endTime", now_ms)), now_ms)
        last = end_ms // length * length
        first = int(params["startTime"]) if "startTime" in params else last - (limit - 1) * length
        first = -(-first // length) * length
        last = min(last, first + (limit - 1) * length)
        count = (last - first) // length + 1
        close_ns = (last + length) * MS
        found = self.bars(i.id, length * MS, min(close_ns, now_ms * MS), count) if count > 0 else []
        rows = [
            [bar.open_ts_ns // MS, *(i.price_text(p) for p in (bar.open, bar.high, bar.low, bar.close)),
             i.qty_text(bar.volume), bar.open_ts_ns // MS + length - 1, "0", 1, "0", "0", "0"]
            for bar in found if first <= bar.open_ts_ns // MS <= last
        ]  # fmt: skip
        running = self._candles.get((params["symbol"], params["interval"]))
        if running is not None and first <= running["t"] <= last and (not rows or rows[-1][0] < running["t"]):
            keys = ("t", "o", "h", "l", "c", "v", "T", "q", "n", "V", "Q", "B")
            rows.append([running[key] for key in keys])
        return rows

    def _past_trades(self, params: dict[str, Any]) -> list[dict[str, Any]]:
        found = self._trades.get(params["symbol"], [])
        if "fromId" in params:
            found = [trade for trade in found if trade["a"] >= int(params["fromId"])]
        if "startTime" in params:
            found = [trade for trade in found if trade["T"] >= int(params["startTime"])]
        if "endTime" in params:
            found = [trade for trade in found if trade["T"] <= int(params["endTime"])]
        return found[: min(1_000, int(params.get("limit", 500)))]

    def _rates(self, params: dict[str, Any]) -> list[dict[str, Any]]:
        now_ms = time.time_ns() // MS
        start, end = int(params.get("startTime", now_ms - 100 * FUNDING_MS)), int(params.get("endTime", now_ms))
        first, last = -(-start // FUNDING_MS), min(end, now_ms) // FUNDING_MS
        times = [number * FUNDING_MS for number in range(first, last + 1)][: int(params.get("limit", 100))]
        return [
            {"symbol": params["symbol"], "fundingTime": at, "fundingRate": RATE, "markPrice": "50000.00"}
            for at in times
        ]  # fmt: skip
