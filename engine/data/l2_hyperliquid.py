"""Hyperliquid messages on a recorded tape: l2Book snapshots, bbo, trades.

(The live feed has its own decoding in `exchanges/hyperliquid/wire.py`; the rooms do not import each other.)
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from domain.instrument import Instrument
from domain.market import Level
from engine.data.l2_output import Output, Scaled

MS = 1_000_000
OLD_TRADES_MS = 5_000
"""A trade this much older than the first book was sent as history on subscribing; it is left out."""


class Channel(Struct):
    """Any line."""

    channel: str
    data: msgspec.Raw = msgspec.Raw(b"")


class HyperLevel(Struct):
    """One level of a Hyperliquid book."""

    px: str
    sz: str


class HyperBook(Struct):
    """Hyperliquid l2Book."""

    time: int
    levels: tuple[list[HyperLevel], list[HyperLevel]]


class HyperBbo(Struct):
    """Hyperliquid bbo."""

    time: int
    bbo: tuple[HyperLevel | None, HyperLevel | None]


class HyperTrade(Struct):
    """One of Hyperliquid's trades."""

    side: str
    px: str
    sz: str
    time: int
    tid: int


class HyperliquidReader:
    """Reads one coin's messages into an output; other coins are left out. `outside` counts old trades left out."""

    def __init__(self, instrument: Instrument, output: Output) -> None:
        self._coin = instrument.venue_symbol
        self._prices = Scaled(instrument, is_price=True)
        self._sizes = Scaled(instrument, is_price=False)
        self._out = output
        self._began_ms = 0
        self._channel = msgspec.json.Decoder(Channel)
        self._book = msgspec.json.Decoder(HyperBook)
        self._bbo = msgspec.json.Decoder(HyperBbo)
        self._trades = msgspec.json.Decoder(list[HyperTrade])
        self.outside = 0

    def read(self, ts_ns: int, raw: bytes) -> None:
        """One line. Raises msgspec's errors for bad JSON."""
        message = self._channel.decode(raw)
        if message.channel == "l2Book":
            book = self._book.decode(message.data)
            self._began_ms = self._began_ms or book.time
            bids, asks = ([self._level(level) for level in side] for side in book.levels)
            self._out.snapshot(ts_ns, book.time * MS, bids, asks)
        elif message.channel == "bbo":
            touch = self._bbo.decode(message.data)
            bid, ask = touch.bbo
            if bid and ask:
                self._out.bbo(ts_ns, touch.time * MS, self._level(bid), self._level(ask))
        elif message.channel == "trades":
            for trade in self._trades.decode(message.data):
                if trade.time < self._began_ms - OLD_TRADES_MS:
                    self.outside += 1
                    continue
                level = self._prices[trade.px], self._sizes[trade.sz]
                self._out.trade(ts_ns, trade.time * MS, 1 if trade.side == "B" else -1, level, str(trade.tid))

    def _level(self, level: HyperLevel) -> Level:
        return self._prices[level.px], self._sizes[level.sz]
