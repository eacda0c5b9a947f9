"""Past candles, trades and funding rates of the local dYdX."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from domain.errors import ConfigError
from domain.market import Bar, Trade
from exchanges.dydx.open import open_history, read_instruments
from exchanges.shared.setup import VenueAccount
from tests.exchanges.dydx.chain_facts import ADDRESS
from tests.exchanges.dydx.desk import BTC
from tests.exchanges.dydx.public_market import candle, rate
from tests.exchanges.dydx.server import DydxServer
from tests.exchanges.dydx.test_feed import setup_at

MINUTE, HOUR = 60_000_000_000, 3_600_000_000_000
START = 1_700_000_000_000_000_000 // HOUR * HOUR


def bar(number: int) -> Bar:
    return Bar(
        instrument=BTC.id, interval_ns=MINUTE, open_ts_ns=START + number * MINUTE, open=100, high=110, low=90,
        close=100 + number % 10, volume=7,
    )  # fmt: skip


@pytest.fixture
async def server():
    async with DydxServer() as running:
        yield running


async def test_candles_come_page_by_page_oldest_first(server):
    server.public.keep("BTC-USD", candles=[candle(bar(number), BTC, "BTC-USD") for number in range(1_005)])
    history = open_history(setup_at(server))
    try:
        end = START + 2_000 * MINUTE
        first = await history.candles(BTC, MINUTE, START, end)
        second = await history.candles(BTC, MINUTE, first.until_ns, end)
    finally:
        await history.aclose()
    assert [row.open_ts_ns for row in first.rows] == [START + n * MINUTE for n in range(1_000)]
    assert [row.close for row in second.rows] == [100 + n % 10 for n in range(1_000, 1_005)]
    assert second.until_ns == end


async def test_funding_rates_are_hourly_and_exact(server):
    server.public.keep("BTC-USD", rates=[rate("BTC-USD", START + n * HOUR, f"0.00000{n}") for n in range(1, 4)])
    history = open_history(setup_at(server))
    try:
        page = await history.funding(BTC, START, START + 3 * HOUR)
    finally:
        await history.aclose()
    assert [(row.ts_ns, row.rate) for row in page.rows] == [
        (START + HOUR, Decimal("0.000001")), (START + 2 * HOUR, Decimal("0.000002")),
    ]  # fmt: skip


async def test_trades_are_read_backwards_until_the_start(server):
    for price in (50_000, 50_001):
        await server.market(Trade(instrument=BTC.id, price=price, qty=10, side=1))
    now = server.room.now_ns()
    history = open_history(setup_at(server))
    try:
        page = await history.trades(BTC, now - MINUTE, now + MINUTE)
        none = await history.trades(BTC, now + MINUTE, now + 2 * MINUTE)
    finally:
        await history.aclose()
    assert [row.price for row in page.rows] == [50_000, 50_001]
    assert none.rows == []


async def test_an_interval_that_is_not_there_is_refused_with_those_that_are(server):
    history = open_history(setup_at(server))
    try:
        with pytest.raises(ConfigError, match="1DAY"):
            await history.candles(BTC, 7, START, START + HOUR)
    finally:
        await history.aclose()


async def test_contracts_carry_the_scales_margins_and_the_accounts_own_fees(server):
    setup = setup_at(server)
    [btc, eth] = await read_instruments(setup)
    assert (btc.id, btc.tick, btc.lot, btc.price_decimals, btc.qty_decimals) == (BTC.id, 1, 1, 0, 4)
    assert (eth.price_decimals, eth.qty_decimals, btc.amends) == (1, 3, False)
    assert (btc.maker_fee, btc.taker_fee) == (Decimal("0.0001"), Decimal("0.0005"))
    assert (btc.initial_margin, btc.maintenance_margin) == (Decimal("0.02"), Decimal("0.012"))
    account = VenueAccount(id="DYDX:main", address=ADDRESS)
    assert await read_instruments(replace(setup, accounts=(account,), instruments=(BTC.id,))) == [btc]


async def test_a_page_of_funding_rates_leaves_none_out_at_its_beginning(server):
    history = open_history(setup_at(server))
    try:
        page = await history.funding(BTC, START, START + 3_000 * HOUR)
        assert [page.rows[0].ts_ns, page.rows[-1].ts_ns] == [START, page.until_ns - HOUR]
        after = await history.funding(BTC, page.until_ns, START + 3_000 * HOUR)
        assert after.rows[0].ts_ns == page.until_ns
    finally:
        await history.aclose()
