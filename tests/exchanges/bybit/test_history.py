"""Bybit's past candles and funding rates, from a local server."""

import time

import pytest
from msgspec.structs import replace

from domain.errors import ConfigError, DataError, VenueError
from exchanges.bybit.open import open_history
from tests.exchanges.bybit.desk import setup_at
from tests.exchanges.bybit.listing import BTC
from tests.exchanges.bybit.server import Server

MINUTE_NS = 60_000_000_000
HOUR_NS = 60 * MINUTE_NS


@pytest.fixture
async def opened():
    async with Server() as server:
        await server.quote("49990", "50010")
        history = open_history(setup_at(server, accounts=()))
        yield server, history
        await history.aclose()


async def test_candles_come_page_by_page_oldest_first_and_only_those_that_are_finished(opened):
    _, history = opened
    now_ns = time.time_ns()
    first_ns = (now_ns // MINUTE_NS - 1_500) * MINUTE_NS
    page = await history.candles(BTC, MINUTE_NS, first_ns, now_ns)
    rest = await history.candles(BTC, MINUTE_NS, page.until_ns, now_ns)
    bars = [*page.rows, *rest.rows]
    assert [bar.open_ts_ns for bar in bars] == [first_ns + n * MINUTE_NS for n in range(1_500)]
    assert (len(page.rows), rest.until_ns) == (1_000, now_ns)
    assert all(bar.low <= bar.open <= bar.high and bar.venue_ts_ns <= time.time_ns() for bar in bars)


async def test_funding_rates_come_oldest_first_and_whole_where_the_interval_has_changed(opened):
    server, history = opened
    hours = time.time_ns() // HOUR_NS - 600
    server.markets["BTCUSDT"].rates = [((hours + n) * HOUR_NS // 1_000_000, "0.0001") for n in range(600)]
    start_ns, rates = hours * HOUR_NS, []
    while start_ns < (hours + 600) * HOUR_NS:
        page = await history.funding(BTC, start_ns, (hours + 600) * HOUR_NS)
        rates += page.rows
        start_ns = page.until_ns
    assert [rate.ts_ns for rate in rates] == [(hours + n) * HOUR_NS for n in range(600)]


async def test_what_is_not_there_is_said(opened):
    server, history = opened
    with pytest.raises(ConfigError, match="no candles of 420 s; it has 60 s"):
        await history.candles(BTC, 7 * MINUTE_NS, 0, HOUR_NS)
    with pytest.raises(ConfigError, match=r"data record BTC-USDT-PERP\.BYBIT"):
        await history.trades(BTC, 0, 1)
    with pytest.raises(DataError, match="candle of BTCUSDT"):
        await history.candles(replace(BTC, price_decimals=0), MINUTE_NS, time.time_ns() - HOUR_NS, time.time_ns())
    server.faults.read_statuses = [404]
    with pytest.raises(VenueError, match="kline: HTTP 404"):
        await history.candles(BTC, MINUTE_NS, 0, HOUR_NS)
    assert BTC.id in {each.id for each in await history.instruments()}
