"""What is Binance's own of its public feed; the rest is in `tests.exchanges.contract.test_feed`."""

from domain.market import Bar, Book, FeedKind, FeedState, Trade
from tests.exchanges.binance.ear import BinanceEar


async def test_a_book_joins_changes_that_came_before_its_snapshot():
    async with BinanceEar().listening(FeedKind.BOOK) as ear:
        for bid in range(49_900, 49_950):
            await ear.server.quote(str(bid), "50000")
        heard, last = ear.heard, ear.instrument.price("49949")
        await heard.until(lambda: heard.of(Book) and heard.of(Book)[-1].bids[0][0] == last)
        assert FeedState.GAP not in heard.states()


async def test_after_a_lost_change_a_snapshot_is_asked_for_and_nothing_of_before_the_gap_is_left():
    async with BinanceEar().listening(FeedKind.BOOK) as ear:
        i, heard, server = ear.instrument, ear.heard, ear.server
        await server.quote("49990", "50000")
        await heard.until(lambda: heard.of(Book))
        server.faults.lose_deltas = 1
        await server.quote("49980", "50001")
        count = len(heard.of(Book))
        await server.quote("49970", "50002")
        await heard.until(lambda: len(heard.of(Book)) > count)
        assert heard.of(Book)[count].bids == ((i.price("49970"), i.qty("10")),)
        assert ("GET", "depth") in server.asked


async def test_trades_that_were_missed_are_a_gap():
    async with BinanceEar().listening(FeedKind.TRADE) as ear:
        i, heard, server = ear.instrument, ear.heard, ear.server
        trade = Trade(instrument=i.id, price=i.price("50000"), qty=i.qty("0.1"), side=1)
        await server.market(trade)
        await heard.until(lambda: heard.of(Trade))
        list(server.public.tell(trade))  # nobody hears of it
        await server.market(trade)
        await heard.until(lambda: len(heard.of(Trade)) == 2)
        assert heard.states() == [FeedState.LIVE, FeedState.GAP, FeedState.LIVE]


async def test_a_kline_that_is_closed_is_a_bar_once():
    async with BinanceEar().listening(FeedKind.BAR) as ear:
        [running] = ear.feed._bars.due.values()
        for _ in range(2):
            await ear.close_candle(running)
        [bar] = ear.heard.of(Bar)
        assert (bar.open_ts_ns, bar.close) == (running, ear.instrument.price("50000"))
