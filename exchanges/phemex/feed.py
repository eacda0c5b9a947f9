"""Phemex's public market data, native: msgspec from the bytes, integers by a table.

    orderbook_p              a snapshot, then changes; a snapshot again every minute; best bid and offer too
    trade_p, kline_p         history first, then what is new
    perp_market24h_pack_p    mark prices and funding rates of all contracts

`sequence` cannot tell that a change is missing: it is shared by many symbols, and most changes advance it by more than
one. What it can tell is that a message is older than the last. So a book is held to more: it must not be crossed, and
it must be what the venue's snapshot of every minute says; else the instrument is GAP and the book begins again.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import ClassVar

import msgspec
from msgspec import Struct, field

from domain.errors import ConfigError, DataError
from domain.instrument import Instrument
from domain.market import Bar, Bbo, Feed, FeedKind, Level, Mark, Trade
from exchanges.phemex.config import Network
from exchanges.phemex.history import Kline, bar_of, read_candles, read_instruments, seconds_of
from exchanges.shared.candles import BarClock
from exchanges.shared.integers import Integers
from exchanges.viaccxt.book import LocalBook
from exchanges.viaccxt.feed import FeedDialect
from exchanges.viaccxt.pages import PublicReader

LINES, SUBSCRIPTIONS = 4, 18
"""The venue allows a client 5 connections, one of which is the account's, and each 20 subscriptions and requests a
second."""
MARKS = "perp_market24h_pack_p"
SIDES = {"Buy": 1, "Sell": -1}


class WireSides(Struct, gc=False):
    """Levels that are, or have changed; quantity 0 = gone."""

    asks: list[tuple[str, str]]
    bids: list[tuple[str, str]]


class WireError(Struct):
    """Why something is not subscribed."""

    code: int = 0
    message: str = ""


class Frame(Struct, gc=False):
    """Any message: which of the fields it has says what it is."""

    symbol: str = ""
    type: str = ""
    sequence: int = 0
    timestamp: int = 0
    book: WireSides | None = field(name="orderbook_p", default=None)
    trades: list[tuple[int, str, str, str]] | None = field(name="trades_p", default=None)
    klines: list[Kline] | None = field(name="kline_p", default=None)
    fields: list[str] | None = None
    data: list[list[str | None]] | None = None
    id: int | None = None
    error: WireError | None = None


_decode = msgspec.json.Decoder(Frame).decode


class _Market:
    """What is kept of one symbol."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.prices = Integers(instrument, "Phemex", is_price=True)
        self.sizes = Integers(instrument, "Phemex", is_price=False, zero=True)
        self.book = LocalBook(instrument.id)
        self.wants_book = False
        self.wants_quote = False
        self.touch: tuple[Level, Level] | None = None
        self.trade_ns = 0
        self.candles: dict[int, BarClock] = {}

    def levels(self, side: Sequence[tuple[str, str]]) -> list[Level]:
        """Texts as integers."""
        prices, sizes = self.prices, self.sizes
        return [(prices[price], sizes[qty]) for price, qty in side]


class PhemexFeedDialect(FeedDialect):
    """The public channels of one network."""

    venue: ClassVar[str] = "PHEMEX"
    ping: ClassVar[str] = '{"id":0,"method":"server.ping","params":[]}'
    beat_s: ClassVar[int] = 5
    """Who only listens is dropped after 30 s, whatever comes."""
    batch: ClassVar[int] = 1

    def __init__(self, network: Network, reader: PublicReader, instruments: Sequence[Instrument]) -> None:
        self._ws = network.ws
        self._reader = reader
        self._markets = {each.venue_symbol: _Market(each) for each in instruments}
        self._places: dict[str, str] = {}
        """The address of each topic: connections differ by what stands behind the #."""

    # subscriptions

    def topics(self, feed: Feed) -> list[tuple[str, str]]:
        """The channels of a feed; marks come with every instrument."""
        market = self._markets[self.room.instrument(feed.instrument).venue_symbol]
        symbol = market.instrument.venue_symbol
        if feed.kind is FeedKind.BAR:
            market.candles.setdefault(seconds_of(feed.interval_ns), BarClock(feed.interval_ns))
            wanted = f"kline_p {symbol} {seconds_of(feed.interval_ns)}"
        else:
            market.wants_book |= feed.kind is FeedKind.BOOK
            market.wants_quote |= feed.kind is FeedKind.BBO
            wanted = f"{'trade_p' if feed.kind is FeedKind.TRADE else 'orderbook_p'} {symbol}"
        return [(self._place(topic), topic) for topic in (wanted, MARKS)]

    def _place(self, topic: str) -> str:
        if topic not in self._places:
            number = len(self._places) // SUBSCRIPTIONS
            if number >= LINES:
                raise ConfigError(
                    f"Phemex lets a client have {LINES * SUBSCRIPTIONS} channels beside its account; ask for fewer"
                )
            self._places[topic] = f"{self._ws}#{number}"
        return self._places[topic]

    def subscribe(self, topics: Sequence[str], number: int, *, on: bool = True) -> str:
        """One request. A book is not unsubscribed, for that would end all of them: it is just asked for again."""
        kind, *params = topics[0].split(" ")
        if not on and kind == "orderbook_p":
            return self.ping
        asked = [*params[:1], *map(int, params[1:])]
        method = f"{kind}.{'subscribe' if on else 'unsubscribe'}"
        return msgspec.json.encode({"id": number, "method": method, "params": asked}).decode()

    # frames

    def take(self, url: str, frame: bytes, ts_ns: int) -> int:
        """One frame."""
        message = _decode(frame)
        if message.book is not None:
            self._book(url, self._markets[message.symbol], message, message.book, ts_ns)
        elif message.trades is not None:
            self._trades(self._markets[message.symbol], message.trades, ts_ns, is_new=message.type == "incremental")
        elif message.klines is not None:
            self._klines(self._markets[message.symbol], message.klines, ts_ns)
        elif message.data is not None and message.fields is not None:
            self._marks(message.fields, message.data, message.timestamp, ts_ns)
        elif message.error is not None:
            raise DataError(f"Phemex refuses request {message.id}: {message.error.code} {message.error.message}")
        else:
            return message.id or 0
        return 0

    def _book(self, url: str, market: _Market, message: Frame, sides: WireSides, ts_ns: int) -> None:
        book, sequence = market.book, message.sequence
        if sequence < book.update:
            self._begin_again(url, market, f"the book went back from {book.update} to {sequence}")
        elif message.type == "snapshot":
            if book.update >= 0 and not self._is_same(market, sides):
                self.room.gap(market.instrument.id, "the book is not what the venue's snapshot says: one was lost")
            book.reset(market.levels(sides.bids), market.levels(sides.asks), sequence)
            self.room.healed(market.instrument.id)
            self._show(url, market, ts_ns, message.timestamp)
        elif book.update >= 0:
            book.apply(market.levels(sides.bids), market.levels(sides.asks), sequence)
            self._show(url, market, ts_ns, message.timestamp)

    def _is_same(self, market: _Market, sides: WireSides) -> bool:
        """Whether the book is what a snapshot says; levels that have left the window may still be here."""
        for side, levels in ((market.book.bids, sides.bids), (market.book.asks, sides.asks)):
            if side.top(len(levels)) != tuple(market.levels(levels)):
                return False
        return True

    def _begin_again(self, url: str, market: _Market, why: str) -> None:
        market.book.lose()
        self.room.gap(market.instrument.id, why)
        self.room.resubscribe(url, [f"orderbook_p {market.instrument.venue_symbol}"])

    def _show(self, url: str, market: _Market, ts_ns: int, venue_ts_ns: int) -> None:
        event = market.book.event(ts_ns, venue_ts_ns)
        bid, ask = event.bids[:1], event.asks[:1]
        if bid and ask and bid[0][0] >= ask[0][0]:
            self._begin_again(url, market, "the book is crossed: a change was lost")
            return
        if market.wants_book:
            self.room.emit(event)
        if market.wants_quote and bid and ask and (bid[0], ask[0]) != market.touch:
            market.touch = (bid[0], ask[0])
            self.room.emit(
                Bbo(
                    ts_ns=ts_ns,
                    venue_ts_ns=venue_ts_ns,
                    instrument=market.instrument.id,
                    bid=bid[0][0],
                    bid_qty=bid[0][1],
                    ask=ask[0][0],
                    ask_qty=ask[0][1],
                )
            )

    def _trades(self, market: _Market, rows: list[tuple[int, str, str, str]], ts_ns: int, *, is_new: bool) -> None:
        """Newest first. What comes on subscribing is history, and tells what was missed when we were away."""
        last_ns = market.trade_ns
        for number, (time_ns, side, price, qty) in enumerate(reversed(rows)):
            if not is_new and (not last_ns or time_ns <= last_ns):
                market.trade_ns = max(market.trade_ns, time_ns)
                continue
            market.trade_ns = max(market.trade_ns, time_ns)
            self.room.emit(
                Trade(
                    ts_ns=ts_ns,
                    venue_ts_ns=time_ns,
                    instrument=market.instrument.id,
                    price=market.prices[price],
                    qty=market.sizes[qty],
                    side=SIDES[side],
                    trade_id=f"{time_ns}-{number}",
                )
            )

    def _klines(self, market: _Market, rows: list[Kline], ts_ns: int) -> None:
        """The running candle as it is now; one that a later candle follows is finished."""
        for row in sorted(rows):
            clock = market.candles.get(row[1])
            done = clock.take(bar_of(market.instrument, row)) if clock is not None else None
            if done is not None:
                done.ts_ns = ts_ns
                self.room.finished(done)

    def _marks(self, names: list[str], rows: list[list[str | None]], venue_ts_ns: int, ts_ns: int) -> None:
        """The mark is finer than the price scale: it is rounded to it. One that makes no sense costs no other."""
        bad = ""
        symbol, mark, rate = names.index("symbol"), names.index("markRp"), names.index("fundingRateRr")
        for row in rows:
            market = self._markets.get(row[symbol] or "")
            if market is None:
                continue
            price, funding = Decimal(row[mark] or "NaN"), Decimal(row[rate] or "0")
            if not price.is_finite() or price <= 0 or not funding.is_finite() or abs(funding) > 1:
                bad = f"{row[symbol]}: mark {row[mark]!r:.40} or funding {row[rate]!r:.40} makes no sense"
                continue
            scaled = price.scaleb(market.instrument.price_decimals).to_integral_value()
            self.room.emit(
                Mark(
                    ts_ns=ts_ns,
                    venue_ts_ns=venue_ts_ns,
                    instrument=market.instrument.id,
                    price=int(scaled),
                    funding_rate=funding,
                )
            )
        if bad:
            raise DataError(bad)

    def lost(self, url: str) -> None:
        """Books and running candles end with their connection."""
        for topic, place in self._places.items():
            kind, _, rest = topic.partition(" ")
            market = self._markets.get(rest.partition(" ")[0])
            if place != url or market is None:
                continue
            if kind == "orderbook_p":
                market.book.lose()
                market.touch = None
            elif kind == "kline_p":
                market.candles[int(rest.partition(" ")[2])].forget()

    # REST

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
        return await read_instruments(self._reader)

    async def aclose(self) -> None:
        """Close the REST side."""
        await self._reader.aclose()
