"""What is Phemex's own of its public feed; the rest is in `tests.exchanges.contract.test_feed`."""

import asyncio

import pytest

from domain.errors import ConfigError
from domain.market import Book, Feed, FeedKind, FeedState, FeedStatus, Trade
from exchanges.phemex.feed import LINES, SUBSCRIPTIONS, PhemexFeedDialect
from tests.exchanges.listening import MINUTE_NS, Heard, feeds_of
from tests.exchanges.phemex.catalogue import LISTED
from tests.exchanges.phemex.desk import BTC
from tests.exchanges.phemex.ear import PhemexEar

TOP = BTC.price("49990")


def trade(price: str = "50000", size: str = "0.25", side: int = -1) -> Trade:
    return Trade(instrument=BTC.id, price=BTC.price(price), qty=BTC.qty(size), side=side)


async def test_pitfall_a_sequence_that_goes_back_is_a_gap_and_the_book_begins_again():
    async with PhemexEar().listening(FeedKind.BOOK) as ear:
        server, heard = ear.server, ear.heard
        await heard.until(lambda: heard.of(Book))
        old = server.public.snapshot("BTCUSDT") | {"type": "incremental", "sequence": 7}
        await server.gateway.publish("orderbook_p BTCUSDT", old)
        await heard.until(lambda: heard.states() == [FeedState.LIVE, FeedState.GAP, FeedState.LIVE])
        assert "went back" in heard.of(FeedStatus)[1].detail
        asked = [message["params"] for message in server.gateway.heard if message["method"] == "orderbook_p.subscribe"]
        assert asked == [["BTCUSDT"], ["BTCUSDT"]]


async def test_pitfall_a_crossed_book_is_a_gap_and_the_book_begins_again():
    async with PhemexEar().listening(FeedKind.BOOK) as ear:
        server, heard = ear.server, ear.heard
        await heard.until(lambda: heard.of(Book))
        body = {"asks": [], "bids": [["60000", "1"]]}
        wild = server.public.snapshot("BTCUSDT") | {"type": "incremental", "orderbook_p": body}
        await server.gateway.publish("orderbook_p BTCUSDT", wild)
        await heard.until(lambda: heard.states() == [FeedState.LIVE, FeedState.GAP, FeedState.LIVE])
        assert all(book.bids[0][0] == TOP for book in heard.of(Book))


async def test_a_snapshot_that_says_what_we_have_is_no_gap():
    async with PhemexEar().listening(FeedKind.BOOK) as ear:
        server, heard = ear.server, ear.heard
        for bid in range(49_900, 49_990):
            await server.quote(str(bid), "50000")
        await server.gateway.repeat_books()
        await heard.until(lambda: len(heard.of(Book)) == 92)
        assert heard.states() == [FeedState.LIVE]


async def test_trades_before_us_are_no_news_and_those_we_missed_are():
    async with PhemexEar().listening(FeedKind.TRADE) as ear:
        server, feed, heard = ear.server, ear.feed, ear.heard
        await server.market(trade(side=1))
        await heard.until(lambda: heard.of(Trade))
        server.cut()
        await heard.until(lambda: FeedState.DOWN in heard.states())
        list(server.public.tell(trade("50001")))  # nobody hears of it
        await heard.until(lambda: heard.states()[-1] is FeedState.LIVE and len(heard.of(Trade)) == 2)
        assert heard.of(Trade)[-1].price == BTC.price("50001")
        assert heard.states() == [FeedState.LIVE, FeedState.DOWN, FeedState.GAP, FeedState.LIVE]
        assert feed.reconnects == 1
    ear = PhemexEar()
    async with ear.server as server:
        await server.market(trade())
        late, told = ear.opened(), Heard()
        await late.start(told.sink, feeds_of(BTC, FeedKind.TRADE))
        await server.market(trade("50002"))
        await told.until(lambda: told.of(Trade))
        await late.aclose()
        assert [event.price for event in told.of(Trade)] == [BTC.price("50002")]


async def test_who_only_listens_would_be_dropped_so_pings_go_out_while_messages_come(monkeypatch):
    monkeypatch.setattr(PhemexFeedDialect, "beat_s", 1)
    async with PhemexEar().listening(FeedKind.TRADE) as ear:
        server, heard = ear.server, ear.heard
        async with asyncio.timeout(10):
            while not [message for message in server.gateway.heard if message["method"] == "server.ping"]:
                await server.market(trade())
                await asyncio.sleep(0.05)
        assert heard.of(Trade)
        assert heard.states() == [FeedState.LIVE]


async def test_more_channels_than_a_connection_takes_go_over_another_one():
    ear = PhemexEar()
    async with ear.server as server:
        feed = ear.opened()
        feeds = [feed for i in LISTED for feed in feeds_of(i, *FeedKind)]
        hours = [
            Feed(kind=FeedKind.BAR, instrument=i.id, interval_ns=n * MINUTE_NS) for i in LISTED for n in (3, 5, 15, 60)
        ]
        await feed.start(ear.heard.sink, [*feeds, *hours])
        try:
            assert len(server.gateway.lines) == 2
            assert max(len(line.channels) for line in server.gateway.lines) == SUBSCRIPTIONS
        finally:
            await feed.aclose()


async def test_more_channels_than_a_client_may_have_are_refused_with_words():
    async with PhemexEar().listening(FeedKind.TRADE) as ear:
        ear.feed._dialect._places = {str(n): "" for n in range(LINES * SUBSCRIPTIONS)}  # type: ignore[attr-defined]
        with pytest.raises(ConfigError, match="ask for fewer"):
            ear.feed._dialect.topics(feeds_of(BTC, FeedKind.TRADE)[0])


async def test_an_answer_with_more_in_it_than_we_know_is_no_nonsense():
    async with PhemexEar().listening(FeedKind.TRADE) as ear:
        frame = b'{"id":0,"result":"pong","error":null,"unknown":{"field":1}}'
        ear.feed._take(next(iter(ear.feed._lines.values())), frame)
        assert ear.feed.poison == 0
