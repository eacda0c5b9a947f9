"""The public side of the local Bybit: ladders with their updates, trades, candles, funding rates."""

import math
from decimal import Decimal
from typing import Any

from domain.instrument import Instrument
from domain.market import Bar, Bbo, Book, Trade
from tests.exchanges.bybit.records import MS, side
from tests.exchanges.serve import BarsOf

MINUTE_MS = 60_000
EIGHT_HOURS_MS = 8 * 3_600_000
INTERVALS = {"1": 1, "3": 3, "5": 5, "15": 15, "30": 30, "60": 60, "120": 120, "240": 240, "360": 360, "720": 720,
             "D": 1_440, "W": 10_080}  # fmt: skip
"""Minutes of each interval."""
Sizes = dict[int, int]


class Market:
    """One contract. `u` counts the updates of its book, as every depth has them here."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.book: tuple[Sizes, Sizes] = ({}, {})
        self.u = 0
        self.seq = 7_000
        self.trades: list[dict[str, Any]] = []
        self.minutes: dict[int, list[Decimal]] = {}
        """open, high, low, close, volume by the minute's start."""
        self.rates: list[tuple[int, str]] | None = None
        """(time, rate) of what was charged; None = one hundredth of a percent every eight hours."""
        self.funding_rate = "0.0001"
        self.first = Decimal(0)
        self.bars: BarsOf | None = None
        """Where candles of the past come from; None = from a wave."""

    # the book

    def change(self, book: Book, now_ms: int) -> dict[str, Any] | None:
        """The delta that leads to a new book; None when nothing has changed."""
        sides = (dict(book.bids), dict(book.asks))
        deltas = []
        for old, new in zip(self.book, sides, strict=True):
            gone = {price: 0 for price in old if price not in new}
            deltas.append(gone | {price: qty for price, qty in new.items() if old.get(price) != qty})
        self.book = sides
        if not any(deltas):
            return None
        self.u += 1
        self.seq += 7
        if sides[0] and sides[1]:
            self._price(Decimal(max(sides[0]) + min(sides[1])) / 2, 0, now_ms)
        return self._told("delta", deltas[0], deltas[1], now_ms)

    def touched(self, bbo: Bbo) -> Book:
        """The book with another best bid and offer: what was better is gone."""
        bids = {price: qty for price, qty in self.book[0].items() if price < bbo.bid} | {bbo.bid: bbo.bid_qty}
        asks = {price: qty for price, qty in self.book[1].items() if price > bbo.ask} | {bbo.ask: bbo.ask_qty}
        return Book(instrument=bbo.instrument, bids=tuple(bids.items()), asks=tuple(asks.items()))

    def snapshot(self, depth: int, now_ms: int) -> dict[str, Any]:
        """The whole book, as it comes after subscribing and after a restart of the venue (`u` = 1)."""
        bids, asks = self.book
        nearest = dict(sorted(bids.items(), reverse=True)[:depth]), dict(sorted(asks.items())[:depth])
        return self._told("snapshot", *nearest, now_ms)

    def _told(self, kind: str, bids: Sizes, asks: Sizes, now_ms: int) -> dict[str, Any]:
        data = {
            "s": self.instrument.venue_symbol,
            "b": self._levels(bids, is_bid=True),
            "a": self._levels(asks, is_bid=False),
            "u": self.u,
            "seq": self.seq,
        }
        return {"type": kind, "ts": now_ms, "data": data, "cts": now_ms - 2}

    def _levels(self, sizes: Sizes, *, is_bid: bool) -> list[list[str]]:
        i = self.instrument
        return [[i.price_text(p), i.qty_text(q)] for p, q in sorted(sizes.items(), reverse=is_bid)]

    # trades and candles

    def trade(self, trade: Trade, now_ms: int) -> dict[str, Any]:
        """One public trade."""
        i = self.instrument
        told = {"T": now_ms, "s": i.venue_symbol, "S": side(trade.side), "v": i.qty_text(trade.qty),
                "p": i.price_text(trade.price), "L": "PlusTick", "i": trade.trade_id, "BT": False,
                "RPI": False, "seq": str(self.seq)}  # fmt: skip
        self.trades.append(told)
        self._price(Decimal(trade.price), trade.qty, now_ms)
        return told

    def _price(self, price: Decimal, qty: int, now_ms: int) -> None:
        price = round(price) * Decimal(1).scaleb(-self.instrument.price_decimals)
        volume = qty * Decimal(1).scaleb(-self.instrument.qty_decimals)
        self.first = self.first or price
        minute = now_ms // MINUTE_MS * MINUTE_MS
        bar = self.minutes.setdefault(minute, [price, price, price, price, Decimal(0)])
        bar[1], bar[2], bar[3] = max(bar[1], price), min(bar[2], price), price
        bar[4] += volume

    def _minute(self, start_ms: int) -> list[Decimal]:
        """A minute of which nothing is known: prices on a gentle wave, so that there is a past."""
        known = self.minutes.get(start_ms)
        if known is not None:
            return known
        number = start_ms // MINUTE_MS
        step = Decimal(self.instrument.tick).scaleb(-self.instrument.price_decimals)

        def at(minute: int) -> Decimal:
            wave = self.first * (1 + Decimal(math.sin(minute / 97)) / 200)
            return (wave / step).to_integral_value() * step

        opened, closed = at(number), at(number + 1)
        return [opened, max(opened, closed) + step, min(opened, closed) - step, closed, Decimal(1)]

    def candle(self, interval: str, start_ms: int, now_ms: int) -> list[str]:
        """start, open, high, low, close, volume, turnover of one candle."""
        if self.bars is not None and start_ms + INTERVALS[interval] * MINUTE_MS <= now_ms:
            interval_ns = INTERVALS[interval] * MINUTE_MS * MS
            bars = self.bars(self.instrument.id, interval_ns, start_ms * MS + interval_ns, 1)
            if bars:
                return self._past(bars[0])
        last = min(start_ms + INTERVALS[interval] * MINUTE_MS, now_ms // MINUTE_MS * MINUTE_MS + MINUTE_MS)
        minutes = [self._minute(at) for at in range(start_ms, last, MINUTE_MS)]
        volume = sum((bar[4] for bar in minutes), Decimal(0))
        high, low, closed = max(bar[1] for bar in minutes), min(bar[2] for bar in minutes), minutes[-1][3]
        numbers = (minutes[0][0], high, low, closed, volume, volume * closed)
        return [str(start_ms), *(f"{number:f}" for number in numbers)]

    def _past(self, bar: Bar) -> list[str]:
        i = self.instrument
        prices = [i.price_text(price) for price in (bar.open, bar.high, bar.low, bar.close)]
        turnover = i.notional(bar.close, bar.volume)
        return [str(bar.open_ts_ns // MS), *prices, i.qty_text(bar.volume), f"{turnover:f}"]

    def running(self, interval: str, now_ms: int) -> dict[str, Any]:
        """The candle that is not finished yet, as the stream tells it."""
        length = INTERVALS[interval] * MINUTE_MS
        start_ms = now_ms // length * length
        names = ("open", "high", "low", "close", "volume", "turnover")
        numbers = dict(zip(names, self.candle(interval, start_ms, now_ms)[1:], strict=True))
        return {"start": start_ms, "end": start_ms + length - 1, "interval": interval, **numbers,
                "confirm": False, "timestamp": now_ms}  # fmt: skip

    def candles(self, interval: str, first_ms: int, last_ms: int, count: int, now_ms: int) -> list[list[str]]:
        """Candles that start within the span, newest first."""
        length = INTERVALS[interval] * MINUTE_MS
        newest = min(last_ms, now_ms) // length * length
        starts = range(newest, max(first_ms - 1, newest - count * length), -length)
        return [self.candle(interval, start, now_ms) for start in starts] if self.first else []

    def funding(self, first_ms: int, last_ms: int, now_ms: int, count: int) -> list[dict[str, str]]:
        """Rates that were charged, newest first."""
        rates = self.rates
        if rates is None:
            newest = min(last_ms, now_ms) // EIGHT_HOURS_MS * EIGHT_HOURS_MS
            spread = range(newest, max(first_ms - 1, newest - count * EIGHT_HOURS_MS), -EIGHT_HOURS_MS)
            rates = [(at, "0.0001") for at in spread]
        symbol = self.instrument.venue_symbol
        return [
            {"symbol": symbol, "fundingRate": rate, "fundingRateTimestamp": str(at)}
            for at, rate in sorted(rates, reverse=True)
            if first_ms <= at <= last_ms
        ][:count]

    def ticker(self, mark: int, now_ms: int) -> dict[str, Any]:
        """The 24-hour figures; only prices and the next funding are more than decoration."""
        i = self.instrument
        bid, ask = max(self.book[0], default=0), min(self.book[1], default=0)
        last = self.trades[-1]["p"] if self.trades else i.price_text(mark)
        same = dict.fromkeys(("lastPrice", "prevPrice24h", "highPrice24h", "lowPrice24h", "prevPrice1h"), last)
        return {
            "symbol": i.venue_symbol,
            "tickDirection": "PlusTick",
            **same,
            "price24hPcnt": "0",
            "indexPrice": i.price_text(mark),
            "markPrice": i.price_text(mark),
            "openInterest": "68744.761",
            "openInterestValue": "1183601235.91",
            "turnover24h": "1570383121.94",
            "volume24h": "91705.276",
            "fundingRate": self.funding_rate,
            "nextFundingTime": str(now_ms // EIGHT_HOURS_MS * EIGHT_HOURS_MS + EIGHT_HOURS_MS),
            "bid1Price": i.price_text(bid),
            "bid1Size": i.qty_text(self.book[0].get(bid, 0)),
            "ask1Price": i.price_text(ask),
            "ask1Size": i.qty_text(self.book[1].get(ask, 0)),
        }


def recent(trade: dict[str, Any]) -> dict[str, Any]:
    """A trade as REST tells it."""
    return {"execId": trade["i"], "symbol": trade["s"], "price": trade["p"], "size": trade["v"], "side": trade["S"],
            "time": str(trade["T"]), "isBlockTrade": False, "seq": trade["seq"]}  # fmt: skip
