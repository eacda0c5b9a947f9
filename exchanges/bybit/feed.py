"""Bybit's public market data, native: msgspec from the bytes, integers by a table, books by `u` and `seq`.

    orderbook.50  a snapshot on subscribing, then changes numbered one by one; `u` = 1 is a restart of the venue
    orderbook.1   best bid and offer, always whole
    publicTrade   trades, without block trades: those were made elsewhere
    kline         candles; `confirm` says that one has closed
    tickers       mark price and funding rate, then only what has changed

A change whose `u` is not the next one, or whose `seq` goes back, says that one was lost: the instrument is GAP and the
topic is subscribed to anew, upon which a snapshot comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import ClassVar

import msgspec
from msgspec import Struct

from domain.errors import DataError
from domain.instrument import Instrument
from domain.market import Bar, Bbo, Feed, FeedKind, Level, Mark, Trade
from exchanges.bybit.config import MS, NAME
from exchanges.bybit.history import INTERVALS, bar_of, name_of, read_candles, read_contracts
from exchanges.shared.integers import Integers
from exchanges.viaccxt.book import LocalBook
from exchanges.viaccxt.feed import FeedDialect
from exchanges.viaccxt.pages import PublicReader

DEPTH_TOPIC, TOUCH_TOPIC = "orderbook.50", "orderbook.1"
AGAIN_NS = 5_000_000_000
"""A snapshot that was asked for and has not come is asked for again."""
REMEMBERED_TRADES = 4_096
SIDES = {"Buy": 1, "Sell": -1}
_INTERVALS_NS = {name: interval_ns for interval_ns, name in INTERVALS.items()}
_HEAD = 48
"""The topic stands within so many bytes of a frame."""


class WireLadder(Struct, gc=False):
    """Levels, as text; quantity 0 = gone."""

    s: str
    b: list[tuple[str, str]]
    a: list[tuple[str, str]]
    u: int
    seq: int = 0


class BookMessage(Struct, gc=False):
    """orderbook."""

    topic: str
    type: str
    ts: int
    data: WireLadder
    cts: int = 0


class WireTrade(Struct, gc=False):
    """A trade: time, side, quantity, price, id, whether it is a block trade."""

    T: int
    s: str
    S: str
    v: str
    p: str
    i: str
    BT: bool = False


class TradesMessage(Struct):
    """publicTrade."""

    data: list[WireTrade]


class WireCandle(Struct, gc=False):
    """A candle as it is now."""

    start: int
    interval: str
    open: str
    high: str
    low: str
    close: str
    volume: str
    confirm: bool


class CandleMessage(Struct):
    """kline."""

    topic: str
    data: list[WireCandle]


class WireTicker(Struct, rename="camel", gc=False):
    """What has changed of a ticker."""

    symbol: str
    mark_price: str = ""
    funding_rate: str = ""


class TickerMessage(Struct, gc=False):
    """tickers."""

    data: WireTicker
    ts: int


class Reply(Struct, gc=False):
    """To a request, or a pong."""

    op: str = ""
    success: bool = True
    ret_msg: str = ""
    req_id: str = ""


_book = msgspec.json.Decoder(BookMessage).decode
_trades = msgspec.json.Decoder(TradesMessage).decode
_candles = msgspec.json.Decoder(CandleMessage).decode
_ticker = msgspec.json.Decoder(TickerMessage).decode
_reply = msgspec.json.Decoder(Reply).decode


class _Market:
    """What is kept of one symbol."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.prices = Integers(instrument, "Bybit", is_price=True)
        self.sizes = Integers(instrument, "Bybit", is_price=False, zero=True)
        self.book = LocalBook(instrument.id)
        self.seq = 0
        self.asked_ns = 0
        self.touch_update = 0
        self.trades: dict[str, None] = {}
        self.mark = ""
        self.rate = "0"

    def levels(self, side: Sequence[tuple[str, str]]) -> list[Level]:
        """Texts as integers."""
        prices, sizes = self.prices, self.sizes
        return [(prices[price], sizes[qty]) for price, qty in side]

    def is_new(self, trade: WireTrade) -> bool:
        """True once for every trade."""
        if trade.i in self.trades:
            return False
        self.trades[trade.i] = None
        if len(self.trades) > REMEMBERED_TRADES:
            del self.trades[next(iter(self.trades))]
        return True


class BybitFeedDialect(FeedDialect):
    """The public streams of linear contracts at one address."""

    venue: ClassVar[str] = NAME
    ping: ClassVar[str] = '{"op":"ping"}'
    beat_s: ClassVar[int] = 20
    unread: ClassVar[frozenset[str]] = frozenset({"topic", "type", "ts", "L", "RPI", "seq", "mP", "iP", "mIv", "iv"})

    def __init__(self, url: str, reader: PublicReader, instruments: Sequence[Instrument]) -> None:
        self._url = url
        self._reader = reader
        self._markets = {each.venue_symbol: _Market(each) for each in instruments}

    def topics(self, feed: Feed) -> list[tuple[str, str]]:
        """The topics of a feed; marks come with every instrument."""
        symbol = self.room.instrument(feed.instrument).venue_symbol
        if feed.kind is FeedKind.BAR:
            name = f"kline.{name_of(feed.interval_ns)}"
        else:
            name = {FeedKind.BOOK: DEPTH_TOPIC, FeedKind.BBO: TOUCH_TOPIC, FeedKind.TRADE: "publicTrade"}[feed.kind]
        return [(self._url, f"{name}.{symbol}"), (self._url, f"tickers.{symbol}")]

    def subscribe(self, topics: Sequence[str], number: int, *, on: bool = True) -> str:
        """One subscribe or unsubscribe."""
        op = "subscribe" if on else "unsubscribe"
        return msgspec.json.encode({"req_id": str(number), "op": op, "args": list(topics)}).decode()

    def take(self, url: str, frame: bytes, ts_ns: int) -> int:  # noqa: ARG002 - there is one address
        """One frame: what it is stands at its beginning."""
        head = frame[:_HEAD]
        if b"orderbook." in head:
            book = _book(frame)
            self.room.payloads.look(frame, book)
            self._ladder(book, ts_ns)
        elif b"publicTrade." in head:
            trades = _trades(frame)
            self.room.payloads.look(frame, trades)
            for trade in trades.data:
                self._trade(trade, ts_ns)
        elif b"tickers." in head:
            self._mark(_ticker(frame), ts_ns)
        elif b"kline." in head:
            self._candle(_candles(frame), ts_ns)
        else:
            return self._replied(_reply(frame))
        return 0

    @staticmethod
    def _replied(reply: Reply) -> int:
        if not reply.success:
            raise DataError(f"Bybit refuses {reply.op}: {reply.ret_msg}")
        return int(reply.req_id) if reply.op == "subscribe" and reply.req_id.isdigit() else 0

    # books

    def _ladder(self, message: BookMessage, ts_ns: int) -> None:
        ladder = message.data
        market = self._markets[ladder.s]
        if message.topic.startswith(TOUCH_TOPIC + "."):
            self._touch(market, message, ts_ns)
            return
        book = market.book
        if message.type == "snapshot":
            book.reset(market.levels(ladder.b), market.levels(ladder.a), ladder.u)
            market.asked_ns = 0
            self.room.healed(market.instrument.id)
        elif book.update < 0:
            self._want_snapshot(market, message.topic, ts_ns)
            return
        elif ladder.u == book.update + 1 and ladder.seq >= market.seq:
            book.apply(market.levels(ladder.b), market.levels(ladder.a), ladder.u)
        elif ladder.u <= book.update:
            return  # it was told before
        else:
            self._lose(market, message.topic, ts_ns, f"a change of the book is missing: {book.update}, then {ladder.u}")
            return
        market.seq = ladder.seq
        if book.is_crossed:
            self._lose(market, message.topic, ts_ns, "the book is crossed")
        else:
            self.room.emit(book.event(ts_ns, (message.cts or message.ts) * MS))

    def _lose(self, market: _Market, topic: str, ts_ns: int, why: str) -> None:
        market.book.lose()
        self.room.gap(market.instrument.id, why)
        self._want_snapshot(market, topic, ts_ns)

    def _want_snapshot(self, market: _Market, topic: str, ts_ns: int) -> None:
        if ts_ns >= market.asked_ns + AGAIN_NS:
            market.asked_ns = ts_ns
            self.room.resubscribe(self._url, [topic])

    def _touch(self, market: _Market, message: BookMessage, ts_ns: int) -> None:
        """Best bid and offer; said again when nothing has changed for a while."""
        ladder = message.data
        if ladder.u == market.touch_update or not ladder.b or not ladder.a:
            return
        (bid, bid_qty), (ask, ask_qty) = ladder.b[0], ladder.a[0]
        prices, sizes = market.prices, market.sizes
        quote = Bbo(
            ts_ns=ts_ns,
            venue_ts_ns=(message.cts or message.ts) * MS,
            instrument=market.instrument.id,
            bid=prices[bid],
            bid_qty=sizes[bid_qty],
            ask=prices[ask],
            ask_qty=sizes[ask_qty],
        )
        if quote.bid >= quote.ask:
            raise DataError(f"{ladder.s}: the quote is crossed, bid {bid} and ask {ask}")
        market.touch_update = ladder.u
        self.room.emit(quote)

    # the rest

    def _trade(self, trade: WireTrade, ts_ns: int) -> None:
        market, side = self._markets[trade.s], SIDES.get(trade.S)
        if side is None:
            raise DataError(f"{trade.s}: a trade's side is {trade.S!r:.40}, expected Buy or Sell")
        if trade.BT or not market.is_new(trade):
            return
        self.room.emit(
            Trade(
                ts_ns=ts_ns,
                venue_ts_ns=trade.T * MS,
                instrument=market.instrument.id,
                price=market.prices[trade.p],
                qty=market.sizes[trade.v],
                side=side,
                trade_id=trade.i,
            )
        )

    def _candle(self, message: CandleMessage, ts_ns: int) -> None:
        market = self._markets[message.topic.rpartition(".")[2]]
        for candle in message.data:
            if candle.confirm:
                interval_ns = _INTERVALS_NS[candle.interval]
                texts = (candle.open, candle.high, candle.low, candle.close, candle.volume)
                bar = bar_of(market.instrument, interval_ns, [str(candle.start), *texts])
                bar.ts_ns = ts_ns
                self.room.finished(bar)

    def _mark(self, message: TickerMessage, ts_ns: int) -> None:
        """The mark is finer than the price scale: it is rounded to it."""
        ticker = message.data
        if not ticker.mark_price and not ticker.funding_rate:
            return
        market = self._markets[ticker.symbol]
        market.mark, market.rate = ticker.mark_price or market.mark, ticker.funding_rate or market.rate
        price, rate = Decimal(market.mark or "NaN"), Decimal(market.rate)
        if not price.is_finite() or price <= 0 or not rate.is_finite() or abs(rate) > 1:
            said = f"mark price {market.mark!r:.40} or funding {market.rate!r:.40}"
            market.mark, market.rate = "", "0"
            raise DataError(f"{ticker.symbol}: {said} makes no sense")
        self.room.emit(
            Mark(
                ts_ns=ts_ns,
                venue_ts_ns=message.ts * MS,
                instrument=market.instrument.id,
                price=int(price.scaleb(market.instrument.price_decimals).to_integral_value()),
                funding_rate=rate,
            )
        )

    def lost(self, url: str) -> None:  # noqa: ARG002 - there is one address
        """Books begin again with the snapshots of the next connection."""
        for market in self._markets.values():
            market.book.lose()
            market.asked_ns = 0
            market.touch_update = 0

    async def bars(self, instrument: Instrument, interval_ns: int, start_ns: int, end_ns: int) -> list[Bar]:
        """Finished bars, page by page. Raises `VenueError`, `DataError`."""
        found: list[Bar] = []
        while start_ns < end_ns:
            until_ns = min(end_ns, start_ns + 1_000 * interval_ns)
            found += await read_candles(self._reader, instrument, interval_ns, start_ns, until_ns)
            start_ns = until_ns
        return found

    async def instruments(self) -> Sequence[Instrument]:
        """Every contract of the venue. Raises `VenueError`."""
        return await read_contracts(self._reader)

    async def aclose(self) -> None:
        """Disconnect."""
        await self._reader.aclose()
