"""One market as people see it, read from a real engine."""

import asyncio
import itertools
from collections.abc import Sequence

import pytest

from domain.errors import VenueError
from domain.instrument import Instrument
from domain.market import Bar, Feed
from engine.data.minutes import MINUTE_NS
from engine.data.synthetic import SyntheticMarket
from engine.data.synthetic_feed import SyntheticFeed
from tests.gateway.engine import Engine

BTC = "BTC-USDC-PERP.PAPER"


@pytest.fixture(scope="module")
def engine() -> Engine:
    """Old enough for a sample of each minute, and with quotes on both sides, whichever of these tests runs first."""
    engine = Engine(past_s=90)
    for _ in range(120):
        view = engine.desk.markets.view(BTC)
        if view is not None and {quote.side for quote in view.quotes} == {"buy", "sell"} and view.orders:
            break
        engine.play(1)
    return engine


def test_a_market_shows_its_book_and_what_is_ours_there(engine: Engine):
    view = engine.desk.markets.view(BTC)
    assert view is not None
    assert 5 <= len(view.bids) <= 20
    assert [price for price, _ in view.bids] == sorted((price for price, _ in view.bids), reverse=True)
    assert [price for price, _ in view.asks] == sorted(price for price, _ in view.asks)
    assert view.bid is not None
    assert view.ask is not None
    assert view.price is not None
    assert view.bid <= view.price <= view.ask
    assert view.price == engine.desk.prices()[BTC]
    ours = [order for order in engine.desk.orders() if order.instrument == BTC]
    assert ours
    assert list(view.orders) == ours
    assert {quote.side for quote in view.quotes} == {"buy", "sell"}
    assert [held.qty for held in view.positions] == [
        held.qty for held in engine.desk.positions() if held.instrument == BTC and held.qty
    ]


def test_a_market_that_is_not_configured_is_none(engine: Engine):
    assert engine.desk.markets.view("MOON-USDC-PERP.PAPER") is None


class Counted(SyntheticFeed):
    """The simulated feed, which counts how often it is asked for its past, and can be out of order."""

    def __init__(self, market: SyntheticMarket, clock: Engine) -> None:
        super().__init__(market, clock)
        self.asked = 0
        self.is_broken = False

    async def history(self, feed: Feed, count: int) -> Sequence[Bar]:
        self.asked += 1
        if self.is_broken:
            raise VenueError("out of order")
        return await super().history(feed, count)


@pytest.fixture
def feed(engine: Engine) -> Counted:
    core = engine.driver.core
    contracts: list[Instrument] = list(core.instruments.values())
    made = Counted(SyntheticMarket(contracts, seed=7, start_ts_ns=engine.now_ns()), engine)
    engine.desk.past.feed = made
    engine.desk.markets._histories.clear()
    return made


async def test_however_many_look_the_venue_is_asked_once_a_bar(engine: Engine, feed: Counted):
    found = await asyncio.gather(*(engine.desk.markets.candles(BTC, "1m", 20) for _ in range(50)))
    assert feed.asked == 1
    [*bars] = found[0].candles
    assert len(bars) == 20
    assert [b.ts_ns - a.ts_ns for a, b in itertools.pairwise(bars)] == [MINUTE_NS] * 19
    assert all(bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in bars)
    assert bars[0].volume is not None
    engine.play(63)
    await engine.desk.markets.candles(BTC, "1m", 20)
    assert feed.asked == 2


async def test_a_venue_that_does_not_answer_is_asked_again_after_a_while_and_samples_stand_in(
    engine: Engine, feed: Counted
):
    feed.is_broken = True
    first = await engine.desk.markets.candles(BTC, "1h", 5)
    assert "out of order" in first.problem
    assert first.points
    await engine.desk.markets.candles(BTC, "1h", 5)
    assert feed.asked == 1
    feed.is_broken = False
    engine.play(11)
    assert (await engine.desk.markets.candles(BTC, "1h", 5)).candles
    assert feed.asked == 2


async def test_who_stops_waiting_does_not_take_the_candles_from_the_others(engine: Engine, feed: Counted):
    markets = engine.desk.markets
    first = asyncio.create_task(markets.candles(BTC, "5m", 5))
    second = asyncio.create_task(markets.candles(BTC, "5m", 5))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).candles
