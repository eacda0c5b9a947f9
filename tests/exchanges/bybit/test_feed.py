"""Bybit's public feed against the local venue: real sockets, our own gap checks."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from domain.errors import ConfigError, VenueError
from domain.instrument import Instrument
from domain.market import Bar, Bbo, Book, Feed, FeedKind, FeedState, FeedStatus, Mark, MarketEvent, Trade
from exchanges.bybit.feed import BybitFeedDialect
from exchanges.bybit.open import open_feed
from exchanges.shared.payloads import Payloads
from exchanges.viaccxt.dialect import Patience
from exchanges.viaccxt.feed import PublicFeed
from exchanges.viaccxt.pages import PublicReader
from tests.exchanges.bybit.desk import setup_at
from tests.exchanges.bybit.listing import BTC, ETH
from tests.exchanges.bybit.server import Server
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
async def listening(*kinds: FeedKind, **patience: Any) -> AsyncIterator[tuple[Server, PublicFeed, Heard]]:
    options = {"connect_timeout_s": 5.0, "backoff_s": 0.02, "backoff_max_s": 0.1, **patience}
    async with Server() as server:
        await server.quote("49990", "50010")
        feed = open_feed(setup_at(server), WallClock(), [BTC], Patience(**options))
        assert isinstance(feed, PublicFeed)
        heard = Heard()
        feeds = [
            Feed(kind=kind, instrument=BTC.id, interval_ns=MINUTE if kind is FeedKind.BAR else 0) for kind in kinds
        ]
        await feed.start(heard.sink, feeds)
        try:
            yield server, feed, heard
        finally:
            await feed.aclose()


async def test_every_kind_of_data_comes_as_events():
    async with listening(*FeedKind) as (server, feed, heard):
        await server.quote("49991.1", "50000", "1.5")
        await server.trade(-1, "50000", "0.25")
        await server.market(Mark(instrument=BTC.id, price=BTC.price("49995.1"), funding_rate=Decimal("0.0002")))
        await heard.until(lambda: heard.of(Trade) and heard.of(Mark) and heard.of(Mark)[-1].funding_rate)
        [trade] = heard.of(Trade)
        assert (trade.price, trade.qty, trade.side) == (BTC.price("50000"), BTC.qty("0.25"), -1)
        await heard.until(lambda: heard.of(Bbo)[-1].bid == BTC.price("49991.1"))
        assert (heard.of(Bbo)[-1].ask_qty, heard.of(Book)[-1].asks) == (BTC.qty("1.5"), ((BTC.price("50000"), 15_000),))
        await heard.until(lambda: heard.of(Mark)[-1].price == BTC.price("49995.1"))
        assert heard.of(Mark)[-1].funding_rate == Decimal("0.0002")
        assert all(event.ts_ns and event.venue_ts_ns for event in heard.of(Trade) + heard.of(Bbo) + heard.of(Book))
        assert feed.poison == 0


async def test_deltas_without_their_predecessor_are_a_gap_and_a_new_snapshot_is_asked_for():
    async with listening(FeedKind.BOOK) as (server, _, heard):
        await server.quote("49991", "50010")
        await heard.until(lambda: heard.of(Book) and heard.of(Book)[-1].bids[0][0] == BTC.price("49991"))
        server.faults.lose_deltas = 1
        await server.quote("49980", "50011")
        count = len(heard.of(Book))
        await server.quote("49970", "50012")
        await heard.until(lambda: len(heard.of(Book)) > count)
        assert heard.states() == [FeedState.LIVE, FeedState.GAP, FeedState.LIVE]
        assert heard.of(FeedStatus)[-1].instrument == BTC.id
        assert heard.of(Book)[count].bids == ((BTC.price("49970"), BTC.qty("10")),), "nothing of before the gap"


async def test_a_restart_of_the_venue_begins_the_book_again():
    async with listening(FeedKind.BOOK) as (server, _, heard):
        await heard.until(lambda: heard.of(Book))
        await server.restart_book()
        await server.quote("49700", "50000")
        await heard.until(lambda: heard.of(Book)[-1].bids[0][0] == BTC.price("49700"))
        assert FeedState.GAP not in heard.states()


async def test_what_was_told_before_changes_nothing_and_a_sequence_that_goes_back_is_a_gap():
    async with listening(FeedKind.BOOK) as (server, _, heard):
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
    async with listening(FeedKind.BOOK) as (server, _, heard):
        await heard.until(lambda: heard.of(Book))
        market = server.markets["BTCUSDT"]
        market.u += 1
        await server.talk.book(market, market._told("delta", {BTC.price("50020"): 1}, {}, 1))
        await heard.until(lambda: heard.states()[-2:] == [FeedState.GAP, FeedState.LIVE])


async def test_gap_after_a_reconnect_is_told_and_the_book_is_whole_again():
    async with listening(FeedKind.BOOK, FeedKind.TRADE) as (server, feed, heard):
        await heard.until(lambda: heard.of(Book))
        server.cut()
        await heard.until(lambda: heard.states()[1:] == [FeedState.DOWN, FeedState.GAP, FeedState.LIVE])
        await server.quote("49800", "50000")
        await heard.until(lambda: heard.of(Book)[-1].bids[0][0] == BTC.price("49800"))
        assert feed.reconnects == 1


async def test_a_closed_candle_is_a_bar_and_missed_ones_are_fetched_before_it():
    async with listening(FeedKind.BAR) as (server, feed, heard):
        [key] = feed._bars.due
        feed._bars.due[key] -= 2 * MINUTE
        first_ns = feed._bars.due[key]
        market = server.markets["BTCUSDT"]
        data = market.running("1", (first_ns + 2 * MINUTE) // 1_000_000 - 1) | {"confirm": True}
        await server.talk._publish("kline.1.BTCUSDT", {"type": "snapshot", "ts": 1, "data": [data]})
        await heard.until(lambda: len(heard.of(Bar)) == 2)
        assert [bar.open_ts_ns for bar in heard.of(Bar)] == [first_ns, first_ns + MINUTE]


async def test_history_is_gap_free_and_ends_with_the_last_finished_bar():
    async with listening(FeedKind.TRADE) as (_, feed, _):
        bars = await feed.history(Feed(kind=FeedKind.BAR, instrument=BTC.id, interval_ns=5 * MINUTE), 300)
        assert len(bars) == 300
        assert bars[-1].open_ts_ns + 10 * MINUTE > time.time_ns() - MINUTE


async def test_trades_come_once_and_block_trades_not_at_all():
    async with listening(FeedKind.TRADE) as (server, feed, heard):
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
    async with listening(FeedKind.TRADE, ping_after_s=0.05) as (_, feed, heard):
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
