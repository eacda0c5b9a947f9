"""Binance's past market data from the local venue, page by page."""

import time

import pytest

from domain.errors import ConfigError, DataError, VenueError
from domain.market import Bar, Trade
from exchanges.binance.history import BinanceHistory
from exchanges.binance.open import open_history
from exchanges.viaccxt.pages import PublicReader
from tests.exchanges.binance.desk import setup_at
from tests.exchanges.binance.server import BinanceServer

MINUTE, HOUR = 60_000_000_000, 3_600_000_000_000


def bars_until(instrument: str, interval_ns: int, end_ns: int, count: int) -> list[Bar]:
    last = end_ns // interval_ns * interval_ns
    prices = {"open": 5_000_000, "high": 5_000_500, "low": 4_999_500, "close": 5_000_100}
    return [
        Bar(instrument=instrument, interval_ns=interval_ns, open_ts_ns=last - n * interval_ns, volume=1_000, **prices)
        for n in range(count, 0, -1)
    ]


async def test_candles_come_in_pages_that_join():
    async with BinanceServer() as server:
        server.bars = bars_until
        history = open_history(setup_at(server))
        [btc, _] = await history.instruments()
        end_ns = time.time_ns() // MINUTE * MINUTE
        start_ns = end_ns - 2_500 * MINUTE
        opened: list[int] = []
        at_ns = start_ns
        while at_ns < end_ns:
            page = await history.candles(btc, MINUTE, at_ns, end_ns)
            opened += [bar.open_ts_ns for bar in page.rows]
            at_ns = page.until_ns
        assert opened == list(range(start_ns, end_ns, MINUTE))
        with pytest.raises(ConfigError, match="no candles of 7 s"):
            await history.candles(btc, 7_000_000_000, start_ns, end_ns)
        await history.aclose()


async def test_trades_come_each_once_over_pages_that_are_cut_off():
    async with BinanceServer() as server:
        history = BinanceHistory(PublicReader("Binance", server.url))
        i = server.room.instruments[0]
        first_ms = time.time_ns() // 10**6 - 10_000
        for number in range(2_300):  # the first 1,100 in one millisecond
            at_ms = first_ms + max(0, number - 1_100)
            trade = Trade(instrument=i.id, price=i.price("50000"), qty=number + 1, side=1, venue_ts_ns=at_ms * 10**6)
            list(server.public.tell(trade))
        found: list[int] = []
        at_ns, end_ns = first_ms * 10**6, (first_ms + 5_000) * 10**6
        while at_ns < end_ns:
            page = await history.trades(i, at_ns, end_ns)
            found += [trade.qty for trade in page.rows]
            assert page.until_ns > at_ns
            at_ns = page.until_ns
        assert found == list(range(1, 2_301))
        await history.aclose()


async def test_funding_rates_are_read():
    async with BinanceServer() as server:
        history = BinanceHistory(PublicReader("Binance", server.url))
        i = server.room.instruments[0]
        end_ns = time.time_ns()
        page = await history.funding(i, end_ns - 48 * HOUR, end_ns)
        assert len(page.rows) == 6
        assert str(page.rows[0].rate) == "0.00010000"
        assert page.until_ns == end_ns
        await history.aclose()


async def test_a_busy_venue_is_asked_again_and_nonsense_is_said():
    async with BinanceServer() as server:
        reader = PublicReader("Binance", server.url, backoff_s=0.01)
        history = BinanceHistory(reader)
        i = server.room.instruments[0]
        server.weight_limit = 0
        with pytest.raises(VenueError, match="HTTP 429"):
            await history.funding(i, 0, HOUR)
        assert len(server.asked) == 3
        server.weight_limit = 2_400
        server.bars = lambda *_: [
            Bar(instrument=i.id, interval_ns=MINUTE, open_ts_ns=0, open=9, high=1, low=1, close=1, volume=1)
        ]
        with pytest.raises(DataError, match="makes no sense"):
            await history.candles(i, MINUTE, 0, MINUTE)
        await history.aclose()
