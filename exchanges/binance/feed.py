"""Binance's public market data, native: msgspec from the bytes, integers by a table, books by U/u/pu.

    /public   depth@100ms (changes, each naming the one before), bookTicker
    /market   aggTrade, kline, markPrice@1s

A book is a REST snapshot and every change after it. Until the snapshot has come changes are kept; a change whose `pu`
is not the last `u` says that one was lost: the instrument is GAP, and the book begins again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from decimal import Decimal
from typing import ClassVar

import msgspec
from msgspec import Struct, field

from domain.errors import ConfigError, DataError, Unrepresentable, VenueError
from domain.instrument import Instrument
from domain.market import Bar, Bbo, Feed, FeedKind, Level, Mark, Trade
from exchanges.binance.config import MS, Network
from exchanges.binance.history import INTERVALS, WireCandle, bars_of, read_candles
from exchanges.binance.markets import ExchangeInfo, listed
from exchanges.shared.integers import Integers, nearest
from exchanges.viaccxt.book import LocalBook
from exchanges.viaccxt.feed import FeedDialect
from exchanges.viaccxt.pages import PublicReader

log = logging.getLogger(__name__)

SNAPSHOT_LEVELS, SNAPSHOT_WEIGHT = 500, 10
KEPT_CHANGES = 2_000
"""Changes that wait for a snapshot; a book that is so late begins again."""
AGAIN_S = 1.0


class WireDepth(Struct, tag_field="e", tag="depthUpdate", gc=False):
    """Changes from `first` to `last`, after those up to `before`."""

    symbol: str = field(name="s")
    first: int = field(name="U")
    last: int = field(name="u")
    before: int = field(name="pu")
    bids: list[tuple[str, str]] = field(name="b")
    asks: list[tuple[str, str]] = field(name="a")
    time: int = field(name="T", default=0)


class WireTicker(Struct, tag_field="e", tag="bookTicker", gc=False):
    """Best bid and offer."""

    symbol: str = field(name="s")
    update: int = field(name="u")
    bid: str = field(name="b")
    bid_qty: str = field(name="B")
    ask: str = field(name="a")
    ask_qty: str = field(name="A")
    time: int = field(name="T", default=0)


class WireAggTrade(Struct, tag_field="e", tag="aggTrade", gc=False):
    """Fills of one taker order at one price."""

    symbol: str = field(name="s")
    number: int = field(name="a")
    price: str = field(name="p")
    qty: str = field(name="q")
    time: int = field(name="T")
    is_buyer_maker: bool = field(name="m")


class WireMark(Struct, tag_field="e", tag="markPriceUpdate", gc=False):
    """Mark price and funding rate."""

    symbol: str = field(name="s")
    price: str = field(name="p")
    rate: str = field(name="r")
    time: int = field(name="E")


class WireKline(Struct, tag_field="e", tag="kline", gc=False):
    """A candle as it is now."""

    symbol: str = field(name="s")
    candle: WireCandle = field(name="k")


class WireReply(Struct, gc=False):
    """To a subscription."""

    id: int
    error: msgspec.Raw = msgspec.Raw(b"")


class WireSnapshot(Struct, rename="camel", gc=False):
    """GET depth."""

    last_update_id: int
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


_decode = msgspec.json.Decoder(WireDepth | WireTicker | WireAggTrade | WireMark | WireKline).decode
_reply = msgspec.json.Decoder(WireReply).decode


class _Market:
    """What is kept of one symbol."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.prices = Integers(instrument, "Binance", is_price=True)
        self.sizes = Integers(instrument, "Binance", is_price=False, zero=True)
        self.book = LocalBook(instrument.id)
        self.waiting: deque[WireDepth] = deque()
        self.is_asked = False
        self.is_fresh = False
        """The book is a snapshot that no change has followed yet: the next one may begin before it."""
        self.quote_update = 0
        self.trade = 0

    def levels(self, side: Sequence[tuple[str, str]]) -> list[Level]:
        """Texts as integers."""
        prices, sizes = self.prices, self.sizes
        return [(prices[price], sizes[qty]) for price, qty in side]


class BinanceFeedDialect(FeedDialect):
    """The public streams of one network."""

    venue: ClassVar[str] = "BINANCE"
    unread: ClassVar[frozenset[str]] = frozenset(
        ["E", "T", "s", "i", "P", "f", "L", "n", "q", "V", "Q", "B", "ps", "st", "nq", "ap"]
    )

    def __init__(self, network: Network, reader: PublicReader, instruments: Sequence[Instrument]) -> None:
        self._public = f"{network.ws}/public/ws"
        self._market = f"{network.ws}/market/ws"
        self._reader = reader
        self._markets = {each.venue_symbol: _Market(each) for each in instruments}

    def topics(self, feed: Feed) -> list[tuple[str, str]]:
        """The streams of a feed; marks come with every instrument."""
        name = self.room.instrument(feed.instrument).venue_symbol.lower()
        if feed.kind is FeedKind.BAR:
            interval = INTERVALS.get(feed.interval_ns)
            if interval is None:
                raise ConfigError(
                    f"Binance has no candles of {feed.interval_ns / 1e9:g} s; it has {', '.join(INTERVALS.values())}"
                )
            wanted = (self._market, f"{name}@kline_{interval}")
        else:
            wanted = {
                FeedKind.BOOK: (self._public, f"{name}@depth@100ms"),
                FeedKind.BBO: (self._public, f"{name}@bookTicker"),
                FeedKind.TRADE: (self._market, f"{name}@aggTrade"),
            }[feed.kind]
        return [wanted, (self._market, f"{name}@markPrice@1s")]

    def subscribe(self, topics: Sequence[str], number: int, *, on: bool = True) -> str:
        """One SUBSCRIBE or UNSUBSCRIBE."""
        method = "SUBSCRIBE" if on else "UNSUBSCRIBE"
        return msgspec.json.encode({"method": method, "params": list(topics), "id": number}).decode()

    def take(self, url: str, frame: bytes, ts_ns: int) -> int:  # noqa: ARG002 - what it is the frame says
        """One frame."""
        try:
            message = _decode(frame)
        except msgspec.ValidationError:
            return self._other(frame)
        self.room.payloads.look(frame, message)
        market = self._markets[message.symbol]
        if type(message) is WireDepth:
            self._depth(market, message, ts_ns)
        elif type(message) is WireTicker:
            self._ticker(market, message, ts_ns)
        elif type(message) is WireAggTrade:
            self._trade(market, message, ts_ns)
        elif type(message) is WireMark:
            self._mark(market, message, ts_ns)
        elif type(message) is WireKline:
            candle = message.candle
            if candle.is_closed:
                [bar] = bars_of(market.instrument, [candle])
                bar.ts_ns = ts_ns
                self.room.finished(bar)
        return 0

    def _other(self, frame: bytes) -> int:
        reply = _reply(frame)
        refusal = bytes(reply.error)
        if refusal not in {b"", b"null"}:
            raise DataError(f"Binance refuses a subscription: {refusal[:200]!r}")
        return reply.id

    # books

    def _depth(self, market: _Market, change: WireDepth, ts_ns: int) -> None:
        book = market.book
        if book.update < 0:
            market.waiting.append(change)
            if len(market.waiting) > KEPT_CHANGES:
                market.waiting.popleft()
            self._want_snapshot(market)
        elif change.before == book.update or (market.is_fresh and change.first <= book.update + 1 <= change.last + 1):
            market.is_fresh = False
            book.apply(market.levels(change.bids), market.levels(change.asks), change.last)
            self._show(market, ts_ns, change.time)
        elif change.last > book.update:
            self._begin_again(market, f"a change of the book is missing: {book.update}, then {change.before}", change)

    def _show(self, market: _Market, ts_ns: int, time_ms: int) -> None:
        if market.book.is_crossed:
            self._begin_again(market, "the book is crossed", None)
        else:
            self.room.emit(market.book.event(ts_ns, time_ms * MS))

    def _begin_again(self, market: _Market, why: str, change: WireDepth | None) -> None:
        market.book.lose()
        market.waiting.clear()
        if change is not None:
            market.waiting.append(change)
        self.room.gap(market.instrument.id, why)
        self._want_snapshot(market)

    def _want_snapshot(self, market: _Market) -> None:
        if not market.is_asked:
            market.is_asked = True
            self.room.spawn(self._snapshot(market))

    async def _snapshot(self, market: _Market) -> None:
        """Fetch the book until it meets the changes that came since."""
        instrument = market.instrument
        params: dict[str, str | int] = {"symbol": instrument.venue_symbol, "limit": SNAPSHOT_LEVELS}
        try:
            while market.book.update < 0 and market.waiting:
                try:
                    told = await self._reader.read("/fapi/v1/depth", WireSnapshot, params, SNAPSHOT_WEIGHT)
                    if self._join(market, told):
                        self.room.healed(instrument.id)
                        self._show(market, self.room.clock.now_ns(), 0)
                        return
                except (VenueError, DataError, Unrepresentable) as error:
                    log.warning("the book of %s could not be fetched yet: %s", instrument.id, error)
                await asyncio.sleep(AGAIN_S)
        finally:
            market.is_asked = False

    def _join(self, market: _Market, told: WireSnapshot) -> bool:
        """Snapshot and changes as one book; False when the snapshot is older than the first change."""
        changes = [change for change in market.waiting if change.last >= told.last_update_id]
        if changes and changes[0].first > told.last_update_id + 1:
            return False
        book = market.book
        book.reset(market.levels(told.bids), market.levels(told.asks), told.last_update_id)
        for number, change in enumerate(changes):
            if number and change.before != book.update:
                book.lose()
                market.waiting.clear()
                return False
            book.apply(market.levels(change.bids), market.levels(change.asks), change.last)
        market.waiting.clear()
        market.is_fresh = not changes
        return True

    # the rest

    def _ticker(self, market: _Market, ticker: WireTicker, ts_ns: int) -> None:
        if ticker.update <= market.quote_update:
            return
        market.quote_update = ticker.update
        prices, sizes = market.prices, market.sizes
        quote = Bbo(
            ts_ns=ts_ns,
            venue_ts_ns=ticker.time * MS,
            instrument=market.instrument.id,
            bid=prices[ticker.bid],
            bid_qty=sizes[ticker.bid_qty],
            ask=prices[ticker.ask],
            ask_qty=sizes[ticker.ask_qty],
        )
        if quote.bid >= quote.ask:
            raise DataError(f"{ticker.symbol}: the quote is crossed, bid {ticker.bid} and ask {ticker.ask}")
        self.room.emit(quote)

    def _trade(self, market: _Market, trade: WireAggTrade, ts_ns: int) -> None:
        last, market.trade = market.trade, max(market.trade, trade.number)
        if trade.number <= last:
            return
        if last and trade.number > last + 1:
            self.room.gap(market.instrument.id, f"{trade.number - last - 1} trades are missing")
            self.room.healed(market.instrument.id)
        self.room.emit(
            Trade(
                ts_ns=ts_ns,
                venue_ts_ns=trade.time * MS,
                instrument=market.instrument.id,
                price=market.prices[trade.price],
                qty=market.sizes[trade.qty],
                side=-1 if trade.is_buyer_maker else 1,
                trade_id=str(trade.number),
            )
        )

    def _mark(self, market: _Market, mark: WireMark, ts_ns: int) -> None:
        """The mark is finer than the price scale: it is rounded to it."""
        price, rate = nearest(mark.price, market.instrument.price_decimals, "Binance"), Decimal(mark.rate or "0")
        if not price or not rate.is_finite() or abs(rate) > 1:
            raise DataError(f"{mark.symbol}: mark price {mark.price!r:.40} or funding {mark.rate!r:.40} makes no sense")
        self.room.emit(
            Mark(
                ts_ns=ts_ns,
                venue_ts_ns=mark.time * MS,
                instrument=market.instrument.id,
                price=price,
                funding_rate=rate,
            )
        )

    def lost(self, url: str) -> None:
        """Books end with their connection."""
        if url == self._public:
            for market in self._markets.values():
                market.book.lose()
                market.waiting.clear()

    async def bars(self, instrument: Instrument, interval_ns: int, start_ns: int, end_ns: int) -> list[Bar]:
        """Finished candles, page by page."""
        found: list[Bar] = []
        while start_ns + interval_ns <= end_ns:
            page = await read_candles(self._reader, instrument, interval_ns, start_ns, end_ns)
            found += [bar for bar in page if bar.venue_ts_ns <= end_ns]
            if not page or page[-1].open_ts_ns < start_ns:
                break
            start_ns = page[-1].open_ts_ns + interval_ns
        return found

    async def instruments(self) -> Sequence[Instrument]:
        """Every contract that is traded now."""
        return list(listed(await self._reader.read("/fapi/v1/exchangeInfo", ExchangeInfo)))

    async def aclose(self) -> None:
        """Close the REST side."""
        await self._reader.aclose()
