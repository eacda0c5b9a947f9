"""dYdX's public feed against the local venue: real sockets, a book that may be crossed, numbers with holes."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from domain.errors import ConfigError, VenueError
from domain.market import Bar, Bbo, Book, Feed, FeedKind, FeedState, FeedStatus, Mark, Trade
from exchanges.dydx.book import UncrossedBook
from exchanges.dydx.open import open_feed
from exchanges.shared.setup import LOCAL, VenueSetup
from exchanges.viaccxt.dialect import Patience
from exchanges.viaccxt.feed import PublicFeed
from tests.exchanges.desk import WallClock
from tests.exchanges.dydx.desk import BTC
from tests.exchanges.dydx.public_market import candle
from tests.exchanges.dydx.server import DydxServer
from tests.exchanges.listening import Heard as EverythingHeard

MINUTE = 60_000_000_000


class Heard(EverythingHeard):
    """What came out of a feed; its states are those of one book, or of the connection."""

    def states(self, instrument: str = "") -> list[FeedState]:
        return [status.state for status in self.of(FeedStatus) if status.instrument == instrument]


def setup_at(server: DydxServer) -> VenueSetup:
    return VenueSetup(venue="DYDX", network=LOCAL, base_url=server.url, connect_timeout_s=5.0)


def feed_of(kind: FeedKind) -> Feed:
    return Feed(kind=kind, instrument=BTC.id, interval_ns=MINUTE if kind is FeedKind.BAR else 0)


@asynccontextmanager
async def listening(*kinds: FeedKind, **patience: Any) -> AsyncIterator[tuple[DydxServer, PublicFeed, Heard]]:
    options = {"connect_timeout_s": 5.0, "backoff_s": 0.02, "backoff_max_s": 0.1, **patience}
    async with DydxServer() as server:
        await server.quote("49990", "50010")
        feed = open_feed(setup_at(server), WallClock(), [BTC], Patience(**options))
        assert isinstance(feed, PublicFeed)
        heard = Heard()
        await feed.start(heard.sink, [feed_of(kind) for kind in kinds])
        try:
            yield server, feed, heard
        finally:
            await feed.aclose()


def trade(price: str, qty: str = "0.25", side: int = -1) -> Trade:
    return Trade(instrument=BTC.id, price=BTC.price(price), qty=BTC.qty(qty), side=side)


async def test_every_kind_of_data_comes_as_events():
    async with listening(*FeedKind) as (server, _, heard):
        await server.quote("49991", "50000", "1.5")
        await server.market(trade("50000"))
        await server.market(Mark(instrument=BTC.id, price=BTC.price("49995"), funding_rate=Decimal("0.0001")))
        await heard.until(lambda: heard.of(Trade) and heard.of(Mark) and heard.of(Mark)[-1].price == 49_995)
        [told] = heard.of(Trade)
        assert (told.price, told.qty, told.side) == (50_000, BTC.qty("0.25"), -1)
        assert heard.of(Mark)[-1].funding_rate == Decimal("0.0001")
        quote, book = heard.of(Bbo)[-1], heard.of(Book)[-1]
        assert (quote.bid, quote.bid_qty, quote.ask) == (49_991, BTC.qty("1.5"), 50_000)
        assert (book.bids, book.asks) == (((49_991, 15_000),), ((50_000, 15_000),))
        assert heard.states() == [FeedState.LIVE]


async def test_a_book_that_is_crossed_on_the_wire_is_not_crossed_here():
    async with listening(FeedKind.BOOK, FeedKind.BBO) as (server, _, heard):
        await server.publish("v4_orderbook", "BTC-USD", {"bids": [["50020", "3"]]})
        await heard.until(lambda: heard.of(Book) and heard.of(Book)[-1].bids[0] == (50_020, 30_000))
        assert heard.of(Book)[-1].asks == (), "the older level went"
        await server.publish("v4_orderbook", "BTC-USD", {"asks": [["50010", "2"]]})
        await heard.until(lambda: heard.of(Book)[-1].asks == ((50_010, 20_000),))
        assert heard.of(Book)[-1].bids == ((49_990, 100_000),)
        assert all(quote.bid < quote.ask for quote in heard.of(Bbo))


def test_of_two_levels_of_one_message_that_cross_the_smaller_one_is_taken_off_the_larger():
    book = UncrossedBook(BTC.id)
    book.reset([(100, 5), (99, 7)], [(98, 8), (101, 1)], 1)
    assert (book.bids.top(3), book.asks.top(3)) == (((99, 4),), ((101, 1),))
    book.apply([(102, 1)], [], 2)
    assert (book.bids.top(1), book.asks.top(1)) == (((102, 1),), ())
    book.apply([], [(101, 6)], 3)
    assert (book.bids.top(1), book.asks.top(1)) == (((99, 4),), ((101, 6),))


async def test_a_hole_in_the_numbers_is_a_gap_until_the_book_has_come_anew():
    async with listening(FeedKind.BOOK) as (server, _, heard):
        server.faults.skip_numbers = 1
        await server.publish("v4_orderbook", "BTC-USD", {"bids": [["49980", "1"]]})
        await server.publish("v4_orderbook", "BTC-USD", {"bids": [["49970", "1"]]})
        await heard.until(lambda: heard.states(BTC.id) == [FeedState.GAP, FeedState.LIVE])
        assert heard.of(Book)[-1].bids == ((49_990, 100_000),), "the venue's whole book, not our guess"


async def test_trades_of_before_are_no_news_and_those_missed_while_away_are():
    async with listening(FeedKind.TRADE) as (server, _, heard):
        await server.market(trade("50001"))
        await heard.until(lambda: len(heard.of(Trade)) == 1)
        server.faults.refuse_ws = True
        server.cut()
        await heard.until(lambda: heard.states()[-1:] == [FeedState.DOWN])
        await server.market(trade("50002"))
        server.faults.refuse_ws = False
        await heard.until(lambda: len(heard.of(Trade)) == 2)
        assert [told.price for told in heard.of(Trade)] == [50_001, 50_002]
        await heard.until(lambda: heard.states() == [FeedState.LIVE, FeedState.DOWN, FeedState.GAP, FeedState.LIVE])


async def test_a_bar_leaves_when_the_time_of_a_block_is_past_its_close():
    async with listening(FeedKind.BAR) as (server, _, heard):
        opened_ns = (time.time_ns() // MINUTE) * MINUTE
        bar = Bar(
            instrument=BTC.id, interval_ns=MINUTE, open_ts_ns=opened_ns, open=50_000, high=50_010, low=49_990,
            close=50_005, volume=12_345,
        )  # fmt: skip
        await server.publish("v4_candles", "BTC-USD/1MIN", candle(bar, BTC, "BTC-USD"))
        server.room.skew_ns = 2 * MINUTE
        await server.block()
        await heard.until(lambda: heard.of(Bar))
        [done] = heard.of(Bar)
        assert (done.open_ts_ns, done.high, done.close, done.volume) == (opened_ns, 50_010, 50_005, 12_345)


async def test_what_makes_no_sense_is_skipped_and_counted():
    async with listening(FeedKind.BOOK) as (server, feed, heard):
        await server.publish("v4_orderbook", "BTC-USD", {"bids": [["many", "1"]]})
        await server.quote("49985", "50010")
        await heard.until(lambda: heard.of(Book)[-1].bids[:1] == ((49_985, 100_000),))
        assert feed.poison == 1


async def test_intervals_and_markets_that_are_not_there_are_refused_with_what_is():
    async with listening(FeedKind.BBO) as (_, feed, _):
        with pytest.raises(ConfigError, match="1MIN, 5MINS"):
            await feed.subscribe([Feed(kind=FeedKind.BAR, instrument=BTC.id, interval_ns=7)])


async def test_a_venue_that_does_not_answer_is_an_error_that_names_it():
    async with DydxServer() as server:
        server.faults.refuse_ws = True
        options = {"connect_timeout_s": 0.3, "backoff_s": 0.02, "backoff_max_s": 0.05}
        feed = open_feed(setup_at(server), WallClock(), [BTC], Patience(**options))
        with pytest.raises(VenueError, match="no market data from DYDX"):
            await feed.start(lambda _: None, [feed_of(FeedKind.BBO)])
