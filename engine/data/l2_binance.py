"""Binance USD-M and spot messages: depth differences joined to the REST snapshot, bookTicker, trade."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from domain.errors import DataError
from domain.instrument import Instrument
from domain.market import Level
from engine.data.l2_output import Output, Pairs, Scaled
from engine.data.localbook import Chain

MS = 1_000_000


class Message(Struct):
    """Any line: a combined stream's message, or the body of the REST snapshot."""

    stream: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")
    last_update_id: int = msgspec.field(default=0, name="lastUpdateId")
    transaction_ms: int = msgspec.field(default=0, name="T")
    bids: Pairs = []
    asks: Pairs = []


class Depth(Struct):
    """Binance depthUpdate."""

    first: int = msgspec.field(name="U")
    last: int = msgspec.field(name="u")
    bids: Pairs = msgspec.field(name="b")
    asks: Pairs = msgspec.field(name="a")
    previous: int = msgspec.field(default=0, name="pu")
    event_ms: int = msgspec.field(default=0, name="E")
    transaction_ms: int = msgspec.field(default=0, name="T")


class Ticker(Struct):
    """Binance bookTicker."""

    bid: str = msgspec.field(name="b")
    bid_qty: str = msgspec.field(name="B")
    ask: str = msgspec.field(name="a")
    ask_qty: str = msgspec.field(name="A")
    transaction_ms: int = msgspec.field(default=0, name="T")


class BinanceTrade(Struct):
    """Binance trade; `kind` is MARKET for those that the book saw."""

    trade_id: int = msgspec.field(name="t")
    price: str = msgspec.field(name="p")
    qty: str = msgspec.field(name="q")
    time_ms: int = msgspec.field(name="T")
    buyer_is_maker: bool = msgspec.field(name="m")
    kind: str = msgspec.field(default="MARKET", name="X")


class BinanceReader:
    """Reads one instrument's messages into an output.

    Differences that came before the snapshot are kept and joined to it, as the venue prescribes. `outside`
    counts trades that the book did not see (insurance fund, settlement), which are left out.
    """

    def __init__(self, instrument: Instrument, output: Output) -> None:
        self._prices = Scaled(instrument, is_price=True)
        self._sizes = Scaled(instrument, is_price=False)
        self._out = output
        self._chain = Chain()
        self._early: list[Depth] = []
        self._message = msgspec.json.Decoder(Message)
        self._depth = msgspec.json.Decoder(Depth)
        self._ticker = msgspec.json.Decoder(Ticker)
        self._trade = msgspec.json.Decoder(BinanceTrade)
        self.outside = 0

    def read(self, ts_ns: int, raw: bytes) -> None:
        """One line. Raises `DataError` for a broken chain or an inverse contract, msgspec's errors for bad JSON."""
        message = self._message.decode(raw)
        symbol, _, kind = message.stream.partition("@")
        if symbol.endswith("_perp") or "usd_" in symbol:
            raise DataError(f"{symbol} is a COIN-M contract, which is inverse; only linear perpetuals are supported")
        if message.last_update_id:
            self._join(ts_ns, message)
        elif kind.startswith("depth"):
            self._difference(ts_ns, self._depth.decode(message.data))
        elif kind == "bookTicker":
            ticker = self._ticker.decode(message.data)
            bid = self._prices[ticker.bid], self._sizes[ticker.bid_qty]
            ask = self._prices[ticker.ask], self._sizes[ticker.ask_qty]
            self._out.bbo(ts_ns, ticker.transaction_ms * MS, bid, ask)
        elif kind == "trade":
            self._public_trade(ts_ns, self._trade.decode(message.data))

    def _public_trade(self, ts_ns: int, trade: BinanceTrade) -> None:
        level = self._prices[trade.price], self._sizes[trade.qty]
        if trade.kind != "MARKET" or not all(level):
            self.outside += 1
            return
        side = -1 if trade.buyer_is_maker else 1
        self._out.trade(ts_ns, trade.time_ms * MS, side, level, str(trade.trade_id))

    def _join(self, ts_ns: int, message: Message) -> None:
        self._chain.restart(message.last_update_id)
        bids, asks = self._levels(message.bids), self._levels(message.asks)
        self._out.snapshot(ts_ns, message.transaction_ms * MS, bids, asks)
        early, self._early = self._early, []
        for depth in early:
            self._difference(ts_ns, depth)

    def _difference(self, ts_ns: int, depth: Depth) -> None:
        if not self._chain.last:
            self._early.append(depth)
            return
        verdict = self._chain.accepts(depth.first, depth.last, depth.previous)
        if verdict is None:
            raise DataError(
                f"depth update {depth.first} to {depth.last} does not follow {self._chain.last}: something was lost"
            )
        if verdict:
            venue_ns = (depth.transaction_ms or depth.event_ms) * MS
            self._out.difference(ts_ns, venue_ns, self._levels(depth.bids), self._levels(depth.asks))

    def _levels(self, pairs: Pairs) -> list[Level]:
        prices, sizes = self._prices, self._sizes
        return [(prices[price], sizes[size]) for price, size in pairs]
