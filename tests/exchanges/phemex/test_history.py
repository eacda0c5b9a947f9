"""Phemex's past market data from the local venue."""

import time
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from msgspec.structs import replace

from domain.errors import ConfigError, DataError, VenueError
from domain.ports import HistorySource
from exchanges.phemex.history import CANDLES, RATES, PhemexHistory
from exchanges.phemex.open import open_history
from exchanges.viaccxt.pages import PublicReader
from tests.exchanges.listening import MINUTE_NS
from tests.exchanges.phemex.catalogue import LISTED
from tests.exchanges.phemex.desk import BTC, setup_of
from tests.exchanges.phemex.ear import PhemexEar
from tests.exchanges.phemex.server import PhemexServer

HOUR = 60 * MINUTE_NS


@pytest.fixture
async def server() -> AsyncIterator[PhemexServer]:
    async with PhemexServer() as opened:
        opened.bars = PhemexEar().bars
        yield opened


@pytest.fixture
async def history(server) -> AsyncIterator[PhemexHistory]:
    source = PhemexHistory(PublicReader("Phemex", server.url))
    yield source
    await source.aclose()


async def test_candles_come_page_by_page_without_the_running_one(history):
    end = time.time_ns()
    start = end // MINUTE_NS * MINUTE_NS - 3_000 * MINUTE_NS
    first = await history.candles(BTC, MINUTE_NS, start, end)
    assert (len(first.rows), first.until_ns) == (CANDLES, start + CANDLES * MINUTE_NS)
    second = await history.candles(BTC, MINUTE_NS, first.until_ns, end)
    opened = [bar.open_ts_ns for bar in [*first.rows, *second.rows]]
    assert opened == [start + n * MINUTE_NS for n in range(3_000)]
    assert second.until_ns == end
    assert first.rows[0].venue_ts_ns == first.rows[0].open_ts_ns + MINUTE_NS


async def test_funding_rates_come_page_by_page(history):
    end = time.time_ns()
    start = end // (8 * HOUR) * 8 * HOUR - 150 * 8 * HOUR
    first = await history.funding(BTC, start, end)
    assert len(first.rows) == RATES
    second = await history.funding(BTC, first.until_ns, end)
    assert [rate.ts_ns for rate in [*first.rows, *second.rows]] == [start + n * 8 * HOUR for n in range(151)]
    assert {rate.rate for rate in first.rows} == {Decimal("0.0001")}


async def test_a_rate_that_makes_no_sense_is_an_error(server, history):
    server.public.rates["BTCUSDT"] = [{"fundingTime": time.time_ns() // 10**6 - 1, "fundingRate": "NaN"}]
    with pytest.raises(DataError, match="BTCUSDT"):
        await history.funding(BTC, 0, time.time_ns())


async def test_what_the_venue_does_not_hand_out_is_refused_with_what_to_do(history):
    with pytest.raises(ConfigError, match="moondev data record BTC-USDT"):
        await history.trades(BTC, 0, 1)
    with pytest.raises(ConfigError, match="no candles of 7 s"):
        await history.candles(BTC, 7_000_000_000, 0, 1)


async def test_a_refusal_in_an_answer_of_status_200_is_an_error(history):
    gone = replace(BTC, id="X-USDT-PERP.PHEMEX", venue_symbol="XUSDT")
    with pytest.raises(VenueError, match="30000 Please double check"):
        await history.candles(gone, MINUTE_NS, 0, MINUTE_NS)


async def test_contracts_are_listed_without_an_account(server):
    source: HistorySource = open_history(setup_of(server))
    assert [i.id for i in await source.instruments()] == [i.id for i in LISTED]
    await source.aclose()
