"""dYdX's public market data: the indexer's channels as a `FeedDialect`.

    v4_orderbook   a book, then its changes; may be crossed: see `book`. Quotes are the touch of it
    v4_trades      trades; the first message of a subscription is history
    v4_candles     every change of the running candle, never "closed": the time of the blocks closes it
    v4_markets     oracle price, which margins and triggers go by, and the next funding rate
    v4_block_height   the venue's time

Messages of a connection are numbered. A hole says that something was lost, not what: every channel begins again.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import ClassVar

import msgspec

from domain.errors import ConfigError, DataError
from domain.instrument import Instrument
from domain.market import Bar, Bbo, Feed, FeedKind, Level, Mark, Trade
from exchanges.dydx.book import UncrossedBook
from exchanges.dydx.config import SUBSCRIPTIONS_A_CHANNEL
from exchanges.dydx.history import bar_of, read_candles, trade_of
from exchanges.dydx.markets import FeeTier, active, market_of
from exchanges.dydx.wire import (
    RESOLUTIONS,
    Frame,
    LevelChange,
    WireBook,
    WireCandle,
    WireCandles,
    WireDelta,
    WireHeightUpdate,
    WireLevel,
    WireMarkets,
    WireMarketsUpdate,
    WireTrade,
    WireTrades,
    decoded,
    ns_of,
)
from exchanges.shared.candles import BarClock
from exchanges.shared.integers import Integers
from exchanges.viaccxt.feed import FeedDialect
from exchanges.viaccxt.pages import PublicReader

BOOK, TRADES, CANDLES, MARKETS, HEIGHT = "v4_orderbook", "v4_trades", "v4_candles", "v4_markets", "v4_block_height"
REMEMBERED_TRADES = 4_096
BAR_GRACE_NS = 500_000_000
"""A bar is finished when the time of a block is past its close by so much."""
_frame = msgspec.json.Decoder(Frame).decode


class _Market:
    """What is kept of one ticker."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.prices = Integers(instrument, "dYdX", is_price=True)
        self.sizes = Integers(instrument, "dYdX", is_price=False, zero=True)
        self.book = UncrossedBook(instrument.id)
        self.kinds: set[FeedKind] = set()
        self.touch: tuple[Level, Level] | None = None
        self.trades: dict[str, None] = {}
        self.was_traded = False
        """The trades of a first subscription are known; those of a later one are news."""
        self.mark = 0
        self.rate = Decimal(0)

    def levels(self, side: Sequence[WireLevel | LevelChange]) -> list[Level]:
        """Texts as integers."""
        prices, sizes = self.prices, self.sizes
        return [(prices[level.price], sizes[level.size]) for level in side]


class DydxFeedDialect(FeedDialect):
    """The public channels of one network, for some instruments."""

    venue: ClassVar[str] = "DYDX"
    batch: ClassVar[int] = 1

    def __init__(self, ws_url: str, reader: PublicReader, instruments: Sequence[Instrument]) -> None:
        self._url = ws_url
        self._reader = reader
        self._markets = {each.venue_symbol: _Market(each) for each in instruments}
        self._bars: dict[str, BarClock] = {}
        self._topics: dict[str, int] = {}
        """All that is subscribed, with the number of the request that waits for its answer (0 = answered)."""
        self._last = -1

    def topics(self, feed: Feed) -> list[tuple[str, str]]:
        """The channels of a feed; oracle prices come with every instrument. Raises `ConfigError`."""
        ticker = self.room.instrument(feed.instrument).venue_symbol
        market = self._markets[ticker]
        common = [f"{MARKETS} ", f"{HEIGHT} "]
        if feed.kind is FeedKind.BAR:
            resolution = RESOLUTIONS.get(feed.interval_ns)
            if resolution is None:
                names = ", ".join(RESOLUTIONS.values())
                raise ConfigError(f"dYdX has no candles of {feed.interval_ns / 1e9:g} s; it has {names}")
            topic = f"{CANDLES} {ticker}/{resolution}"
            self._bars.setdefault(f"{ticker}/{resolution}", BarClock(feed.interval_ns))
        else:
            topic = f"{TRADES if feed.kind is FeedKind.TRADE else BOOK} {ticker}"
            market.kinds.add(feed.kind)
        self._count(topic)
        return [(self._url, name) for name in (topic, *common)]

    def _count(self, topic: str) -> None:
        channel = topic.partition(" ")[0]
        known = [name for name in self._topics if name.partition(" ")[0] == channel]
        if topic not in known and len(known) >= SUBSCRIPTIONS_A_CHANNEL:
            raise ConfigError(
                f"dYdX allows {SUBSCRIPTIONS_A_CHANNEL} subscriptions to {channel}; ask for fewer markets"
            )
        self._topics.setdefault(topic, 0)

    def subscribe(self, topics: Sequence[str], number: int, *, on: bool = True) -> str:
        """One request; the venue takes one channel at a time."""
        [topic] = topics
        channel, _, subject = topic.partition(" ")
        if on:
            self._topics[topic] = number
        request: dict[str, str | bool] = {"type": "subscribe" if on else "unsubscribe", "channel": channel}
        if subject:
            request["id"] = subject
        return msgspec.json.encode(request | ({"batched": False} if on else {})).decode()

    def take(self, url: str, frame: bytes, ts_ns: int) -> int:  # noqa: ARG002 - there is one address
        """One message."""
        message = _frame(frame)
        if message.number > self._last + 1 and self._last >= 0:
            self._begin_again(f"messages {self._last + 1} to {message.number - 1} are missing")
        self._last = max(self._last, message.number)
        if message.type == "error":
            raise DataError(f"dYdX complains: {message.message:.200}")
        is_first = message.type == "subscribed"
        if is_first or message.type == "channel_data":
            self._route(message, ts_ns, is_first=is_first)
        if not is_first:
            return 0
        topic = f"{message.channel} {message.id if message.channel not in {MARKETS, HEIGHT} else ''}"
        number, self._topics[topic] = self._topics[topic], 0
        return number

    def _route(self, message: Frame, ts_ns: int, *, is_first: bool) -> None:
        if message.channel == BOOK:
            self._book(self._markets[message.id], message, ts_ns, is_first=is_first)
        elif message.channel == TRADES:
            told = decoded(message.contents, WireTrades, TRADES).trades
            self._trades(self._markets[message.id], told, ts_ns, is_first=is_first)
        elif message.channel == CANDLES:
            self._candles(message, ts_ns, is_first=is_first)
        elif message.channel == MARKETS:
            self._marks(message, ts_ns, is_first=is_first)
        elif message.channel == HEIGHT and not is_first:
            self._block(ns_of(decoded(message.contents, WireHeightUpdate, HEIGHT).time), ts_ns)

    def _begin_again(self, why: str) -> None:
        for market in self._markets.values():
            market.book.lose()
            self.room.gap(market.instrument.id, why)
        for topic in self._topics:
            if topic.partition(" ")[0] in {BOOK, TRADES}:
                self.room.resubscribe(self._url, [topic])

    # books

    def _book(self, market: _Market, message: Frame, ts_ns: int, *, is_first: bool) -> None:
        book = market.book
        if is_first:
            whole = decoded(message.contents, WireBook, BOOK)
            book.reset(market.levels(whole.bids), market.levels(whole.asks), message.number)
            self.room.healed(market.instrument.id)
        elif book.update >= 0:
            delta = decoded(message.contents, WireDelta, BOOK)
            book.apply(market.levels(delta.bids), market.levels(delta.asks), message.number)
        else:
            return
        if FeedKind.BOOK in market.kinds:
            self.room.emit(book.event(ts_ns, 0))
        if FeedKind.BBO in market.kinds:
            self._quote(market, ts_ns)

    def _quote(self, market: _Market, ts_ns: int) -> None:
        bids, asks = market.book.bids.top(1), market.book.asks.top(1)
        if not bids or not asks or market.touch == (bids[0], asks[0]):
            return
        market.touch = (bids[0], asks[0])
        (bid, bid_qty), (ask, ask_qty) = market.touch
        instrument = market.instrument.id
        self.room.emit(Bbo(ts_ns=ts_ns, instrument=instrument, bid=bid, bid_qty=bid_qty, ask=ask, ask_qty=ask_qty))

    # the rest

    def _trades(self, market: _Market, trades: Sequence[WireTrade], ts_ns: int, *, is_first: bool) -> None:
        is_history = is_first and not market.was_traded
        market.was_traded = market.was_traded or is_first
        for trade in reversed(trades):
            if trade.id in market.trades:
                continue
            market.trades[trade.id] = None
            if len(market.trades) > REMEMBERED_TRADES:
                del market.trades[next(iter(market.trades))]
            if not is_history:
                event: Trade = trade_of(market.instrument, trade)
                event.ts_ns = ts_ns
                self.room.emit(event)

    def _candles(self, message: Frame, ts_ns: int, *, is_first: bool) -> None:
        market, clock = self._markets[message.id.partition("/")[0]], self._bars[message.id]
        if is_first:
            candles = decoded(message.contents, WireCandles, CANDLES).candles[:1]
        else:
            candles = [decoded(message.contents, WireCandle, CANDLES)]
        for candle in candles:
            done = clock.take(bar_of(market.instrument, candle))
            if done is not None:
                self._finish(done, ts_ns)

    def _block(self, time_ns: int, ts_ns: int) -> None:
        for clock in self._bars.values():
            done = clock.due(time_ns - BAR_GRACE_NS)
            if done is not None:
                self._finish(done, ts_ns)

    def _finish(self, bar: Bar, ts_ns: int) -> None:
        bar.ts_ns = ts_ns
        self.room.finished(bar)

    def _marks(self, message: Frame, ts_ns: int, *, is_first: bool) -> None:
        if is_first:
            for ticker, wire in decoded(message.contents, WireMarkets, MARKETS).markets.items():
                self._mark(ticker, wire.oracle_price, wire.next_funding_rate, ts_ns)
            return
        update = decoded(message.contents, WireMarketsUpdate, MARKETS)
        for ticker, trading in update.trading.items():
            self._mark(ticker, None, trading.next_funding_rate, ts_ns)
        for ticker, oracle in update.oracle_prices.items():
            self._mark(ticker, oracle.oracle_price, None, ts_ns)

    def _mark(self, ticker: str, price: str | None, rate: str | None, ts_ns: int) -> None:
        """The oracle price is finer than the price scale: it is rounded to it."""
        market = self._markets.get(ticker)
        if market is None:
            return
        if rate is not None:
            market.rate = Decimal(rate)
        if price is not None:
            value = Decimal(price)
            if not value.is_finite() or value < 0 or abs(market.rate) > 1:
                raise DataError(f"{ticker}: oracle price {price!r:.40} or funding {market.rate} makes no sense")
            market.mark = int(value.scaleb(market.instrument.price_decimals).to_integral_value())
        if market.mark > 0:
            event = Mark(ts_ns=ts_ns, instrument=market.instrument.id, price=market.mark, funding_rate=market.rate)
            self.room.emit(event)

    def lost(self, url: str) -> None:  # noqa: ARG002 - there is one address
        """Books and running candles end with their connection, and numbers begin anew."""
        self._last = -1
        for market in self._markets.values():
            market.book.lose()
            market.touch = None
        for clock in self._bars.values():
            clock.forget()

    async def bars(self, instrument: Instrument, interval_ns: int, start_ns: int, end_ns: int) -> list[Bar]:
        """Finished candles."""
        found = await read_candles(self._reader, instrument, interval_ns, start_ns, end_ns)
        return [bar for bar in found if bar.venue_ts_ns <= end_ns]

    async def instruments(self) -> Sequence[Instrument]:
        """Every active contract; its fees are not here."""
        markets = (await self._reader.read("/perpetualMarkets", WireMarkets)).markets
        return [market_of(wire, FeeTier()).instrument for wire in active(markets.values())]

    async def aclose(self) -> None:
        """Close the REST side."""
        await self._reader.aclose()
