"""One contract for the public feeds over ccxt's venues, at their local servers: real sockets, our own gap checks."""

import time
from decimal import Decimal

import pytest

from domain.errors import ConfigError, VenueError
from domain.market import Bar, Bbo, Book, Feed, FeedKind, FeedState, FeedStatus, Mark, Trade
from tests.exchanges.binance.ear import BinanceEar
from tests.exchanges.bybit.ear import BybitEar
from tests.exchanges.listening import MINUTE_NS, Ear, feeds_of
from tests.exchanges.phemex.ear import PhemexEar


@pytest.fixture(params=[BinanceEar, BybitEar, PhemexEar], ids=lambda kind: kind.venue)
async def ear(request) -> Ear:
    return request.param()


async def test_every_kind_of_data_comes_as_events(ear: Ear):
    async with ear.listening(*FeedKind) as told:
        i, heard = ear.instrument, told.heard
        await ear.server.quote("49991.1", "50000", "1.5")
        await ear.trade("50000", "0.25", -1)
        await ear.server.market(Mark(instrument=i.id, price=i.price("49995.1"), funding_rate=Decimal("0.0002")))
        mark = (i.price("49995.1"), Decimal("0.0002"))
        await heard.until(
            lambda: heard.of(Mark) and (heard.of(Mark)[-1].price, heard.of(Mark)[-1].funding_rate) == mark
        )
        await heard.until(lambda: heard.of(Trade))
        [trade] = heard.of(Trade)
        assert (trade.price, trade.qty, trade.side) == (i.price("50000"), i.qty("0.25"), -1)
        bid, ask, size = i.price("49991.1"), i.price("50000"), i.qty("1.5")
        await heard.until(lambda: heard.of(Bbo) and heard.of(Bbo)[-1].bid == bid)
        quote = heard.of(Bbo)[-1]
        assert (quote.bid_qty, quote.ask, quote.ask_qty) == (size, ask, size)
        await heard.until(lambda: heard.of(Book) and heard.of(Book)[-1].bids == ((bid, size),))
        assert heard.of(Book)[-1].asks == ((ask, size),)
        assert heard.states() == [FeedState.LIVE]
        assert all(event.ts_ns and event.venue_ts_ns for event in heard.of(Trade) + heard.of(Bbo))
        assert ear.feed.poison == 0


async def test_a_lost_change_of_the_book_is_a_gap_and_the_book_begins_again(ear: Ear):
    async with ear.listening(FeedKind.BOOK) as told:
        i, heard = ear.instrument, told.heard
        await ear.server.quote("49991", "50010")
        await heard.until(lambda: heard.of(Book) and heard.of(Book)[-1].bids[0][0] == i.price("49991"))
        ear.server.faults.lose_deltas = 1
        await ear.server.quote("49980", "50011")
        await ear.reveal("49970", "50012")
        await heard.until(lambda: heard.states() == [FeedState.LIVE, FeedState.GAP, FeedState.LIVE])
        assert heard.of(FeedStatus)[1].instrument == i.id
        await heard.until(lambda: heard.of(Book)[-1].bids == ((i.price("49970"), i.qty("10")),))


async def test_gap_after_a_reconnect_is_told_and_the_book_is_whole_again(ear: Ear):
    async with ear.listening(FeedKind.BOOK, FeedKind.TRADE) as told:
        i, heard = ear.instrument, told.heard
        await ear.server.quote("49991", "50010")
        await heard.until(lambda: heard.of(Book))
        ear.server.cut()
        wanted = [FeedState.LIVE, FeedState.DOWN, FeedState.GAP, FeedState.LIVE]
        await heard.until(lambda: heard.states() == wanted)
        assert ear.feed.reconnects == 1
        await ear.server.quote("49800", "50000")
        await heard.until(lambda: heard.of(Book)[-1].bids[0][0] == i.price("49800"))


async def test_a_closed_candle_waits_for_the_bars_that_were_missed(ear: Ear):
    async with ear.listening(FeedKind.BAR) as told:
        heard = told.heard
        [key] = ear.feed._bars.due
        running = ear.feed._bars.due[key]
        ear.feed._bars.due[key] -= 3 * MINUTE_NS  # as if it had been away
        await ear.close_candle(running)
        await heard.until(lambda: len(heard.of(Bar)) == 3)
        assert [bar.open_ts_ns for bar in heard.of(Bar)] == [running - n * MINUTE_NS for n in (3, 2, 1)]
        assert heard.of(Bar)[0].close == ear.instrument.price("50001")


async def test_history_gives_the_last_finished_bars(ear: Ear):
    async with ear.listening(FeedKind.BBO):
        found = await ear.feed.history(feeds_of(ear.instrument, FeedKind.BAR)[0], 50)
        now_ns = time.time_ns()
        assert len(found) == 50
        assert found[-1].open_ts_ns in {(now_ns - ago_ns) // MINUTE_NS * MINUTE_NS - MINUTE_NS for ago_ns in (0, 10**9)}
        assert (found[0].close, found[0].volume) == (ear.instrument.price("50001"), ear.instrument.qty("1"))


async def test_what_makes_no_sense_is_counted_and_skipped(ear: Ear):
    async with ear.listening(FeedKind.BOOK, FeedKind.TRADE) as told:
        line = next(iter(ear.feed._lines.values()))
        for frame in ear.nonsense:
            ear.feed._take(line, frame)
        assert ear.feed.poison == len(ear.nonsense)
        await ear.trade()
        await told.heard.until(lambda: told.heard.of(Trade))
        assert ear.feed.poison == len(ear.nonsense)


async def test_unknown_contracts_and_intervals_are_refused_with_words(ear: Ear):
    async with ear.listening(FeedKind.BBO):
        with pytest.raises(ConfigError, match="was not made for"):
            await ear.feed.subscribe([Feed(kind=FeedKind.BBO, instrument=f"XYZ-USDT-PERP.{ear.venue}")])
        odd = Feed(kind=FeedKind.BAR, instrument=ear.instrument.id, interval_ns=7_000_000_000)
        with pytest.raises(ConfigError, match="no candles of 7 s; it has"):
            await ear.feed.subscribe([odd])


async def test_a_venue_that_is_not_there_is_said(ear: Ear):
    async with ear.server:
        pass
    feed = ear.opened(connect_timeout_s=0.3, backoff_s=0.05)
    with pytest.raises(VenueError, match=f"no market data from {ear.venue}"):
        await feed.start(lambda _: None, feeds_of(ear.instrument, FeedKind.BBO))
