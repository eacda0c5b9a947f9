"""The public side of the local Hyperliquid, heard by our feed."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from domain.market import Bar, Bbo, Book, Feed, FeedKind, FeedState, FeedStatus, Mark, MarketEvent, Trade
from exchanges.hyperliquid.feed import HyperliquidFeed
from tests.exchanges.desk import WallClock
from tests.exchanges.hyperliquid.desk import BTC, config_of
from tests.exchanges.hyperliquid.exchange_server import ExchangeServer

MINUTE_NS = 60_000_000_000
FEEDS = [Feed(kind=kind, instrument=BTC.id) for kind in (FeedKind.BBO, FeedKind.BOOK, FeedKind.TRADE)]
BARS = Feed(kind=FeedKind.BAR, instrument=BTC.id, interval_ns=MINUTE_NS)
BID, ASK, SIZE = BTC.price("49990"), BTC.price("50010"), BTC.qty("2")


class Heard(list):
    """Everything that came, and a way to wait for more."""

    def __init__(self) -> None:
        self._more = asyncio.Event()

    def __call__(self, event) -> None:
        self.append(event)
        self._more.set()

    async def until(self, condition) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self._more.clear()
                await self._more.wait()


@asynccontextmanager
async def listening(server: ExchangeServer) -> AsyncIterator[tuple[HyperliquidFeed, "Heard"]]:
    feed = HyperliquidFeed(config_of(server), WallClock(), [BTC], jitter=lambda: 0.5)
    heard = Heard()
    await feed.start(heard, [*FEEDS, BARS])
    try:
        yield feed, heard
    finally:
        await feed.aclose()


def bar_at(opened_ns: int) -> Bar:
    close = opened_ns + MINUTE_NS
    prices = {"open": BID, "high": ASK, "low": BID, "close": ASK, "volume": SIZE}
    return Bar(ts_ns=close, venue_ts_ns=close, instrument=BTC.id, interval_ns=MINUTE_NS, open_ts_ns=opened_ns, **prices)


async def test_our_feed_hears_the_moving_market_as_it_is():
    now = time.time_ns()
    told: list[MarketEvent] = [
        Book(venue_ts_ns=now, instrument=BTC.id, bids=((BID, SIZE),), asks=((ASK, SIZE),)),
        Bbo(venue_ts_ns=now, instrument=BTC.id, bid=BID, bid_qty=SIZE, ask=ASK, ask_qty=SIZE),
        Trade(venue_ts_ns=now, instrument=BTC.id, price=ASK, qty=SIZE, side=1),
        Mark(venue_ts_ns=now, instrument=BTC.id, price=BID),
    ]
    async with ExchangeServer() as server, listening(server) as (_, heard):
        for event in told:
            await server.market(event)
        await heard.until(lambda: len({type(event) for event in heard}) == 5)
        prices = [
            (e.bids, e.asks) if isinstance(e, Book) else (e.bid, e.ask) if isinstance(e, Bbo) else e.price
            for e in heard
            if not isinstance(e, FeedStatus)
        ]
        assert prices == [(((BID, SIZE),), ((ASK, SIZE),)), (BID, ASK), ASK, BID]
        assert [e.state for e in heard if isinstance(e, FeedStatus)] == [FeedState.LIVE]


async def test_candles_of_the_past_are_those_that_the_market_knows():
    opened = time.time_ns() // MINUTE_NS * MINUTE_NS - 3 * MINUTE_NS
    async with ExchangeServer() as server, listening(server) as (feed, _):
        server.bars = lambda instrument, interval_ns, end_ns, count: [bar_at(opened + n * MINUTE_NS) for n in range(3)]
        bars = await feed.history(BARS, 3)
        assert [(bar.open_ts_ns, bar.close) for bar in bars] == [(opened + n * MINUTE_NS, ASK) for n in range(3)]


async def test_a_candle_runs_with_the_trades_and_is_finished_by_the_next():
    opened = time.time_ns() // MINUTE_NS * MINUTE_NS
    times = [opened + 1_000_000, opened + 2_000_000, opened + MINUTE_NS + 1_000_000]
    async with ExchangeServer() as server, listening(server) as (_, heard):
        for at_ns, price in zip(times, (BID, ASK, BID), strict=True):
            await server.market(Trade(venue_ts_ns=at_ns, instrument=BTC.id, price=price, qty=SIZE, side=1))
        await heard.until(lambda: any(isinstance(event, Bar) for event in heard))
        bar = next(event for event in heard if isinstance(event, Bar))
        assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (BID, ASK, BID, ASK, 2 * SIZE)
