"""Binance's public feed against the local venue: real sockets, our own gap checks."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from domain.errors import ConfigError, VenueError
from domain.market import Bar, Bbo, Book, Feed, FeedKind, FeedState, FeedStatus, Mark, MarketEvent, Trade
from exchanges.binance.open import open_feed
from exchanges.viaccxt.dialect import Patience
from exchanges.viaccxt.feed import PublicFeed
from tests.exchanges.binance.desk import setup_at
from tests.exchanges.binance.server import BinanceServer
from tests.exchanges.desk import WallClock

MINUTE = 60_000_000_000


class Heard:
    """What came out of a feed."""

    def __init__(self) -> None:
        self.events: list[MarketEvent | FeedStatus] = []
        self._more = asyncio.Event()

    def sink(self, event: MarketEvent | FeedStatus) -> None:
        self.events.append(event)
        self._more.set()

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def states(self) -> list[FeedState]:
        return [status.state for status in self.of(FeedStatus)]

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self._more.clear()
                await self._more.wait()


@asynccontextmanager
async def listening(*kinds: FeedKind, **patience: Any) -> AsyncIterator[tuple[BinanceServer, PublicFeed, Heard]]:
    options = {"connect_timeout_s": 5.0, "backoff_s": 0.02, "backoff_max_s": 0.1, **patience}
    async with BinanceServer() as server:
        await server.quote("49990", "50010")
        btc = server.room.instruments[0]
        feed = open_feed(setup_at(server), WallClock(), [btc], Patience(**options))
        assert isinstance(feed, PublicFeed)
        heard = Heard()
        feeds = [
            Feed(kind=kind, instrument=btc.id, interval_ns=MINUTE if kind is FeedKind.BAR else 0) for kind in kinds
        ]
        await feed.start(heard.sink, feeds)
        try:
            yield server, feed, heard
        finally:
            await feed.aclose()


async def test_every_kind_of_data_comes_as_events():
    async with listening(*FeedKind) as (server, _, heard):
        i = server.room.instruments[0]
        await server.quote("49991.1", "50000", "1.5")
        await server.market(Trade(instrument=i.id, price=i.price("50000"), qty=i.qty("0.25"), side=-1))
        await server.market(Mark(instrument=i.id, price=i.price("49995.1"), funding_rate=Decimal("0.0001")))
        await heard.until(lambda: heard.of(Book) and heard.of(Bbo) and heard.of(Trade) and heard.of(Mark))
        [trade] = heard.of(Trade)
        assert (trade.price, trade.qty, trade.side) == (i.price("50000"), i.qty("0.25"), -1)
        quote = heard.of(Bbo)[-1]
        assert (quote.bid, quote.bid_qty) == (i.price("49991.1"), i.qty("1.5"))
        await heard.until(lambda: heard.of(Book)[-1].bids == ((i.price("49991.1"), i.qty("1.5")),))
        assert heard.of(Mark)[-1].funding_rate == Decimal("0.0001")
        assert heard.states()[0] is FeedState.LIVE
        assert all(event.ts_ns and event.venue_ts_ns for event in heard.of(Trade) + heard.of(Bbo))


async def test_a_lost_change_of_the_book_is_a_gap_and_the_book_begins_again():
    async with listening(FeedKind.BOOK) as (server, _, heard):
        i = server.room.instruments[0]
        await server.quote("49990", "50000")
        await heard.until(lambda: heard.of(Book))
        server.faults.skip_depth = 1
        await server.quote("49980", "50001")
        count = len(heard.of(Book))
        await server.quote("49970", "50002")
        await heard.until(lambda: heard.states()[-2:] == [FeedState.GAP, FeedState.LIVE])
        assert heard.of(FeedStatus)[-1].instrument == i.id
        await heard.until(lambda: len(heard.of(Book)) > count)
        assert heard.of(Book)[count].bids == ((i.price("49970"), i.qty("10")),)
        assert ("GET", "depth") in server.asked


async def test_a_book_joins_changes_that_came_before_its_snapshot():
    async with listening(FeedKind.BOOK) as (server, _, heard):
        for bid in range(49_900, 49_950):
            await server.quote(str(bid), "50000")
        i = server.room.instruments[0]
        await heard.until(lambda: heard.of(Book) and heard.of(Book)[-1].bids[0][0] == i.price("49949"))
        assert FeedState.GAP not in heard.states()


async def test_gap_after_a_reconnect_is_told_and_the_book_is_whole_again():
    async with listening(FeedKind.BOOK, FeedKind.TRADE) as (server, feed, heard):
        i = server.room.instruments[0]
        await server.quote("49990", "50000")
        await heard.until(lambda: heard.of(Book))
        server.cut()
        await heard.until(lambda: FeedState.DOWN in heard.states())
        await heard.until(lambda: heard.states()[-1] is FeedState.LIVE)
        assert heard.states() == [FeedState.LIVE, FeedState.DOWN, FeedState.GAP, FeedState.LIVE]
        assert feed.reconnects == 1
        await server.quote("49800", "50000")
        await heard.until(lambda: heard.of(Book)[-1].bids[0][0] == i.price("49800"))


async def test_trades_that_were_missed_are_a_gap():
    async with listening(FeedKind.TRADE) as (server, _, heard):
        i = server.room.instruments[0]
        trade = Trade(instrument=i.id, price=i.price("50000"), qty=i.qty("0.1"), side=1)
        await server.market(trade)
        await heard.until(lambda: heard.of(Trade))
        list(server.public.tell(trade))  # nobody hears of it
        await server.market(trade)
        await heard.until(lambda: len(heard.of(Trade)) == 2)
        assert heard.states() == [FeedState.LIVE, FeedState.GAP, FeedState.LIVE]


def bar(instrument: str, opened_ns: int) -> Bar:
    prices = {"open": 5_000_000, "high": 5_000_500, "low": 4_999_500, "close": 5_000_100}
    return Bar(instrument=instrument, interval_ns=MINUTE, open_ts_ns=opened_ns, volume=1_000, **prices)


def bars_until(instrument: str, interval_ns: int, end_ns: int, count: int) -> list[Bar]:
    last = end_ns // interval_ns * interval_ns
    return [bar(instrument, last - (n + 1) * interval_ns) for n in reversed(range(count))]


async def test_a_closed_candle_is_a_bar_and_missed_ones_are_fetched_before_it():
    async with listening(FeedKind.BAR) as (server, feed, heard):
        server.bars = bars_until
        i = server.room.instruments[0]
        [key] = feed._bars.due
        feed._bars.due[key] -= 3 * MINUTE  # as if it had been away
        running = time.time_ns() // MINUTE * MINUTE
        texts = {"o": "50000.0", "h": "50000.0", "l": "50000.0", "c": "50000.0", "v": "1"}
        k = {"t": running // 10**6, "T": running // 10**6 + 59_999, "s": "BTCUSDT", "i": "1m", "x": True, **texts}
        frame = json.dumps({"e": "kline", "E": 1, "s": "BTCUSDT", "k": k}).encode()
        feed._dialect.take("", frame, 1)
        await heard.until(lambda: len(heard.of(Bar)) == 3)
        opened = [event.open_ts_ns for event in heard.of(Bar)]
        assert opened == [running - 3 * MINUTE, running - 2 * MINUTE, running - MINUTE]
        feed._dialect.take("", frame, 1)
        assert heard.of(Bar)[-1].open_ts_ns == running
        feed._dialect.take("", frame, 1)
        assert len(heard.of(Bar)) == 4, "each once"
        assert heard.of(Bar)[-1].close == i.price("50000")


async def test_history_gives_the_last_finished_bars():
    async with listening(FeedKind.BBO) as (server, feed, _):
        server.bars = bars_until
        i = server.room.instruments[0]
        found = await feed.history(Feed(kind=FeedKind.BAR, instrument=i.id, interval_ns=MINUTE), 50)
        assert len(found) == 50
        assert found[-1].open_ts_ns == time.time_ns() // MINUTE * MINUTE - MINUTE
        assert (found[0].close, found[0].volume) == (5_000_100, 1_000)


async def test_what_makes_no_sense_is_counted_and_skipped():
    async with listening(FeedKind.BBO, FeedKind.TRADE) as (server, feed, heard):
        for frame in (b"{", b"[]", b'{"e":"aggTrade","s":"BTCUSDT"}', b'{"e":"nonsense"}', b'{"id":7}'):
            feed._take(next(iter(feed._lines.values())), frame)
        assert feed.poison == 4
        await server.quote("49991", "50000")
        await heard.until(lambda: heard.of(Bbo))


async def test_unknown_contracts_and_intervals_are_refused_with_words():
    async with listening(FeedKind.BBO) as (server, feed, _):
        with pytest.raises(ConfigError, match="was not made for"):
            await feed.subscribe([Feed(kind=FeedKind.BBO, instrument="XYZ-USDT-PERP.BINANCE")])
        i = server.room.instruments[0]
        with pytest.raises(ConfigError, match="no candles of 7 s; it has 1m"):
            await feed.subscribe([Feed(kind=FeedKind.BAR, instrument=i.id, interval_ns=7_000_000_000)])


async def test_a_venue_that_is_not_there_is_said():
    async with BinanceServer() as server:
        setup, i = setup_at(server), server.room.instruments[0]
    feed = open_feed(setup, WallClock(), [i], Patience(connect_timeout_s=0.3, backoff_s=0.05))
    with pytest.raises(VenueError, match="no market data from BINANCE"):
        await feed.start(lambda _: None, [Feed(kind=FeedKind.BBO, instrument=i.id)])
