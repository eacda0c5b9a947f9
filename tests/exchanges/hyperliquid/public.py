"""The public side of the local Hyperliquid: what its channels say of a market, what POST /info knows of it."""

import time
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from domain.instrument import Instrument, InstrumentId
from domain.market import Bar, Bbo, Book, Mark, MarketEvent, Trade
from exchanges.hyperliquid.wire import INTERVALS_NS, MS

PUBLIC = {"l2Book", "bbo", "trades", "candle", "activeAssetCtx"}
HOUR_NS = 3_600_000_000_000
NO_RATE = "0.0000125"


def key_of(subscription: dict[str, Any]) -> str:
    """One name for what is subscribed; of private streams the type alone."""
    if subscription["type"] not in PUBLIC:
        return str(subscription["type"])
    return " ".join(filter(None, (subscription["type"], subscription["coin"], subscription.get("interval"))))


class Public:
    """The newest of everything, by coin. `bars` knows candles of the past: (instrument, interval, end, count)."""

    def __init__(self, instruments: Sequence[Instrument]) -> None:
        self._by_id = {instrument.id: instrument for instrument in instruments}
        self._coins = {instrument.venue_symbol: instrument for instrument in instruments}
        self.bars: Callable[[InstrumentId, int, int, int], list[Bar]] = lambda *_: []
        self.fees = ("0.00045", "0.00015")
        """What the venue says of an account's rates, taker and maker."""
        self._books: dict[str, dict[str, Any]] = {}
        self._contexts: dict[str, dict[str, Any]] = {}
        self._candles: dict[tuple[str, str], dict[str, Any]] = {}
        self._tid = time.time_ns() // MS

    def lists(self, coin: str) -> bool:
        return coin in self._coins

    def newest(self, key: str) -> dict[str, Any] | None:
        """What a new subscriber is told at once."""
        kind, _, coin = key.partition(" ")
        found = {"l2Book": self._books, "activeAssetCtx": self._contexts}.get(kind, {}).get(coin)
        return {"channel": kind, "data": found} if found is not None else None

    def tell(self, event: MarketEvent) -> Iterator[tuple[str, dict[str, Any]]]:
        """Messages about an event, by the subscription that they belong to."""
        i = self._by_id[event.instrument]
        coin, at_ms = i.venue_symbol, (event.venue_ts_ns or time.time_ns()) // MS
        if isinstance(event, Book):
            sides = [[_level(i, price, qty) for price, qty in side] for side in (event.bids, event.asks)]
            self._books[coin] = {"coin": coin, "time": at_ms, "levels": sides}
            yield f"l2Book {coin}", {"channel": "l2Book", "data": self._books[coin]}
        elif isinstance(event, Bbo):
            touch = [_level(i, event.bid, event.bid_qty), _level(i, event.ask, event.ask_qty)]
            yield f"bbo {coin}", {"channel": "bbo", "data": {"coin": coin, "time": at_ms, "bbo": touch}}
        elif isinstance(event, Trade):
            yield f"trades {coin}", {"channel": "trades", "data": [self._trade(i, event, at_ms)]}
            for name in INTERVALS_NS:
                yield f"candle {coin} {name}", {"channel": "candle", "data": self._candle(i, event, at_ms, name)}
        elif isinstance(event, Mark):
            price, rate = i.price_text(event.price), f"{event.funding_rate:f}"
            more = {"oraclePx": price, "midPx": price, "openInterest": "1.0", "prevDayPx": price, "dayNtlVlm": "1.0"}
            self._contexts[coin] = {"coin": coin, "ctx": {"markPx": price, "funding": rate, "premium": "0.0", **more}}
            yield f"activeAssetCtx {coin}", {"channel": "activeAssetCtx", "data": self._contexts[coin]}

    def answer(self, question: dict[str, Any]) -> Any:
        """The answer to a public question of POST /info; None = it is not one."""
        match question["type"]:
            case "l2Book":
                return self._books.get(question["coin"], {"coin": question["coin"], "time": 0, "levels": [[], []]})
            case "candleSnapshot":
                return self._past(question["req"])
            case "fundingHistory":
                return self._rates(question)
            case "userFees":
                return {"userCrossRate": self.fees[0], "userAddRate": self.fees[1], "dailyUserVlm": []}
            case "allMids":
                return {coin: found["ctx"]["midPx"] for coin, found in self._contexts.items()}
        return None

    def _trade(self, i: Instrument, event: Trade, at_ms: int) -> dict[str, Any]:
        self._tid += 1
        said = {"coin": i.venue_symbol, "side": "B" if event.side > 0 else "A", "px": i.price_text(event.price)}
        ids = {"hash": "0x0", "tid": self._tid, "users": ["0x1", "0x2"]}
        return {**said, "sz": i.qty_text(event.qty), "time": at_ms, **ids}

    def _candle(self, i: Instrument, event: Trade, at_ms: int, name: str) -> dict[str, Any]:
        """The running candle, as it is after a trade."""
        interval_ms = INTERVALS_NS[name] // MS
        opened = at_ms // interval_ms * interval_ms
        price, size = i.price_text(event.price), Decimal(i.qty_text(event.qty))
        candle = self._candles.get((i.venue_symbol, name))
        if candle is None or candle["t"] < opened:
            edge = {"t": opened, "T": opened + interval_ms - 1, "s": i.venue_symbol, "i": name}
            candle = {**edge, "o": price, "h": price, "l": price, "v": "0", "n": 0}
            self._candles[i.venue_symbol, name] = candle
        candle["h"] = max(candle["h"], price, key=Decimal)
        candle["l"] = min(candle["l"], price, key=Decimal)
        candle["c"], candle["v"], candle["n"] = price, f"{Decimal(candle['v']) + size:f}", candle["n"] + 1
        return candle

    def _past(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        """Finished candles, and the running one."""
        i, name = self._coins[asked["coin"]], asked["interval"]
        interval_ns = INTERVALS_NS[name]
        end_ns = min(asked["endTime"] * MS, time.time_ns())
        count = min(5_000, end_ns // interval_ns - -(-asked["startTime"] * MS // interval_ns))
        found = self.bars(i.id, interval_ns, end_ns, count) if count > 0 else []
        candles = [_past_candle(i, bar, name) for bar in found]
        running = self._candles.get((asked["coin"], name))
        return [*candles, running] if running is not None and asked["endTime"] >= running["t"] else candles

    def _rates(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        hour_ms = HOUR_NS // MS
        first, last = -(-asked["startTime"] // hour_ms), min(asked["endTime"], time.time_ns() // MS) // hour_ms
        hours = range(first, min(last + 1, first + 500))
        return [
            {"coin": asked["coin"], "fundingRate": NO_RATE, "premium": "0.0", "time": hour * hour_ms} for hour in hours
        ]


def _level(i: Instrument, price: int, qty: int) -> dict[str, Any]:
    return {"px": i.price_text(price), "sz": i.qty_text(qty), "n": 1}


def _past_candle(i: Instrument, bar: Bar, name: str) -> dict[str, Any]:
    opened, length = bar.open_ts_ns // MS, bar.interval_ns // MS
    prices = {"o": bar.open, "h": bar.high, "l": bar.low, "c": bar.close}
    texts = {key: i.price_text(price) for key, price in prices.items()}
    edge = {"t": opened, "T": opened + length - 1, "s": i.venue_symbol, "i": name}
    return {**edge, **texts, "v": i.qty_text(bar.volume), "n": 1}
