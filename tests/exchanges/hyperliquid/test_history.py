"""Hyperliquid's past data over a real socket: whole pages, the venue's caps, its pace."""

import json

import pytest

from domain.errors import ConfigError, DataError, VenueError
from domain.instrument import Instrument
from exchanges.hyperliquid.config import HyperliquidConfig
from exchanges.hyperliquid.history import CANDLE_PAGE, HOUR_NS, HyperliquidHistory
from exchanges.shared.pace import Pace
from tests.exchanges.hyperliquid import server
from tests.exchanges.hyperliquid.server import LocalVenue, candle, funding
from tests.exchanges.hyperliquid.test_recorded import cassette

BTC = Instrument(
    id="BTC-USDC-PERP.HYPERLIQUID", venue_symbol="BTC", price_decimals=1, qty_decimals=5, max_significant=5
)
MS = 1_000_000
MINUTE_NS = 60_000_000_000
OPEN_MS = server.NOW_MS // 60_000 * 60_000
HOUR_MS = server.NOW_MS // 3_600_000 * 3_600_000


def history(venue: LocalVenue) -> HyperliquidHistory:
    return HyperliquidHistory(HyperliquidConfig(api_url=venue.url, backoff_s=0.01), Pace(10**9))


async def test_a_page_of_candles_ends_where_it_says_and_holds_only_finished_ones():
    async with LocalVenue() as venue:
        venue.candles = [candle(OPEN_MS + n * 60_000) for n in range(CANDLE_PAGE + 50)]
        source = history(venue)
        start_ns = OPEN_MS * MS
        page = await source.candles(BTC, MINUTE_NS, start_ns, start_ns + (CANDLE_PAGE + 50) * MINUTE_NS)
        assert len(page.rows) == CANDLE_PAGE
        assert page.until_ns == start_ns + CANDLE_PAGE * MINUTE_NS == page.rows[-1].open_ts_ns + MINUTE_NS
        rest = await source.candles(BTC, MINUTE_NS, page.until_ns, page.until_ns + 50 * MINUTE_NS)
        assert [bar.open_ts_ns for bar in rest.rows[:1]] == [page.until_ns]
        with pytest.raises(ConfigError, match="no candles of 7 s; it has 1m"):
            await source.candles(BTC, 7 * 10**9, start_ns, start_ns + MINUTE_NS)
        await source.aclose()


async def test_funding_that_the_venue_cuts_off_at_500_is_asked_for_from_there():
    async with LocalVenue() as venue:
        venue.funding = [funding(HOUR_MS + n * 1_800_000 + 7) for n in range(800)]
        source = history(venue)
        at_ns, end_ns, seen = HOUR_MS * MS, HOUR_MS * MS + 500 * HOUR_NS, []
        while at_ns < end_ns:
            page = await source.funding(BTC, at_ns, end_ns)
            seen += [rate.ts_ns // MS for rate in page.rows]
            at_ns = page.until_ns
        assert seen == [rate["time"] for rate in venue.funding]
        await source.aclose()


async def test_the_sdks_recorded_funding_rates_are_understood():
    bodies = cassette("test_get_funding_history[None].yaml")
    recorded = json.loads(bodies["fundingHistory"])
    async with LocalVenue() as venue:
        venue.info_bodies = bodies
        source = history(venue)
        coin = next(known for known in await source.instruments() if known.venue_symbol == recorded[0]["coin"])
        times = [rate["time"] * MS for rate in recorded]
        page = await source.funding(coin, times[0], times[-1] + 1)
        assert [(rate.ts_ns, str(rate.rate)) for rate in page.rows][:3] == [
            (rate["time"] * MS, rate["fundingRate"]) for rate in recorded
        ][:3]
        await source.aclose()


async def test_answers_that_make_no_sense_and_no_answers_are_different_errors():
    async with LocalVenue() as venue:
        source = history(venue)
        venue.info_bodies = {"fundingHistory": b'[{"coin":"ETH","fundingRate":"0.1","time":1}]'}
        with pytest.raises(DataError, match="funding rate of 'ETH'"):
            await source.funding(BTC, 0, HOUR_NS)
        venue.info_bodies = {"fundingHistory": b"{"}
        with pytest.raises(DataError, match="funding rates of BTC"):
            await source.funding(BTC, 0, HOUR_NS)
        venue.info_status = [429, 429, 429]
        with pytest.raises(VenueError, match="HTTP 429"):
            await source.funding(BTC, 0, HOUR_NS)
        with pytest.raises(ConfigError, match=r"Record them from now on: \./moondev data record BTC-USDC"):
            await source.trades(BTC, 0, HOUR_NS)
        await source.aclose()


async def test_the_pace_keeps_to_the_weight_a_minute():
    waited: list[float] = []
    clock = [100.0]

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        clock[0] += seconds

    pace = Pace(600, lambda: clock[0], sleep)
    for _ in range(30):
        await pace.spend(40)
    assert sum(waited) == pytest.approx(29 * 40 / 10)
    clock[0] += 1_000
    await pace.spend(40)
    assert len(waited) == 29, "whoever has not asked for a while does not wait"
