"""Phemex's public feed against the local venue: real sockets, and our own checks of the book."""

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
from exchanges.phemex.feed import LINES, SUBSCRIPTIONS, PhemexFeedDialect
from exchanges.phemex.open import open_feed
from exchanges.viaccxt.dialect import Patience
from exchanges.viaccxt.feed import PublicFeed
from tests.exchanges.desk import WallClock
from tests.exchanges.phemex.catalogue import LISTED
from tests.exchanges.phemex.desk import BTC, setup_of
from tests.exchanges.phemex.server import PhemexServer

MINUTE = 60_000_000_000
TOP = BTC.price("49990")


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


def feeds_of(*kinds: FeedKind, instrument: Instrument = BTC) -> list[Feed]:
    return [
        Feed(kind=kind, instrument=instrument.id, interval_ns=MINUTE if kind is FeedKind.BAR else 0) for kind in kinds
    ]


def feed_at(server: PhemexServer, **patience: Any) -> PublicFeed:
    options = {"connect_timeout_s": 5.0, "backoff_s": 0.02, "backoff_max_s": 0.1, **patience}
    feed = open_feed(setup_of(server), WallClock(), LISTED, Patience(**options))
    assert isinstance(feed, PublicFeed)
    return feed


@asynccontextmanager
async def listening(*kinds: FeedKind, **patience: Any) -> AsyncIterator[tuple[PhemexServer, PublicFeed, Heard]]:
    async with PhemexServer() as server:
        await server.quote("49990", "50010")
        feed, heard = feed_at(server, **patience), Heard()
        await feed.start(heard.sink, feeds_of(*kinds))
        try:
            yield server, feed, heard
        finally:
            await feed.aclose()


def trade(price: str = "50000", size: str = "0.25", side: int = -1, ts_ns: int = 0) -> Trade:
    return Trade(instrument=BTC.id, price=BTC.price(price), qty=BTC.qty(size), side=side, venue_ts_ns=ts_ns)


async def test_every_kind_of_data_comes_as_events():
    async with listening(*FeedKind) as (server, _, heard):
        await server.quote("49991.1", "50000", "1.5")
        await server.market(trade())
        await server.market(Mark(instrument=BTC.id, price=BTC.price("49995.1"), funding_rate=Decimal("0.0003")))
        await heard.until(lambda: heard.of(Trade) and len(heard.of(Mark)) == 2)
        assert [(e.price, e.qty, e.side) for e in heard.of(Trade)] == [(BTC.price("50000"), BTC.qty("0.25"), -1)]
        quote = heard.of(Bbo)[-1]
        assert (quote.bid, quote.bid_qty, quote.ask) == (BTC.price("49991.1"), BTC.qty("1.5"), BTC.price("50000"))
        assert heard.of(Book)[-1].bids == ((BTC.price("49991.1"), BTC.qty("1.5")),)
        assert (heard.of(Mark)[-1].price, heard.of(Mark)[-1].funding_rate) == (BTC.price("49995.1"), Decimal("0.0003"))
        assert heard.states() == [FeedState.LIVE]
        assert all(event.ts_ns and event.venue_ts_ns for event in heard.of(Trade) + heard.of(Bbo))


async def test_pitfall_a_lost_delta_is_found_by_the_minutes_snapshot_which_ccxt_does_not_compare():
    async with listening(FeedKind.BOOK) as (server, _, heard):
        await heard.until(lambda: heard.of(Book))
        server.faults.drop_deltas = 1
        await server.quote("49980", "50020")
        await server.gateway.repeat_books()
        await heard.until(lambda: heard.states() == [FeedState.LIVE, FeedState.GAP, FeedState.LIVE])
        assert heard.of(FeedStatus)[1].instrument == BTC.id
        assert heard.of(Book)[-1].bids[0][0] == BTC.price("49980")


async def test_pitfall_a_sequence_that_goes_back_is_a_gap_and_the_book_begins_again():
    async with listening(FeedKind.BOOK) as (server, _, heard):
        await heard.until(lambda: heard.of(Book))
        old = server.public.snapshot("BTCUSDT") | {"type": "incremental", "sequence": 7}
        await server.gateway.publish("orderbook_p BTCUSDT", old)
        await heard.until(lambda: heard.states() == [FeedState.LIVE, FeedState.GAP, FeedState.LIVE])
        assert "went back" in heard.of(FeedStatus)[1].detail
        asked = [message["params"] for message in server.gateway.heard if message["method"] == "orderbook_p.subscribe"]
        assert asked == [["BTCUSDT"], ["BTCUSDT"]]


async def test_pitfall_a_crossed_book_is_a_gap_and_the_book_begins_again():
    async with listening(FeedKind.BOOK) as (server, _, heard):
        await heard.until(lambda: heard.of(Book))
        body = {"asks": [], "bids": [["60000", "1"]]}
        wild = server.public.snapshot("BTCUSDT") | {"type": "incremental", "orderbook_p": body}
        await server.gateway.publish("orderbook_p BTCUSDT", wild)
        await heard.until(lambda: heard.states() == [FeedState.LIVE, FeedState.GAP, FeedState.LIVE])
        assert all(book.bids[0][0] == TOP for book in heard.of(Book))


async def test_a_snapshot_that_says_what_we_have_is_no_gap():
    async with listening(FeedKind.BOOK) as (server, _, heard):
        for bid in range(49_900, 49_990):
            await server.quote(str(bid), "50000")
        await server.gateway.repeat_books()
        await heard.until(lambda: len(heard.of(Book)) == 92)
        assert heard.states() == [FeedState.LIVE]


async def test_trades_before_us_are_no_news_and_those_we_missed_are():
    async with listening(FeedKind.TRADE) as (server, feed, heard):
        await server.market(trade(side=1))
        await heard.until(lambda: heard.of(Trade))
        server.cut()
        await heard.until(lambda: FeedState.DOWN in heard.states())
        list(server.public.tell(trade("50001")))  # nobody hears of it
        await heard.until(lambda: heard.states()[-1] is FeedState.LIVE and len(heard.of(Trade)) == 2)
        assert heard.of(Trade)[-1].price == BTC.price("50001")
        assert heard.states() == [FeedState.LIVE, FeedState.DOWN, FeedState.GAP, FeedState.LIVE]
        assert feed.reconnects == 1
    async with PhemexServer() as server:
        await server.market(trade())
        late, told = feed_at(server), Heard()
        await late.start(told.sink, feeds_of(FeedKind.TRADE))
        await server.market(trade("50002"))
        await told.until(lambda: told.of(Trade))
        await late.aclose()
        assert [event.price for event in told.of(Trade)] == [BTC.price("50002")]


async def test_a_book_is_whole_again_after_a_reconnect():
    async with listening(FeedKind.BOOK) as (server, _, heard):
        server.cut()
        await heard.until(lambda: heard.states()[-2:] == [FeedState.GAP, FeedState.LIVE])
        await server.quote("49800", "50000")
        await heard.until(lambda: heard.of(Book)[-1].bids[0][0] == BTC.price("49800"))


def bars_until(instrument: str, interval_ns: int, end_ns: int, count: int) -> list[Bar]:
    last = end_ns // interval_ns * interval_ns
    prices = {"open": 500_000, "high": 500_500, "low": 499_500, "close": 500_010}
    opened = [last - (n + 1) * interval_ns for n in reversed(range(count))]
    return [Bar(instrument=instrument, interval_ns=interval_ns, open_ts_ns=at, volume=1_000, **prices) for at in opened]


async def test_a_candle_that_another_one_follows_is_a_bar_and_missed_ones_are_fetched_before_it():
    async with listening(FeedKind.BAR) as (server, feed, heard):
        server.bars = bars_until
        [key] = feed._bars.due
        feed._bars.due[key] -= 3 * MINUTE  # as if it had been away
        running = time.time_ns() // MINUTE * MINUTE
        rows = [
            [at // 10**9, 60, "1", "50000", "50000", "50000", "50000", "1", "1"] for at in (running, running + MINUTE)
        ]
        for row in rows:
            frame = {"kline_p": [row], "sequence": 1, "symbol": "BTCUSDT", "type": "incremental"}
            feed._dialect.take("", json.dumps(frame).encode(), 1)
        await heard.until(lambda: len(heard.of(Bar)) >= 3)
        opened = [event.open_ts_ns for event in heard.of(Bar)]
        assert opened == [running - 3 * MINUTE, running - 2 * MINUTE, running - MINUTE]
        assert heard.of(Bar)[0].close == 500_010


async def test_history_gives_the_last_finished_bars():
    async with listening(FeedKind.BBO) as (server, feed, _):
        server.bars = bars_until
        found = await feed.history(Feed(kind=FeedKind.BAR, instrument=BTC.id, interval_ns=MINUTE), 50)
        assert len(found) == 50
        assert found[-1].open_ts_ns == time.time_ns() // MINUTE * MINUTE - MINUTE
        assert (found[0].close, found[0].volume) == (500_010, 1_000)


async def test_who_only_listens_would_be_dropped_so_pings_go_out_while_messages_come(monkeypatch):
    monkeypatch.setattr(PhemexFeedDialect, "beat_s", 1)
    async with listening(FeedKind.TRADE) as (server, _, heard):
        async with asyncio.timeout(10):
            while not [message for message in server.gateway.heard if message["method"] == "server.ping"]:
                await server.market(trade())
                await asyncio.sleep(0.05)
        assert heard.of(Trade)
        assert heard.states() == [FeedState.LIVE]


async def test_more_channels_than_a_connection_takes_go_over_another_one():
    async with PhemexServer() as server:
        feed, heard = feed_at(server), Heard()
        feeds = [feed for i in LISTED for feed in feeds_of(*FeedKind, instrument=i)]
        hours = [
            Feed(kind=FeedKind.BAR, instrument=i.id, interval_ns=n * MINUTE) for i in LISTED for n in (3, 5, 15, 60)
        ]
        await feed.start(heard.sink, [*feeds, *hours])
        try:
            assert len(server.gateway.lines) == 2
            assert max(len(line.channels) for line in server.gateway.lines) == SUBSCRIPTIONS
        finally:
            await feed.aclose()


def test_more_channels_than_a_client_may_have_are_refused_with_words():
    async def ask() -> None:
        async with PhemexServer() as server:
            feed = feed_at(server)
            feed._dialect._places = {str(n): "" for n in range(LINES * SUBSCRIPTIONS)}  # type: ignore[attr-defined]
            with pytest.raises(ConfigError, match="ask for fewer"):
                feed._dialect.topics(feeds_of(FeedKind.TRADE)[0])

    asyncio.run(ask())


async def test_what_makes_no_sense_is_counted_and_skipped():
    async with listening(FeedKind.TRADE) as (server, feed, heard):
        line = next(iter(feed._lines.values()))
        nonsense = (
            b"{",
            b"[]",
            b'{"trades_p":[[1,"Hold","1","1"]],"symbol":"BTCUSDT","type":"incremental"}',
            b'{"orderbook_p":{"asks":[],"bids":[]},"symbol":"XYZ"}',
            b'{"error":{"code":6001},"id":1}',
        )
        for frame in nonsense:
            feed._take(line, frame)
        assert feed.poison == 5
        feed._take(line, b'{"id":0,"result":"pong","error":null,"unknown":{"field":1}}')
        await server.market(trade())
        await heard.until(lambda: heard.of(Trade))
        assert feed.poison == 5


async def test_unknown_contracts_and_intervals_are_refused_with_words():
    async with listening(FeedKind.BBO) as (_, feed, _):
        with pytest.raises(ConfigError, match="was not made for"):
            await feed.subscribe([Feed(kind=FeedKind.BBO, instrument="XYZ-USDT-PERP.PHEMEX")])
        with pytest.raises(ConfigError, match="no candles of 7 s; it has 1m"):
            await feed.subscribe([Feed(kind=FeedKind.BAR, instrument=BTC.id, interval_ns=7_000_000_000)])


async def test_a_venue_that_is_not_there_is_said():
    async with PhemexServer() as server:
        feed = feed_at(server, connect_timeout_s=0.3, backoff_s=0.05)
    with pytest.raises(VenueError, match="no market data from PHEMEX"):
        await feed.start(lambda _: None, feeds_of(FeedKind.BBO))
