"""What is Bybit's own of its public feed; the rest is in `tests.exchanges.contract.test_feed`."""

import asyncio
import json
import time
from typing import Any

import pytest

from domain.errors import ConfigError, VenueError
from domain.instrument import Instrument
from domain.market import Book, Feed, FeedKind, FeedState, Trade
from exchanges.bybit.feed import BybitFeedDialect
from exchanges.bybit.open import open_feed
from exchanges.shared.payloads import Payloads
from exchanges.viaccxt.dialect import Patience
from exchanges.viaccxt.pages import PublicReader
from tests.exchanges.bybit.desk import setup_at
from tests.exchanges.bybit.ear import BybitEar
from tests.exchanges.bybit.listing import BTC, ETH
from tests.exchanges.bybit.server import Server
from tests.exchanges.desk import WallClock
from tests.exchanges.listening import MINUTE_NS


async def test_after_lost_deltas_nothing_of_before_the_gap_is_left():
    async with BybitEar().listening(FeedKind.BOOK) as ear:
        heard, server = ear.heard, ear.server
        await server.quote("49991", "50010")
        await heard.until(lambda: heard.of(Book) and heard.of(Book)[-1].bids[0][0] == BTC.price("49991"))
        server.faults.lose_deltas = 1
        await server.quote("49980", "50011")
        count = len(heard.of(Book))
        await server.quote("49970", "50012")
        await heard.until(lambda: len(heard.of(Book)) > count)
        book = heard.of(Book)[count]
        assert book.bids == ((BTC.price("49970"), BTC.qty("10")),)
        assert book.venue_ts_ns


async def test_a_restart_of_the_venue_begins_the_book_again():
    async with BybitEar().listening(FeedKind.BOOK) as ear:
        server, heard = ear.server, ear.heard
        await heard.until(lambda: heard.of(Book))
        await server.restart_book()
        await server.quote("49700", "50000")
        await heard.until(lambda: heard.of(Book)[-1].bids[0][0] == BTC.price("49700"))
        assert FeedState.GAP not in heard.states()


async def test_what_was_told_before_changes_nothing_and_a_sequence_that_goes_back_is_a_gap():
    async with BybitEar().listening(FeedKind.BOOK) as ear:
        server, heard = ear.server, ear.heard
        market = server.markets["BTCUSDT"]
        await server.quote("49991", "50010")
        await heard.until(lambda: len(heard.of(Book)) == 2)
        old = market._told("delta", {BTC.price("49995"): 1}, {}, 1)
        await server.talk.book(market, old)
        market.u += 1
        market.seq -= 100
        await server.talk.book(market, market._told("delta", {BTC.price("49995"): 1}, {}, 1))
        await heard.until(lambda: FeedState.GAP in heard.states())
        assert len(heard.of(Book)) == 2


async def test_a_crossed_book_is_a_gap():
    async with BybitEar().listening(FeedKind.BOOK) as ear:
        server, heard = ear.server, ear.heard
        await heard.until(lambda: heard.of(Book))
        market = server.markets["BTCUSDT"]
        market.u += 1
        await server.talk.book(market, market._told("delta", {BTC.price("50020"): 1}, {}, 1))
        await heard.until(lambda: heard.states()[-2:] == [FeedState.GAP, FeedState.LIVE])


async def test_history_is_gap_free_and_ends_with_the_last_finished_bar():
    async with BybitEar().listening(FeedKind.TRADE) as ear:
        feed = ear.feed
        bars = await feed.history(Feed(kind=FeedKind.BAR, instrument=BTC.id, interval_ns=5 * MINUTE_NS), 300)
        assert len(bars) == 300
        assert bars[-1].open_ts_ns + 10 * MINUTE_NS > time.time_ns() - MINUTE_NS


async def test_trades_come_once_and_block_trades_not_at_all():
    async with BybitEar().listening(FeedKind.TRADE) as ear:
        server, feed, heard = ear.server, ear.feed, ear.heard
        market = server.markets["BTCUSDT"]
        await server.trade(1, "50000", "0.1")
        told = market.trades[-1]
        await server.talk.trades(market, [told, {**told, "i": "block", "BT": True}, {**told, "i": "next"}], 1)
        await heard.until(lambda: len(heard.of(Trade)) == 2)
        assert [trade.trade_id for trade in heard.of(Trade)] == [told["i"], "next"]
        await server.talk.trades(market, [{**told, "i": "odd", "S": "Sideways"}], 1)
        await server.trade(1, "50000", "0.1")
        await heard.until(lambda: len(heard.of(Trade)) == 3)
        assert feed.poison == 1


async def test_a_silent_connection_is_asked_for_a_sign_of_life():
    async with BybitEar().listening(FeedKind.TRADE, ping_after_s=0.05) as ear:
        feed, heard = ear.feed, ear.heard
        await asyncio.sleep(0.3)
        assert heard.states() == [FeedState.LIVE]
        assert feed.poison == 0


async def test_what_the_venue_does_not_have_is_refused_with_words():
    async with Server() as server:
        feed = open_feed(setup_at(server), WallClock(), [BTC], Patience(connect_timeout_s=0.3))
        with pytest.raises(ConfigError, match="no candles of 7 s"):
            await feed.start(lambda _: None, [Feed(kind=FeedKind.BAR, instrument=BTC.id, interval_ns=7_000_000_000)])
        with pytest.raises(ConfigError, match="not made for"):
            await feed.start(lambda _: None, [Feed(kind=FeedKind.BOOK, instrument=ETH.id)])
        server.faults.refuse_ws = True
        with pytest.raises(VenueError, match="no market data from BYBIT"):
            await feed.start(lambda _: None, [Feed(kind=FeedKind.BOOK, instrument=BTC.id)])


class Room:
    """What a dialect speaks through, without sockets."""

    clock = WallClock()

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.emit = self.heard.append
        self.healed = self.gap = lambda *_: None
        self.payloads = Payloads("BYBIT", BybitFeedDialect.unread)

    def instrument(self, name: str) -> Instrument:
        return BTC


def test_texts_of_any_number_of_decimals_are_the_same_price():
    dialect = BybitFeedDialect("ws://nowhere", PublicReader("Bybit", "http://nowhere"), [BTC])
    dialect.room = room = Room()  # type: ignore[assignment]
    data = {"s": "BTCUSDT", "b": [["49990.10", "1"]], "a": [["50000", "0.5000"]], "u": 5, "seq": 9, "new": "field"}
    frame = json.dumps({"topic": "orderbook.50.BTCUSDT", "type": "snapshot", "ts": 7, "data": data, "cts": 6})
    assert dialect.take("ws://nowhere", frame.encode(), 1) == 0
    [book] = room.heard
    assert (book.bids, book.asks, book.venue_ts_ns) == (((499_901, 10_000),), ((500_000, 5_000),), 6_000_000)
    assert dict(room.payloads.unknown) == {"BookMessage.data.new": 1}
